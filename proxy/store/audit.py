"""The audit trail: one record a request, written in batches behind a bounded queue.

Knows records as JSON text; nothing of what they say. A full queue makes requests wait rather than lose a record.
"""

import asyncio
import logging

from sqlalchemy import insert, select
from sqlalchemy.exc import SQLAlchemyError

from proxy.store.database import Database, Trail

_log = logging.getLogger(__name__)


class Audit:
    """`add` from any task; `start` and `stop` frame its life, and `stop` writes what is left."""

    def __init__(self, database: Database, waiting: int = 4096, batch: int = 256) -> None:
        self._database = database
        self._queue: asyncio.Queue[Trail] = asyncio.Queue(waiting)
        self._batch = batch
        self._writer: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Records not yet written."""
        return self._queue.qsize()

    def start(self) -> None:
        """Begin to write; call it inside the event loop."""
        self._writer = asyncio.create_task(self._write_forever())

    async def stop(self, seconds: float = 30.0) -> None:
        """Write everything that waits, for at most so long, then end; what is lost is counted in the log."""
        try:
            async with asyncio.timeout(seconds):
                await self._queue.join()
        except TimeoutError:
            _log.error("audit: the database failed to the end, %d records are lost", self.waiting)
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)

    async def add(self, trail: Trail) -> None:
        """Queue one record."""
        await self._queue.put(trail)

    async def find(self, trace: str) -> Trail | None:
        """One request's record."""
        async with self._database.session() as session:
            return await session.scalar(select(Trail).where(Trail.trace == trace))

    async def _write_forever(self) -> None:
        while True:
            trails = [await self._queue.get()]
            while not self._queue.empty() and len(trails) < self._batch:
                trails.append(self._queue.get_nowait())
            pause = 0.1
            while not await self._write(trails):
                await asyncio.sleep(pause)
                pause = min(pause * 2, 10.0)
            for _ in trails:
                self._queue.task_done()

    async def _write(self, trails: list[Trail]) -> bool:
        try:
            async with self._database.session.begin() as session:
                await session.execute(insert(Trail), [trail.row() for trail in trails])
        except (SQLAlchemyError, OSError) as error:
            _log.error("audit: %d records wait, the database fails: %s", len(trails), type(error).__name__)
            return False
        return True
