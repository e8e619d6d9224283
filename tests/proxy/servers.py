"""Real servers on real sockets for tests: the product itself, and a scripted upstream that speaks OpenAI's chat API.

`ScriptedUpstream` is a fake of a provider: it answers what it is told and records what it was sent.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from proxy.serve import Running, serving
from proxy.settings import Settings

USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}


def completion(text: str | None, **message: Any) -> dict[str, Any]:
    """A chat completion with one choice."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text, "refusal": None} | message}
    return {
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": "served-model",
        "choices": [choice | {"logprobs": None, "finish_reason": "tool_calls" if text is None else "stop"}],
        "usage": USAGE, "x_upstream_extra": 1.50,
    }  # fmt: skip


@dataclass
class ScriptedUpstream:
    """Answers by `reply(number, body)`: a dict, a Response, or text; `seen` holds (headers, raw body)."""

    reply: Callable[[int, dict[str, Any]], Any] = lambda number, body: "A calm answer."
    delay: float = 0.0
    seen: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    cancelled: int = 0
    url: str = ""

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [json.loads(raw) for _, raw in self.seen]

    async def chat(self, request: Request) -> Response:
        raw = await request.body()
        self.seen.append((dict(request.headers), raw))
        if self.delay and await self._gone_within(request, self.delay):
            self.cancelled += 1
            return Response()
        answer = self.reply(len(self.seen), json.loads(raw))
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
    app = Starlette(routes=[Route("/v1/chat/completions", upstream.chat, methods=["POST"])])
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
    folder: Path, policy: str, upstream: ScriptedUpstream | None = None, models: str = "", **more: Any
) -> Iterator[Served]:
    """The product in a thread with a loop of its own, before a scripted upstream."""
    up, stop, thread_loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()
    found: list[Served] = []
    failed: list[BaseException] = []

    async def main() -> None:
        async with upstream_serving(upstream or ScriptedUpstream()) as scripted:
            listed = models or f"models:\n  m: {{kind: openai, base_url: '{scripted.url}', model: served-model}}\n"
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
