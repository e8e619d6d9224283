"""The salt on real databases: made once, the same for all."""

import asyncio

from proxy.store.database import Database
from proxy.store.salt import salt
from tests.proxy.test_store import url, with_database

__all__ = ["url"]  # a fixture


def test_processes_that_start_together_have_one_salt(url: str) -> None:
    async def use(database: Database) -> None:
        found = await asyncio.gather(*(salt(database) for _ in range(8)))
        assert len(found[0]) == 32
        assert set(found) == {await salt(database)}

    asyncio.run(with_database(url, use))


def test_installations_have_salts_of_their_own(url: str) -> None:
    async def salt_of_a_new_one() -> bytes:
        found = []

        async def use(database: Database) -> None:
            found.append(await salt(database))

        await with_database(url, use)
        return found[0]

    async def both() -> None:
        first = await salt_of_a_new_one()
        if "sqlite" in url:  # the same file, after a restart
            assert await salt_of_a_new_one() == first
        else:  # each time a schema of its own
            assert await salt_of_a_new_one() != first

    asyncio.run(both())
