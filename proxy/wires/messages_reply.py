"""What upstreams answer on `/v1/messages`: a lens over a message, the events that replay it as a stream, and errors.

Knows where this API keeps the answer; nothing of requests, policies, scores or upstreams. Other members pass untouched.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from proxy.errors import ApiError
from proxy.wires.lens import ReplyLens
from proxy.wires.parts import event, listed, pieces
from proxy.wires.wire import Answer, Shown

CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
"""The blocks that call a tool."""
COUNTED = ("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
"""The members of a usage object that add up to all tokens."""

_ERROR_TYPES = {
    401: "authentication_error", 403: "permission_error", 404: "not_found_error", 413: "request_too_large",
    429: "rate_limit_error", 504: "timeout_error",
}  # fmt: skip


class MessagesReply(ReplyLens):
    """An upstream's message."""

    counted = COUNTED

    def __init__(self, raw: bytes, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(raw, headers)
        content = self.json.get("content")
        if not isinstance(content, list) or not all(_is_block(block) for block in content):
            raise ApiError.upstream("The upstream's answer is no message.")

    @property
    def answers(self) -> list[Answer]:
        """One: its text blocks, which are cut where citations begin and end. Thinking is no part of it."""
        content = self.json["content"]
        return [
            Answer(
                text="".join(block["text"] for block in content if block["type"] == "text"),
                tool_calls=any(block["type"] in CALLS for block in content),
                refusal=self.json.get("stop_reason") == "refusal",
            )
        ]

    def _events(self, shown: Shown) -> Iterator[bytes]:
        """The reply as events: the message without content, each block, then how it ended, with `valueflow`."""
        usage = self.usage if shown.usage is None else shown.usage
        start = self.json | {"model": shown.model, "content": [], "stop_reason": None, "stop_sequence": None}
        yield _event("message_start", message=start | {"usage": {**usage, "output_tokens": 0}})
        for index, (block, node) in enumerate(
            zip(self.json["content"], self._document.items(self._document.fields["content"]), strict=True)
        ):
            begun, deltas = _opened(block)
            if block["type"] in CALLS:
                arguments = self._document.members(node).get("input")
                text = "{}" if arguments is None else self._document.text[arguments.start : arguments.end]
                begun, deltas = block | {"input": {}}, [{"type": "input_json_delta", "partial_json": text}]
            yield _event("content_block_start", index=index, content_block=begun)
            for delta in deltas:
                yield _event("content_block_delta", index=index, delta=delta)
            yield _event("content_block_stop", index=index)
        ended = {k: self.json.get(k) for k in ("stop_reason", "stop_sequence")}
        ended |= {k: self.json[k] for k in ("stop_details", "container") if k in self.json}
        extra = {} if shown.extra is None else {"valueflow": shown.extra}
        yield _event("message_delta", delta=ended, usage=dict(usage) or {"output_tokens": 0}, **extra)
        yield _event("message_stop")


def error_body(error: ApiError) -> bytes:
    """An error as Anthropic's clients expect it."""
    kind = _ERROR_TYPES.get(error.status, "api_error" if error.status >= 500 else "invalid_request_error")
    message = error.message if error.param is None else f"{error.param}: {error.message}"
    body = {"type": "error", "error": {"type": kind, "message": message}}
    return json.dumps(body, ensure_ascii=False).encode(errors="replace")


def _event(name: str, **fields: Any) -> bytes:
    return event({"type": name, **fields}, name)


def _opened(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A block as it begins, and the deltas that complete it; kinds without deltas begin whole."""
    if block["type"] == "text":
        begun = {**block, "text": ""} | ({"citations": []} if listed(block, "citations") else {})
        cited = [{"type": "citations_delta", "citation": citation} for citation in listed(block, "citations")]
        return begun, [*({"type": "text_delta", "text": piece} for piece in pieces(block["text"])), *cited]
    if block["type"] == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": block.get("thinking") or ""}]
        if block.get("signature"):
            deltas.append({"type": "signature_delta", "signature": block["signature"]})
        return block | {"thinking": "", "signature": ""}, deltas
    return block, []


def _is_block(block: Any) -> bool:
    """Whether this is a content block as far as anything here reads it."""
    if not isinstance(block, dict) or not isinstance(block.get("type"), str):
        return False
    return block["type"] != "text" or isinstance(block.get("text"), str)
