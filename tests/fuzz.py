"""Fuzzing of the SSE reader and the JSON path, by mutation: `make fuzz`, or `python -m tests.fuzz SECONDS [SEED]`.

Each round makes valid input, damages it, and holds the code to what must stay true: nothing but ApiError is raised,
bytes are kept, and what a request or reply is edited into is JSON that differs only where it should. Ends with status 1
at the first round that does not hold, and names it.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

from policies.instruct import Instruction
from proxy.api.depth import too_deep
from proxy.errors import ApiError
from proxy.wires.chat import ChatReply, ChatRequest
from proxy.wires.chat_stream import ChatStream
from proxy.wires.messages import MessagesRequest
from proxy.wires.messages_reply import MessagesReply
from proxy.wires.messages_stream import MessagesStream
from proxy.wires.responses import ResponsesRequest
from proxy.wires.responses_reply import ResponsesReply
from proxy.wires.responses_stream import ResponsesStream
from proxy.wires.sse import Event, events
from proxy.wires.wire import Shown, WireStream
from tests.proxy.replies import message_events, named, response_events
from tests.proxy.servers import chunks, completion

_SCRAPS = [
    b"\r", b"\n", b"\r\n", b"\n\n", b"data:", b"data: [DONE]\n\n", b": x\n\n", b"\xef\xbb\xbf", b"\xff", b"\\", b'"',
    b"{", b"}", b"[", b"]", b",", b":", b"null", b"NaN", b"1e999", b"-0", b"\\ud800",
    b"\\u0000", b"\xed\xa0\x80", b"true",
    b'"n":2,', b'"model":"x",', b'"choices":[],', b'"messages":', b'"content":null', b'"role":"system"',
    b" " * 9, b"[" * 70,
]  # fmt: skip
_STEER = Instruction({}, '[operator outlook] “Care” \\ "first"', "Score: 1.5")


def mutated(draw: random.Random, raw: bytes) -> bytes:
    """The bytes with up to eight pieces cut, doubled, moved, flipped or put in."""
    data = bytearray(raw)
    for _ in range(draw.choice([0, 1, 1, 2, 3, 8])):
        at = draw.randrange(len(data) + 1)
        end = min(len(data), at + draw.choice([1, 2, 8, 64]))
        match draw.randrange(5):
            case 0:
                del data[at:end]
            case 1:
                data[at:at] = data[at:end]
            case 2 if at < len(data):
                data[at] ^= 1 << draw.randrange(8)
            case 3:
                data[at:end] = draw.choice(_SCRAPS)
            case _:
                data[at:at] = draw.choice(_SCRAPS)
    return bytes(data)


def value(draw: random.Random, depth: int = 3) -> Any:
    """Any JSON value."""
    kinds: list[Callable[[], Any]] = [
        lambda: None, lambda: draw.random() < 0.5,
        lambda: draw.randrange(-(2**70), 2**70), lambda: draw.uniform(-9e9, 9e9),
        lambda: "".join(chr(draw.choice([34, 92, 10, 0, 65, 0xE9, 0x2028, 0x1F600])) for _ in range(draw.randrange(6))),
        lambda: [value(draw, depth - 1) for _ in range(draw.randrange(4))],
        lambda: {draw.choice(["role", "content", "type", "text", "x\"\\"]): value(draw, depth - 1) for _ in range(3)},
    ]  # fmt: skip
    return draw.choice(kinds if depth else kinds[:5])()


async def collected(raw: bytes) -> list[Event]:
    """The events of a stream that is whole."""

    async def parts() -> AsyncIterator[bytes]:
        yield raw

    return [event async for batch in events(parts()) for event in batch]


def sse_reader(draw: random.Random) -> str:
    """Reader and each wire's lens over a stream that is damaged and cut anywhere."""
    ends = draw.choice([b"\n\n", b"\r\n\r\n", b"\r\r"])
    made: list[tuple[str, WireStream, list[bytes]]] = [
        ("chat", ChatStream(), [f"data: {json.dumps(c)}".encode() for c in chunks("A ", "é\u2028", usage=True)]),
        ("response", ResponsesStream(), [e.strip() for e in named(*response_events("A ", "é\u2028"))]),
        ("message", MessagesStream(), [e.strip() for e in named(*message_events("A ", "é\u2028"))]),
    ]
    where, lens, sent = draw.choice(made)
    raw = mutated(draw, b"".join(event + ends for event in [*sent, b"data: [DONE]"]))
    cuts = sorted(draw.randrange(len(raw) + 1) for _ in range(draw.randrange(6)))
    shown = Shown(draw.choice(["m", "served-model"]), include_usage=draw.random() < 0.5)
    out: list[bytes] = []
    kept: list[bytes] = []

    async def parts() -> AsyncIterator[bytes]:
        for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True):
            yield raw[start:end]

    async def read() -> None:
        async for batch in events(parts(), limit=2000):
            for event in batch:
                kept.append(event.raw)
                out.append(lens.read(event, shown))
                if lens.ended:
                    return

    try:
        asyncio.run(read())
    except ApiError as error:
        lens.broken(error)
        return "refused"
    assert raw.startswith(b"".join(kept)), "the bytes are kept"
    for answer in lens.answers:
        answer.text.encode()
    assert lens.tokens >= 0
    for event in asyncio.run(collected(b"".join([*out, lens.end(shown)]))):
        data = json.loads(event.data) if event.data not in {b"", b"[DONE]"} else {}
        holder = {"chat": data, "response": data.get("response")}.get(where, data.get("message"))
        if isinstance(holder, dict) and (where != "message" or data["type"] == "message_start"):
            assert holder.get("model") in {None, shown.model}, "the client sees its own model's name"
    return f"{where}, read to its end" if lens.complete else f"{where}, read"


def json_request(draw: random.Random) -> str:
    """Each wire's request: what is accepted is forwarded as the same JSON, but for what is steered."""
    turns = [
        {"role": draw.choice(["system", "user", "assistant", "developer"]), "content": value(draw)} for _ in range(3)
    ]
    lens, member = draw.choice([(ChatRequest, "messages"), (MessagesRequest, "messages"), (ResponsesRequest, "input")])
    body = {"model": "m", member: turns, "max_tokens": 5, "stream": True, "x": value(draw)}
    raw = mutated(draw, json.dumps(body, ensure_ascii=draw.random() < 0.5, indent=draw.choice([None, 1])).encode())
    if too_deep(raw, 64):
        return "too deep"
    try:
        asked = lens(raw)
        asked.isolate(None)
    except ApiError as error:
        assert 400 <= error.status < 500  # noqa: PT017
        error.body()
        return "refused"
    before = json.loads(raw)
    assert isinstance(asked.question + asked.first_texts, str)
    plain, steered = (json.loads(asked.body("up", instruction)) for instruction in (None, _STEER))
    for sent in (plain, steered):
        assert sent["model"] == "up", "the upstream's own name"
        assert not sent.get("stream"), "not as a stream"
    changed = {"model", "stream", "stream_options", "store", "instructions", "system", member}
    for key in set(before) - changed:
        assert repr(plain[key]) == repr(before[key]) == repr(steered[key]), f"{key} is untouched"
    return "accepted"


def json_reply(draw: random.Random) -> str:
    """Each wire's reply: what is accepted can be measured, shown and replayed."""
    message = {"id": "1", "type": "message", "role": "assistant", "model": "s",
               "content": [{"type": "text", "text": "a"}],
               "usage": {"input_tokens": 1, "output_tokens": value(draw)}, "stop_reason": "end_turn"}  # fmt: skip
    output = [{"type": "message", "id": "m", "content": [{"type": "output_text", "text": "a"}]}, {"type": "x"}]
    response = {"id": "1", "object": "response", "model": "s", "output": output, "usage": value(draw)}
    lens, made = draw.choice(
        [(ChatReply, completion("a", tool_calls=value(draw))), (MessagesReply, message), (ResponsesReply, response)]
    )
    raw = mutated(draw, json.dumps(made).encode())
    shown = Shown("m", {"outcome": "in_range"}, None, draw.random() < 0.5)
    try:
        reply = lens(raw)
    except ApiError as error:
        assert error.status == 502  # noqa: PT017
        return "refused"
    assert reply.tokens >= 0
    assert all(isinstance(answer.text, str) for answer in reply.answers)
    assert json.loads(reply.body(shown))["model"] == "m"
    for event in reply.replay(shown):
        assert event.endswith(b"\n\n")
    return "accepted"


def main() -> None:
    """Rounds until the time is up or somebody interrupts, then what came of them."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(2**32)
    begun, rounds, ended = time.process_time(), 0, Counter[str]()
    with suppress(KeyboardInterrupt):
        while time.process_time() - begun < seconds:
            for target in (sse_reader, json_request, json_reply):
                rounds += 1
                draw = random.Random(f"{seed}-{rounds}")
                try:
                    ended[f"{target.__name__}: {target(draw)}"] += 1
                except Exception as error:
                    print(f"{target.__name__} fails: seed {seed}, round {rounds}: {type(error).__name__}: {error}")
                    raise
    print(f"{rounds} rounds in {time.process_time() - begun:.0f} s of CPU, seed {seed}, nothing found")
    for name, count in sorted(ended.items()):
        print(f"  {name}: {count}")


if __name__ == "__main__":
    main()
