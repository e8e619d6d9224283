import asyncio
import json
from collections.abc import AsyncIterator, Mapping

import pytest

from proxy.api.opened import Open
from proxy.errors import ApiError
from proxy.wires.chat import CHAT
from proxy.wires.wire import Shown
from tests.proxy.servers import chunks


class FakeStream:
    """A fake upstream's stream: these parts, cut as they are."""

    headers: Mapping[str, str] = {}

    def __init__(self, *parts: bytes) -> None:
        self._parts = parts
        self.closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for part in self._parts:
            yield part

    async def aclose(self) -> None:
        self.closed = True


def written(*texts: str) -> list[bytes]:
    return [b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks(*texts)] + [b"data: [DONE]\n\n"]


def opened(*parts: bytes) -> Open:
    return Open(FakeStream(*parts), CHAT, Shown("served-model"))


async def rest(found: Open) -> list[bytes]:
    return [part async for part in found.parts()]


def test_what_came_in_one_piece_goes_out_in_one() -> None:
    begun, *others, stop, done = written("A ", "calm ", "answer.")
    found = opened(begun, b"".join(others), stop + done)
    assert asyncio.run(rest(found)) == [begun, b"".join(others), stop]
    assert found.lens.end(Shown("m")) == done
    assert (found.text, found.ended) == ("A calm answer.", True)


def test_words_are_held_to_the_event_however_they_came() -> None:
    sent = written("one two ", "three ", "four ", "five.")

    async def main() -> None:
        found = opened(b"".join(sent))
        await found.hold(2)
        assert (found.text, found.ended) == ("one two three ", False)
        assert b"".join(await rest(found)) == b"".join(sent[:-1])

    asyncio.run(main())


@pytest.mark.parametrize("end", [b"data: {nonsense\n\n", b""])
def test_what_came_before_it_broke_goes_out_before_the_error(end: bytes) -> None:
    begun, text, *_ = written("A ")
    found, out = opened(begun + text + end), []

    async def main() -> None:
        async for part in found.parts():
            out.append(part)

    with pytest.raises(ApiError):
        asyncio.run(main())
    assert out == [begun + text]


def test_tokens_are_guessed_where_the_upstream_does_not_say() -> None:
    found = opened(*written("x" * 40))
    asyncio.run(rest(found))
    assert found.tokens == 10


def test_it_closes_what_is_behind_it() -> None:
    stream = FakeStream(*written("A."))
    asyncio.run(Open(stream, CHAT, Shown("m")).aclose())
    assert stream.closed
