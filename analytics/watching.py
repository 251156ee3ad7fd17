"""Tells the public workers what the scan store knows of codes whose rules ask for it: counts, and who scanned lately.

At most once a second, into the control database; a stored scan is looked at once, by its row number.
"""

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
from sqlalchemy import Text, and_, cast, delete, func, insert, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from analytics.store import ScanStore
from codes.versions import content_from
from database.changes import changes_after, last_seq, prune_changes, record_changes
from database.engine import Database
from database.schema import codes, count_marks, recent_visitors, scan_counts, versions
from redirector.decision import LET_THROUGH_UNCOUNTED
from redirector.needs import Needs, needs_of_content
from redirector.visitors import KEEP
from redirector.watched import MAX_VISITORS

log = logging.getLogger(__name__)

POLL_S: Final = 0.1
PUBLISH_EVERY_S: Final = 1.0
MARKS_EVERY_S: Final = 5.0
CHORES_EVERY_S: Final = 600.0
CHUNK: Final = 500

# The scans that count: of persons, let through to where the code leads. As redirector/tails.py has it.
_CONSUMED: Final = (
    f"(counted OR uncounted_reason = '{LET_THROUGH_UNCOUNTED}') AND bot_reason IS NULL "
    "AND (rule IS NULL OR NOT starts_with(rule, '-'))"
)
_COUNTS: Final = (
    f"SELECT code_id, run, count(*) FROM scans WHERE {_CONSUMED} "
    "AND code_id IN (SELECT unnest(?)) AND rowid > ? GROUP BY ALL"
)
_VISITORS: Final = (
    f"SELECT code_id, visitor, max(scanned_at) AS seen FROM scans WHERE {_CONSUMED} AND visitor IS NOT NULL "
    "AND code_id IN (SELECT unnest(?)) AND rowid > ? AND scanned_at > ? GROUP BY 1, 2 "
    f"QUALIFY row_number() OVER (PARTITION BY code_id ORDER BY seen DESC) <= {MAX_VISITORS}"
)


@dataclass(slots=True)
class _News:
    """Read from the store in one state of it."""

    rows: int
    last_row: int
    counts: list[tuple[int, str, int]] = field(default_factory=list)
    visitors: list[tuple[int, int, datetime]] = field(default_factory=list)
    marks: dict[str, int] = field(default_factory=dict)
    begun_anew: bool = False


class Watching:
    def __init__(self, store: ScanStore, database: Database, journal: Path) -> None:
        self._store = store
        self._database = database
        self._journal = journal
        self._needs: dict[int, Needs] = {}
        self._counts: dict[tuple[int, str], int] = {}
        self._fresh: set[int] = set()  # watched, but nothing is published of them
        self._seq: int | None = None
        self._rows = 0  # stored scans that were looked at, and the last of them
        self._last_row = -1
        self._marks_wait = False  # to be told, a little later
        self._revision = 0
        self._published: dict[str, int] = {}
        self._published_at = self._marks_at = self._chores_at = 0.0

    async def run(self) -> None:
        """Until cancelled. Whatever refuses is asked again; nothing that was counted is forgotten."""
        while True:
            try:
                await self.step()
            except (SQLAlchemyError, duckdb.Error, OSError) as error:
                log.error("counting for rules: %s", getattr(error, "orig", None) or error)
                self._seq = None  # begin anew: what was published and what not is uncertain
                await asyncio.sleep(1)
            await asyncio.sleep(POLL_S)

    async def step(self) -> None:
        await self._follow_codes()
        now = time.monotonic()
        if self._needs and (self._fresh or now >= self._published_at + PUBLISH_EVERY_S):
            self._published_at = now
            if self._fresh or self._marks_wait or await self._stored() != self._rows:
                await self._publish(await self._read())
        if now >= self._chores_at:
            self._chores_at = now + CHORES_EVERY_S
            await self._tidy()

    async def _follow_codes(self) -> None:
        async with self._database.reading() as connection:
            newest = await last_seq(connection)
            if newest == self._seq:
                return
            changes = None if self._seq is None else await changes_after(connection, self._seq, limit=1_000_000)
            if changes is None or newest < (self._seq or 0):
                found = await _needs_of_codes(connection, None)
                lost = self._needs.keys() - found.keys()
                if self._seq is None:
                    self._revision = max(self._revision, await _last_revision(connection))
                    self._fresh |= found.keys()
                    self._counts, self._rows, self._last_row = {}, 0, -1
            else:
                changed = {change.ref_id for change in changes if change.kind == "code"}
                found = await _needs_of_codes(connection, changed)
                lost = changed & (self._needs.keys() - found.keys())
        self._fresh |= {code_id for code_id in found if code_id not in self._needs}
        self._needs |= found
        for code_id in lost:
            self._forget(code_id)
        if lost or self._seq is None:
            await self._remove(lost if self._seq is not None else None)
        self._seq = newest

    def _forget(self, code_id: int) -> None:
        self._needs.pop(code_id, None)
        self._fresh.discard(code_id)
        self._counts = {key: scans for key, scans in self._counts.items() if key[0] != code_id}

    async def _read(self) -> _News:
        known = [code_id for code_id in self._needs if code_id not in self._fresh]
        fresh = list(self._fresh)
        return await self._store.read(lambda cursor: self._news(cursor, known, fresh))

    async def _stored(self) -> int:
        return int((await self._store.query("SELECT count(*) FROM scans"))[0][0])

    def _news(self, cursor: duckdb.DuckDBPyConnection, known: list[int], fresh: list[int]) -> _News:
        rows, last_row = _one(cursor, "SELECT count(*), coalesce(max(rowid), -1) FROM scans")
        (added,) = _one(cursor, "SELECT count(*) FROM scans WHERE rowid > ?", [self._last_row])
        news = _News(rows, last_row, begun_anew=self._rows + added != rows)
        if news.begun_anew:  # rows were removed: row numbers may have moved
            known, fresh = [], [*known, *fresh]
        since = datetime.now(UTC).replace(tzinfo=None) - KEEP
        for code_ids, after in ((known, self._last_row), (fresh, -1)):
            if code_ids:
                news.counts += cursor.execute(_COUNTS, [code_ids, after]).fetchall()
                with_visitors = [code_id for code_id in code_ids if self._needs[code_id].visitors]
                news.visitors += cursor.execute(_VISITORS, [with_visitors, after, since]).fetchall()
        news.marks = dict(cursor.execute("SELECT segment, next_offset FROM journal_marks").fetchall())
        return news

    async def _publish(self, news: _News) -> None:
        fresh = set(self._needs) if news.begun_anew else set(self._fresh)
        counts = {key: scans for key, scans in self._counts.items() if key[0] not in fresh}
        changed: dict[tuple[int, str], int] = dict.fromkeys(((code_id, "") for code_id in fresh), 0)
        for code_id, run, scans in news.counts:
            key = code_id, run or "-"
            counts[key] = changed[key] = counts.get(key, 0) + scans
        marks = await asyncio.to_thread(self._open_marks, news.marks)
        now = time.monotonic()
        marks_due = marks != self._published and now >= self._marks_at + MARKS_EVERY_S
        if changed or news.visitors or marks_due:
            revision = max(self._revision + 1, time.time_ns() // 1000)
            async with self._database.transaction() as connection:
                await _forget(connection, fresh, (scan_counts,))
                await _write_counts(connection, changed, revision)
                await _write_visitors(connection, news.visitors, revision)
                await connection.execute(delete(count_marks))
                if marks:
                    rows = [{"segment": segment, "next_offset": offset} for segment, offset in marks.items()]
                    await connection.execute(insert(count_marks), rows)
                await record_changes(connection, "scans", [0])
            self._revision, self._published, self._marks_at = revision, marks, now
        self._marks_wait = marks != self._published
        self._counts, self._rows, self._last_row = counts, news.rows, news.last_row
        self._fresh -= fresh

    def _open_marks(self, marks: Mapping[str, int]) -> dict[str, int]:
        """Of segments that are not compressed yet: workers look into no others."""
        return {segment: offset for segment, offset in marks.items() if (self._journal / segment).exists()}

    async def _remove(self, code_ids: Iterable[int] | None) -> None:
        """None: of everybody who is not watched."""
        async with self._database.transaction() as connection:
            if code_ids is None:
                held = set((await connection.execute(select(scan_counts.c.code_id).distinct())).scalars())
                held |= set((await connection.execute(select(recent_visitors.c.code_id).distinct())).scalars())
                code_ids = held - self._needs.keys()
            await _forget(connection, code_ids, (scan_counts, recent_visitors))

    async def _tidy(self) -> None:
        """Ids whose salt is destroyed recognise nobody."""
        async with self._database.transaction() as connection:
            before = datetime.now(UTC) - KEEP - timedelta(minutes=10)
            await connection.execute(delete(recent_visitors).where(recent_visitors.c.seen_at < before))
            await prune_changes(connection)


async def _needs_of_codes(connection: AsyncConnection, code_ids: set[int] | None) -> dict[int, Needs]:
    """Of those codes that need counts or visitors; None looks at all codes that have rules or options."""
    said = [cast(column, Text) for column in (versions.c.rules, versions.c.options)]
    query = (
        select(codes.c.id, versions.c.destination, versions.c.rules, versions.c.options)
        .join(versions, and_(versions.c.code_id == codes.c.id, versions.c.number == codes.c.version))
        .where(codes.c.archived_at.is_(None), or_(*(and_(text.is_not(None), text != "null") for text in said)))
    )
    wanted = None if code_ids is None else sorted(code_ids)
    found: dict[int, Needs] = {}
    for start in range(0, 1 if wanted is None else len(wanted), CHUNK):
        part = query if wanted is None else query.where(codes.c.id.in_(wanted[start : start + CHUNK]))
        for row in await connection.execute(part):
            content = content_from(row.destination, row.rules, row.options)
            needs = needs_of_content(content.rules, content.options)
            if needs.counts or needs.visitors:
                found[row.id] = needs
    return found


async def _last_revision(connection: AsyncConnection) -> int:
    tables = (scan_counts, recent_visitors)
    found = [(await connection.execute(select(func.max(table.c.revision)))).scalar() for table in tables]
    return max(value or 0 for value in found)


async def _forget(connection: AsyncConnection, code_ids: Iterable[int], tables: Iterable[Any]) -> None:
    ids = sorted(code_ids)
    for table in tables:
        for start in range(0, len(ids), CHUNK):
            await connection.execute(delete(table).where(table.c.code_id.in_(ids[start : start + CHUNK])))


async def _write_counts(connection: AsyncConnection, counts: Mapping[tuple[int, str], int], revision: int) -> None:
    rows = [
        {"code_id": code_id, "run": run, "scans": scans, "revision": revision}
        for (code_id, run), scans in counts.items()
    ]
    await _upsert(connection, scan_counts, rows, ("code_id", "run"))


async def _write_visitors(
    connection: AsyncConnection, visitors: Iterable[tuple[int, int, datetime]], revision: int
) -> None:
    rows = [
        {"code_id": code_id, "visitor": f"{visitor:016x}", "seen_at": seen.replace(tzinfo=UTC), "revision": revision}
        for code_id, visitor, seen in visitors
    ]
    await _upsert(connection, recent_visitors, rows, ("code_id", "visitor"))


async def _upsert(connection: AsyncConnection, table: Any, rows: list[dict[str, Any]], key: tuple[str, ...]) -> None:
    if not rows:
        return
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    query = dialect.insert(table)
    newer = {name: query.excluded[name] for name in rows[0] if name not in key}
    await connection.execute(query.on_conflict_do_update(index_elements=list(key), set_=newer), rows)


def _one(cursor: duckdb.DuckDBPyConnection, sql: str, parameters: list[Any] | None = None) -> tuple[Any, ...]:
    row = cursor.execute(sql, parameters or []).fetchone()
    assert row is not None
    return row
