"""Paths that pass through: `/v1/embeddings`, and those that the operator lists for a model. Neither steered nor scored.

Knows of a request its `model` alone, and nothing of a reply; both keep their bytes, and no tokens are counted.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from proxy.errors import ApiError
from proxy.wires.lens import RequestLens
from proxy.wires.wire import Answer, Shown, Wire


class PlainRequest(RequestLens):
    """A client's JSON with a model's name; it cannot ask for a stream."""

    include_usage = False

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw)
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
        """The upstream's bytes."""
        return self._raw

    def replay(self, shown: Shown) -> Iterator[bytes]:
        """Never asked for: these requests are no streams."""
        yield self._raw


def plain(path: str) -> Wire:
    """The wire of one such path."""
    return Wire(path, PlainRequest, PlainReply, most="off")
