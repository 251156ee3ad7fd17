"""Makes one backup: the scan store's tables in one transaction, then a consistent copy of the control database."""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import duckdb

from analytics.backup import (
    CONTROL,
    FORMAT,
    MANIFEST,
    Backup,
    BackupError,
    file_facts,
    get_backup,
    new_folder,
    publish,
    require_room,
    utc_text,
    write_document,
)
from analytics.store import SCHEMA_VERSION, ScanStore
from analytics.tables import BACKED_UP, fingerprint_of

NOT_INCLUDED: Final = ("config.toml", "visitor-salts.json", "owner.token", "journal", "place databases")
POSTGRES_REMEDY: Final = "The control database is PostgreSQL and not part of this backup: save it with pg_dump."


async def make_backup(
    store: ScanStore, control: Path | None, parent: Path, *, version: str, now: datetime | None = None
) -> Backup:
    """``control``: the SQLite file, None when the control database is another server's. Raises BackupError."""
    moment = now or datetime.now(UTC)
    unfinished: Path | None = None
    try:
        await asyncio.to_thread(require_room, parent, _expected_bytes(store.path, control))
        folder = unfinished = await asyncio.to_thread(new_folder, parent)
        scan_store = await store.snapshot(lambda cursor: _export(cursor, folder))
        # Behind the scans, so that every code that they were made of is in the copy.
        copied = await asyncio.to_thread(_copy_control, control, folder)
        manifest = {"format": FORMAT, "waymark": version, "duckdb": duckdb.__version__, "made_at": utc_text(moment)}
        manifest |= {**scan_store, "control": copied, "not_included": list(NOT_INCLUDED)}
        return await asyncio.to_thread(_finish, folder, manifest, moment)
    except (OSError, duckdb.Error, sqlite3.Error) as error:
        reason = str(error).splitlines()[0]
        raise BackupError(
            f"the backup in {parent} was not made: {reason}. Make sure that this disk has room and can be written; what was "
            "begun has been removed, and earlier backups are untouched."
        ) from error
    finally:
        if unfinished is not None:
            shutil.rmtree(unfinished, ignore_errors=True)  # gone already when all went well


def copy_sqlite(source: Path, target: Path) -> None:
    """One state of the database, its write-ahead log folded in, without disturbing who reads or writes it."""
    with closing(sqlite3.connect(f"file:{quote(str(source))}?mode=ro", uri=True, timeout=30)) as connection:
        connection.execute("VACUUM INTO ?", [str(target)])


def _expected_bytes(store: Path, control: Path | None) -> int:
    return sum(path.stat().st_size for path in (store, control) if path is not None and path.exists())


def _export(cursor: duckdb.DuckDBPyConnection, folder: Path) -> dict[str, Any]:
    tables = {}
    for table in BACKED_UP:
        target = str(folder / f"{table}.parquet").replace("'", "''")
        cursor.execute(f"COPY {table} TO '{target}' (FORMAT parquet, COMPRESSION zstd)")
        rows, fingerprint = _row(cursor, fingerprint_of(table))
        tables[table] = {"rows": rows, "fingerprint": str(fingerprint)}
    [newest] = _row(cursor, "SELECT max(scanned_at) FROM scans")
    segments, finished = _row(cursor, "SELECT count(*), count(*) FILTER (done) FROM journal_marks")
    reading = cursor.execute("SELECT segment, next_offset FROM journal_marks WHERE NOT done").fetchall()
    return {
        "scan_store": {
            "version": SCHEMA_VERSION,
            "newest_scan_at": utc_text(newest.replace(tzinfo=UTC)) if newest else None,
            "tables": tables,
        },
        "journal": {"segments": segments, "read_to_the_end": finished, "reading": dict(reading)},
    }


def _row(cursor: duckdb.DuckDBPyConnection, sql: str) -> tuple[Any, ...]:
    row = cursor.execute(sql).fetchone()
    assert row is not None
    return row


def _copy_control(control: Path | None, folder: Path) -> dict[str, Any]:
    if control is None:
        return {"kind": "postgresql", "included": False, "remedy": POSTGRES_REMEDY}
    copy_sqlite(control, folder / CONTROL)
    return {"kind": "sqlite", "included": True}


def _finish(folder: Path, manifest: dict[str, Any], moment: datetime) -> Backup:
    manifest["files"] = {path.name: file_facts(path) for path in sorted(folder.iterdir())}
    write_document(folder / MANIFEST, manifest)
    return get_backup(publish(folder, moment))
