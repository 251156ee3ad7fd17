"""What a public worker remembers for rules that ask for it: how many scans a code had, and by whom.

The private side (analytics/watching.py) publishes it, the change feed says when; this worker's own scans count at once.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from sqlalchemy import Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from database.engine import Database
from database.schema import count_marks, recent_visitors, scan_counts
from redirector.journal import Journal
from redirector.needs import NOTHING, Needs, needs_of
from redirector.routes import Route
from redirector.tails import Told, counts_by_code, run_of, untold_scans

log = logging.getLogger(__name__)

READY_WITHIN_S: Final = 2.0
MAX_VISITORS: Final = 50_000  # remembered of one code
MAX_ALL_VISITORS: Final = 500_000  # of all codes together: some 80 MB
CHUNK: Final = 500
SALTS_LIVE = timedelta(hours=48)


@dataclass(slots=True)
class _Memory:
    """Of one code. ``own`` are this worker's scans since it watches, ``before`` its run's scans in front of those."""

    ready: bool = False
    since: float = field(default_factory=time.monotonic)
    own: int = 0
    before: int = 0
    others: dict[str, int] = field(default_factory=dict)  # by run
    untold: int = 0  # scans of other runs that nobody has published yet
    seen: dict[str, None] = field(default_factory=dict)  # daily ids, the one seen longest ago first
    done: asyncio.Event = field(default_factory=asyncio.Event)


class Watched:
    """Single-threaded. ``follow`` is called by whoever follows the change feed, with its connection."""

    def __init__(self, journal: Journal, flush: Callable[[], None]) -> None:
        self.can_load: bool | None = None  # whether the database can be asked; None: that will show in a moment
        self._journal = journal
        self._flush = flush
        self._needs: dict[int, tuple[Route, Needs]] = {}
        self._codes: dict[int, _Memory] = {}
        self._untold: list[Told] = []
        self._revision = 0
        self._visitors = 0

    def needs_for(self, route: Route) -> Needs:
        known = self._needs.get(route.code_id)
        if known is None or known[0] is not route:
            known = self._needs[route.code_id] = route, needs_of(route)
        return known[1]

    def keep(self, routes: Iterable[Route]) -> None:
        """Watches those that ask for it, before their first scan comes; forgets what the others no longer need."""
        for route in routes:
            needs = self.needs_for(route) if not route.is_plain else NOTHING
            if needs.counts or needs.visitors:
                self._memory(route.code_id)
            elif route.code_id in self._codes:
                self.forget(route.code_id)
            if route.is_plain:
                self._needs.pop(route.code_id, None)

    def forget(self, code_id: int) -> None:
        self._needs.pop(code_id, None)
        memory = self._codes.pop(code_id, None)
        if memory is not None:
            self._visitors -= len(memory.seen)
            self._untold = [told for told in self._untold if told.code_id != code_id]
            memory.done.set()

    def retain(self, code_ids: set[int]) -> None:
        for code_id in self._codes.keys() - code_ids:
            self.forget(code_id)

    async def ready(self, route: Route, needs: Needs) -> None:
        """Waits a moment for what the private side knows of a code that has only just begun to ask for it."""
        if not (needs.counts or needs.visitors):
            return
        memory = self._memory(route.code_id)
        left_s = memory.since + READY_WITHIN_S - time.monotonic()
        if not memory.ready and self.can_load is not False and left_s > 0:
            try:
                async with asyncio.timeout(left_s):
                    await memory.done.wait()
            except TimeoutError:
                log.warning(
                    "how often code %d was scanned is not known yet: rules that ask fall through", route.code_id
                )

    def count(self, code_id: int) -> int | None:
        """Scans let through so far; None while nobody knows."""
        memory = self._codes.get(code_id)
        if memory is None or not memory.ready:
            return None
        return memory.before + memory.own + sum(memory.others.values()) + memory.untold

    def is_seen(self, code_id: int, visitors: Iterable[str | None]) -> bool | None:
        """Whether one of these ids scanned before; None while nobody knows."""
        memory = self._codes.get(code_id)
        if memory is None:
            return None
        return any(visitor in memory.seen for visitor in visitors if visitor) or (False if memory.ready else None)

    def note(self, code_id: int, visitor: str | None, *, by_bot: bool) -> None:
        """A scan that was let through: in the same step of the event loop as its decision, or a limit is exceeded."""
        memory = self._codes.get(code_id)
        if memory is None or by_bot:
            return
        memory.own += 1
        if visitor:
            self._see(memory, visitor)

    async def follow(self, database: Database, *, news: bool) -> None:
        """Loads codes that are new here, and with ``news`` what was published since."""
        self.can_load = True
        fresh = [code_id for code_id, memory in self._codes.items() if not memory.ready]
        if not news and not fresh:
            return
        async with database.reading() as connection:
            if database.dialect == "postgresql":  # counts and marks of one and the same moment
                await connection.execution_options(isolation_level="REPEATABLE READ")
            if news:
                await self._read_news(connection)
            if fresh:
                await self._load(connection, fresh)

    def restart(self) -> None:
        """Everything is read anew: the feed has a gap, or another database is in place."""
        self._revision = 0
        for memory in self._codes.values():
            memory.ready, memory.since = False, time.monotonic()
            memory.done.clear()
        self._untold = []

    def _memory(self, code_id: int) -> _Memory:
        memory = self._codes.get(code_id)
        if memory is None:
            memory = self._codes[code_id] = _Memory()
        return memory

    def _see(self, memory: _Memory, visitor: str) -> None:
        before = len(memory.seen)
        memory.seen.pop(visitor, None)
        memory.seen[visitor] = None
        if len(memory.seen) > MAX_VISITORS or self._visitors >= MAX_ALL_VISITORS:
            del memory.seen[next(iter(memory.seen))]
        self._visitors += len(memory.seen) - before

    async def _read_news(self, connection: AsyncConnection) -> None:
        since = self._revision
        rows = (await connection.execute(select(scan_counts).where(scan_counts.c.revision > since))).all()
        visitors = await connection.execute(_visitors_query().where(recent_visitors.c.revision > since))
        for row in visitors:
            self._revision = max(self._revision, row.revision)
            if (memory := self._codes.get(row.code_id)) is not None:
                self._see(memory, row.visitor)
        own = run_of(self._journal.position[0])
        for row in rows:
            self._revision = max(self._revision, row.revision)
            memory = self._codes.get(row.code_id)
            if memory is not None and memory.ready and row.run not in ("", own):
                memory.others[row.run] = row.scans
        if self._untold:
            self._forget_told(await _marks(connection))

    async def _load(self, connection: AsyncConnection, code_ids: list[int]) -> None:
        """Counts = published + what the journal holds behind the published marks. Needs one state of the database."""
        marks = await _marks(connection)
        published: dict[int, dict[str, int]] = {}
        for start in range(0, len(code_ids), CHUNK):
            part = code_ids[start : start + CHUNK]
            for row in await connection.execute(select(scan_counts).where(scan_counts.c.code_id.in_(part))):
                published.setdefault(row.code_id, {})[row.run] = row.scans
            for row in await connection.execute(_visitors_query().where(recent_visitors.c.code_id.in_(part))):
                if (memory := self._codes.get(row.code_id)) is not None:
                    self._see(memory, row.visitor)
        loaded = [code_id for code_id in code_ids if "" in published.get(code_id, {})]
        if not loaded:
            return
        self._flush()
        end, own_then = self._journal.position, {code_id: self._own(code_id) for code_id in loaded}
        work = partial(untold_scans, self._journal.folder, marks, end, frozenset(loaded))
        untold = await asyncio.to_thread(work)
        own_run = run_of(end[0])
        own_untold = counts_by_code([told for told in untold if run_of(told.segment) == own_run])
        self._untold += [told for told in untold if run_of(told.segment) != own_run]
        for code_id in loaded:
            memory = self._codes.get(code_id)
            if memory is None:
                continue
            runs = published[code_id]
            memory.before = runs.pop(own_run, 0) + own_untold[code_id] - own_then[code_id]
            memory.others = {run: scans for run, scans in runs.items() if run}
            memory.ready = True
            memory.done.set()
        self._forget_told(marks)

    def _own(self, code_id: int) -> int:
        memory = self._codes.get(code_id)
        return memory.own if memory else 0

    def _forget_told(self, marks: dict[str, int]) -> None:
        """What the published counts have by now."""
        folder = self._journal.folder
        gone = {told.segment for told in self._untold if told.segment not in marks}
        gone = {segment for segment in gone if not (folder / segment).exists()}
        self._untold = [
            told
            for told in self._untold
            if told.segment not in gone and told.offset > marks.get(told.segment, 0) and told.code_id in self._codes
        ]
        left: Counter[int] = counts_by_code(self._untold)
        for code_id, memory in self._codes.items():
            memory.untold = left[code_id]


async def _marks(connection: AsyncConnection) -> dict[str, int]:
    return {row.segment: row.next_offset for row in await connection.execute(select(count_marks))}


def _visitors_query() -> Select[Any]:
    since = datetime.now(UTC) - SALTS_LIVE
    return select(recent_visitors).where(recent_visitors.c.seen_at > since).order_by(recent_visitors.c.seen_at)
