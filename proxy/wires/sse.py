"""Server-sent events out of bytes that were cut anywhere; each event keeps its own bytes.

Knows the event-stream format (WHATWG HTML, 9.2); nothing of what the events say. An event larger than the limit is an
error. Our own, since the kept readers decode to text, lose the bytes, and bound nothing.
"""

import re
from collections.abc import AsyncGenerator, AsyncIterable
from typing import NamedTuple

from proxy.errors import ApiError

MAX_EVENT = 4 * 1024 * 1024
_END = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r(?!\n))")
_LINE = re.compile(rb"\r\n|\n|\r")
DONE = b"[DONE]"


class Event(NamedTuple):
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


async def events(parts: AsyncIterable[bytes], limit: int = MAX_EVENT) -> AsyncGenerator[list[Event], None]:
    """The events that each part completes, at least one; half a one at the end is dropped, as the format has it.

    Raises ApiError 502 on an event of more than `limit` bytes.
    """
    buffer, searched = bytearray(), 0
    async for part in parts:
        buffer += part
        found, start = [], 0
        for end in _END.finditer(buffer, searched):
            found.append(_event(bytes(buffer[start : end.end()])))
            start = end.end()
        del buffer[:start]
        searched = max(len(buffer) - 3, 0)
        if found:
            yield found
        if len(buffer) > limit:
            raise ApiError.upstream("The upstream sent an event that is too large.")


def _event(raw: bytes) -> Event:
    if raw.startswith(b"data: ") and raw.endswith(b"\n\n") and raw.count(b"\n") == 2 and b"\r" not in raw:
        return Event(raw, raw[6:-2])  # as nearly every event is
    lines = (line for line in _LINE.split(raw.removeprefix(b"\xef\xbb\xbf")) if line.startswith(b"data"))
    fields = (line.partition(b":") for line in lines)
    return Event(raw, b"\n".join(value.removeprefix(b" ") for name, _, value in fields if name == b"data"))
