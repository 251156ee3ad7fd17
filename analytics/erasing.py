"""What was scanned and looked at of jobs that are gone goes: from the scan store at once, from the journal once nobody
writes its segment any more. The list of them stays, so that a store rebuilt from an older backup forgets them, too.
"""

import asyncio
import gzip
import logging
import os
import time
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError

from analytics.segments import Segment, list_segments
from analytics.store import ScanStore
from analytics.tallies import DAY_US
from database.engine import Database
from database.schema import erasures
from redirector.records import erased_line, is_view_line

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 1.0
LINGER: Final = timedelta(seconds=10)  # until every worker has heard that the job is gone
ABANDONED_S: Final = 3 * 3600.0  # a living writer leaves its segment after an hour
CHUNK: Final = 500

Gone = tuple[frozenset[bytes], frozenset[bytes]]  # code ids, job ids, as they stand in the journal


class Erasure:
    def __init__(self, store: ScanStore, database: Database, journal: Path, ingest_paused: asyncio.Lock) -> None:
        self.journal_files = asyncio.Lock()  # held by whoever puts a segment in another's place
        self._store = store
        self._database = database
        self._journal = journal
        self._ingest_paused = ingest_paused
        self._removed: set[int] = set()  # of these jobs nothing is in the store
        self._waits_for: dict[
            int, frozenset[str]
        ] = {}  # by job: segments that were written when workers last heard of it

    async def run(self) -> None:
        """Until cancelled. Whatever refuses is tried again."""
        begun = False
        while True:
            try:
                if not begun:
                    await self._forget_all()
                    begun = True
                await self.step(datetime.now(UTC))
            except (SQLAlchemyError, duckdb.Error, OSError) as error:
                log.error("erasing what was scanned of deleted jobs: %s", getattr(error, "orig", None) or error)
            await asyncio.sleep(LOOK_EVERY_S)

    async def step(self, now: datetime) -> None:
        """Store rows of what is new, then lines of those whose segments are closed."""
        pending = await self._pending()
        fresh = [row for row in pending if row.job_id not in self._removed]
        if fresh:
            await self._remove_rows(fresh)
            self._removed |= {row.job_id for row in fresh}
        ready = await self._ready([row for row in pending if row.asked_at <= now - LINGER])
        if ready:
            await self._clear(ready, now)

    async def _forget_all(self) -> None:
        """Rows that came back with a backup."""
        async with self._database.reading() as connection:
            gone = (await connection.execute(select(erasures))).all()
        for start in range(0, len(gone), CHUNK):
            await self._remove_rows(gone[start : start + CHUNK])

    async def _pending(self) -> list[Any]:
        async with self._database.reading() as connection:
            query = select(erasures).where(erasures.c.done_at.is_(None)).order_by(erasures.c.job_id).limit(CHUNK)
            return list((await connection.execute(query)).all())

    async def _ready(self, pending: Iterable[Any]) -> list[Any]:
        """Those of which no line can be in a segment that is still written."""
        pending = list(pending)
        if not pending:
            return []
        segments = await asyncio.to_thread(list_segments, self._journal)
        written = frozenset(segment.name for segment in segments if not segment.closed)
        written -= await asyncio.to_thread(_abandoned, self._journal, written)
        for row in pending:
            self._waits_for.setdefault(row.job_id, written)
        return [row for row in pending if not self._waits_for[row.job_id] & written]

    async def _clear(self, rows: list[Any], now: datetime) -> None:
        gone = (
            frozenset(str(row.code_id).encode() for row in rows if row.code_id is not None),
            frozenset(str(row.job_id).encode() for row in rows),
        )
        async with self.journal_files:
            lines = await asyncio.to_thread(clear_segments, self._journal, gone)
        async with self._ingest_paused:  # no batch read before is on its way into the store
            await self._remove_rows(rows)
        job_ids = [row.job_id for row in rows]
        async with self._database.transaction() as connection:
            await connection.execute(update(erasures).where(erasures.c.job_id.in_(job_ids)).values(done_at=now))
        for job_id in job_ids:
            self._waits_for.pop(job_id, None)
        self._removed -= set(job_ids)
        if lines:
            log.info("%d lines of deleted jobs are gone from the journal", lines)

    async def _remove_rows(self, rows: Iterable[Any]) -> None:
        rows = list(rows)
        code_ids = [row.code_id for row in rows if row.code_id is not None]
        job_ids = [row.job_id for row in rows]
        of_codes, of_jobs = "code_id IN (SELECT unnest(?))", "job_id IN (SELECT unnest(?))"
        found = await self._store.query(
            f"SELECT DISTINCT epoch_us(scanned_at) // {DAY_US} FROM scans WHERE {of_codes}", [code_ids]
        )
        [(views,)] = await self._store.query(f"SELECT count(*) FROM job_views WHERE {of_jobs}", [job_ids])
        if not found and not views:
            return
        today = int(time.time()) // 86_400
        days = {int(day) for (day,) in found} | {today - 1, today}
        statements: list[tuple[str, list[Any]]] = [(f"DELETE FROM job_views WHERE {of_jobs}", [job_ids])]
        if code_ids:
            statements.append((f"DELETE FROM scans WHERE {of_codes}", [code_ids]))
        await self._store.write(statements, days)


def clear_segments(folder: Path, gone: Gone, keep_going: Callable[[], None] = lambda: None) -> int:
    """Puts fillers of the same length where lines of these codes and jobs were, in all segments that nobody writes; how many.

    Blocking. Each segment is exchanged at once or not at all.
    """
    segments = list_segments(folder)
    written = frozenset(segment.name for segment in segments if not segment.closed)
    closed = [s for s in segments if s.closed or s.name in _abandoned(folder, written)]
    count = 0
    for segment in closed:
        keep_going()
        try:
            count += _clear_segment(folder, segment, gone)
        except FileNotFoundError:  # pruned, or compressed since the folder was listed
            packed = folder / f"{segment.name}.gz"
            if packed.exists():
                count += _clear_file(packed, gone)
    return count


def _abandoned(folder: Path, names: Collection[str]) -> frozenset[str]:
    """The last segments of series that no worker writes any more."""
    found = set()
    for name in names:
        try:
            age_s = time.time() - (folder / name).stat().st_mtime
        except OSError:
            continue
        if age_s > ABANDONED_S:
            found.add(name)
    return frozenset(found)


def _clear_segment(folder: Path, segment: Segment, gone: Gone) -> int:
    return _clear_file(folder / f"{segment.name}.gz" if segment.packed else folder / segment.name, gone)


def _clear_file(path: Path, gone: Gone) -> int:
    packed = path.suffix == ".gz"
    opened: Any = gzip.open if packed else open
    with opened(path, "rb") as source:
        count = sum(_is_of(line, gone) for line in source)
    if not count:
        return 0
    before = path.stat()
    temporary = path.with_name(f"{path.name}.clearing")
    with opened(path, "rb") as source, opened(temporary, "wb", **({"compresslevel": 6} if packed else {})) as target:
        target.writelines(erased_line(line) if _is_of(line, gone) else line for line in source)
    temporary.chmod(0o600)
    os.utime(temporary, ns=(before.st_atime_ns, before.st_mtime_ns))  # how old it is decides when it may go
    _sync(temporary)
    temporary.replace(path)
    _sync(path.parent)
    return count


def _is_of(line: bytes, gone: Gone) -> bool:
    """Both are written without spaces: ["scan",1,"id",at,code,...] and ["view",1,at,job,...]."""
    codes, jobs = gone
    fields = line.split(b",", 5)
    if len(fields) < 5 or not line.endswith(b"\n"):
        return False
    if is_view_line(line):
        return fields[3] in jobs
    return line.startswith(b'["scan",') and fields[4] in codes


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
