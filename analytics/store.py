"""The scan store: one DuckDB file, one owner process, one writer. Batches and their high-water mark commit together."""

import asyncio
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import duckdb
import orjson

from analytics import tallies
from analytics.tables import CREATE, INSERT_BATCH, INSERT_QUARANTINE, INSERT_VIEWS, UPGRADE, fingerprint_of

log = logging.getLogger(__name__)

QUERY_THREADS: Final = 2
SCHEMA_VERSION: Final = 2
_CHANGES_SCANS: Final = re.compile(r"\s*(INSERT INTO|DELETE FROM) scans\b", re.IGNORECASE)
Answer = TypeVar("Answer")

# How DuckDB begins to say that a file is damaged. What others typed can only stand behind that.
_DAMAGED: Final = re.compile(
    r"(IO Error: )?(Corrupt |Failure while replaying WAL file|Could not read enough bytes|"
    r"The file .* exists, but it is not a valid DuckDB)"
)


class StoreError(Exception):
    """The scan store cannot be used; the message says why and what to do."""


class StoreBroken(StoreError):  # noqa: N818  the condition
    """The file itself is damaged: nobody else's lock, no missing right, no newer version."""


class StoreTaken(StoreError):  # noqa: N818
    """Another process has the file open; it may let go of it."""


class ScanStore:
    """Reads run on a few threads with a cursor each; writes on one thread of their own, in the order they were asked."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, path: Path, batch_file: Path) -> None:
        self.path = path
        self.batch_file = batch_file
        self.damage: str | None = None  # once set, only another start helps
        self.settling = asyncio.Lock()  # tallies are made while no tag is on its way from the control database
        self.past_changes = 0  # how often scans of another day than today came or went
        self._changed_at: dict[int, float] = {}  # UTC day -> monotonic
        self._connection = connection
        self._readers = ThreadPoolExecutor(QUERY_THREADS, thread_name_prefix="reports")
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="scan-writer")
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="snapshot")
        self._snapshot_cursor = connection.cursor()
        self._snapshot_taken: Future[Any] | None = None
        self._write_cursor = connection.cursor()
        self._read_cursors: list[duckdb.DuckDBPyConnection] = []
        self._local = threading.local()

    @classmethod
    def open(cls, path: Path, *, memory_mb: int = 1024, threads: int = 2, backups: Path | None = None) -> Self:
        """Opens or creates the file; only ``backups`` and the folder of batches can be reached from it.

        Raises StoreBroken when it is damaged, StoreError when another process holds it or a newer Waymark wrote it.
        """
        connection = connect(path, memory_mb=memory_mb, threads=threads, backups=backups)
        return cls(connection, path, _own_batch_file(path.parent / "ingest"))

    async def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Small results only: fetching holds the interpreter lock."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._query, sql, parameters)

    async def read(self, questions: Callable[[duckdb.DuckDBPyConnection], Answer]) -> Answer:
        """Several questions to one and the same state of the store; on a thread of their own, small results only."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, questions)

    def days_changed_since(self, moment: float) -> frozenset[int]:
        """UTC days of which scans came after this moment of the monotonic clock."""
        return frozenset(day for day, at in dict(self._changed_at).items() if at >= moment)

    async def append(self, batch: dict[str, Any]) -> None:
        """One enriched batch (the file and what the enrichment process says of it) in one transaction."""
        await asyncio.get_running_loop().run_in_executor(self._writer, self._append, batch)

    async def write(self, statements: Sequence[tuple[str, Sequence[Any]]], days: Iterable[int] | None = None) -> None:
        """Several statements in one transaction, behind the batches that were asked before.

        ``days``: the UTC days of the scans they remove; None is every day.
        """
        await asyncio.get_running_loop().run_in_executor(self._writer, self._write, statements, days)

    async def snapshot(self, questions: Callable[[duckdb.DuckDBPyConnection], Answer]) -> Answer:
        """As ``read``, for what takes long: on a thread beside reports and batches, one after the other.

        When the store is closed meanwhile it ends with a duckdb.Error.
        """
        self._snapshot_taken = taken = self._beside.submit(self._of_one_state, self._snapshot_cursor, questions)
        return await asyncio.wrap_future(taken)

    async def read_everything(self) -> None:
        """Finds damage that no report has come across yet: it shows in ``damage``."""
        await self.snapshot(read_all)

    def read_now(self, questions: Callable[[duckdb.DuckDBPyConnection], Answer]) -> Answer:
        """As ``read``, before anything else has begun."""
        return self._of_one_state(self._snapshot_cursor, questions)

    async def marks(self) -> tuple[dict[str, int], set[str]]:
        """Where reading goes on in each segment, and the segments that are read to their end."""
        rows = await self.query("SELECT segment, next_offset, done FROM journal_marks")
        return {segment: offset for segment, offset, done in rows if not done}, {name for name, _, done in rows if done}

    def close(self) -> None:
        self._readers.shutdown(wait=True, cancel_futures=True)
        self._writer.shutdown(wait=True)
        self._beside.shutdown(wait=False, cancel_futures=True)
        while self._snapshot_taken is not None and not self._snapshot_taken.done():
            self._snapshot_cursor.interrupt()  # one that comes between two statements is lost
            wait([self._snapshot_taken], timeout=0.05)
        # The file is let go, and its log folded in, only with the last cursor.
        for cursor in (*self._read_cursors, self._write_cursor, self._snapshot_cursor, self._connection):
            cursor.close()

    def _query(self, sql: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        try:
            return self._read_cursor().execute(sql, parameters).fetchall()
        except duckdb.Error as error:
            self._note_damage(error)
            raise

    def _read(self, questions: Callable[[duckdb.DuckDBPyConnection], Answer]) -> Answer:
        return self._of_one_state(self._read_cursor(), questions)

    def _read_cursor(self) -> duckdb.DuckDBPyConnection:
        cursor: duckdb.DuckDBPyConnection | None = getattr(self._local, "cursor", None)
        if cursor is None:
            cursor = self._local.cursor = self._connection.cursor()
            self._read_cursors.append(cursor)
        return cursor

    def _of_one_state(
        self, cursor: duckdb.DuckDBPyConnection, questions: Callable[[duckdb.DuckDBPyConnection], Answer]
    ) -> Answer:
        try:
            cursor.begin()
            try:
                return questions(cursor)
            finally:
                cursor.rollback()
        except duckdb.Error as error:
            self._note_damage(error)
            raise

    def _note_damage(self, error: duckdb.Error) -> None:
        if is_damage(error) or isinstance(error, duckdb.FatalException):
            self.damage = str(error).splitlines()[0]

    def _write(self, statements: Sequence[tuple[str, Sequence[Any]]], days: Iterable[int] | None = None) -> None:
        """``days``: on which the scans lie that come or go; when nobody says, every day loses its tallies."""
        if any(_CHANGES_SCANS.match(sql) for sql, _ in statements):
            self._note_change(days)
            statements = [*statements, tallies.unsettle(days)]
        cursor = self._write_cursor
        cursor.begin()
        try:
            for sql, parameters in statements:
                cursor.execute(sql, parameters)
            cursor.commit()
        except BaseException as error:
            if isinstance(error, duckdb.Error):
                self._note_damage(error)
            cursor.rollback()
            raise

    def _note_change(self, days: Iterable[int] | None) -> None:
        moment, today = time.monotonic(), int(time.time()) // 86_400
        self.past_changes += days is None or any(day < today for day in days)
        self._changed_at.update((day, moment) for day in days or ())

    def _append(self, batch: dict[str, Any]) -> None:
        statements: list[tuple[str, Sequence[Any]]] = []
        if batch["scans"]:
            statements.append((INSERT_BATCH, [str(self.batch_file), batch["run"]]))
        if batch.get("views"):
            statements.append((INSERT_VIEWS, [batch["run"], *map(list, zip(*batch["views"], strict=True))]))
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
        self._write(statements, batch.get("days"))


def _own_batch_file(folder: Path) -> Path:
    """Not the one of an owner that was killed: its enrichment process may be about to write there once more."""
    for left_over in folder.glob("batch*.ndjson"):
        left_over.unlink(missing_ok=True)
    return folder / f"batch-{os.getpid()}.ndjson"


def connect(
    path: Path, *, memory_mb: int = 1024, threads: int = 2, backups: Path | None = None
) -> duckdb.DuckDBPyConnection:
    """With its tables made and every way to other files closed. Raises StoreError."""
    folder = path.parent / "ingest"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        connection = duckdb.connect(str(path), config=_options(folder, memory_mb, threads))
    except (duckdb.Error, OSError) as error:
        raise _not_opened(path, error) from error
    try:
        _prepare(connection, path, [folder] if backups is None else [folder, backups])
    except duckdb.Error as error:
        connection.close()
        raise _not_opened(path, error) from error
    except StoreError:
        connection.close()
        raise
    return connection


def is_damage(error: Exception) -> bool:
    """Whether the file is to blame, and not a lock, a missing right, a full disk, or a newer DuckDB that wrote it."""
    return isinstance(error, duckdb.Error) and _DAMAGED.match(str(error)) is not None


def read_all(cursor: duckdb.DuckDBPyConnection) -> None:
    """Every value of every table, which is how damage shows."""
    for (table,) in cursor.execute("SELECT table_name FROM duckdb_tables()").fetchall():
        cursor.execute(fingerprint_of(table)).fetchall()


def _not_opened(path: Path, error: Exception) -> StoreError:
    reason = str(error).splitlines()[0].rstrip(".!")
    if is_damage(error) or isinstance(error, duckdb.SerializationException | duckdb.FatalException):
        return StoreBroken(
            f"the scan store {path} cannot be opened, it is damaged: {reason}. The next `waymark serve` sets it aside and "
            "rebuilds it from the newest verified backup and the journal."
        )
    kind = StoreTaken if "could not set lock" in reason.lower() else StoreError
    return kind(
        f"the scan store {path} cannot be opened: {reason}. If another waymark is running on this "
        "data folder, stop it. If the file is damaged, move it aside: it is rebuilt from backup and journal at the next start."
    )


def _prepare(connection: duckdb.DuckDBPyConnection, path: Path, folders: Sequence[Path]) -> None:
    for setting in _hardening(folders):
        connection.execute(setting)
    connection.begin()
    for statement in (*CREATE, *tallies.TABLES):
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


def _hardening(folders: Sequence[Path]) -> tuple[str, ...]:
    """The order matters: folders can be allowed only while everything still is."""
    allowed = ", ".join("'" + str(folder).replace("'", "''") + "'" for folder in folders)
    return (
        "SET TimeZone = 'UTC'",
        f"SET allowed_directories = [{allowed}]",
        "SET enable_external_access = false",
        "SET lock_configuration = true",
    )


def _check_version(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    row = connection.execute("SELECT version FROM store_version").fetchone()
    if row is None:
        connection.execute("INSERT INTO store_version VALUES (?)", [SCHEMA_VERSION])
    elif row[0] > SCHEMA_VERSION:
        raise StoreError(f"the scan store {path} was written by a newer Waymark (version {row[0]}); install that one.")
    elif row[0] < SCHEMA_VERSION:
        for statement in UPGRADE:
            connection.execute(statement)


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
