"""The audit's retention on real databases: SQLite in a file, and PostgreSQL where one runs."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import inspect, select

from proxy.store.database import Database, Trail, now
from proxy.store.retention import Retention
from tests.proxy.test_store import url, with_database  # noqa: F401 - a fixture


async def fill(database: Database, ages: list[float]) -> None:
    """A record of each age in days."""
    async with database.session.begin() as session:
        for number, age in enumerate(ages):
            at = now() - timedelta(days=age)
            session.add(Trail(trace=f"{number:032d}", at=at, tenant="acme", outcome="missed", record="{}"))


async def traces(database: Database) -> list[int]:
    async with database.session() as session:
        return sorted(int(trace) for trace in await session.scalars(select(Trail.trace)))


async def until(database: Database, count: int) -> None:
    """Wait until there are so many records."""
    async with asyncio.timeout(15):
        while len(await traces(database)) != count:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


def test_what_is_too_old_goes_in_batches_and_the_rest_stays(url: str) -> None:  # noqa: F811
    async def use(database: Database) -> None:
        await fill(database, [0, 29.9, 30.1, 31, 400, 30.2, 99])
        assert await Retention(database, 30, batch=2, pause=0).sweep() == 5
        assert await Retention(database, 30, batch=2, pause=0).sweep() == 0
        assert await traces(database) == [0, 1]

    asyncio.run(with_database(url, use))


def test_replicas_may_sweep_at_once(url: str) -> None:  # noqa: F811
    async def use(database: Database) -> None:
        await fill(database, [40.0] * 200)
        sweeps = [Retention(database, 30, batch=7, pause=0).sweep() for _ in range(3)]
        await asyncio.gather(*sweeps)
        assert await Retention(database, 30).sweep() == 0

    asyncio.run(with_database(url, use))


@pytest.mark.parametrize(("days", "kept"), [(30, 1), (0, 2)])
def test_the_sweeper_works_in_the_background_unless_all_is_kept_for_ever(url: str, days: int, kept: int) -> None:  # noqa: F811
    async def use(database: Database) -> None:
        await fill(database, [1, 31])
        retention = Retention(database, days, every=0.05)
        retention.start()
        await (asyncio.sleep(0.3) if days == 0 else until(database, kept))
        await retention.stop()
        assert len(await traces(database)) == kept

    asyncio.run(with_database(url, use))


def test_a_database_that_fails_stops_nothing(url: str, caplog: pytest.LogCaptureFixture) -> None:  # noqa: F811
    async def use(database: Database) -> None:
        await fill(database, [31])
        async with database.engine.begin() as connection:
            await connection.run_sync(Trail.metadata.drop_all)
        retention = Retention(database, 30, every=0.05)
        retention.start()
        while "old records stay" not in caplog.text:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        await database.open()
        await fill(database, [1, 31])
        await until(database, 1)
        await retention.stop()
        assert await traces(database) == [0]

    asyncio.run(with_database(url, use))


def test_a_database_of_before_gets_the_index_that_this_needs(url: str) -> None:  # noqa: F811
    async def use(database: Database) -> None:
        async with database.engine.begin() as connection:
            await connection.run_sync(Trail.metadata.drop_all)
            [index] = [i for i in Trail.__table__.indexes if i.name == "audit_at"]
            Trail.__table__.indexes.discard(index)
            try:
                await connection.run_sync(Trail.metadata.create_all)
            finally:
                Trail.__table__.indexes.add(index)
        await database.open()
        await database.open()
        async with database.engine.begin() as connection:
            schema = connection.sync_connection.get_execution_options().get("schema_translate_map", {}).get(None)
            names = await connection.run_sync(
                lambda sync: [i["name"] for i in inspect(sync).get_indexes("audit", schema=schema)]
            )
        assert "audit_at" in names

    asyncio.run(with_database(url, use))
