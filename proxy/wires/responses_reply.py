"""What upstreams answer on `/v1/responses`: a lens over a response, and the events that replay it as a stream.

Knows where this API keeps the answer and what of it is stored; nothing of requests, policies, scores or upstreams.
Other members pass untouched.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from proxy.errors import ApiError
from proxy.wires.lens import ReplyLens
from proxy.wires.parts import event, listed, pieces
from proxy.wires.wire import Answer, Shown

ENDS = {"completed": "response.completed", "incomplete": "response.incomplete", "failed": "response.failed"}
"""The event that ends the stream of a response, by its status."""


class ResponsesReply(ReplyLens):
    """An upstream's response."""

    counted = ("input_tokens", "output_tokens")

    def __init__(self, raw: bytes, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(raw, headers)
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

    def _events(self, shown: Shown) -> Iterator[bytes]:
        """The reply as numbered events: created, each item with its parts, and the whole response at the end."""
        whole: dict[str, Any] = json.loads(self.body(shown))
        opened = {k: v for k, v in whole.items() if k != "valueflow"}
        opened |= {"status": "in_progress", "output": [], "usage": None, "completed_at": None}
        end = ENDS.get(str(whole.get("status")), "response.completed")
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


def _is_item(item: Any) -> bool:
    """Whether this is an output item as far as anything here reads it."""
    if not isinstance(item, dict) or not isinstance(item.get("type"), str):
        return False
    if item["type"] == "message":
        return isinstance(item.get("content"), list) and all(_is_part(part) for part in item["content"])
    return item["type"] != "reasoning" or all(isinstance(part, dict) for part in listed(item, "summary"))


def _is_part(part: Any) -> bool:
    return isinstance(part, dict) and (part.get("type") != "output_text" or isinstance(part.get("text"), str))
