"""The wire of `/v1/responses`: a lens over OpenAI's Responses JSON, both ways.

Knows where this API keeps the system text, the answer, the feedback slot and what it stores, and which events its
streams have. Knows nothing of policies, scores or upstreams; other members of requests and replies pass untouched.
The steering joins each turn's own `instructions`, since those do not carry over to the next turn.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from policies.instruct import Instruction
from proxy.errors import ApiError
from proxy.wires.document import Node
from proxy.wires.parts import (
    JSON_FORMATS,
    SYSTEM_ROLES,
    check_turns,
    counts,
    event,
    listed,
    pieces,
    reply_document,
    request_document,
    stateful,
    text_of,
    typed,
    usage_of,
)
from proxy.wires.seal import Seal
from proxy.wires.wire import Answer, Shown, Streamed, Wire

_STATE = ("previous_response_id", "conversation", "prompt", "store", "background")
_ENDS = {"completed": "response.completed", "incomplete": "response.incomplete", "failed": "response.failed"}


class ResponsesRequest:
    """A client's request for a response. Raises ApiError 400 naming the parameter that is wrong."""

    include_usage = True

    def __init__(self, raw: bytes) -> None:
        self._document = document = request_document(raw)
        self.model: str = typed(document, "model", str, required=True)
        self.stream = bool(typed(document, "stream", bool))
        text = document.get("text")
        form = text.get("format") if isinstance(text, dict) else None
        self.structured = isinstance(form, dict) and form.get("type") in JSON_FORMATS
        self._previous = typed(document, "previous_response_id", str)
        self._store = False
        typed(document, "instructions", str)
        tools = typed(document, "tools", list) or []
        self._input = document.get("input")
        if self._input is None:
            raise ApiError.bad_request("You must provide 'input'.", param="input")
        if not isinstance(self._input, str | list):
            raise ApiError.bad_request("'input' must be a string or an array.", param="input")
        if isinstance(self._input, list):
            check_turns(self._input, "input", role=False)
            for index, item in enumerate(self._input):
                if not isinstance(item.get("role", ""), str) or not isinstance(item.get("type"), str | None):
                    message = "An item's role and type are strings."
                    raise ApiError.bad_request(message, param=f"input[{index}].type")
        self._state = next((key for key in _STATE if document.get(key)), None)
        self._state = self._state or _reference(self._input) or stateful(tools, "tools")

    def isolate(self, seal: Seal | None) -> None:
        """Without a seal nothing that the upstream keeps may be named (400); with one, ids are opened (404)."""
        if seal is None and self._state is not None:
            raise ApiError.stateful(self._state)
        self._store = seal is not None
        if seal is not None and self._previous is not None:
            self._previous = seal.open(self._previous, "previous_response_id")

    @property
    def question(self) -> str:
        """The text of the last user item, empty when there is none."""
        if isinstance(self._input, str):
            return self._input
        return next((text_of(i.get("content")) for i in reversed(self._input) if i.get("role") == "user"), "")

    @property
    def first_texts(self) -> str:
        """Instructions or first system text, and first user text."""
        if isinstance(self._input, str):
            return f"{self.member('instructions') or ''}\n{self._input}"
        system = next((text_of(i.get("content")) for i in self._input if i.get("role") in SYSTEM_ROLES), "")
        user = next((text_of(i.get("content")) for i in self._input if i.get("role") == "user"), "")
        return f"{self.member('instructions') or system}\n{user}"

    def member(self, key: str) -> Any:
        """A top-level member's parsed value, None when absent."""
        return self._document.get(key)

    def body(
        self, model: str, instruction: Instruction | None = None, choices: int | None = None, streamed: Streamed = "no"
    ) -> bytes:
        """The request for an upstream, made from the original bytes; nothing is stored where nobody could use it."""
        document = self._document
        if document.get("model") != model:
            document.set("model", model)
        if document.get("stream"):
            document.set("stream", False)
            if "stream_options" in document.fields:
                document.remove("stream_options")
        if not self._store and document.get("store") is not False:
            document.set("store", False)
        if self._previous is not None and self._previous != document.get("previous_response_id"):
            document.set("previous_response_id", self._previous)
        if instruction is not None and instruction.system:
            self._join_system(instruction.system)
        if instruction is not None and instruction.feedback:
            self._ask_again(instruction.feedback)
        return document.edited()

    def _join_system(self, block: str) -> None:
        """Last in the instructions, else in the first system or developer item; else it becomes the instructions."""
        document = self._document
        instructions = document.get("instructions")
        if instructions:
            document.set("instructions", f"{instructions}\n\n{block}")
            return
        if isinstance(self._input, list):
            for node in document.items(document.fields["input"]):
                content = document.members(node).get("content")
                if node.value.get("role") in SYSTEM_ROLES and content and isinstance(content.value, str | list):
                    self._extend(content, block)
                    return
        document.set("instructions", block)

    def _extend(self, content: Node, block: str) -> None:
        if isinstance(content.value, str):
            self._document.replace(content, f"{content.value}\n\n{block}" if content.value else block)
        else:
            self._document.append(content, {"type": "input_text", "text": block})

    def _ask_again(self, feedback: str) -> None:
        node = self._document.fields["input"]
        turn = {"role": "user", "content": feedback}
        if isinstance(self._input, str):
            self._document.replace(node, [{"role": "user", "content": self._input}, turn])
        elif self._input[-1].get("role") == "user":
            self._document.append(node, turn)


class ResponsesReply:
    """An upstream's response, parsed beside its bytes. Raises ApiError 502 when it is not one."""

    def __init__(self, raw: bytes, headers: Mapping[str, str] | None = None) -> None:
        self._document = reply_document(raw)
        self.headers = headers or {}
        self.json: dict[str, Any] = self._document.root.value
        output = self.json.get("output")
        if not isinstance(output, list) or not all(_is_item(item) for item in output):
            raise ApiError.upstream("The upstream's answer is no response.")

    @property
    def answers(self) -> list[Answer]:
        """One: the text of all messages. Reasoning is no part of it; every other item counts as a tool call."""
        parts = [p for item in self.json["output"] if item["type"] == "message" for p in item["content"]]
        texts = [p.get("text") for p in parts if p.get("type") == "output_text"]
        return [
            Answer(
                text="\n".join(text for text in texts if isinstance(text, str)),
                tool_calls=any(item["type"] not in {"message", "reasoning"} for item in self.json["output"]),
                refusal=any(p.get("type") == "refusal" for p in parts),
            )
        ]

    @property
    def usage(self) -> Mapping[str, Any]:
        """The upstream's usage object, empty where it gives none."""
        return usage_of(self.json)

    @property
    def tokens(self) -> int:
        """Input and output tokens as the upstream counts them; 0 where it does not say."""
        return counts(self.usage, "input_tokens", "output_tokens")

    def _changes(self, shown: Shown) -> dict[str, Any]:
        """The members that the client sees differently."""
        changes: dict[str, Any] = {}
        if self.json.get("model") != shown.model:
            changes["model"] = shown.model
        if shown.usage is not None:
            changes["usage"] = shown.usage
        if shown.extra is not None:
            changes["valueflow"] = shown.extra
        if shown.seal is not None:
            ids = ((key, self.json.get(key)) for key in ("id", "previous_response_id"))
            changes |= {key: shown.seal.close(id_) for key, id_ in ids if isinstance(id_, str)}
        return changes

    def body(self, shown: Shown) -> bytes:
        """The reply for the client: the upstream's bytes but for what `shown` names."""
        for key, value in self._changes(shown).items():
            self._document.set(key, value)
        return self._document.edited()

    def replay(self, shown: Shown) -> Iterator[bytes]:
        """The reply as numbered events: created, each item with its parts, and the whole response at the end."""
        whole = self.json | self._changes(shown)
        opened = {k: v for k, v in whole.items() if k != "valueflow"}
        opened |= {"status": "in_progress", "output": [], "usage": None, "completed_at": None}
        end = _ENDS.get(str(whole.get("status")), "response.completed")
        stages: list[tuple[str, dict[str, Any]]] = [
            ("response.created", {"response": opened}),
            ("response.in_progress", {"response": opened}),
        ]
        for index, item in enumerate(whole["output"]):
            stages += [(name, {"output_index": index, **fields}) for name, fields in _item_events(item)]
        for number, (name, fields) in enumerate([*stages, (end, {"response": whole})]):
            yield event({"type": name, "sequence_number": number, **fields}, name)


_Events = Iterator[tuple[str, dict[str, Any]]]


def _item_events(item: dict[str, Any]) -> _Events:
    at = {"item_id": item.get("id", "")}
    begun = dict(item)
    inner: list[tuple[str, dict[str, Any]]] = []
    match item["type"]:
        case "message":
            begun |= {"content": [], "status": "in_progress"}
            inner = [e for i, part in enumerate(item["content"]) for e in _part_events(part, at | {"content_index": i})]
        case "function_call":
            begun |= {"arguments": "", "status": "in_progress"}
            inner = list(_string_events("response.function_call_arguments", "arguments", item, at))
        case "custom_tool_call":
            begun |= {"input": ""}
            inner = list(_string_events("response.custom_tool_call_input", "input", item, at))
        case "reasoning":
            begun |= {"summary": []}
            inner = list(_reasoning_events(item, at))
    yield "response.output_item.added", {"item": begun}
    yield from inner
    yield "response.output_item.done", {"item": item}


def _part_events(part: dict[str, Any], at: dict[str, Any]) -> _Events:
    if part.get("type") == "refusal":
        yield "response.content_part.added", at | {"part": part | {"refusal": ""}}
        yield from _string_events("response.refusal", "refusal", part, at)
    elif part.get("type") == "output_text":
        yield "response.content_part.added", at | {"part": part | {"text": "", "annotations": []}}
        logprobs = part.get("logprobs") or []
        # log-probabilities belong to tokens, and one event keeps them beside all of theirs
        for piece in [part["text"]] if logprobs else pieces(part["text"]):
            yield "response.output_text.delta", at | {"delta": piece, "logprobs": logprobs}
        for index, annotation in enumerate(listed(part, "annotations")):
            fields = {"annotation_index": index, "annotation": annotation}
            yield "response.output_text.annotation.added", at | fields
        yield "response.output_text.done", at | {"text": part["text"], "logprobs": logprobs}
    else:
        yield "response.content_part.added", at | {"part": part}
    yield "response.content_part.done", at | {"part": part}


def _reasoning_events(item: dict[str, Any], at: dict[str, Any]) -> _Events:
    for index, part in enumerate(listed(item, "summary")):
        place = at | {"summary_index": index}
        yield "response.reasoning_summary_part.added", place | {"part": part | {"text": ""}}
        yield from _string_events("response.reasoning_summary_text", "text", part, place)
        yield "response.reasoning_summary_part.done", place | {"part": part}


def _string_events(name: str, key: str, holder: dict[str, Any], at: dict[str, Any]) -> _Events:
    """One string in a delta, and again where it is done."""
    text = holder.get(key) or ""
    yield f"{name}.delta", at | {"delta": text}
    more = {"name": holder["name"]} if "name" in holder else {}
    yield f"{name}.done", at | {key: text} | more


def _reference(input_: Any) -> str | None:
    """Where an input item names what is kept; one with an id alone is such a reference, too."""
    if isinstance(input_, list):
        for index, item in enumerate(input_):
            if "role" not in item and item.get("type") is None:
                return f"input[{index}]"
    return stateful(input_, "input")


def _is_item(item: Any) -> bool:
    """Whether this is an output item as far as anything here reads it."""
    if not isinstance(item, dict) or not isinstance(item.get("type"), str):
        return False
    if item["type"] == "message":
        return isinstance(item.get("content"), list) and all(_is_part(part) for part in item["content"])
    return item["type"] != "reasoning" or all(isinstance(part, dict) for part in listed(item, "summary"))


def _is_part(part: Any) -> bool:
    return isinstance(part, dict) and (part.get("type") != "output_text" or isinstance(part.get("text"), str))


RESPONSES = Wire("responses", ResponsesRequest, ResponsesReply, turns="input")
