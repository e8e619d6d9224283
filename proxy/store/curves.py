"""The curves' sums: read from memory, written to the database in batches, and read again for what others learned.

Knows sums and their keys; nothing of how a dose is chosen. Several processes write to one table: each adds what it saw
since its last write to what is there, so no one's observations are lost. Losing the last seconds' is no harm.
"""

import asyncio
import itertools
import logging
from collections.abc import Collection
from typing import Any

import numpy as np
from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from policies.curve import KEEP, Sums
from policies.instruct import RUNGS
from policies.plant import MAX_CURVES, STUDY, Key, Memory
from proxy.store.database import CurveRow, Database

_log = logging.getLogger(__name__)
_FIELDS = ("count", "total", "squares", "errors")
MAX_WAITING = 10_000
"""Curves with unwritten observations; what comes beyond is learned by this process alone."""

READ_EVERY = 12
"""Writes between two readings of what other processes learned."""


class Curves(Memory):
    """A CurveStore on the database. `load` first; `start` and `stop` frame its life, and `stop` writes what is left."""

    def __init__(self, database: Database, seconds: float = 5.0) -> None:
        super().__init__()
        self._database = database
        self._seconds = seconds
        self._waiting: dict[Key, tuple[float, Sums]] = {}
        self._writer: asyncio.Task[None] | None = None
        self._evaluator: str | None = None

    def learn(self, key: Key, rung: int, intensity: float, sd: float) -> None:
        """In memory at once, in the database within seconds."""
        super().learn(key, rung, intensity, sd)
        if key in self._waiting or len(self._waiting) < MAX_WAITING:
            keep = 1.0 if key.tenant == STUDY else KEEP
            kept, sums = self._waiting.get(key, (1.0, Sums.none()))
            self._waiting[key] = kept * keep, sums.seen(rung, intensity, sd, keep)

    def start(self) -> None:
        """Begin to write; call it inside the event loop."""
        self._writer = asyncio.create_task(self._write_forever())

    async def stop(self, seconds: float = 30.0) -> None:
        """Write what waits, for at most so long, and end."""
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        try:
            async with asyncio.timeout(seconds):
                await self.write()
        except Exception as error:
            _log.error("curves: the last observations are lost: %s", type(error).__name__)

    async def load(self, evaluator: str | None = None) -> None:
        """Take over what the database has, of one evaluator's version or of all; unwritten observations are added."""
        self._evaluator = evaluator
        for number, (key, sums) in enumerate((await self._read()).items()):
            if number % 200 == 199:
                await asyncio.sleep(0)  # requests go on
            kept, more = self._waiting.get(key, (1.0, Sums.none()))
            self.put(key, sums.times(kept) + more)

    async def write(self) -> None:
        """Add what was seen to the database. On an error it stays to be written later."""
        waiting, self._waiting = self._waiting, {}
        try:
            async with self._database.session.begin() as session:
                for key in sorted(waiting):  # in one order, so that two writers never wait for each other
                    await session.execute(self._added(key, *waiting[key]))
        except BaseException:
            for key, (kept, sums) in waiting.items():
                later, more = self._waiting.get(key, (1.0, Sums.none()))
                self._waiting[key] = kept * later, sums.times(later) + more
            raise

    async def reset(self, keys: Collection[Key]) -> None:
        """Forget these curves, here and in the database."""
        async with self._database.session.begin() as session:
            for key in keys:
                columns = (getattr(CurveRow, name) == part for name, part in key._asdict().items())
                await session.execute(delete(CurveRow).where(*columns))
        for key in keys:
            self.put(key, Sums.none())
            self.sums.pop(key, None)
            self._waiting.pop(key, None)

    def _added(self, key: Key, kept: float, sums: Sums) -> Any:
        """An upsert of all nine rungs: what is there is forgotten as the new observations ask, and they are added."""
        dialect: Any = postgresql if self._database.engine.dialect.name == "postgresql" else sqlite
        table = np.stack(sums.fields, -1).tolist()
        rows = [key._asdict() | {"rung": r} | dict(zip(_FIELDS, table[r], strict=True)) for r in range(len(RUNGS))]
        statement = dialect.insert(CurveRow).values(rows)
        new = {name: getattr(CurveRow, name) * kept + statement.excluded[name] for name in _FIELDS}
        return statement.on_conflict_do_update(index_elements=list(CurveRow.__table__.primary_key), set_=new)

    async def _read(self) -> dict[Key, Sums]:
        columns = CurveRow.__table__.columns
        statement = select(*columns).order_by(*(columns[name] for name in Key._fields)).limit(MAX_CURVES * len(RUNGS))
        if self._evaluator is not None:
            statement = statement.where(CurveRow.evaluator == self._evaluator)
        found: dict[Key, Sums] = {}
        async with self._database.session() as session:
            for row in await session.execute(statement):
                key = Key(*(getattr(row, name) for name in Key._fields))
                if key not in found:
                    found[key] = Sums.none()
                for field, name in zip(found[key].fields, _FIELDS, strict=True):
                    field[row.rung] = getattr(row, name)
        return found

    async def _write_forever(self) -> None:
        for turn in itertools.count(1):
            await asyncio.sleep(self._seconds)
            try:
                await self.write()
                if turn % READ_EVERY == 0:
                    await self.load(self._evaluator)
            except Exception as error:  # the next round tries again
                _log.error("curves: the database fails: %s", type(error).__name__)
