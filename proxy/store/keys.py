"""Tenants' keys: `vf-` and 256 random bits, shown once, kept as SHA-256. Knows nothing of what a tenant may do.

A plain hash is enough here: the keys are random, so there is nothing to guess.
"""

import hashlib
import secrets
import time
from collections.abc import Mapping

from sqlalchemy import delete, select, update

from proxy.store.database import Database, Key, now

PREFIX = "vf-"
CACHED = 10_000


def new_secret() -> str:
    """A fresh key."""
    return PREFIX + secrets.token_urlsafe(32)


def digest(key: str) -> str:
    """What the database knows of a key."""
    return hashlib.sha256(key.encode()).hexdigest()


class Keys:
    """Keys in the database, with a bounded cache: a revoked key works for at most `ttl` seconds more.

    `extra` are tenants by digest of keys that are valid in this process alone and are never stored.
    """

    def __init__(self, database: Database, ttl: float = 30.0, extra: Mapping[str, str] | None = None) -> None:
        self._database = database
        self._ttl = ttl
        self._extra = dict(extra or {})
        self._cache: dict[str, tuple[float, str]] = {}

    async def tenant(self, key: str) -> str | None:
        """The tenant whose key this is, None if it is nobody's."""
        sha256 = digest(key)
        if sha256 in self._extra:
            return self._extra[sha256]
        known = self._cache.get(sha256)
        if known is not None and known[0] > time.monotonic():
            return known[1]
        async with self._database.session() as session:
            tenant = await session.scalar(select(Key.tenant).where(Key.sha256 == sha256, Key.revoked.is_(None)))
        self._cache.pop(sha256, None)
        if tenant is not None:
            # only real keys are cached, so strangers cannot fill it; the oldest leaves first
            while len(self._cache) >= CACHED:
                self._cache.pop(next(iter(self._cache)))
            self._cache[sha256] = (time.monotonic() + self._ttl, tenant)
        return tenant

    async def add(self, tenant: str, secret: str | None = None) -> str:
        """Make a key for the tenant and return it; only its hash is kept."""
        secret = secret or new_secret()
        async with self._database.session.begin() as session:
            await session.merge(
                Key(sha256=digest(secret), tenant=tenant, hint=secret[:7] + "…", created=now(), revoked=None)
            )
        return secret

    async def forget(self, secret: str) -> None:
        """Remove this very key, if it is there."""
        async with self._database.session.begin() as session:
            await session.execute(delete(Key).where(Key.sha256 == digest(secret)))
        self._cache.pop(digest(secret), None)

    async def list(self) -> list[Key]:
        """All keys, newest first."""
        async with self._database.session() as session:
            return list(await session.scalars(select(Key).order_by(Key.created.desc())))

    async def revoke(self, beginning: str) -> int:
        """Revoke the keys whose SHA-256 begins so; how many there were."""
        async with self._database.session.begin() as session:
            statement = update(Key).where(Key.sha256.startswith(beginning, autoescape=True), Key.revoked.is_(None))
            result = await session.execute(statement.values(revoked=now()))
        self._cache.clear()
        return int(result.rowcount)  # type: ignore[attr-defined]
