"""How long the audit trail is kept: what is older goes, a batch at a time, in the background.

Knows when records were written; nothing of what they say. Replicas on one database may all do this: each passes over
the rows that another one is deleting.
"""

import asyncio
import logging
from datetime import timedelta

from sqlalchemy import delete, select

from proxy.store.database import Database, Trail, now

_log = logging.getLogger(__name__)


class Retention:
    """Deletes records older than `days`, `batch` rows a transaction, with `pause` seconds between two.

    It looks `every` so many seconds. `start` and `stop` frame its life; with 0 days everything is kept for ever.
    """

    def __init__(
        self, database: Database, days: int, every: float = 3600.0, batch: int = 1000, pause: float = 0.1
    ) -> None:
        self._database = database
        self._days = days
        self._every = every
        self._batch = batch
        self._pause = pause
        self._sweeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; call it inside the event loop."""
        if self._days:
            self._sweeper = asyncio.create_task(self._sweep_forever())

    async def stop(self) -> None:
        """End; a batch that is being deleted is rolled back."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)

    async def sweep(self) -> int:
        """Delete everything that is too old by now; how many records that were. Raises what the database raises."""
        before, deleted = now() - timedelta(days=self._days), 0
        old = select(Trail.trace).where(Trail.at < before).limit(self._batch).with_for_update(skip_locked=True)
        while True:
            async with self._database.session.begin() as session:
                traces = list(await session.scalars(old))
                await session.execute(delete(Trail).where(Trail.trace.in_(traces)))
            deleted += len(traces)
            if len(traces) < self._batch:
                return deleted
            await asyncio.sleep(self._pause)  # writers take their turn

    async def _sweep_forever(self) -> None:
        while True:
            try:
                if deleted := await self.sweep():
                    _log.info("audit: %d records older than %d days are deleted", deleted, self._days)
            except Exception as error:  # the sweeper outlives any failure
                _log.error("audit: old records stay, the database fails: %s", type(error).__name__)
            await asyncio.sleep(self._every)
