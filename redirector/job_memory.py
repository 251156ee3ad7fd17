"""What a public worker remembers of jobs, for their pages and for rules that ask.

Bounded; whoever follows the change feed says what is no longer true.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Iterable
from functools import partial
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from database.changes import Change
from database.schema import jobs
from jobs.status_sources import JobSource, Source, Surroundings, find_sources

MAX_JOBS: Final = 4_000
MAX_TOGETHER: Final = 20  # read at a time: other requests come between, which this delays by some 2 ms
FILLED_AT_ONCE: Final = 10

Question = Callable[[AsyncConnection], Awaitable[Any]]
Read = Callable[[object, str, Question], Awaitable[Any]]


class _Batch:
    """Codes that are read together: all that are asked for while another batch is being read."""

    def __init__(self) -> None:
        self.code_ids: set[int] = set()
        self.reading: asyncio.Task[dict[int, Source]] | None = None


class JobMemory:
    """Single-threaded. ``read`` asks the database for a key and a network, few at a time, or raises Unavailable."""

    def __init__(self, read: Read) -> None:
        self.changes = 0  # rises whenever something remembered may be wrong now
        self._read = read
        self._by_code: OrderedDict[int, Source] = OrderedDict()
        self._codes: dict[int, int] = {}  # by job
        self._around = Surroundings()
        self._open: _Batch | None = None

    def __len__(self) -> int:
        return len(self._by_code)

    def held(self, code_id: int) -> Source | None:
        return self._by_code.get(code_id)

    async def find(self, code_id: int) -> Source | None:
        """None: no job has this code. Raises Unavailable when it is not here and the database does not answer."""
        held = self._by_code.get(code_id)
        if held is not None:
            self._by_code.move_to_end(code_id)
            return held
        batch = self._open
        if batch is None or len(batch.code_ids) >= MAX_TOGETHER:
            batch = self._open = _Batch()
            batch.reading = asyncio.create_task(self._read_together(batch))
            batch.reading.add_done_callback(_take_note)
        assert batch.reading is not None
        batch.code_ids.add(code_id)
        return (await asyncio.shield(batch.reading)).get(code_id)

    async def _read_together(self, batch: _Batch) -> dict[int, Source]:
        async def question(connection: AsyncConnection) -> dict[int, Source]:
            if self._open is batch:  # what changes from here on may be missing: nobody who asks later shares it
                self._open = None
            return await self._read_and_keep(batch.code_ids, connection)

        try:
            found: dict[int, Source] = await self._read(batch, "", question)
        finally:
            if self._open is batch:  # its turn never came
                self._open = None
        return found

    async def fill(self) -> None:
        """With the newest jobs, so that nobody waits for the database after a start. Raises Unavailable."""

        async def newest(connection: AsyncConnection) -> list[int]:
            query = select(jobs.c.code_id).where(jobs.c.code_id.is_not(None)).order_by(jobs.c.id.desc()).limit(MAX_JOBS)
            return list((await connection.execute(query)).scalars())

        code_ids: list[int] = (await self._read("newest", "", newest))[::-1]
        for start in range(0, len(code_ids), FILLED_AT_ONCE):
            wanted = [code_id for code_id in code_ids[start : start + FILLED_AT_ONCE] if code_id not in self._by_code]
            if wanted:
                await self._read(("fill", start), "", partial(self._read_and_keep, wanted))

    def apply(self, changes: Iterable[Change]) -> None:
        """Of the change feed. A shop or a workflow is on many pages, and changes seldom."""
        for change in changes:
            if change.kind in ("shop", "kind"):
                self.clear()
            elif change.kind in ("job", "code"):
                self.changes += 1
                code_id = self._codes.get(change.ref_id) if change.kind == "job" else change.ref_id
                self._forget(self._by_code.pop(code_id, None) if code_id is not None else None)

    def clear(self) -> None:
        self.changes += 1
        self._by_code.clear()
        self._codes.clear()
        self._around = Surroundings()

    async def _read_and_keep(self, code_ids: Collection[int], connection: AsyncConnection) -> dict[int, Source]:
        """Not kept when anything has changed meanwhile: it may be missing in what was read."""
        changes = self.changes
        found = await find_sources(connection, code_ids, self._around)
        if changes == self.changes:
            for code_id, source in found.items():
                self._keep(code_id, source)
        return found

    def _keep(self, code_id: int, found: Source) -> None:
        self._by_code[code_id] = found
        if isinstance(found, JobSource):
            self._codes[found.job_id] = code_id
        if len(self._by_code) > MAX_JOBS:
            self._forget(self._by_code.popitem(last=False)[1])

    def _forget(self, gone: Source | None) -> None:
        if isinstance(gone, JobSource):
            self._codes.pop(gone.job_id, None)


def _take_note(reading: asyncio.Task[dict[int, Source]]) -> None:
    """Of what went wrong: whoever asked may have gone."""
    if not reading.cancelled():
        reading.exception()
