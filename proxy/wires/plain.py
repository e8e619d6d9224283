"""Paths that pass through: `/v1/embeddings`, and those that the operator lists for a model. Neither steered nor scored.

Knows of a request its `model`, of both where they name what an upstream keeps; the other bytes are kept, and no tokens
are counted.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from proxy.errors import ApiError
from proxy.wires.document import Document, InvalidJSON
from proxy.wires.kept import close
from proxy.wires.lens import RequestLens
from proxy.wires.wire import Answer, Shown, Wire

_STATEFUL = frozenset({
    "assistants", "batches", "containers", "conversations", "evals", "files", "fine_tuning", "prompts", "skills",
    "threads", "uploads", "vector_stores", "videos",
})  # fmt: skip
"""Where a path begins under which an upstream keeps things: for those alone whose account it is."""


class PlainRequest(RequestLens):
    """A client's JSON with a model's name, for one path; it cannot ask for a stream."""

    include_usage = False

    def __init__(self, path: str, raw: bytes) -> None:
        super().__init__(raw)
        self._state = f"/v1/{path}" if path.partition("/")[0] in _STATEFUL else None
        if self.stream:
            raise ApiError.bad_request("This path is passed through, and not as a stream.", param="stream")


class PlainReply:
    """An upstream's reply, whatever it says."""

    answers: Sequence[Answer] = ()
    usage: Mapping[str, Any] = {}
    tokens = 0

    def __init__(self, raw: bytes, headers: Mapping[str, str] | None = None) -> None:
        self._raw = raw
        self.headers = headers or {}

    def body(self, shown: Shown) -> bytes:
        """The upstream's bytes, but for the ids of what it keeps."""
        if shown.seal is None:
            return self._raw
        with suppress(InvalidJSON):
            document = Document(self._raw)
            close(document, shown.seal)
            return document.edited()
        return self._raw

    def replay(self, shown: Shown) -> Iterator[bytes]:
        """Never asked for: these requests are no streams."""
        yield self._raw


def plain(path: str) -> Wire:
    """The wire of one such path."""
    return Wire(path, partial(PlainRequest, path), PlainReply, most="off")
