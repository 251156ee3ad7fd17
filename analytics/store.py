"""The scan store: one DuckDB file, one owner process, one writer. Batches and their high-water mark commit together."""

import asyncio
import logging
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Self

import duckdb
import orjson

from analytics.tables import CREATE, INSERT_BATCH, INSERT_QUARANTINE

log = logging.getLogger(__name__)

QUERY_THREADS: Final = 2
SCHEMA_VERSION: Final = 1


class StoreError(Exception):
    """The scan store cannot be used; the message says why and what to do."""


class ScanStore:
    """Reads run on a few threads with a cursor each; writes on one thread of their own, in the order they were asked."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, batch_file: Path) -> None:
        self.batch_file = batch_file
        self._connection = connection
        self._readers = ThreadPoolExecutor(QUERY_THREADS, thread_name_prefix="reports")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="scan-writer")
        self._write_cursor = connection.cursor()
        self._read_cursors: list[duckdb.DuckDBPyConnection] = []
        self._local = threading.local()

    @classmethod
    def open(cls, path: Path, *, memory_mb: int = 1024, threads: int = 2) -> Self:
        """Opens or creates the file. Raises StoreError when it is broken or another process holds it."""
        folder = path.parent / "ingest"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            connection = duckdb.connect(str(path), config=_options(folder, memory_mb, threads))
        except (duckdb.Error, OSError) as error:
            raise _not_opened(path, error) from error
        try:
            _prepare(connection, path, folder)
        except duckdb.Error as error:
            connection.close()
            raise _not_opened(path, error) from error
        except StoreError:
            connection.close()
            raise
        return cls(connection, _own_batch_file(folder))

    async def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Small results only: fetching holds the interpreter lock."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._query, sql, parameters)

    async def append(self, batch: dict[str, Any]) -> None:
        """One enriched batch (the file and what the enrichment process says of it) in one transaction."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self._append, batch)

    async def write(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
        """Several statements in one transaction, behind the batches that were asked before."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self._write, statements)

    async def marks(self) -> tuple[dict[str, int], set[str]]:
        """Where reading goes on in each segment, and the segments that are read to their end."""
        rows = await self.query("SELECT segment, next_offset, done FROM journal_marks")
        return {segment: offset for segment, offset, done in rows if not done}, {name for name, _, done in rows if done}

    def close(self) -> None:
        self._readers.shutdown(wait=True, cancel_futures=True)
        self._writer.shutdown(wait=True)
        # The file is let go, and its log folded in, only with the last cursor.
        for cursor in (*self._read_cursors, self._write_cursor, self._connection):
            cursor.close()

    def _query(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        cursor = getattr(self._local, "cursor", None)
        if cursor is None:
            cursor = self._local.cursor = self._connection.cursor()
            self._read_cursors.append(cursor)
        return cursor.execute(sql, parameters).fetchall()

    def _write(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> None:
        cursor = self._write_cursor
        cursor.begin()
        try:
            for sql, parameters in statements:
                cursor.execute(sql, parameters)
            cursor.commit()
        except BaseException:
            cursor.rollback()
            raise

    def _append(self, batch: dict[str, Any]) -> None:
        statements: list[tuple[str, Sequence[Any]]] = []
        if batch["scans"]:
            statements.append((INSERT_BATCH, [str(self.batch_file), batch["run"]]))
        if batch["corrupt"]:
            offsets, lines = zip(*batch["corrupt"], strict=True)
            statements.append((INSERT_QUARANTINE, [batch["segment"], list(offsets), list(lines)]))
        if batch["stats"]:
            statements.append(_accounting(batch))
        statements.append(
            (
                "INSERT INTO journal_marks VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (segment) DO UPDATE SET "
                "next_offset = excluded.next_offset, scans = scans + excluded.scans, corrupt = corrupt + excluded.corrupt, "
                "torn_bytes = excluded.torn_bytes, done = excluded.done",
                [
                    *(batch[key] for key in ("segment", "run", "offset", "scans")),
                    len(batch["corrupt"]),
                    batch["torn_bytes"],
                    batch["done"],
                ],
            )
        )
        self._write(statements)


def _own_batch_file(folder: Path) -> Path:
    """Not the one of an owner that was killed: its enrichment process may be about to write there once more."""
    for left_over in folder.glob("batch*.ndjson"):
        left_over.unlink(missing_ok=True)
    return folder / f"batch-{os.getpid()}.ndjson"


def _not_opened(path: Path, error: Exception) -> StoreError:
    reason = str(error).splitlines()[0].rstrip(".!")
    return StoreError(
        f"the scan store {path} cannot be opened: {reason}. If another waymark is running on this "
        "data folder, stop it. If the file is damaged, move it aside: it is rebuilt from the journal at the next start."
    )


def _prepare(connection: duckdb.DuckDBPyConnection, path: Path, folder: Path) -> None:
    for setting in _hardening(folder):
        connection.execute(setting)
    connection.begin()
    for statement in CREATE:
        connection.execute(statement)
    _check_version(connection, path)
    connection.commit()


def _options(folder: Path, memory_mb: int, threads: int) -> dict[str, str | bool | int | float | list[str]]:
    return {
        "memory_limit": f"{memory_mb}MB",
        "threads": threads,
        "temp_directory": str(folder / "spill"),
        "max_temp_directory_size": "4GB",
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "preserve_insertion_order": True,
    }


def _hardening(folder: Path) -> tuple[str, ...]:
    """The order matters: folders can be allowed only while everything still is."""
    allowed = str(folder).replace("'", "''")
    return (
        "SET TimeZone = 'UTC'",
        f"SET allowed_directories = ['{allowed}']",
        "SET enable_external_access = false",
        "SET lock_configuration = true",
    )


def _check_version(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    row = connection.execute("SELECT version FROM store_version").fetchone()
    if row is None:
        connection.execute("INSERT INTO store_version VALUES (?)", [SCHEMA_VERSION])
    elif row[0] > SCHEMA_VERSION:
        raise StoreError(f"the scan store {path} was written by a newer Waymark (version {row[0]}); install that one.")


def _accounting(batch: dict[str, Any]) -> tuple[str, list[Any]]:
    """What the writer said of itself, beside what was really read up to the same line."""
    at_us, counters = batch["stats"]
    lost = counters.get("lost", {})
    return (
        "INSERT INTO accounting SELECT ?, make_timestamp(?), ?, ?, ?, ?, ?, ?, "
        "coalesce(sum(scans), 0) + ?, coalesce(sum(corrupt), 0) + ? FROM journal_marks WHERE run = ? "
        "ON CONFLICT (run) DO UPDATE SET stated_at = excluded.stated_at, "
        "answered = excluded.answered, recorded = excluded.recorded, "
        "pending = excluded.pending, lost = excluded.lost, lost_reasons = excluded.lost_reasons, "
        "counters = excluded.counters, seen_scans = excluded.seen_scans, seen_corrupt = excluded.seen_corrupt",
        [
            batch["run"],
            at_us,
            counters.get("answered", 0),
            counters.get("recorded", 0),
            counters.get("pending", 0),
            sum(lost.values()),
            orjson.dumps(lost).decode(),
            orjson.dumps(counters).decode(),
            batch["scans_before_stats"],
            batch["corrupt_before_stats"],
            batch["run"],
        ],
    )
