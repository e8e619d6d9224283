"""Run both apps in one event loop until SIGINT or SIGTERM. Knows uvicorn; nothing of what the apps do."""

import asyncio
import contextlib
import gc
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass

import uvicorn
from starlette.applications import Starlette

from proxy.app import admin_app, public_app
from proxy.product import Product, assemble
from proxy.settings import Settings


class _Server(uvicorn.Server):
    """A server that leaves the signals alone: uvicorn would raise them again and end us before the audit is written."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(app: Starlette, host: str, port: int, seconds: int) -> uvicorn.Server:
    return _Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            access_log=False,
            log_config=None,
            lifespan="off",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=seconds,
        )
    )


@dataclass(frozen=True, slots=True)
class Running:
    """Both servers up. `wait` returns when they are told to stop."""

    product: Product
    port: int
    admin_port: int
    public: uvicorn.Server
    task: asyncio.Task[None]

    def stop(self) -> None:
        """Take no new connections and drain; a second call closes what is still open."""
        self.product.ready = False
        self.public.force_exit = self.public.should_exit
        self.public.should_exit = True

    async def wait(self) -> None:
        """Until the public server has ended."""
        await asyncio.wait([self.task])


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Running]:
    """Load, listen, and at the end drain; port 0 in the settings takes a free one. Raises what cannot load or bind."""
    async with assemble(settings) as product:
        public = _server(public_app(product), settings.host, settings.port, settings.shutdown_seconds)
        admin = _server(admin_app(product), settings.admin_host, settings.admin_port, 1)
        tasks = [asyncio.create_task(_listen(server)) for server in (public, admin)]
        try:
            while not (public.started and admin.started):
                for task in tasks:
                    if task.done():
                        task.result()
                        raise OSError("a server ended before it had started")
                await asyncio.sleep(0.02)
            # models and libraries live as long as we do; a full collection over them would stall all requests for 0.3 s
            gc.collect()
            gc.freeze()
            yield Running(product, _port(public), _port(admin), public, tasks[0])
        finally:
            public.should_exit = admin.should_exit = True
            await asyncio.gather(*tasks, return_exceptions=True)
            gc.unfreeze()  # or a process that serves again keeps every model that it ever loaded


async def _listen(server: uvicorn.Server) -> None:
    try:
        await server.serve()
    except SystemExit as error:  # uvicorn's way to say that the port is taken
        raise OSError(f"cannot listen on {server.config.host}:{server.config.port}: is it in use?") from error


def _port(server: uvicorn.Server) -> int:
    return int(server.servers[0].sockets[0].getsockname()[1])


async def serve(settings: Settings, announce: Callable[[Product, int, int], None]) -> None:
    """Serve until SIGINT or SIGTERM; `announce` is called once, when both ports answer."""
    async with serving(settings) as running:
        loop = asyncio.get_running_loop()
        for signal_ in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(signal_, running.stop)
        announce(running.product, running.port, running.admin_port)
        await running.wait()
