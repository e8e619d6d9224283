"""The stream of `/v1/chat/completions`, event by event: a lens that gathers the answer while its bytes pass.

Knows OpenAI's chunks; nothing of policies, scores or upstreams. Bytes change only where the client must see something
else: the model's name, and a usage that it did not ask for.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from proxy.errors import ApiError
from proxy.wires.document import Document, InvalidJSON
from proxy.wires.parts import counts
from proxy.wires.sse import DONE, Event
from proxy.wires.wire import Answer, Shown, WireRequest

_MODEL = re.compile(rb'("model"\s*:\s*)"([^"\\]*)"')
_FORBID_A_WINDOW = ("tools", "functions", "response_format", "logprobs", "top_logprobs", "audio")


class ChatStream:
    """One streamed answer. `read` each event, in order; the rest may be asked at any time."""

    def __init__(self) -> None:
        self._texts: dict[int, list[str]] = {}
        self._finished: set[int] = set()
        self._tools = self._refusal = False
        self._head: dict[str, Any] = {}
        self.tokens = 0
        self.done = False

    @property
    def answers(self) -> Sequence[Answer]:
        """What is there so far, one for each choice."""
        return [Answer(_whole("".join(self._texts[i])), self._tools, self._refusal) for i in sorted(self._texts)]

    @property
    def complete(self) -> bool:
        """Whether every choice came to its end; a stream that ends before that was cut."""
        return self.done or (bool(self._texts) and self._finished >= set(self._texts))

    def read(self, event: Event, shown: Shown) -> bytes:
        """What the client gets for it. Raises ApiError 502 on an upstream's error and on what is no chunk."""
        if not event.data:
            return event.raw
        if event.data == DONE:
            self.done = True
            return event.raw
        try:
            chunk = json.loads(event.data)
        except (ValueError, RecursionError) as error:
            raise ApiError.upstream("The upstream's stream holds what is not JSON.") from error
        choices = chunk.get("choices") if isinstance(chunk, dict) else None
        if not isinstance(choices, list) or chunk.get("error") is not None:
            raise ApiError.upstream("The upstream failed in the middle of its answer.")
        for choice in choices:
            self._gather(choice)
        self._head = {k: chunk[k] for k in ("id", "created", "system_fingerprint") if k in chunk}
        usage = chunk.get("usage")
        if isinstance(usage, dict):
            self.tokens = counts(usage, "prompt_tokens", "completion_tokens")
        hide = "usage" in chunk and not shown.include_usage
        if hide and not choices:
            return b""
        renamed = chunk.get("model") not in {None, shown.model}
        if not hide and not renamed:
            return event.raw
        data = None if hide else _renamed(event.data, chunk["model"], shown.model)
        return b"data: " + (data or _edited(event.data, hide, shown.model)).replace(b"\n", b"\ndata: ") + b"\n\n"

    def _gather(self, choice: Any) -> None:
        if not isinstance(choice, dict) or not isinstance(choice.get("delta"), dict):
            raise ApiError.upstream("The upstream's stream holds what is no chunk.")
        delta, index = choice["delta"], choice.get("index")
        index = index if isinstance(index, int) else 0
        text = self._texts.setdefault(index, [])
        if isinstance(delta.get("content"), str):
            text.append(delta["content"])
        self._tools |= bool(delta.get("tool_calls") or delta.get("function_call"))
        self._refusal |= bool(delta.get("refusal"))
        if choice.get("finish_reason"):
            self._finished.add(index)

    def report(self, shown: Shown) -> bytes:
        """The opt-in chunk with `valueflow`, for a client that asked for it."""
        head = self._head | {"object": "chat.completion.chunk", "model": shown.model}
        chunk = head | {"choices": [], "valueflow": shown.extra}
        return b"data: " + json.dumps(chunk, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"


def _whole(text: str) -> str:
    """The text with surrogate pairs that chunks cut in two put together, and lone halves replaced."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _renamed(data: bytes, served: Any, model: str) -> bytes | None:
    """The chunk with its one member `model` replaced; None where it is not plain which one that is.

    A quote inside a string is escaped, so what is found is a member, and of one there can be no doubt.
    """
    found = _MODEL.findall(data)
    if len(found) != 1 or found[0][1] != str(served).encode(errors="replace"):
        return None
    return _MODEL.sub(lambda match: match[1] + json.dumps(model).encode(), data)


def _edited(data: bytes, hide: bool, model: str) -> bytes:
    try:
        document = Document(data)
    except InvalidJSON as error:
        raise ApiError.upstream("The upstream's stream holds what is not JSON.") from error
    if hide:
        document.remove("usage")
    if document.get("model") not in {None, model}:
        document.set("model", model)
    return document.edited()


def windowable(asked: WireRequest) -> bool:
    """Whether the beginning of the one answer's text can be held back and thrown away."""
    return not any(asked.member(key) for key in _FORBID_A_WINDOW) and asked.member("n") in {None, 1}
