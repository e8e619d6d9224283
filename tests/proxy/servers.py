"""Real servers on real sockets for tests: the product itself, and a scripted upstream.

`ScriptedUpstream` is a fake of a provider: it answers what it is told and records what it was sent.
"""

import asyncio
import json
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

import uvicorn
from sqlalchemy import select
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from anchors.evaluator import Text
from anchors.score import Score, Unscored
from anchors.values import catalogue
from proxy.serve import Running, serving
from proxy.settings import Settings
from proxy.store.database import Trail

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def completion(text: str | None, **message: Any) -> dict[str, Any]:
    """A chat completion with one choice."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text, "refusal": None} | message}
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "served-model",
        "choices": [choice | {"logprobs": None, "finish_reason": "tool_calls" if text is None else "stop"}],
        "usage": USAGE, "x_upstream_extra": 1.50,
    }  # fmt: skip


def chunks(*texts: str, usage: bool = False) -> list[dict[str, Any]]:
    """The chunks of a streamed completion, as OpenAI sends them."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "served-model"}

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return head | {"choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}

    found = [chunk({"role": "assistant", "content": ""}), *(chunk({"content": text}) for text in texts)]
    found.append(chunk({}, "stop"))
    return [*found, head | {"choices": [], "usage": USAGE}] if usage else found


def sse(*events: dict[str, Any] | bytes | float | Exception, done: bool = True) -> Response:
    """A stream of events: an object is one event, bytes go as they are, a number is a pause, an exception cuts it."""

    async def parts() -> AsyncIterator[bytes]:
        for event in (*events, b"data: [DONE]\n\n") if done else events:
            if isinstance(event, Exception):
                raise event
            if isinstance(event, float):
                await asyncio.sleep(event)
            else:
                yield event if isinstance(event, bytes) else f"data: {json.dumps(event)}\n\n".encode()

    return StreamingResponse(parts(), media_type="text/event-stream")


@dataclass
class ScriptedUpstream:
    """Answers by `reply(number, body)`: a dict, a Response, or text; `seen` holds (headers, raw body)."""

    reply: Callable[[int, dict[str, Any]], Any] = lambda number, body: "A calm answer."
    delay: float = 0.0
    delays: list[float] = field(default_factory=list)
    """Of the first answers, one each; then `delay`."""
    seen: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    cancelled: int = 0
    url: str = ""

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(raw) for _, raw in self.seen]

    async def answer(self, request: Request) -> Response:
        raw = await request.body()
        self.seen.append((dict(request.headers), raw))
        self.paths.append(request.path_params["path"])
        number = len(self.seen)
        delay = self.delays[number - 1] if number <= len(self.delays) else self.delay
        if delay and await self._gone_within(request, delay):
            self.cancelled += 1
            return Response()
        answer = self.reply(number, json.loads(raw))
        if isinstance(answer, Response):
            return answer
        return JSONResponse(completion(answer) if isinstance(answer, str) else answer)

    async def _gone_within(self, request: Request, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                while (await request.receive())["type"] != "http.disconnect":
                    pass
                return True
        except TimeoutError:
            return False


@asynccontextmanager
async def upstream_serving(upstream: ScriptedUpstream) -> AsyncIterator[ScriptedUpstream]:
    app = Starlette(routes=[Route("/v1/{path:path}", upstream.answer, methods=["POST"])])
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off"))
    server.capture_signals = _no_signals  # type: ignore[method-assign]
    task = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn has no event for it
        await asyncio.sleep(0.01)
    upstream.url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/v1"
    try:
        yield upstream
    finally:
        server.should_exit = server.force_exit = True
        await task


@contextmanager
def _no_signals() -> Iterator[None]:
    yield


@dataclass
class Scorer:
    """A fake evaluator: `score(text)` is every value's intensity, None leaves it unscored; `texts` is what it saw."""

    score: Callable[[str], float | None] = lambda text: 6.0
    delay: float = 0.0
    texts: list[str] = field(default_factory=list)
    gate: Callable[[Sequence[str], Sequence[str]], dict[str, bool]] | None = None
    version = "scripted"
    values = tuple(catalogue())
    typical_sd = MappingProxyType(dict.fromkeys(values, 0.5))

    def evaluate(self, texts: Sequence[Text], values: Sequence[str]) -> list[dict[str, Score | Unscored]]:
        time.sleep(self.delay)
        self.texts += [t.text for t in texts]
        return [dict.fromkeys(values, self._one(t.text)) for t in texts]

    def _one(self, text: str) -> Score | Unscored:
        found = self.score(text)
        return Unscored("failed") if found is None else Score(found, 0.5, found - 1, found + 1, 1.0, found)


@dataclass
class Served:
    """The product, up: its addresses, and the loop's own objects for looking inside."""

    url: str
    admin: str
    running: Running
    upstream: ScriptedUpstream
    loop: asyncio.AbstractEventLoop


def settings(folder: Path, policy: str, models: str, **more: Any) -> Settings:
    """Settings over files in a folder of the test's own."""
    (folder / "policies").mkdir(exist_ok=True)
    (folder / "policies" / "acme.yaml").write_text(policy)
    (folder / "models.yaml").write_text(models)
    fields = {
        "port": 0, "admin_port": 0, "policies": folder / "policies", "models": folder / "models.yaml",
        "database": f"sqlite+aiosqlite:///{folder}/test.db", "log_level": "warning", "shutdown_seconds": 3,
        "threads": 2, "floor": -10.0,
    }  # fmt: skip
    return Settings(_env_file=None, **fields | more)  # type: ignore[call-arg]


@contextmanager
def served(
    folder: Path,
    policy: str,
    upstream: ScriptedUpstream | None = None,
    models: str = "",
    scorer: Scorer | None = None,
    **more: Any,
) -> Iterator[Served]:
    """The product in a thread with a loop of its own, before a scripted upstream, with the real scorer or a fake."""
    up, stop, thread_loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()
    found: list[Served] = []
    failed: list[BaseException] = []

    async def main() -> None:
        async with upstream_serving(upstream or ScriptedUpstream()) as scripted:
            where = f"kind: openai, base_url: '{scripted.url}', model: served-model"
            every = "paths: [chat/completions, responses, messages, completions, embeddings]"
            listed = models or (
                f"models:\n  m: {{{where}, {every}}}\n  own: {{{where}, {every}, owner: acme}}\n"
                f"  chat-only: {{{where}}}\n"
            )
            async with serving(settings(folder, policy, listed, **more)) as running:
                address = "http://127.0.0.1"
                found.append(
                    Served(
                        f"{address}:{running.port}", f"{address}:{running.admin_port}", running, scripted, thread_loop
                    )
                )
                up.set()
                await stop.wait()

    def run() -> None:
        try:
            thread_loop.run_until_complete(main())
        except BaseException as error:
            failed.append(error)
        finally:
            thread_loop.close()
            up.set()

    thread = threading.Thread(target=run)
    with patch("anchors.evaluator.default_evaluator", lambda *_: scorer) if scorer else nullcontext():
        thread.start()
        up.wait(60)
    try:
        if failed:
            raise failed[0]
        yield found[0]
    finally:
        if not failed:
            thread_loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        assert not thread.is_alive()


def records(found: Served) -> list[dict[str, Any]]:
    """Everything audited so far."""

    async def read() -> list[Trail]:
        await found.running.product.audit._queue.join()
        async with found.running.product.audit._database.session() as session:
            return list(await session.scalars(select(Trail)))

    trails = asyncio.run_coroutine_threadsafe(read(), found.loop).result(20)
    return [json.loads(trail.record) | {"trace": trail.trace} for trail in trails]


def audited(found: Served, trace: str) -> dict[str, Any]:
    """One request's record."""
    [record] = [record for record in records(found) if record["trace"] == trace]
    return record


def eventually(condition: Callable[[], bool], seconds: float = 15) -> None:
    """Wait until it holds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def folder(parent: Path) -> Path:
    """A new folder."""
    return Path(tempfile.mkdtemp(dir=parent))
