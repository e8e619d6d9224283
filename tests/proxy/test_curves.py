"""Curves on real databases: several processes learn into one table."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy.exc import SQLAlchemyError

from policies.curve import KEEP
from policies.plant import STUDY, Key
from proxy.store.curves import Curves
from proxy.store.database import Base, Database
from tests.proxy.test_store import POSTGRES, postgres_runs, with_database

KEY = Key("acme", "m", "svt/benevolence", "fresh", "v1")


@pytest.fixture(params=["sqlite", "postgresql"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Callable[[Database], Awaitable[None]]], None]:
    if request.param == "postgresql" and not postgres_runs():
        pytest.skip("no PostgreSQL on 127.0.0.1:5432")
    url = POSTGRES if request.param == "postgresql" else f"sqlite+aiosqlite:///{tmp_path}/t.db"
    return lambda use: asyncio.run(with_database(url, use))


def teach(curves: Curves, intensity: float, times: int, key: Key = KEY) -> None:
    for _ in range(times):
        curves.learn(key, 6, intensity, 1.0)


def same(one: Curves, other: Curves, key: Key = KEY) -> bool:
    return all(np.allclose(a, b) for a, b in zip(one.own(key).fields, other.own(key).fields, strict=True))


def test_what_was_learned_outlives_the_process(run: Callable) -> None:
    async def use(database: Database) -> None:
        first, second = Curves(database), Curves(database)
        teach(first, 3.0, 5)
        teach(first, 2.0, 5, KEY._replace(tenant=STUDY))
        await first.write()
        await second.load("v1")
        assert same(first, second)
        assert np.isclose(second.others(KEY).count.sum(), 5)

    run(use)


def test_two_processes_add_up(run: Callable) -> None:
    async def use(database: Database) -> None:
        first, second, third = Curves(database), Curves(database), Curves(database)
        teach(first, 3.0, 4)
        teach(second, 1.0, 6)
        await first.write()
        await second.write()
        await first.load()
        await second.load()
        await third.load()
        assert same(first, second)
        assert same(first, third)
        count = sum(KEEP**i for i in range(10))
        assert np.isclose(third.own(KEY).count.sum(), count)

    run(use)


def test_what_is_not_written_yet_is_not_lost_by_reading(run: Callable) -> None:
    async def use(database: Database) -> None:
        first, alone = Curves(database), Curves(database)
        teach(first, 3.0, 4)
        await first.write()
        teach(first, 1.0, 2)
        await first.load()
        teach(alone, 3.0, 4)
        teach(alone, 1.0, 2)
        assert same(first, alone)

    run(use)


def test_other_evaluators_are_not_loaded(run: Callable) -> None:
    async def use(database: Database) -> None:
        first, second = Curves(database), Curves(database)
        teach(first, 3.0, 4)
        await first.write()
        await second.load("v2")
        assert not second.sums

    run(use)


def test_a_failed_write_is_made_up_for(run: Callable) -> None:
    async def use(database: Database) -> None:
        first, second = Curves(database), Curves(database)
        teach(first, 3.0, 4)
        async with database.engine.begin() as connection:
            await connection.run_sync(Base.metadata.drop_all)
        with pytest.raises(SQLAlchemyError):
            await first.write()
        await database.open()
        teach(first, 2.0, 1)
        await first.write()
        await second.load()
        assert same(first, second)

    run(use)


def test_the_writer_writes_by_itself_and_what_is_left_at_the_end(run: Callable) -> None:
    async def use(database: Database) -> None:
        first, second = Curves(database, seconds=0.02), Curves(database)
        first.start()
        teach(first, 3.0, 4)
        while not second.sums:
            await asyncio.sleep(0.02)
            await second.load()
        teach(first, 3.0, 4)
        await first.stop()
        await second.load()
        assert same(first, second)

    run(use)


def test_a_reset_forgets_here_and_in_the_database(run: Callable) -> None:
    async def use(database: Database) -> None:
        first, second = Curves(database), Curves(database)
        other = KEY._replace(value="svt/power")
        teach(first, 3.0, 4)
        teach(first, 3.0, 4, other)
        await first.write()
        await first.reset([KEY])
        await second.load()
        assert list(first.sums) == list(second.sums) == [other]

    run(use)


def test_what_waits_to_be_written_is_bounded(run: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.store.curves.MAX_WAITING", 1)

    async def use(database: Database) -> None:
        first, second = Curves(database), Curves(database)
        teach(first, 3.0, 1)
        teach(first, 3.0, 1, KEY._replace(value="svt/power"))
        await first.write()
        await second.load()
        assert list(second.sums) == [KEY]

    run(use)
