"""The stream of `/v1/messages`, event by event: a lens that gathers the answer while its bytes pass.

Knows this API's events; nothing of policies, scores or upstreams. Bytes change only in the event that begins the
message, where its model is named, and where an id of what is kept stands.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from proxy.errors import ApiError
from proxy.wires.kept import closed
from proxy.wires.lens import edited
from proxy.wires.messages_reply import CALLS, COUNTED, error_body
from proxy.wires.parts import (
    counts,
    edited_within,
    event_object,
    guessed_tokens,
    reply_document,
    usage_of,
    whole,
)
from proxy.wires.sse import Event
from proxy.wires.wire import Answer, Shown


class MessagesStream:
    """One streamed message. What ends it is kept back from `message_delta` on, which tells how the message ended."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._tools = self._refusal = False
        self._usage: dict[str, Any] = {}
        self._tail: list[Event] = []
        self._counted = False
        self.complete = False
        self.ended = False

    @property
    def answers(self) -> Sequence[Answer]:
        """One: the text of all blocks so far."""
        return [Answer(whole("".join(self._texts)), self._tools, self._refusal)]

    @property
    def tokens(self) -> int:
        """As the upstream says; what it has not counted yet of its output is guessed."""
        said = counts(self._usage, *COUNTED)
        return said if self._counted or not said else said + guessed_tokens(self.answers)

    def read(self, event: Event, shown: Shown) -> bytes:
        """What the client gets for it. Raises ApiError 502 on an upstream's error and on what is no event."""
        if not event.data:
            return self._passed(event.raw)
        data = event_object(event)
        event = closed(event, data, shown.seal)
        match data.get("type"):
            case "message_start" if isinstance(data.get("message"), dict):
                self._usage = dict(usage_of(data["message"]))
                named = replace(shown, seal=None)
                return self._passed(edited_within(event, "message", lambda raw: edited(reply_document(raw), named)))
            case "content_block_start" | "content_block_delta":
                self._gather(data)
            case "message_delta":
                passed = self._passed(b"")
                self._finish(data)
                self._tail.append(event)
                return passed
            case "message_stop":
                self.ended = self.complete = True
                self._tail.append(event)
                return b""
            case str(kind) if kind not in {"message_start", "error"}:
                pass
            case _:
                raise ApiError.upstream("The upstream failed in the middle of its answer.")
        return self._passed(event.raw)

    def _passed(self, raw: bytes) -> bytes:
        """The bytes, after what was kept back and turned out not to be the end."""
        kept = b"".join(event.raw for event in self._tail)
        self._tail.clear()
        return kept + raw

    def _gather(self, data: dict[str, Any]) -> None:
        block, delta = data.get("content_block"), data.get("delta")
        if isinstance(block, dict):
            self._tools |= block.get("type") in CALLS
        for part in (block, delta):
            if isinstance(part, dict) and part.get("type") in {"text", "text_delta"}:
                text = part.get("text")
                self._texts += [text] if isinstance(text, str) else []

    def _finish(self, data: dict[str, Any]) -> None:
        delta = data.get("delta")
        reason = delta.get("stop_reason") if isinstance(delta, dict) else None
        self.complete |= bool(reason)
        self._refusal |= reason == "refusal"
        said = usage_of(data)
        self._counted |= isinstance(said.get("output_tokens"), int)
        self._usage |= {key: value for key, value in said.items() if value is not None}

    def end(self, shown: Shown) -> bytes:
        """The events that end the message, with `valueflow` in the first for a client that asked for it."""
        first, *rest = [event.raw for event in self._tail] or [b""]
        if self._tail and shown.extra is not None:
            document = reply_document(self._tail[0].data)
            document.set("valueflow", shown.extra)
            first = self._tail[0].carrying(document.edited())
        return first + b"".join(rest)

    def broken(self, error: ApiError) -> bytes:
        """An error inside the stream."""
        return b"event: error\ndata: " + error_body(error) + b"\n\n"
