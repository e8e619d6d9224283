"""The installation's salt: 256 random bits, made once, the same for every process on the database and after a restart.

Knows where it is kept; nothing of what it salts.
"""

import secrets
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from proxy.store.database import Database, Salt


async def salt(database: Database) -> bytes:
    """The salt; of several processes that start on an empty database the first one's draw stays."""
    dialect: Any = postgresql if database.engine.dialect.name == "postgresql" else sqlite
    draw = dialect.insert(Salt).values(number=1, salt=secrets.token_bytes(32)).on_conflict_do_nothing()
    async with database.session.begin() as session:
        await session.execute(draw)
        return bytes((await session.scalars(select(Salt.salt))).one())
