"""A response whose bytes go out as they come: its client is watched, and everything behind it stops when that leaves.

Knows ASGI's messages; nothing of what the bytes say. Pure ASGI, since a middleware that wraps bodies hides disconnects.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class Live(Response):
    """Sends `parts` to their end and awaits `after`, when the client has everything.

    A client that leaves, or does not read for `seconds`, ends in `gone`; `closed` is awaited last, in whatever way.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        parts: AsyncGenerator[bytes, None],
        headers: dict[str, str],
        seconds: float,
        after: Callable[[], Awaitable[object]],
        gone: Callable[[], Awaitable[None]],
        closed: Callable[[], Awaitable[None]],
    ) -> None:
        self.status_code = 200
        self.background = None
        self.init_headers(headers | {"cache-control": "no-cache", "x-accel-buffering": "no"})
        self._parts = parts
        self._seconds = seconds
        self._waits_since: float | None = None
        self._after = after
        self._gone = gone
        self._closed = closed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send everything."""
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            await self._watch(sending, leaving)
            if sending.done() and sending.result():
                await self._after()
            else:
                await _end(sending)
                await self._gone()
        except asyncio.CancelledError:  # we end before the stream does
            await _end(sending)
            await self._gone()
            raise
        finally:
            leaving.cancel()
            await self._closed()

    async def _watch(self, *tasks: asyncio.Future[bool]) -> None:
        """Until one of them ends, or the client does not read. One timer for the stream: one a part costs more."""
        clock, left = asyncio.get_running_loop().time, self._seconds
        while left > 0 and not any(task.done() for task in tasks):
            await asyncio.wait(tasks, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            left = self._seconds if self._waits_since is None else self._waits_since + self._seconds - clock()

    async def _send(self, send: Send) -> bool:
        """Whether the client took everything."""
        clock = asyncio.get_running_loop().time
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async for part in self._parts:
                self._waits_since = clock()
                await send({"type": "http.response.body", "body": part, "more_body": True})
                self._waits_since = None
            await send({"type": "http.response.body", "body": b""})
        except OSError:
            return False
        finally:
            await self._parts.aclose()
        return True


async def _left(receive: Receive) -> bool:
    while (await receive())["type"] != "http.disconnect":
        pass
    return True


async def _end(task: asyncio.Future[bool]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
