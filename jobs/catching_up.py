"""What a shop's system did while it was offline, told in one go: entry by entry, each once, however often it is sent."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from sqlalchemy import delete, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.alphabet import CodeError
from codes.errors import Conflict, NotFound
from codes.names import is_plain, plain_text
from database.engine import Database
from database.rows import insert_rows
from database.schema import batch_entries
from jobs.jobs import JobError, JobFields, Occasion, delete_job_in
from jobs.known import Known, MadeMeanwhileError
from jobs.register import Job
from jobs.steps import Step, moving, putting, write_steps

AT_ONCE: Final = 50  # in a transaction: whoever else writes waits for no more than these
MAX_ENTRIES: Final = 1_000
MAX_ID: Final = 100
KEEP_ENTRIES: Final = timedelta(days=30)

Op = Literal["put", "advance", "back", "deliver", "move", "delete"]
Result = Literal["created", "changed", "unchanged", "moved", "deleted"]
Refusal = CodeError | NotFound | Conflict


@dataclass(frozen=True, slots=True)
class Entry:
    """``id`` is the sender's own: advance and back need one, since they mean something else the second time."""

    op: Op
    reference: str
    id: str | None = None
    shop: str | None = None
    stage: str | None = None  # of a move
    reason: str = ""
    fields: JobFields = field(default_factory=JobFields)  # of a put
    at: datetime | None = None
    revision: int | None = None

    @property
    def digest(self) -> str:
        """Of all it says: the same id must not come to mean something else."""
        return hashlib.sha256(json.dumps(asdict(self), default=str, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Outcome:
    """``seen``: it was done when it was sent first. ``job``: as it is now; None once it is deleted."""

    result: Result
    revision: int
    stage: str
    seen: bool
    job: Job | None


async def catch_up(database: Database, entries: Sequence[Entry], *, who: str) -> list[Outcome | Refusal]:
    """In order, each with its mark; what is refused stops no other. Several share a transaction: that is ten times quicker."""
    told: list[Outcome | Refusal] = []
    for start in range(0, len(entries), AT_ONCE):
        told += await _together(database, entries[start : start + AT_ONCE], who)
    return told


async def forget_entries(database: Database, now: datetime) -> int:
    """Those that nobody sends again."""
    async with database.transaction() as connection:
        old = delete(batch_entries).where(batch_entries.c.at < now - KEEP_ENTRIES)
        return (await connection.execute(old)).rowcount


def _check(entry: Entry) -> None:
    if entry.id is None and entry.op in ("advance", "back"):
        raise JobError(f"{entry.op} needs an id of yours, or it would move the job again when it is sent again.")
    if entry.id is not None and (not entry.id or len(entry.id) > MAX_ID or plain_text(entry.id) != entry.id):
        raise JobError(f"an id is 1 to {MAX_ID} characters in one line; got {entry.id[:60]!r}.")
    if entry.op == "move" and not entry.stage:
        raise JobError("a move needs its stage.")


async def _together(database: Database, entries: Sequence[Entry], who: str) -> list[Outcome | Refusal]:
    try:
        async with database.transaction() as connection:
            return await _Group(connection, who).apply(entries)
    except MadeMeanwhileError:
        return await _together(database, entries, who)
    except DBAPIError:
        if len(entries) == 1:
            raise
    # What the database does not take, it takes from none of them then: each by itself.
    return [told for entry in entries for told in await _together(database, [entry], who)]


class _Group:
    """Entries of one transaction."""

    def __init__(self, connection: AsyncConnection, who: str) -> None:
        self._connection = connection
        self._who = who
        self._known = Known(connection)
        self._marks: dict[str, tuple[str, Mapping[str, Any]]] = {}  # by id: digest and verdict
        self._told: dict[int, Outcome | Refusal] = {}

    async def apply(self, entries: Sequence[Entry]) -> list[Outcome | Refusal]:
        await self._known.read_ahead({entry.reference for entry in entries})
        self._marks = await self._marks_of(entries)
        seen = frozenset(self._marks)
        for wave in _waves(entries):
            await self._take(wave)
            references = {entry.reference for _, entry in wave}
            self._known.forget(references)
            if len(entries) > len(wave):
                await self._known.read_ahead(references)
        now = datetime.now(UTC)
        rows = [(self._who, own_id, *mark, now) for own_id, mark in self._marks.items() if own_id not in seen]
        await insert_rows(self._connection, batch_entries, ("who", "entry", "digest", "verdict", "at"), rows)
        return [self._told[number] for number in range(len(entries))]

    async def _take(self, entries: Iterable[tuple[int, Entry]]) -> None:
        """Of different jobs. Refused is what is refused before anything of it is written."""
        planned = []
        for number, entry in entries:
            try:
                _check(entry)
                outcome = await self._seen(entry)
                if outcome is None and entry.op == "delete":
                    outcome = self._marked(entry, await self._deleted(entry))
                if outcome is None:
                    planned.append((number, entry, *await self._step(entry)))
                else:
                    self._told[number] = outcome
            except (CodeError, NotFound, Conflict) as error:
                self._told[number] = error
        written = iter(await write_steps(self._connection, [step for *_, step in planned if step is not None]))
        for number, entry, before, step in planned:
            job = before if step is None else next(written)
            assert job is not None  # only what is there can stay as it is
            result = _result(entry, before, step)
            self._told[number] = self._marked(entry, Outcome(result, job.revision, job.stage, seen=False, job=job))

    async def _marks_of(self, entries: Sequence[Entry]) -> dict[str, tuple[str, Mapping[str, Any]]]:
        own_ids = [entry.id for entry in entries if entry.id is not None and is_plain(entry.id)]
        if not own_ids:
            return {}
        query = select(batch_entries).where(batch_entries.c.who == self._who, batch_entries.c.entry.in_(own_ids))
        return {row.entry: (row.digest, row.verdict) for row in await self._connection.execute(query)}

    async def _seen(self, entry: Entry) -> Outcome | None:
        if entry.id is None or entry.id not in self._marks:
            return None
        digest, verdict = self._marks[entry.id]
        if digest != entry.digest:
            raise Conflict(f"the id {entry.id!r} was used for another entry; give this one an id of its own.")
        shop_id = (await self._known.shop(entry.shop)).id
        return Outcome(**verdict, seen=True, job=await self._known.find(entry.reference, shop_id))

    def _marked(self, entry: Entry, outcome: Outcome) -> Outcome:
        if entry.id is not None:
            verdict = {"result": outcome.result, "revision": outcome.revision, "stage": outcome.stage}
            self._marks[entry.id] = (entry.digest, verdict)
        return outcome

    async def _deleted(self, entry: Entry) -> Outcome:
        gone = await delete_job_in(self._connection, entry.reference, self._on(entry), entry.shop)
        return Outcome("deleted", gone.revision, gone.stage, seen=False, job=None)

    async def _step(self, entry: Entry) -> tuple[Job | None, Step | None]:
        if entry.op == "put":
            given = replace(entry.fields, shop=entry.shop)
            return await putting(self._known, entry.reference, given, self._on(entry))
        to = entry.stage or "" if entry.op == "move" else entry.op
        return await moving(self._known, entry.reference, to, self._on(entry), shop=entry.shop, reason=entry.reason)

    def _on(self, entry: Entry) -> Occasion:
        return Occasion(self._who, entry.at, entry.revision)


def _result(entry: Entry, before: Job | None, step: Step | None) -> Result:
    if step is None:
        return "unchanged"
    return "moved" if entry.op != "put" else "created" if before is None else "changed"


def _waves(entries: Iterable[Entry]) -> list[list[tuple[int, Entry]]]:
    """Numbered. In a wave each is of another job and has another id: what comes after it there is of a later wave."""
    waves: list[list[tuple[int, Entry]]] = []
    reached: dict[tuple[str, str], int] = {}
    for number, entry in enumerate(entries):
        keys = [("job", entry.reference), *([("id", entry.id)] if entry.id is not None else [])]
        place = max(reached.get(key, 0) for key in keys)
        reached |= dict.fromkeys(keys, place + 1)
        if place == len(waves):
            waves.append([])
        waves[place].append((number, entry))
    return waves
