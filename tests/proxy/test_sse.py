import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.errors import ApiError
from proxy.wires.sse import Event, events


def read(*parts: bytes, limit: int = 1000) -> list[Event]:
    async def source() -> AsyncIterator[bytes]:
        for part in parts:
            yield part

    async def main() -> list[Event]:
        return [event async for batch in events(source(), limit) for event in batch]

    return asyncio.run(main())


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_every_line_end(end: bytes) -> None:
    raw = b"data: a" + end + b"data: b" + end + end + b": ping" + end + end
    assert [(e.raw, e.data) for e in read(raw)] == [
        (raw[: -6 - 2 * len(end)], b"a\nb"),
        (raw[-6 - 2 * len(end) :], b""),
    ]


def test_fields_as_the_format_has_them() -> None:
    assert read(b"\xef\xbb\xbfevent: x\ndata:a\ndata:  b\ndatax: c\ndata\nid: 1\n\n")[0].data == b"a\n b\n"


def test_half_an_event_at_the_end_is_none() -> None:
    assert [e.data for e in read(b"data: a\n\ndata: b\n")] == [b"a"]


def test_an_event_is_out_as_soon_as_its_blank_line_is_there() -> None:
    async def source() -> AsyncIterator[bytes]:
        yield b"data: a\n\nda"
        raise ConnectionError

    async def main() -> None:
        found = events(source())
        assert [event.data for event in await anext(found)] == [b"a"]
        with pytest.raises(ConnectionError):
            await anext(found)

    asyncio.run(main())


def test_an_endless_event_is_an_error() -> None:
    with pytest.raises(ApiError, match="too large"):
        read(*[b"data: " + b"x" * 100] * 20, limit=1000)


@given(
    st.lists(st.sampled_from([b"data: a", b"\n", b"\r\n", b"\r", b":", b"data", b"\xc3", b"x"]), max_size=30), st.data()
)
def test_bytes_are_kept_however_they_are_cut(tokens: list[bytes], data: st.DataObject) -> None:
    raw = b"".join(tokens)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    pieces = [raw[a:b] for a, b in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
    found = read(*pieces)
    assert raw.startswith(b"".join(e.raw for e in found))
    assert [e.data for e in found if e.data] == [e.data for e in read(raw) if e.data]


@pytest.mark.parametrize(
    ("raw", "carrying"),
    [(b"event: x\r\ndata:1\r\n\r\n", b"event: x\r\ndata:2\r\n\r\n"), (b"id: 1\ndata: 1\n\n", b"id: 1\ndata: 2\n\n"),
     (b"data: 1\n\n", b"data: 2\n\n")],
)  # fmt: skip
def test_other_data_keeps_what_stands_beside_it(raw: bytes, carrying: bytes) -> None:
    assert Event(raw, b"1").carrying(b"2") == carrying
    assert Event(raw, b"1").carrying(b"1") is raw


def test_data_in_several_lines_is_put_in_again() -> None:
    event = Event(b"event: x\ndata: {\ndata: }\n\n", b"{\n}")
    assert event.carrying(b'{\n"a":1}') == b'event: x\ndata: {\ndata: "a":1}\n\n'
