"""The audit trail: one record a request, written in batches behind a bounded queue.

Knows records as JSON text; nothing of what they say. A full queue makes requests wait rather than lose a record. While
the database fails, records wait; one that a working database refuses is dropped, so that it cannot hold up the others.
"""

import asyncio
import logging
import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

from proxy.store.database import Database, Trail, now

_log = logging.getLogger(__name__)


class Audit:
    """`add` from any task; `start` and `stop` frame its life, and `stop` writes what is left."""

    def __init__(self, database: Database, waiting: int = 4096, batch: int = 256) -> None:
        self._database = database
        self._queue: asyncio.Queue[Trail] = asyncio.Queue(waiting)
        self._batch = batch
        dialect: Any = postgresql if database.engine.dialect.name == "postgresql" else sqlite
        put = dialect.insert(Trail)
        self._put = put.on_conflict_do_update(index_elements=["trace"], set_={"record": put.excluded.record})
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
        """Queue one record; a later one of the same trace takes its place."""
        await self._queue.put(trail)

    async def find(self, trace: str) -> Trail | None:
        """One request's record."""
        async with self._database.session() as session:
            return await session.scalar(select(Trail).where(Trail.trace == trace))

    async def newest(self, tenant: str, since: datetime, most: int) -> list[str]:
        """The records of a tenant, newest first."""
        statement = select(Trail.record).where(Trail.tenant == tenant, Trail.at >= since)
        async with self._database.session() as session:
            return list(await session.scalars(statement.order_by(Trail.at.desc()).limit(most)))

    async def _write_forever(self) -> None:
        while True:
            trails = [await self._queue.get()]
            while not self._queue.empty() and len(trails) < self._batch:
                trails.append(self._queue.get_nowait())
            await self._keep(trails)
            for _ in trails:
                self._queue.task_done()

    async def _keep(self, trails: list[Trail]) -> None:
        """Write them, however long the database fails; together, or one by one when it refuses some of them."""
        pause = 0.1
        while (error := await self._write(trails)) is not None:
            if not _may_pass(error):
                if len(trails) > 1:
                    for trail in trails:
                        await self._keep([trail])
                    return
                # a table may have come back since the write failed, so the record itself gets one more try
                if await self._accepts_others():
                    if await self._write(trails) is None:
                        return
                    _log.error("audit: a record is dropped, the database refuses it: %s", type(error).__name__)
                    return
            _log.error("audit: %d records wait, the database fails: %s", len(trails), type(error).__name__)
            await asyncio.sleep(pause)
            pause = min(pause * 2, 10.0)

    async def _write(self, trails: list[Trail]) -> Exception | None:
        try:
            async with self._database.session.begin() as session:
                await session.execute(self._put, [trail.row() for trail in trails])
        except Exception as error:  # the writer outlives any failure
            return error
        return None

    async def _accepts_others(self) -> bool:
        """Whether a blank record could be written now: if not, the fault is the database's, not a record's."""
        blank = Trail(trace=uuid.uuid4().hex, at=now(), tenant="", outcome="", record="{}")
        try:
            async with self._database.session() as session:  # rolled back at its end
                await session.execute(insert(Trail), [blank.row()])
        except Exception:
            return False
        return True


def _may_pass(error: Exception) -> bool:
    """Whether the same record may be accepted later: a fault of the connection or of the server."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return isinstance(error, (OperationalError, InterfaceError, OSError))
