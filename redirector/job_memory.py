"""What a public worker remembers of jobs, for their pages and for rules that ask.

Bounded; whoever follows the change feed says what is no longer true.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncConnection

from database.changes import Change
from jobs.status_sources import JobSource, Source, find_source

MAX_JOBS: Final = 4_000

Question = Callable[[AsyncConnection], Awaitable[Any]]
Read = Callable[[object, str, Question], Awaitable[Any]]


class JobMemory:
    """Single-threaded. ``read`` asks the database for a key and a network, or raises Unavailable."""

    def __init__(self, read: Read) -> None:
        self.changes = 0  # rises whenever something remembered may be wrong now
        self._read = read
        self._by_code: OrderedDict[int, Source] = OrderedDict()
        self._codes: dict[int, int] = {}  # by job

    def __len__(self) -> int:
        return len(self._by_code)

    def held(self, code_id: int) -> Source | None:
        return self._by_code.get(code_id)

    async def find(self, code_id: int, network: str = "") -> Source | None:
        """None: no job has this code. Raises Unavailable when it is not here and the database does not answer."""
        held = self._by_code.get(code_id)
        if held is not None:
            self._by_code.move_to_end(code_id)
            return held
        changes = self.changes
        # What changes meanwhile may be missing in what is read: nobody who asks later shares it, and it is not kept.
        key = ("job", code_id, changes)
        found: Source | None = await self._read(key, network, lambda connection: find_source(connection, code_id))
        if found is not None and changes == self.changes:
            self._keep(code_id, found)
        return found

    async def ask(self, key: object, network: str, question: Question) -> Any:
        """What is too large to remember. Raises Unavailable."""
        return await self._read(key, network, question)

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

    def _keep(self, code_id: int, found: Source) -> None:
        self._by_code[code_id] = found
        if isinstance(found, JobSource):
            self._codes[found.job_id] = code_id
        if len(self._by_code) > MAX_JOBS:
            self._forget(self._by_code.popitem(last=False)[1])

    def _forget(self, gone: Source | None) -> None:
        if isinstance(gone, JobSource):
            self._codes.pop(gone.job_id, None)
