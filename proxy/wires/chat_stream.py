"""Streams of OpenAI's chunks, chat's and the legacy completions': a lens that gathers the answer while its
bytes pass, and replies replayed as such streams.

Knows chunks; nothing of policies, scores or upstreams. Bytes change only where the client must see something else: the
model's name, and a usage that it did not ask for.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from proxy.errors import ApiError
from proxy.wires.document import Document
from proxy.wires.parts import counts, event_object, reply_document, whole
from proxy.wires.parts import event as written
from proxy.wires.sse import DONE, Event
from proxy.wires.wire import Answer, Shown

_MODEL = re.compile(rb'("model"\s*:\s*)"([^"\\]*)"')


class ChunkStream:
    """One streamed answer; each API says with `delta` what a choice's chunk adds."""

    def __init__(self) -> None:
        self._texts: dict[int, list[str]] = {}
        self._finished: set[int] = set()
        self._tools = self._refusal = False
        self._last: dict[str, Any] = {}
        self._renaming: tuple[Any, bytes, bytes] = None, b"", b""
        """The upstream's name of the model, its member as the upstream writes it, and as the client sees it."""
        self._done = b""
        self.tokens = 0
        self.ended = False

    def delta(self, choice: dict[str, Any]) -> dict[str, Any] | None:
        """What the choice's chunk adds, None where it is no chunk of this API."""
        raise NotImplementedError

    @property
    def answers(self) -> Sequence[Answer]:
        """What is there so far, one for each choice."""
        return [Answer(whole("".join(self._texts[i])), self._tools, self._refusal) for i in sorted(self._texts)]

    @property
    def complete(self) -> bool:
        """Whether every choice came to its end; a stream that ends before that was cut."""
        return self.ended or (bool(self._texts) and self._finished >= set(self._texts))

    def read(self, event: Event, shown: Shown) -> bytes:
        """What the client gets for it. Raises ApiError 502 on an upstream's error and on what is no chunk."""
        if not event.data:
            return event.raw
        if event.data == DONE:
            self.ended, self._done = True, event.raw
            return b""
        chunk = event_object(event)
        choices = chunk.get("choices")
        if not isinstance(choices, list) or chunk.get("error") is not None:
            raise ApiError.upstream("The upstream failed in the middle of its answer.")
        for choice in choices:
            self._gather(choice)
        self._last = chunk
        usage = chunk.get("usage")
        if isinstance(usage, dict):
            self.tokens = counts(usage, "prompt_tokens", "completion_tokens")
        hide = "usage" in chunk and not shown.include_usage
        if hide and not choices:
            return b""
        if chunk.get("model") in {None, shown.model} and not hide:
            return event.raw
        if not hide and (named := self._renamed(event, chunk["model"], shown.model)) is not None:
            return named
        return event.carrying(_edited(reply_document(event.data), hide, shown.model))

    def _renamed(self, event: Event, served: Any, model: str) -> bytes | None:
        """The event with its one member `model` replaced; None where it is not plain which one that is.

        A quote inside a string is escaped, so what is found is a member, and of one there can be no doubt.
        """
        if event.raw.count(b'"model"') != 1 or (found := _MODEL.search(event.raw)) is None:
            return None
        if (served, found[0]) != self._renaming[:2]:
            if found[2] != str(served).encode(errors="replace"):
                return None
            self._renaming = served, found[0], found[1] + json.dumps(model).encode()
        return event.raw.replace(*self._renaming[1:])

    def _gather(self, choice: Any) -> None:
        delta = self.delta(choice) if isinstance(choice, dict) else None
        if delta is None:
            raise ApiError.upstream("The upstream's stream holds what is no chunk.")
        index = choice.get("index")
        index = index if isinstance(index, int) else 0
        text = self._texts.setdefault(index, [])
        if isinstance(delta.get("content"), str):
            text.append(delta["content"])
        self._tools |= bool(delta.get("tool_calls") or delta.get("function_call"))
        self._refusal |= bool(delta.get("refusal"))
        if choice.get("finish_reason"):
            self._finished.add(index)

    def end(self, shown: Shown) -> bytes:
        """The opt-in chunk with `valueflow`, for a client that asked for it, and the `[DONE]` that came."""
        if shown.extra is None:
            return self._done
        head = {k: self._last[k] for k in ("id", "object", "created", "system_fingerprint") if k in self._last}
        return written(head | {"model": shown.model, "choices": [], "valueflow": shown.extra}) + self._done

    def broken(self, error: ApiError) -> bytes:
        """An error inside the stream."""
        return b"data: " + error.body() + b"\n\n"


class ChatStream(ChunkStream):
    """A streamed chat completion."""

    def delta(self, choice: dict[str, Any]) -> dict[str, Any] | None:
        """Its `delta`."""
        delta = choice.get("delta")
        return delta if isinstance(delta, dict) else None


def replayed(
    reply: Mapping[str, Any], kind: str, shown: Shown, choices: Iterator[Mapping[str, Any]]
) -> Iterator[bytes]:
    """A reply as chunks of that `kind`, each with one of the choices' pieces.

    The `valueflow` object follows all choices in a chunk of its own; usage comes last, and only when asked.
    """
    head = {k: v for k, v in reply.items() if k not in {"choices", "usage"}} | {"object": kind, "model": shown.model}
    head |= {"choices": []} | ({"usage": None} if shown.include_usage else {})
    for choice in choices:
        yield written(head | {"choices": [choice]})
    if shown.extra is not None:
        yield written(head | {"valueflow": shown.extra})
    if shown.include_usage:
        yield written(head | {"usage": reply.get("usage") if shown.usage is None else shown.usage})
    yield b"data: [DONE]\n\n"


def _edited(document: Document, hide: bool, model: str) -> bytes:
    if hide:
        document.remove("usage")
    if document.get("model") not in {None, model}:
        document.set("model", model)
    return document.edited()
