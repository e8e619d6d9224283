"""Tables and connections. Knows no tenant's policy and no HTTP."""

from datetime import UTC, datetime

from sqlalchemy import DateTime, Index, String, event
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """The tables of the product."""


class Key(Base):
    """A tenant's key: its SHA-256 alone, so that who reads the database cannot call us."""

    __tablename__ = "keys"
    sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(63), index=True)
    hint: Mapped[str] = mapped_column(String(16))
    created: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    revoked: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class Trail(Base):
    """One audited request: what was asked for and what was delivered. `record` is JSON; texts only as policies say."""

    __tablename__ = "audit"
    trace: Mapped[str] = mapped_column(String(32), primary_key=True)
    at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    tenant: Mapped[str] = mapped_column(String(63))
    outcome: Mapped[str] = mapped_column(String(16))
    record: Mapped[str] = mapped_column()
    __table_args__ = (Index("audit_tenant_at", "tenant", "at"), Index("audit_at", "at"))

    def row(self) -> dict[str, object]:
        """Its columns, for a bulk insert: many times cheaper than the unit of work."""
        return {column.name: getattr(self, column.name) for column in Trail.__table__.columns}


class Salt(Base):
    """The installation's salt, in the one row numbered 1."""

    __tablename__ = "salt"
    number: Mapped[int] = mapped_column(primary_key=True)
    salt: Mapped[bytes] = mapped_column()


class CurveRow(Base):
    """What was seen at one rung of one curve: the forgotten sums of `policies.curve.Sums`."""

    __tablename__ = "curves"
    tenant: Mapped[str] = mapped_column(String(63), primary_key=True)
    model: Mapped[str] = mapped_column(String(255), primary_key=True)
    value: Mapped[str] = mapped_column(String(127), primary_key=True)
    tactic: Mapped[str] = mapped_column(String(159), primary_key=True)
    evaluator: Mapped[str] = mapped_column(String(63), primary_key=True)
    rung: Mapped[int] = mapped_column(primary_key=True)
    count: Mapped[float] = mapped_column()
    total: Mapped[float] = mapped_column()
    squares: Mapped[float] = mapped_column()
    errors: Mapped[float] = mapped_column()


class Database:
    """An engine and its sessions, in a schema of their own if one is named. Raises SQLAlchemyError on no connection."""

    def __init__(self, url: str, schema: str | None = None) -> None:
        options = {"schema_translate_map": {None: schema}} if schema else {}
        self.engine: AsyncEngine = create_async_engine(url, pool_pre_ping=True, execution_options=options)
        self.session = async_sessionmaker(self.engine, expire_on_commit=False)
        if self.engine.dialect.name == "sqlite":
            event.listen(self.engine.sync_engine, "connect", _sqlite_pragmas)

    async def open(self) -> None:
        """Make the tables and indexes that are missing."""
        async with self.engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
            for index in Base.metadata.tables["audit"].indexes:  # tables of earlier versions do not have them all
                await connection.run_sync(index.create, checkfirst=True)

    async def close(self) -> None:
        """Give all connections back."""
        await self.engine.dispose()


def now() -> datetime:
    """The time, in UTC."""
    return datetime.now(UTC)


def _sqlite_pragmas(connection: object, _: object) -> None:
    cursor = connection.cursor()  # type: ignore[attr-defined]
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.close()
