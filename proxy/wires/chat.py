"""The wire of `/v1/chat/completions`: a lens over OpenAI's chat JSON, both ways.

Knows where this API keeps the system text, the answer and the feedback slot, and how an answer is replayed as a
stream. Knows nothing of policies, scores or upstreams; other members of requests and replies pass untouched.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from policies.instruct import Instruction
from proxy.errors import ApiError
from proxy.wires.chat_stream import ChatStream
from proxy.wires.document import Node
from proxy.wires.parts import (
    JSON_FORMATS,
    SYSTEM_ROLES,
    check_turns,
    counts,
    edited,
    event,
    pieces,
    reply_document,
    request_document,
    stateful,
    summed,
    text_of,
    typed,
    usage_of,
)
from proxy.wires.seal import Seal
from proxy.wires.wire import Answer, Shown, Streamed, Wire

_FORBID_A_WINDOW = ("tools", "functions", "response_format", "logprobs", "top_logprobs", "audio")


class ChatRequest:
    """A client's chat request. Raises ApiError 400 naming the parameter that is wrong."""

    def __init__(self, raw: bytes) -> None:
        self._document = document = request_document(raw)
        self.model: str = typed(document, "model", str, required=True)
        self.stream = bool(typed(document, "stream", bool))
        options = typed(document, "stream_options", dict) or {}
        self.include_usage = options.get("include_usage") is True
        check_turns(typed(document, "messages", list, required=True), "messages")
        typed(document, "n", int)
        form = document.get("response_format")
        self.structured = isinstance(form, dict) and form.get("type") in JSON_FORMATS
        self._state = "store" if document.get("store") else stateful(self.messages, "messages")
        self._state = self._state or _audio(self.messages)

    def isolate(self, seal: Seal | None) -> None:
        """Stored completions, files and earlier audio are the tenant's own, or not to be named (400)."""
        if seal is None and self._state is not None:
            raise ApiError.stateful(self._state)

    @property
    def windowable(self) -> bool:
        """Not with tools, JSON, log-probabilities, audio or several choices."""
        return not any(self.member(key) for key in _FORBID_A_WINDOW) and self.member("n") in {None, 1}

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages as the client sent them; not to be changed."""
        messages: list[dict[str, Any]] = self._document.fields["messages"].value
        return messages

    @property
    def question(self) -> str:
        """The text of the last user message, empty when there is none."""
        return next((text_of(m.get("content")) for m in reversed(self.messages) if m["role"] == "user"), "")

    @property
    def first_texts(self) -> str:
        """First system and first user text: what stays the same as a conversation grows."""
        system = next((text_of(m.get("content")) for m in self.messages if m["role"] in SYSTEM_ROLES), "")
        user = next((text_of(m.get("content")) for m in self.messages if m["role"] == "user"), "")
        return f"{system}\n{user}"

    def member(self, key: str) -> Any:
        """A top-level member's parsed value, None when absent."""
        return self._document.get(key)

    def body(
        self,
        model: str,
        instruction: Instruction | None = None,
        choices: int | None = None,
        streamed: Streamed = "no",
    ) -> bytes:
        """The request for an upstream, made from the original bytes.

        Only `model`, the system text, the tail, `n` where fewer choices are wanted and, unless streamed `as_asked`, the
        stream members differ.
        """
        document = self._document
        if document.get("model") != model:
            document.set("model", model)
        if choices is not None:
            document.set("n", choices)
        if streamed == "counted":
            document.set("stream_options", {"include_usage": True})
        elif streamed == "no":
            if document.get("stream"):
                document.set("stream", False)
            if "stream_options" in document.fields:
                document.remove("stream_options")
        if instruction is not None and instruction.system:
            self._join_system(instruction.system)
        if instruction is not None and instruction.feedback and self.messages[-1]["role"] == "user":
            document.append(document.fields["messages"], {"role": "user", "content": instruction.feedback})
        return document.edited()

    def _join_system(self, block: str) -> None:
        """Last in the client's first system or developer text; one is made if there is none, never a second one."""
        document, messages = self._document, self._document.fields["messages"]
        for node in document.items(messages):
            if node.value["role"] in SYSTEM_ROLES:
                content = document.members(node).get("content")
                if content is None or not isinstance(content.value, str | list):
                    continue
                self._extend(content, block)
                return
        document.prepend(messages, {"role": "system", "content": block})

    def _extend(self, content: Node, block: str) -> None:
        if isinstance(content.value, str):
            self._document.replace(content, f"{content.value}\n\n{block}" if content.value else block)
        else:
            self._document.append(content, {"type": "text", "text": block})


class ChatReply:
    """An upstream's chat completion, parsed beside its bytes, and the `headers` that came with it.

    Raises ApiError 502 when it is not one.
    """

    def __init__(self, raw: bytes, headers: Mapping[str, str] | None = None) -> None:
        self._document = reply_document(raw)
        self.headers = headers or {}
        self.json: dict[str, Any] = self._document.root.value
        choices = self.json.get("choices")
        if not isinstance(choices, list) or not choices or not all(_is_choice(choice) for choice in choices):
            raise ApiError.upstream("The upstream's answer is no chat completion.")

    @property
    def answers(self) -> list[Answer]:
        """One for each choice, in order."""
        return [_answer(choice["message"]) for choice in self.json["choices"]]

    @property
    def usage(self) -> Mapping[str, Any]:
        """The upstream's usage object, empty where it gives none."""
        return usage_of(self.json)

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens as the upstream counts them; 0 where it does not say."""
        return counts(self.usage, "prompt_tokens", "completion_tokens")

    def body(self, shown: Shown) -> bytes:
        """The reply for the client: the upstream's bytes but for what `shown` names."""
        return edited(self._document, shown)

    def replay(self, shown: Shown) -> Iterator[bytes]:
        """The reply as server-sent chunks: one id, role first, `finish_reason` alone in a choice's last.

        The `valueflow` object follows all choices in a chunk of its own; usage comes last, and only when asked.
        """
        head = {k: v for k, v in self.json.items() if k not in {"choices", "usage", "object", "model"}}
        head |= {"object": "chat.completion.chunk", "model": shown.model}

        def chunk(choices: list[dict[str, Any]], **more: Any) -> bytes:
            return event(head | {"choices": choices} | ({"usage": None} if shown.include_usage else {}) | more)

        for place, choice in enumerate(self.json["choices"]):
            index, message = choice.get("index", place), dict(choice["message"])
            content, calls = message.pop("content", None), message.pop("tool_calls", None)
            logprobs = choice.get("logprobs")

            def delta(fields: dict[str, Any], at: int = index, logprobs: Any = None) -> bytes:
                return chunk([{"index": at, "delta": fields, "logprobs": logprobs, "finish_reason": None}])

            yield delta({"role": "assistant", "content": "" if content is not None else None})
            rest = {k: v for k, v in message.items() if k != "role" and v is not None}
            if rest:
                yield delta(rest)
            if text := text_of(content):
                # log-probabilities belong to tokens, and one chunk keeps them beside all of theirs
                for piece in [text] if logprobs else pieces(text):
                    yield delta({"content": piece}, logprobs=logprobs)
            for position, call in enumerate(calls or []):
                yield delta({"tool_calls": [{"index": position, **call}]})
            finish = choice.get("finish_reason") or "stop"
            yield chunk([{"index": index, "delta": {}, "logprobs": None, "finish_reason": finish}])
        if shown.extra is not None:
            yield chunk([], valueflow=shown.extra)
        if shown.include_usage:
            yield chunk([], usage=self.json.get("usage") if shown.usage is None else shown.usage)
        yield b"data: [DONE]\n\n"


def merged(reply: ChatReply, places: Sequence[int], fresh: ChatReply) -> ChatReply:
    """The reply with its choices at `places` replaced, in order, by those of `fresh`; the usage is that of both."""
    document = reply._document
    nodes = list(document.items(document.fields["choices"]))
    for place, choice in zip(places, fresh.json["choices"], strict=False):
        document.replace(nodes[place], choice | {"index": nodes[place].value.get("index", place)})
    if reply.usage or fresh.usage:
        document.set("usage", summed([reply.usage, fresh.usage]))
    return ChatReply(document.edited(), fresh.headers)


def _audio(messages: list[dict[str, Any]]) -> str | None:
    """Where an earlier answer's audio is named by id."""
    return next((f"messages[{i}].audio" for i, message in enumerate(messages) if message.get("audio")), None)


def _is_choice(choice: Any) -> bool:
    """Whether this is a choice as far as anything here reads it."""
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict) or not isinstance(message.get("content"), str | list | None):
        return False
    calls = message.get("tool_calls")
    return calls is None or (isinstance(calls, list) and all(isinstance(call, dict) for call in calls))


def _answer(message: dict[str, Any]) -> Answer:
    return Answer(
        text=text_of(message.get("content")),
        tool_calls=bool(message.get("tool_calls") or message.get("function_call")),
        refusal=bool(message.get("refusal")),
    )


CHAT = Wire("chat/completions", ChatRequest, ChatReply, merge=merged, stream=ChatStream)
