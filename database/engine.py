"""Connections and transactions on the control database. SQLite has one writer behind a lock; readers never wait."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Literal, Self, TypeVar
from urllib.parse import quote

from sqlalchemy import event, text
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

BUSY_TIMEOUT_MS = 5000
Result = TypeVar("Result")


class DatabaseError(Exception):
    """The control database cannot be used; the message says why and what to do."""


class DatabaseLostError(DatabaseError):
    """SQLite's file is gone or another one is in its place: what was written now would be lost."""


def existing_only(url: str) -> str:
    """The same, but a file that is not there is an error and not made: an empty database would be believed."""
    return url.replace("?mode=rwc&", "?mode=rw&")


def sqlite_url(path: Path, *, read_only: bool = False) -> str:
    # mode=ro rather than query_only: a query_only connection still checkpoints when it closes.
    # Quoted twice: SQLite reads a URI, in which a folder's # or % would mean something else, SQLAlchemy a URI around it.
    return f"sqlite+aiosqlite:///file:{quote(quote(str(path)))}?mode={'ro' if read_only else 'rwc'}&uri=true"


class Database:
    """Owns an engine. ``transaction()`` is the only way to write, ``reading()`` the way to read a consistent state."""

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        self.dialect = make_url(url).get_backend_name()
        self.read_only = read_only
        self.url = url
        self.engine: AsyncEngine = create_async_engine(url, **_engine_options(self.dialect))
        self._write_lock = asyncio.Lock()
        self._watched: tuple[Path, tuple[int, int]] | None = None
        if self.dialect == "sqlite":
            _prepare_sqlite(self.engine, read_only=read_only)

    @classmethod
    async def open(cls, url: str, *, read_only: bool = False) -> Self:
        """Connects once, so that a wrong path or password shows here and not at the first scan."""
        database = cls(url, read_only=read_only)
        try:
            if database.dialect == "sqlite":
                await asyncio.to_thread(_try_sqlite, database.engine)
            async with database.reading() as connection:
                await connection.execute(text("SELECT 1"))
        except (DBAPIError, OSError, sqlite3.Error) as error:
            await database.close()
            reason = getattr(error, "orig", None) or error
            raise DatabaseError(
                f"the control database {make_url(url).render_as_string(hide_password=True)} cannot be opened: {reason}. "
                "Check that the data folder exists and is writable, or that the server named in [database] url is up."
            ) from error
        return database

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Commits at the end, rolls back on any exception. Never nest: the lock is not re-entrant."""
        if self.dialect != "sqlite":
            async with self.engine.begin() as connection:
                yield connection
            return
        async with self._write_lock:
            self._refuse_when_lost()
            async with self.engine.connect() as connection:
                await connection.execution_options(begin_sql="BEGIN IMMEDIATE")
                async with connection.begin():
                    yield connection
                    self._refuse_when_lost()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        async with self.engine.connect() as connection:
            yield connection

    async def watch_file(self) -> None:
        """From now on nothing is written once SQLite's file has gone or been replaced: DatabaseLostError says so instead."""
        if self.dialect == "sqlite":
            async with self.reading() as connection:
                path = await sqlite_file(connection)
            found = identity_of(path) if path else None
            self._watched = (path, found) if path and found else None

    def file_fate(self) -> Literal["in place", "gone", "replaced"]:
        if self._watched is None:
            return "in place"
        path, opened = self._watched
        found = identity_of(path)
        return "in place" if found == opened else "gone" if found is None else "replaced"

    async def rescue_into(self, path: Path) -> None:
        """What the open connections still have, into a file of its own, although theirs is gone."""
        async with self._write_lock, self.engine.connect() as connection:
            await connection.execution_options(begin_sql="SELECT 1")  # VACUUM runs outside transactions only
            await connection.execute(text("VACUUM INTO :path"), {"path": str(path)})

    def _refuse_when_lost(self) -> None:
        fate = self.file_fate()
        if fate != "in place":
            assert self._watched is not None
            raise DatabaseLostError(
                f"nothing was changed: the control database {self._watched[0]} is {fate} while waymark runs. "
                "Put the file back, or restart waymark with the one that shall count."
            )

    async def close(self) -> None:
        await self.engine.dispose()


async def sqlite_file(connection: AsyncConnection) -> Path | None:
    """Where SQLite keeps it; None for other databases."""
    if connection.dialect.name != "sqlite":
        return None
    path = (await connection.exec_driver_sql("PRAGMA database_list")).scalars("file").first()
    return Path(path) if path else None


def identity_of(path: Path) -> tuple[int, int] | None:
    """Device and inode; None: it is not there."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino


async def to_its_end(work: Coroutine[Any, Any, Result]) -> Result:
    """For short work of tasks that are cancelled at a stop: a statement torn out amid its way leaves its connection open."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _engine_options(dialect: str) -> dict[str, Any]:
    if dialect == "sqlite":
        return {"pool_size": 5, "max_overflow": 5, "pool_timeout": 30}
    return {"pool_size": 5, "max_overflow": 5, "pool_timeout": 10, "pool_pre_ping": True}


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _try_sqlite(engine: AsyncEngine) -> None:
    """Reads the file's head without aiosqlite, whose thread outlives a failed connect and may miss its event loop."""
    [name], options = engine.dialect.create_connect_args(engine.url)
    with closing(sqlite3.connect(name, uri=bool(options.get("uri")))) as connection:
        connection.execute("PRAGMA schema_version")


def _prepare_sqlite(engine: AsyncEngine, *, read_only: bool) -> None:
    """The driver's own transaction handling runs SELECTs outside transactions: it is switched off, BEGIN is ours."""

    @event.listens_for(engine.sync_engine, "connect")
    def on_connect(dbapi_connection: sqlite3.Connection, _record: object) -> None:
        dbapi_connection.isolation_level = None
        # SQLite's own lower() knows ASCII only: a search for "café" would miss "CAFÉ".
        dbapi_connection.create_function("lower", 1, _lower, deterministic=True)
        cursor = dbapi_connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        if not read_only:
            cursor.execute("PRAGMA journal_mode=WAL")
            cursor.execute("PRAGMA synchronous=NORMAL")
            cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin_sql", "BEGIN"))
