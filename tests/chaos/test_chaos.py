"""Heavy weather on real sockets: `make chaos`. After each storm nothing is left, and nothing unscored is in range."""

import asyncio
import gc
import json
import random
import socket
import socketserver
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from starlette.responses import JSONResponse

from proxy.settings import DEMO_KEY
from tests.proxy.servers import Scorer, ScriptedUpstream, Served, chunks, eventually, records, served, sse

pytestmark = pytest.mark.chaos

HEADERS = {"authorization": f"Bearer {DEMO_KEY}"}
HELLO = [{"role": "user", "content": "Should I take my ill colleague's shift?"}]
TARGET = "targets:\n  benevolence: {min: 5, hard: true}\n"
MODES = {mode: f"tenant: acme\napply: always\nattempts: 2\nstream: {mode}\nwindow: 3\n{TARGET}" for mode in
         ("buffer", "window", "monitor")}  # fmt: skip
WORDS = ("One two ", "three four ", "five six ", "seven.")
VERDICTS = {"in_range", "missed", "refused", "not_applicable", "unscored"}


def storm(found: Served, requests: int, at_once: int, leave_after: float = 60.0, **more: Any) -> Counter[str]:
    """Many requests; each answer's status and outcome, or how it ended."""

    async def one(client: httpx.AsyncClient, number: int) -> str:
        body = {"model": "m", "messages": HELLO, "stream": number % 2 == 0} | more
        try:
            async with asyncio.timeout(random.Random(number).uniform(0, leave_after) if leave_after < 60 else 60):
                response = await client.post(f"{found.url}/v1/chat/completions", json=body, headers=HEADERS)
        except TimeoutError:
            return "left"
        except httpx.TransportError as error:
            return type(error).__name__
        broken = "+error" if '"error":' in response.text and response.status_code == 200 else ""
        return f"{response.status_code} {response.headers.get('x-valueflow-outcome')}{broken}"

    async def main() -> Counter[str]:
        gate = asyncio.Semaphore(at_once)

        async def gated(number: int) -> str:
            async with gate:
                return await one(client, number)

        async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=at_once)) as client:
            return Counter(await asyncio.gather(*(gated(number) for number in range(requests))))

    ended = asyncio.run(main())
    print(dict(ended))
    return ended


def nothing_is_left(found: Served) -> None:
    """No request, task of a request, or connection to an upstream is open any more."""
    product = found.running.product
    eventually(lambda: product.open_requests == 0, 30)

    async def tasks() -> int:
        gc.collect()
        return sum("run_asgi" in repr(task) or "steer" in repr(task) for task in asyncio.all_tasks())

    eventually(lambda: asyncio.run_coroutine_threadsafe(tasks(), found.loop).result(10) == 0, 30)


def nothing_unscored_is_in_range(found: Served) -> None:
    for record in records(found):
        if record["outcome"] == "in_range":
            assert all("intensity" in value for value in record["values"].values()), record


class Cutting(socketserver.ThreadingTCPServer):
    """A fake upstream that resets the connection in the middle of a chunk of a stream."""

    allow_reuse_address = True
    daemon_threads = True

    class RequestHandlerClass(socketserver.BaseRequestHandler):  # type: ignore[assignment]
        def handle(self) -> None:
            raw = b""
            while b"\r\n\r\n" not in raw:
                raw += self.request.recv(65536)
            event = b"data: " + json.dumps(chunks(*WORDS)[1]).encode() + b"\n\n"
            head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
            whole = f"{len(event):x}\r\n".encode() + event + b"\r\n"
            self.request.sendall(head + whole + whole[: random.Random(len(raw)).randrange(8, len(whole) - 8)])
            self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), self.RequestHandlerClass)


@contextmanager
def cutting() -> Iterator[str]:
    with Cutting() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"models:\n  m: {{kind: openai, base_url: 'http://127.0.0.1:{server.server_address[1]}/v1', model: x}}\n"
        server.shutdown()


@pytest.mark.parametrize("mode", MODES)
def test_resets_in_the_middle_of_a_chunk(tmp_path: Path, mode: str) -> None:
    with (
        cutting() as models,
        served(tmp_path, MODES[mode], models=models, scorer=Scorer(), breaker_failures=1000) as found,
    ):
        ended = storm(found, 200, 50)
        nothing_is_left(found)
    assert sum(ended.values()) == 200
    assert not [how for how in ended if how.startswith("200") and not how.endswith("+error")]


@pytest.mark.parametrize("mode", MODES)
def test_a_storm_of_429(tmp_path: Path, mode: str) -> None:
    def reply(number: int, body: dict[str, Any]) -> Any:
        if random.Random(number).random() < 0.7:
            return JSONResponse({}, 429, headers={"retry-after": "0.05"})
        return sse(*chunks(*WORDS)) if body.get("stream") else "A calm answer."

    with served(tmp_path, MODES[mode], ScriptedUpstream(reply=reply), scorer=Scorer()) as found:
        ended = storm(found, 300, 60)
        nothing_is_left(found)
        assert len(found.upstream.seen) <= 300 * (2 + found.running.product.settings.upstream_repeats)
        nothing_unscored_is_in_range(found)
    assert {how.split()[0] for how in ended} <= {"200", "429"}


@pytest.mark.parametrize("mode", MODES)
def test_streams_that_break_in_every_way(tmp_path: Path, mode: str) -> None:
    def reply(number: int, body: dict[str, Any]) -> Any:
        draw = random.Random(number)
        if not body.get("stream"):
            return draw.choice(["A calm answer.", sse(b'{"half', done=False), JSONResponse({}, 500)])
        events: list[Any] = list(chunks(*WORDS))
        cut = draw.randrange(len(events))
        how = draw.choice([b'data: {"ha', {"error": {"code": 500}}, b"\xff\x00\n\n", b"data: []\n\n", 0.05])
        return sse(*events[:cut], how, *events[cut:], done=draw.random() < 0.5)

    with served(tmp_path, MODES[mode], ScriptedUpstream(reply=reply), scorer=Scorer(), breaker_failures=1000) as found:
        storm(found, 300, 60)
        nothing_is_left(found)
        nothing_unscored_is_in_range(found)
        assert not [r for r in records(found) if r["outcome"] not in VERDICTS | {"error"}]


def test_a_slow_scorer_is_never_taken_for_a_verdict(tmp_path: Path) -> None:
    scorer = Scorer(delay=0.3)
    with served(tmp_path, MODES["buffer"], scorer=scorer, scoring_seconds=0.5, scoring_waiting=8) as found:
        ended = storm(found, 100, 50)
        nothing_is_left(found)
        nothing_unscored_is_in_range(found)
    assert ended["200 unscored"] > 50


@pytest.mark.parametrize("mode", MODES)
def test_a_thousand_clients_that_vanish(tmp_path: Path, mode: str) -> None:
    def reply(number: int, body: dict[str, Any]) -> Any:
        return sse(*chunks(*WORDS)[:2], 0.3, *chunks(*WORDS)[2:]) if body.get("stream") else "A calm answer."

    upstream = ScriptedUpstream(reply=reply, delay=0.2)
    with served(tmp_path, MODES[mode], upstream, scorer=Scorer(delay=0.01), concurrent_requests=2000) as found:
        storm(found, 200, 100, leave_after=1.0)  # what is allocated once is allocated now
        nothing_is_left(found)
        process = psutil.Process()
        before, connections = process.memory_info().rss, len(process.net_connections())
        ended = storm(found, 1000, 250, leave_after=1.0)
        nothing_is_left(found)
        assert ended["left"] > 300
        eventually(lambda: len(process.net_connections()) <= connections + 100, 90)
        assert process.memory_info().rss - before < 64 * 2**20
        nothing_unscored_is_in_range(found)
        ended = storm(found, 20, 5)
        assert {how.split()[0] for how in ended} == {"200"}
