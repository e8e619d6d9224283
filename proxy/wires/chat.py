"""The wire of `/v1/chat/completions`: a lens over OpenAI's chat JSON, both ways.

Knows where this API keeps the system text, the answer and the feedback slot, and how an answer is replayed as a
stream. Knows nothing of policies, scores or upstreams; other members of requests and replies pass untouched.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from policies.instruct import Instruction
from proxy.errors import ApiError
from proxy.wires.document import Document, InvalidJSON, Node

_SYSTEM_ROLES = frozenset({"system", "developer"})
MAX_MESSAGES = 4096


@dataclass(frozen=True, slots=True)
class Answer:
    """One choice of a reply: its `text`, and what else there is besides text."""

    text: str
    tool_calls: bool = False
    refusal: bool = False


class ChatRequest:
    """A client's chat request. Raises ApiError 400 naming the parameter that is wrong."""

    def __init__(self, raw: bytes) -> None:
        try:
            self._document = Document(raw)
        except InvalidJSON as error:
            raise ApiError.bad_request(f"The body is not valid JSON: {error}", code="invalid_json") from error
        fields = self._document.fields
        self.model = _typed(self._document, "model", str, required=True)
        self.stream = bool(_typed(self._document, "stream", bool))
        options = _typed(self._document, "stream_options", dict) or {}
        self.include_usage = options.get("include_usage") is True
        _typed(self._document, "messages", list, required=True)
        if not fields["messages"].value:
            raise ApiError.bad_request("'messages' must hold at least one message.", param="messages")
        if len(fields["messages"].value) > MAX_MESSAGES:
            raise ApiError.bad_request(f"'messages' holds more than {MAX_MESSAGES} messages.", param="messages")
        for index, message in enumerate(fields["messages"].value):
            if not isinstance(message, dict) or not isinstance(message.get("role"), str):
                raise ApiError.bad_request("Every message is an object with a role.", param=f"messages[{index}].role")
        self.choices = _typed(self._document, "n", int) or 1

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The messages as the client sent them; not to be changed."""
        messages: list[dict[str, Any]] = self._document.fields["messages"].value
        return messages

    @property
    def question(self) -> str:
        """The text of the last user message, empty when there is none."""
        return next((_text(m.get("content")) for m in reversed(self.messages) if m["role"] == "user"), "")

    @property
    def first_texts(self) -> str:
        """First system and first user text: what stays the same as a conversation grows."""
        system = next((_text(m.get("content")) for m in self.messages if m["role"] in _SYSTEM_ROLES), "")
        user = next((_text(m.get("content")) for m in self.messages if m["role"] == "user"), "")
        return f"{system}\n{user}"

    def member(self, key: str) -> Any:
        """A top-level member's parsed value, None when absent."""
        return self._document.get(key)

    def body(self, model: str, instruction: Instruction | None = None, keep_stream: bool = False) -> bytes:
        """The request for an upstream, made from the original bytes.

        Only `model`, the system text, the tail and, unless `keep_stream`, the two stream members differ.
        """
        document = self._document
        if document.get("model") != model:
            document.set("model", model)
        if not keep_stream:
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
            if node.value["role"] in _SYSTEM_ROLES:
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
        try:
            self._document = Document(raw)
        except InvalidJSON as error:
            raise ApiError.upstream("The upstream's answer is not JSON.") from error
        self.raw = raw
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
    def usage(self) -> tuple[int, int]:
        """(prompt, completion) tokens as the upstream counts them; 0 where it does not say."""
        usage = self.json.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        return _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))

    def body(self, model: str, extra: dict[str, Any] | None = None) -> bytes:
        """The reply for the client: the upstream's bytes with `model` as the client called it, and `valueflow`."""
        if self.json.get("model") == model and extra is None:
            return self.raw
        document = self._document
        if document.get("model") != model:
            document.set("model", model)
        if extra is not None:
            document.set("valueflow", extra)
        return document.edited()

    def replay(self, model: str, include_usage: bool, extra: dict[str, Any] | None = None) -> Iterator[bytes]:
        """The reply as server-sent chunks: one id, role first, `finish_reason` alone in a choice's last.

        `extra` follows all choices in a chunk of its own; usage comes last, and only when asked.
        """
        head = {k: v for k, v in self.json.items() if k not in {"choices", "usage", "object", "model"}}
        head |= {"object": "chat.completion.chunk", "model": model}

        def chunk(choices: list[dict[str, Any]], **more: Any) -> bytes:
            body = head | {"choices": choices} | ({"usage": None} if include_usage else {}) | more
            return b"data: " + json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"

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
            if text := _text(content):
                # log-probabilities belong to tokens, and one chunk keeps them beside all of theirs
                pieces = [text] if logprobs else _pieces(text)
                for piece in pieces:
                    yield delta({"content": piece}, logprobs=logprobs)
            for position, call in enumerate(calls or []):
                yield delta({"tool_calls": [{"index": position, **call}]})
            finish = choice.get("finish_reason") or "stop"
            yield chunk([{"index": index, "delta": {}, "logprobs": None, "finish_reason": finish}])
        if extra is not None:
            yield chunk([], valueflow=extra)
        if include_usage:
            yield chunk([], usage=self.json.get("usage"))
        yield b"data: [DONE]\n\n"


def _is_choice(choice: Any) -> bool:
    """Whether this is a choice as far as anything here reads it."""
    message = choice.get("message") if isinstance(choice, dict) else None
    if not isinstance(message, dict) or not isinstance(message.get("content"), str | list | None):
        return False
    calls = message.get("tool_calls")
    return calls is None or (isinstance(calls, list) and all(isinstance(call, dict) for call in calls))


def _answer(message: dict[str, Any]) -> Answer:
    return Answer(
        text=_text(message.get("content")),
        tool_calls=bool(message.get("tool_calls") or message.get("function_call")),
        refusal=bool(message.get("refusal")),
    )


def _text(content: Any) -> str:
    """A message's text: a string, or the text parts of a list; other parts carry none."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(p["text"] for p in content if isinstance(p, dict) and isinstance(p.get("text"), str))
    return ""


def _pieces(text: str, words: int = 4) -> Iterator[str]:
    """The text cut after every few spaces; joined again it is the same."""
    start, spaces = 0, 0
    for at, character in enumerate(text):
        spaces += character == " "
        if spaces == words:
            yield text[start : at + 1]
            start, spaces = at + 1, 0
    if start < len(text):
        yield text[start:]


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value >= 0 else 0


def _typed(document: Document, key: str, kind: type, required: bool = False) -> Any:
    value = document.get(key)
    if value is None:
        if required:
            raise ApiError.bad_request(f"You must provide '{key}'.", param=key)
        return None
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        names = {str: "a string", bool: "a boolean", dict: "an object", list: "an array", int: "an integer"}
        raise ApiError.bad_request(f"'{key}' must be {names[kind]}.", param=key)
    return value
