"""Server-sent events out of bytes that were cut anywhere; each event keeps its own bytes.

Knows the event-stream format (WHATWG HTML, 9.2); nothing of what the events say. An event larger than the limit is an
error. Our own, since the kept readers decode to text, lose the bytes, and bound nothing.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterable
from dataclasses import dataclass

from proxy.errors import ApiError

MAX_EVENT = 4 * 1024 * 1024
_END = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r(?!\n))")
_LINE = re.compile(rb"\r\n|\n|\r")
DONE = b"[DONE]"


@dataclass(frozen=True, slots=True)
class Event:
    """One event: `raw` with its blank line, its `data` lines joined, empty for a comment."""

    raw: bytes
    data: bytes

    def carrying(self, data: bytes) -> bytes:
        """The event with other data; what stands beside it, such as its name, is kept."""
        if data == self.data:
            return self.raw
        if self.raw.count(self.data) == 1:
            return self.raw.replace(self.data, data)
        others = [line for line in _LINE.split(self.raw) if line and line.partition(b":")[0] != b"data"]
        return b"\n".join([*others, *(b"data: " + line for line in data.split(b"\n")), b"", b""])


async def events(parts: AsyncIterable[bytes], limit: int = MAX_EVENT) -> AsyncGenerator[Event, None]:
    """The events, each as soon as its blank line is there; half a one at the end is dropped, as the format has it.

    Raises ApiError 502 on an event of more than `limit` bytes.
    """
    buffer, searched = bytearray(), 0
    async for part in parts:
        buffer += part
        start = 0
        for end in _END.finditer(buffer, searched):
            yield _event(bytes(buffer[start : end.end()]))
            start = end.end()
        del buffer[:start]
        searched = max(len(buffer) - 3, 0)
        if len(buffer) > limit:
            raise ApiError.upstream("The upstream sent an event that is too large.")


def _event(raw: bytes) -> Event:
    lines = (line for line in _LINE.split(raw.removeprefix(b"\xef\xbb\xbf")) if line.startswith(b"data"))
    fields = (line.partition(b":") for line in lines)
    return Event(raw, b"\n".join(value.removeprefix(b" ") for name, _, value in fields if name == b"data"))
