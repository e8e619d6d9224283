"""Keys and audit on real databases: SQLite in a file, and PostgreSQL where one runs."""

import asyncio
import json
import socket
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from proxy.store.audit import Audit
from proxy.store.database import Database, Key, Trail, now
from proxy.store.keys import CACHED, Keys, digest, new_secret

POSTGRES = "postgresql+asyncpg://postgres@127.0.0.1:5432/postgres"


def postgres_runs() -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", 5432)) == 0


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/t.db"
    if not postgres_runs():
        pytest.skip("no PostgreSQL on 127.0.0.1:5432")
    return POSTGRES


async def with_database(url: str, use) -> None:
    database = Database(url)
    schema = f"t_{uuid.uuid4().hex}"
    if "postgresql" in url:
        async with database.engine.begin() as connection:
            await connection.execute(text(f"CREATE SCHEMA {schema}"))
        await database.close()
        database = Database(url, schema=schema)
    try:
        await database.open()
        await use(database)
    finally:
        if "postgresql" in url:
            async with database.engine.begin() as connection:
                await connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
        await database.close()


def test_a_key_is_kept_as_its_hash_alone(url: str) -> None:
    async def use(database: Database) -> None:
        keys = Keys(database)
        secret = await keys.add("acme")
        assert secret.startswith("vf-")
        assert len(secret) >= 3 + 43
        assert await keys.tenant(secret) == "acme"
        assert await keys.tenant(secret + "x") is None
        assert await keys.tenant(digest(secret)) is None
        async with database.session() as session:
            row = await session.get(Key, digest(secret))
        assert secret not in repr({c.name: getattr(row, c.name) for c in Key.__table__.columns})

    asyncio.run(with_database(url, use))


def test_revoked_keys_end_and_cached_ones_within_their_time(url: str) -> None:
    async def use(database: Database) -> None:
        keys, other = Keys(database, ttl=0.2), Keys(database)
        secret = await keys.add("acme")
        assert await keys.tenant(secret) == "acme"
        assert await other.revoke(digest(secret)[:12]) == 1
        assert await keys.tenant(secret) == "acme"
        await asyncio.sleep(0.25)
        assert await keys.tenant(secret) is None
        assert await other.revoke(digest(secret)[:12]) == 0

    asyncio.run(with_database(url, use))


def test_keys_are_random_and_the_cache_is_bounded(tmp_path: Path) -> None:
    assert len({new_secret() for _ in range(100)}) == 100

    async def use(database: Database) -> None:
        keys = Keys(database)
        secret = await keys.add("acme")
        keys._cache.update({str(i): (1e18, "x") for i in range(CACHED)})
        assert await keys.tenant(secret) == "acme"
        assert len(keys._cache) <= CACHED

    asyncio.run(with_database(f"sqlite+aiosqlite:///{tmp_path}/t.db", use))


def trail(number: int) -> Trail:
    return Trail(trace=f"{number:032d}", at=now(), tenant="acme", outcome="missed", record=json.dumps({"n": number}))


def test_all_records_are_written_at_stop(url: str) -> None:
    async def use(database: Database) -> None:
        audit = Audit(database, waiting=50, batch=16)
        audit.start()
        for number in range(200):
            await audit.add(trail(number))
        await audit.stop()
        assert audit.waiting == 0
        found = await audit.find(f"{199:032d}")
        assert found is not None
        assert json.loads(found.record) == {"n": 199}

    asyncio.run(with_database(url, use))


def test_a_later_record_of_a_trace_takes_the_place_of_the_first(url: str) -> None:
    async def use(database: Database) -> None:
        audit = Audit(database)
        audit.start()
        later = Trail(trace=trail(1).trace, at=now(), tenant="acme", outcome="missed", record='{"second": 1}')
        for each in (trail(1), trail(2), later):
            await audit.add(each)
        await audit.stop()
        assert sorted(await audit.newest("acme", now() - timedelta(1), 9)) == ['{"n": 2}', '{"second": 1}']

    asyncio.run(with_database(url, use))


def test_records_wait_while_the_database_fails_and_are_written_after(tmp_path: Path) -> None:
    async def use(database: Database) -> None:
        async with database.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE audit RENAME TO away"))
        audit = Audit(database)
        audit.start()
        await audit.add(trail(1))
        await asyncio.sleep(0.3)
        assert await audit_rows(database, "away") == 0
        async with database.engine.begin() as connection:
            await connection.execute(text("ALTER TABLE away RENAME TO audit"))
        await audit.stop(10)
        assert await audit_rows(database, "audit") == 1

    asyncio.run(with_database(f"sqlite+aiosqlite:///{tmp_path}/t.db", use))


async def audit_rows(database: Database, table: str) -> int:
    async with database.session() as session:
        return int(await session.scalar(text(f"SELECT count(*) FROM {table}")) or 0)


def test_an_extra_key_is_valid_and_never_stored(url: str) -> None:
    async def use(database: Database) -> None:
        keys = Keys(database, extra={digest("vf-extra"): "acme"})
        assert await keys.tenant("vf-extra") == "acme"
        assert await keys.list() == []
        assert await Keys(database).tenant("vf-extra") is None

    asyncio.run(with_database(url, use))


def unwritable(number: int) -> Trail:
    """A model's lone surrogate: no database can encode it."""
    found = trail(number)
    found.record = '{"text": "\ud800 secret"}'
    return found


def test_a_record_that_the_database_refuses_is_dropped_alone(url: str, caplog: pytest.LogCaptureFixture) -> None:
    async def use(database: Database) -> None:
        audit = Audit(database)
        for number in range(9):
            await audit.add(unwritable(number) if number in {3, 8} else trail(number))
        audit.start()
        await audit.stop(5)
        found = [number for number in range(9) if await audit.find(f"{number:032d}") is not None]
        assert found == [0, 1, 2, 4, 5, 6, 7]
        dropped = [r.getMessage() for r in caplog.records if "dropped" in r.getMessage()]
        assert len(dropped) == 2
        assert "secret" not in caplog.text

    asyncio.run(with_database(url, use))


def test_no_record_is_dropped_while_the_table_is_away(url: str) -> None:
    async def use(database: Database) -> None:
        audit = Audit(database)
        async with database.engine.begin() as connection:
            await connection.run_sync(Trail.metadata.drop_all)
        await audit.add(trail(1))
        audit.start()
        await asyncio.sleep(0.3)
        await database.open()
        await audit.stop(10)
        assert await audit.find(f"{1:032d}") is not None

    asyncio.run(with_database(url, use))


def test_the_writer_outlives_any_exception(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def use(database: Database) -> None:
        audit = Audit(database)
        broken = trail(1)
        monkeypatch.setattr(Trail, "row", lambda self, row=Trail.row: 1 / 0 if self is broken else row(self))
        audit.start()
        await audit.add(broken)
        await asyncio.sleep(0.1)
        await audit.add(trail(2))
        await audit.stop(5)
        assert await audit_rows(database, "audit") == 1

    asyncio.run(with_database(f"sqlite+aiosqlite:///{tmp_path}/t.db", use))
