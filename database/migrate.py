"""Brings a control database to the newest schema. Safe when several processes start at once."""

import asyncio
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, inspect, text

from database.engine import Database, DatabaseError

MIGRATIONS = Path(__file__).parent / "migrations"
LOCK_KEY = 0x5741594D  # PostgreSQL advisory lock; SQLite has BEGIN IMMEDIATE


async def migrate(database: Database) -> None:
    """Raises DatabaseError when the database is ahead of this program."""
    async with database.transaction() as connection:
        if database.dialect == "postgresql":
            await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK_KEY})
        await connection.run_sync(_upgrade)


async def schema_revision(database: Database) -> str | None:
    async with database.reading() as connection:
        return await connection.run_sync(_current_revision)


async def newest_revision() -> str | None:
    return await asyncio.to_thread(lambda: ScriptDirectory.from_config(_config()).get_current_head())


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    return config


def _upgrade(connection: Connection) -> None:
    config = _config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise DatabaseError(
            f"the control database was written by a newer Waymark than this one ({error}). Install that version again, "
            "or restore the backup made before it."
        ) from error


def _current_revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
