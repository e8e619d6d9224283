"""Paths that pass through: `/v1/embeddings`, and those that the operator lists for a model. Neither steered nor scored.

Knows of a request its `model` alone, and nothing of a reply; both keep their bytes, and no tokens are counted.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from policies.instruct import Instruction
from proxy.errors import ApiError
from proxy.wires.parts import request_document, typed
from proxy.wires.seal import Seal
from proxy.wires.wire import Answer, Shown, Streamed, Wire


class PlainRequest:
    """A client's JSON with a model's name. Raises ApiError 400, also for a stream."""

    stream = False
    include_usage = False
    structured = windowable = False
    question = ""
    first_texts = ""

    def __init__(self, raw: bytes) -> None:
        self._document = request_document(raw)
        self.model: str = typed(self._document, "model", str, required=True)
        if typed(self._document, "stream", bool):
            raise ApiError.bad_request("This path is passed through, and not as a stream.", param="stream")

    def isolate(self, seal: Seal | None) -> None:
        """What this path's JSON may name is for the operator to know, who listed it."""

    def member(self, key: str) -> Any:
        """A top-level member's parsed value, None when absent."""
        return self._document.get(key)

    def body(
        self, model: str, instruction: Instruction | None = None, choices: int | None = None, streamed: Streamed = "no"
    ) -> bytes:
        """The client's bytes with the upstream's own model name."""
        if self._document.get("model") != model:
            self._document.set("model", model)
        return self._document.edited()


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
