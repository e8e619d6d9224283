"""The stream of `/v1/responses`, event by event: a lens that gathers the answer while its bytes pass.

Knows this API's events; nothing of policies, scores or upstreams. Bytes change only in the events that carry a
response or an id of what is kept, and there only what the client sees differently.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from proxy.errors import ApiError
from proxy.wires.kept import closed
from proxy.wires.lens import edited
from proxy.wires.parts import edited_within, event_object, object_within, reply_document, whole
from proxy.wires.parts import event as written
from proxy.wires.responses_reply import ENDS, ResponsesReply
from proxy.wires.sse import DONE, Event
from proxy.wires.wire import Answer, Shown


class ResponsesStream:
    """One streamed response."""

    def __init__(self) -> None:
        self._texts: dict[tuple[int, int], list[str]] = {}
        self._tools = self._refusal = False
        self._last: Event | None = None
        self._response: ResponsesReply | None = None
        self._number = -1
        self.ended = False

    @property
    def answers(self) -> Sequence[Answer]:
        """One: as the whole response says, else what is there so far."""
        if self._response is not None and self._response.json["output"]:
            return self._response.answers
        texts = ["".join(self._texts[place]) for place in sorted(self._texts)]
        return [Answer(whole("\n".join(texts)), self._tools, self._refusal)]

    @property
    def tokens(self) -> int:
        """As the whole response says, 0 before it is there."""
        return 0 if self._response is None else self._response.tokens

    @property
    def complete(self) -> bool:
        """Whether the whole response came."""
        return self.ended

    def read(self, event: Event, shown: Shown) -> bytes:
        """What the client gets for it. Raises ApiError 502 on an upstream's error and on what is no event."""
        if not event.data or event.data == DONE:
            return event.raw
        data = event_object(event)
        kind = data.get("type")
        if not isinstance(kind, str) or kind == "error" or data.get("error") is not None:
            raise ApiError.upstream("The upstream failed in the middle of its answer.")
        event = closed(event, data, shown.seal)
        self._number = _place(data, "sequence_number")
        self._gather(kind, data)
        if not isinstance(data.get("response"), dict):
            return event.raw
        if kind in ENDS.values():
            self.ended, self._last = True, event
            self._response = ResponsesReply(object_within(event, "response"))
            return b""
        return _shown(event, shown)

    def _gather(self, kind: str, data: dict[str, Any]) -> None:
        item, part, delta = data.get("item"), data.get("part"), data.get("delta")
        if kind == "response.output_item.added" and isinstance(item, dict):
            self._tools |= item.get("type") not in {"message", "reasoning"}
        elif kind == "response.content_part.added" and isinstance(part, dict):
            self._refusal |= part.get("type") == "refusal"
        elif kind == "response.output_text.delta" and isinstance(delta, str):
            place = _place(data, "output_index"), _place(data, "content_index")
            self._texts.setdefault(place, []).append(delta)

    def end(self, shown: Shown) -> bytes:
        """The event with the whole response, with `valueflow` in it for a client that asked for it."""
        return b"" if self._last is None else _shown(self._last, shown)

    def broken(self, error: ApiError) -> bytes:
        """An error inside the stream: the SDKs raise `error`, the API documents the members beside it."""
        fields = {"code": error.code, "message": error.message, "param": error.param}
        data = {"type": "error", "sequence_number": self._number + 1, **fields, "error": fields | {"type": error.type}}
        return written(data, "error")


def _shown(event: Event, shown: Shown) -> bytes:
    """The event, of which the ids are sealed already, with its response as the client sees it."""
    named = replace(shown, seal=None)
    return edited_within(event, "response", lambda raw: edited(reply_document(raw), named))


def _place(data: dict[str, Any], key: str) -> int:
    found = data.get(key)
    return found if isinstance(found, int) else 0
