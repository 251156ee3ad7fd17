"""Migrated control databases as copies of one: the file, or PostgreSQL database, that ``migrate`` left, many times sooner."""

import asyncio
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from codes.domains import ensure_default_domain
from database.engine import Database, sqlite_url
from database.migrate import migrate
from tests.postgres import PostgresServer

SHORT_URL = "https://w.example"


def place_migrated(path: Path) -> None:
    """A control database with the default short domain w.example, closed."""
    path.write_bytes(_migrated_file())


def new_migrated(server: PostgresServer) -> str:
    """The address of a database like that on PostgreSQL."""
    return server.new_database(like=_migrated_name(server))


@cache
def _migrated_file() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "waymark.db"
        _migrate(sqlite_url(path))
        return path.read_bytes()


@cache
def _migrated_name(server: PostgresServer) -> str:
    url = server.new_database()
    _migrate(url)
    return url.rpartition("/")[2]


def _migrate(url: str) -> None:
    async def migrated() -> None:
        database = await Database.open(url)
        await migrate(database)
        async with database.transaction() as connection:
            await ensure_default_domain(connection, SHORT_URL)
        await database.close()

    with ThreadPoolExecutor(1) as beside:  # a caller may have a running loop
        beside.submit(asyncio.run, migrated()).result()
