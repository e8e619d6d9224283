"""The wire of `/v1/messages`: a lens over Anthropic's Messages JSON, both ways, and its shape of errors.

Knows where this API keeps the system text, the answer and the feedback slot, and which events its streams have. Knows
nothing of policies, scores or upstreams; other members of requests and replies pass untouched.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from policies.instruct import Instruction
from proxy.errors import ApiError
from proxy.wires.parts import (
    check_turns,
    counts,
    edited,
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

_CALLS = frozenset({"tool_use", "server_tool_use", "mcp_tool_use"})
_ERROR_TYPES = {
    401: "authentication_error", 403: "permission_error", 404: "not_found_error", 413: "request_too_large",
    429: "rate_limit_error", 504: "timeout_error",
}  # fmt: skip


class MessagesRequest:
    """A client's request for a message. Raises ApiError 400 naming the parameter that is wrong."""

    include_usage = True

    def __init__(self, raw: bytes) -> None:
        self._document = document = request_document(raw)
        self.model: str = typed(document, "model", str, required=True)
        self.stream = bool(typed(document, "stream", bool))
        config = document.get("output_config")
        self.structured = bool(isinstance(config, dict) and config.get("format"))
        check_turns(typed(document, "messages", list, required=True), "messages")
        system = document.get("system")
        if not isinstance(system, str | list | None):
            raise ApiError.bad_request("'system' must be a string or an array of text blocks.", param="system")
        self._state = "container" if document.get("container") else None
        self._state = self._state or stateful(self.messages, "messages") or stateful(document.get("tools"), "tools")

    def isolate(self, seal: Seal | None) -> None:
        """Containers and files are the tenant's own, or not to be named (400)."""
        if seal is None and self._state is not None:
            raise ApiError.stateful(self._state)

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages as the client sent them; not to be changed."""
        messages: list[dict[str, Any]] = self._document.fields["messages"].value
        return messages

    @property
    def question(self) -> str:
        """The text of the last user message that has any, empty when there is none."""
        texts = (text_of(m.get("content")) for m in reversed(self.messages) if m["role"] == "user")
        return next((text for text in texts if text), "")

    @property
    def first_texts(self) -> str:
        """System text and first user text."""
        user = next((text_of(m.get("content")) for m in self.messages if m["role"] == "user"), "")
        return f"{text_of(self.member('system'))}\n{user}"

    def member(self, key: str) -> Any:
        """A top-level member's parsed value, None when absent."""
        return self._document.get(key)

    def body(
        self, model: str, instruction: Instruction | None = None, choices: int | None = None, streamed: Streamed = "no"
    ) -> bytes:
        """The request for an upstream, made from the original bytes."""
        document = self._document
        if document.get("model") != model:
            document.set("model", model)
        if document.get("stream"):
            document.set("stream", False)
        if instruction is not None and instruction.system:
            self._join_system(instruction.system)
        if instruction is not None and instruction.feedback and self._last_is_the_users():
            document.append(document.fields["messages"], {"role": "user", "content": instruction.feedback})
        return document.edited()

    def _join_system(self, block: str) -> None:
        """Last in the client's system text, after what it marked for the prompt cache."""
        document, system = self._document, self._document.get("system")
        if isinstance(system, list):
            document.append(document.fields["system"], {"type": "text", "text": block})
        else:
            document.set("system", f"{system}\n\n{block}" if system else block)

    def _last_is_the_users(self) -> bool:
        last = self.messages[-1]
        blocks = last["content"] if isinstance(last.get("content"), list) else []
        tools = any(isinstance(block, dict) and block.get("type") == "tool_result" for block in blocks)
        return last["role"] == "user" and not tools


class MessagesReply:
    """An upstream's message, parsed beside its bytes. Raises ApiError 502 when it is not one."""

    def __init__(self, raw: bytes, headers: Mapping[str, str] | None = None) -> None:
        self._document = reply_document(raw)
        self.headers = headers or {}
        self.json: dict[str, Any] = self._document.root.value
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
                tool_calls=any(block["type"] in _CALLS for block in content),
                refusal=self.json.get("stop_reason") == "refusal",
            )
        ]

    @property
    def usage(self) -> Mapping[str, Any]:
        """The upstream's usage object, empty where it gives none."""
        return usage_of(self.json)

    @property
    def tokens(self) -> int:
        """Input and output tokens, those of the prompt cache included; 0 where the upstream does not say."""
        cache = ("cache_creation_input_tokens", "cache_read_input_tokens")
        return counts(self.usage, "input_tokens", "output_tokens", *cache)

    def body(self, shown: Shown) -> bytes:
        """The reply for the client: the upstream's bytes but for what `shown` names."""
        return edited(self._document, shown)

    def replay(self, shown: Shown) -> Iterator[bytes]:
        """The reply as events: the message without content, each block, then how it ended, with `valueflow`."""
        usage = self.usage if shown.usage is None else shown.usage
        start = self.json | {"model": shown.model, "content": [], "stop_reason": None, "stop_sequence": None}
        yield _event("message_start", message=start | {"usage": {**usage, "output_tokens": 0}})
        for index, (block, node) in enumerate(
            zip(self.json["content"], self._document.items(self._document.fields["content"]), strict=True)
        ):
            begun, deltas = _opened(block)
            if block["type"] in _CALLS:
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


def _broken(error: ApiError) -> bytes:
    """An error inside a stream."""
    return b"event: error\ndata: " + error_body(error) + b"\n\n"


MESSAGES = Wire(
    "messages", MessagesRequest, MessagesReply, headers=("anthropic-version", "anthropic-beta"), broken=_broken
)
