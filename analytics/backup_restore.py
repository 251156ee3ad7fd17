"""Puts a scan store back from a backup: a fresh file beside the old one, which is set aside, never deleted.

Ingestion goes on from the backup's marks, so that the journal's newer segments complete it, each scan once.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb

from analytics.backup import Backup, BackupError, require_room, stamp, sync, usable_backups, write_document
from analytics.backup_check import find_problem
from analytics.demo import SERIES as DEMO
from analytics.segments import Chunk, Segment, list_segments, read_chunk
from analytics.store import ScanStore, StoreBroken, StoreError, connect, read_all
from analytics.tables import BACKED_UP, fingerprint_of

log = logging.getLogger(__name__)

GROWTH: Final = 2  # a store is at most about twice as large as its Parquet files
CHUNK_LINES: Final = 20_000
_DEMO_RUNS: Final = f"{DEMO}.%"
_FATAL: Final = re.compile(r"corrupt|checksum", re.IGNORECASE)

# What the backup's marks have beyond the store's. Demo segments may have gone since, with all that was made of them.
_LOOKS_AT: Final = "DELETE FROM job_views WHERE run = ? AND epoch_us(viewed_at) IN (SELECT unnest(?))"
_BEHIND: Final = (
    "SELECT b.segment FROM read_parquet(?) AS b LEFT JOIN {marks} AS m ON m.segment = b.segment "
    "WHERE b.run NOT LIKE ? AND b.next_offset > coalesce(m.next_offset, 0)"
)


def open_or_rebuild(path: Path, backups: Path, journal: Path, *, memory_mb: int = 1024, threads: int = 2) -> ScanStore:
    """The scan store, put back from backup and journal when it is damaged, missing, or older than its backup.

    Raises StoreError for everything that a rebuild would not help.
    """

    def opened() -> ScanStore:
        return ScanStore.open(path, memory_mb=memory_mb, threads=threads, backups=backups)

    reason = _reason_to_rebuild(path, backups)
    if reason is None:
        try:
            store = opened()
        except StoreBroken as error:
            reason = f"it is damaged: {_first_line(error.__cause__ or error)}"
        else:
            reason = _found_inside(store, backups, journal)
            if reason is None:
                return store
            store.close()
    aside = set_aside(path, f"broken-{stamp(datetime.now(UTC))}")
    kept = f" It has been set aside as {aside.name}." if aside else ""
    log.error("the scan store %s is rebuilt: %s.%s", path.name, reason, kept)
    _rebuild(path, backups, journal, memory_mb, threads)
    return opened()


def mark_damaged(path: Path, damage: str) -> None:
    """For the next start: damage in the middle of the file does not show when it is opened."""
    write_document(_note(path), {"damage": damage})


def restore_store(
    backup: Backup,
    path: Path,
    journal: Path,
    *,
    memory_mb: int = 1024,
    threads: int = 2,
    without_runs: Sequence[str] = (),
) -> None:
    """Writes a new scan store; nothing may be at ``path``. Raises BackupError, and leaves nothing then."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    _remove(unfinished)
    try:
        require_room(path.parent, GROWTH * backup.size)
        with closing(connect(unfinished, memory_mb=memory_mb, threads=threads, backups=backup.folder)) as connection:
            _fill(connection, backup)
            _drop_runs(connection, without_runs)
            _read_packed_anew(connection, journal)
            connection.execute("CHECKPOINT")
        sync(unfinished)
        unfinished.rename(path)
        sync(path.parent)
    except (duckdb.Error, OSError, StoreError) as error:
        raise BackupError(
            f"the scan store could not be put back from the backup {backup.name}: {_first_line(error)}. Make sure that the "
            "disk has room and can be written, then start again."
        ) from error
    finally:
        _remove(unfinished)


def set_aside(path: Path, ending: str) -> Path | None:
    """Where the file and its log are now, None when there was none."""
    target, number = path.with_name(f"{path.name}.{ending}"), 2
    while target.exists():
        target, number = path.with_name(f"{path.name}.{ending}-{number}"), number + 1
    found = False
    for extra in (".wal", ""):  # the log first: it must not meet another file
        old = path.with_name(path.name + extra)
        if old.exists():
            old.rename(target.with_name(target.name + extra))
            found = True
    _note(path).unlink(missing_ok=True)
    return target if found else None


def segments_only_in(backup: Backup, marks: str, connection: duckdb.DuckDBPyConnection, journal: Path) -> list[str]:
    """Of the journal segments that the backup holds further than ``marks`` (a table): those that cannot be read again."""
    known = [str(backup.parquet("journal_marks")), _DEMO_RUNS]
    behind = {row[0] for row in connection.execute(_BEHIND.format(marks=marks), known).fetchall()}
    return sorted(behind - {segment.name for segment in list_segments(journal)})


def _reason_to_rebuild(path: Path, backups: Path) -> str | None:
    """What can be known without opening it."""
    if not path.exists():
        return "it is missing, but a backup of it exists" if usable_backups(backups) else None
    try:
        said = _note(path).read_text("utf-8")
    except FileNotFoundError:
        return None
    return "it was found damaged while in use" if _FATAL.search(said) else None


def _found_inside(store: ScanStore, backups: Path, journal: Path) -> str | None:
    """Why an opened store is not to be used. A note of trouble at run time means: read all of it once."""
    try:
        if _note(store.path).exists():
            store.read_now(read_all)
            _note(store.path).unlink(missing_ok=True)
        newest = next(iter(usable_backups(backups)), None)
        if newest is None:
            return None
        gone = store.read_now(lambda cursor: segments_only_in(newest, "journal_marks", cursor, journal))
    except duckdb.Error as error:
        if store.damage:
            return f"it is damaged: {store.damage}"
        log.warning("the newest backup could not be compared with the scan store: %s", _first_line(error))
        return None
    if gone:
        return f"it is older than its backup {newest.name}, which alone holds {len(gone)} journal segments"
    return None


def _rebuild(path: Path, backups: Path, journal: Path, memory_mb: int, threads: int) -> None:
    for backup in usable_backups(backups):
        problem = find_problem(backup)
        if problem is not None:
            log.error("the backup %s cannot be used: %s; an older one is tried", backup.name, problem)
            continue
        runs = removed_demos(backup, journal)
        try:
            restore_store(backup, path, journal, memory_mb=memory_mb, threads=threads, without_runs=runs)
        except BackupError as error:
            raise StoreError(str(error)) from error
        says = "the scan store has been put back from the backup %s with %s scans; the journal's later segments follow"
        log.warning(says, backup.name, f"{backup.rows['scans']:,}")
        return
    log.warning("there is no usable backup in %s: the scan store is rebuilt from the journal alone", backups)


def removed_demos(backup: Backup, journal: Path) -> list[str]:
    """Demo runs taken away since: their segments are never pruned, so without its segment a run is gone."""
    there = {segment.run for segment in list_segments(journal)}
    with closing(duckdb.connect(":memory:")) as reader:
        runs = reader.execute(
            "SELECT DISTINCT run FROM read_parquet(?) WHERE run LIKE ?",
            [str(backup.parquet("journal_marks")), _DEMO_RUNS],
        ).fetchall()
    return [run for (run,) in runs if run not in there]


def _fill(connection: duckdb.DuckDBPyConnection, backup: Backup) -> None:
    connection.begin()
    for table in BACKED_UP:
        if table in backup.tables:
            source = [str(backup.parquet(table))]
            connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM read_parquet(?)", source)
    connection.commit()
    for table, rows in backup.rows.items():
        found = connection.execute(fingerprint_of(table)).fetchone()
        if found is None or found[0] != rows:
            raise BackupError(f"{table} has {found and found[0]:,} rows instead of the {rows:,} of {backup.name}.")


def _drop_runs(connection: duckdb.DuckDBPyConnection, runs: Sequence[str]) -> None:
    for run in runs:
        for table in ("scans", "journal_marks", "accounting"):
            connection.execute(f"DELETE FROM {table} WHERE run = ?", [run])
        connection.execute("DELETE FROM quarantine WHERE starts_with(segment, ?)", [f"{run}."])


def _read_packed_anew(connection: duckdb.DuckDBPyConnection, journal: Path) -> None:
    """Segments that were amid reading when the backup was made, and have been compressed since.

    Compressing may have cut whole addresses, which moves every line behind: the mark means nothing any more. What was read
    of such a segment goes, scans by their ids and looks by their moments, and all of it is read again.
    """
    begun = {name for (name,) in connection.execute("SELECT segment FROM journal_marks WHERE NOT done").fetchall()}
    for segment in list_segments(journal):
        if segment.name in begun and segment.packed:
            for chunk in _chunks_of(journal, segment):
                ids, moments = [scan.id for scan in chunk.scans], [view.at_us for view in chunk.views]
                connection.execute("DELETE FROM scans WHERE run = ? AND id IN (SELECT unnest(?))", [segment.run, ids])
                connection.execute(_LOOKS_AT, [segment.run, moments])
            connection.execute("DELETE FROM quarantine WHERE segment = ?", [segment.name])
            connection.execute("DELETE FROM journal_marks WHERE segment = ?", [segment.name])


def _chunks_of(journal: Path, segment: Segment) -> Iterator[Chunk]:
    offset, done = 0, False
    while not done:
        chunk = read_chunk(journal, segment, offset, CHUNK_LINES)
        yield chunk
        offset, done = chunk.offset, chunk.done


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.damage")


def _remove(path: Path) -> None:
    for extra in ("", ".wal"):
        path.with_name(path.name + extra).unlink(missing_ok=True)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
