"""Which jobs there are: lists in pages, counts by stage, the head of every column of a board. Forgives how things are typed."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.alphabet import JOB_LENGTH, CodeError, fold, normalise_typed, typed_candidates
from codes.names import is_plain
from database.schema import codes, domains, job_details, jobs
from jobs.register import Job, job_from, job_query
from jobs.workflows import Phase, Workflow

JobSort = Literal["newest", "due"]

AT_ONCE: Final = 500  # ids in one question
MIN_FORGIVEN: Final = 3  # of fewer letters, too many references would be alike
_ADDRESS: Final = re.compile(r"^\S*/j/")
_PLACE: Final = re.compile(r"([0-9]{1,16}):([0-9]{0,16})", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ALIKE: Final = ((" ", ""), ("-", ""), ("/", ""), ("o", "0"), ("i", "1"), ("l", "1"))


class CursorError(CodeError):
    """A cursor that no page gave."""


@dataclass(frozen=True, slots=True)
class Place:
    """Of a job in a list: the next page begins behind it, whatever has come or gone meanwhile."""

    id: int
    eta_at: datetime | None = None


class Mark(NamedTuple):
    """What is left of a job when there are thousands."""

    id: int
    reference: str
    code_id: int | None
    stage_at: datetime


@dataclass(frozen=True, slots=True)
class JobSearch:
    """None and "" ask for nothing."""

    shop_id: int | None = None
    kind: str = ""
    stages: Sequence[str] = ()
    at: Mapping[str, Sequence[str]] | None = None  # keys of stages by kind
    ids: Sequence[int] | None = None
    open_only: bool = False  # not completed
    done_only: bool = False
    due_before: datetime | None = None
    text: str = ""  # in reference, item, or customer's name and telephone; a whole token
    private: bool = True  # False: only in what is not private
    sort: JobSort = "newest"
    after: Place | None = None
    offset: int = 0
    limit: int | None = 100


async def list_jobs(connection: AsyncConnection, search: JobSearch) -> list[Job]:
    """The newest first, or the one that is due first; those without a date come last."""
    query = matching(job_query(), search).order_by(*_order(search)).limit(search.limit).offset(search.offset)
    if search.after is not None:
        query = query.where(_behind(search.after, search.sort))
    return [job_from(row) for row in await connection.execute(query)]


async def count_jobs_by_stage(connection: AsyncConnection, search: JobSearch) -> dict[str, dict[str, int]]:
    """By kind, then by the stage's key; whatever ``search`` says of order and page."""
    query = matching(select(jobs.c.kind, jobs.c.stage, func.count()), search).group_by(jobs.c.kind, jobs.c.stage)
    found: dict[str, dict[str, int]] = {}
    for kind, stage, count in await connection.execute(query):
        found.setdefault(kind, {})[stage] = count
    return found


async def count_jobs(connection: AsyncConnection, search: JobSearch) -> int:
    return int((await connection.execute(matching(select(func.count(jobs.c.id)), search))).scalar_one())


async def list_heads(connection: AsyncConnection, search: JobSearch, most: int) -> list[Job]:
    """The first ``most`` jobs at each stage of each kind, in their order."""
    place = func.row_number().over(partition_by=(jobs.c.kind, jobs.c.stage), order_by=_order(search))
    placed = matching(select(jobs.c.id, place.label("place")), search).subquery()
    query = job_query().join(placed, and_(placed.c.id == jobs.c.id, placed.c.place <= most)).order_by(*_order(search))
    return [job_from(row) for row in await connection.execute(query)]


async def list_marks(connection: AsyncConnection, search: JobSearch) -> list[Mark]:
    """Of all that match, in their order: what is needed of thousands."""
    query = matching(select(jobs.c.id, jobs.c.reference, jobs.c.code_id, jobs.c.stage_at), search)
    rows = await connection.execute(query.order_by(*_order(search)).limit(search.limit))
    return [Mark(*row) for row in rows]


async def shops_of_jobs(connection: AsyncConnection, job_ids: Sequence[int]) -> dict[int, int]:
    """The shop's id by the job's."""
    found: dict[int, int] = {}
    for start in range(0, len(job_ids), AT_ONCE):
        some = select(jobs.c.id, jobs.c.shop_id).where(jobs.c.id.in_(job_ids[start : start + AT_ONCE]))
        found |= {row.id: row.shop_id for row in await connection.execute(some)}
    return found


def stages_in(workflows: Mapping[str, Workflow], *phases: Phase) -> dict[str, list[str]]:
    """The keys of stages in one of these phases, by kind."""
    return {kind: [stage.key for stage in one.stages if stage.phase in phases] for kind, one in workflows.items()}


def late_only(search: JobSearch, workflows: Mapping[str, Workflow], now: datetime) -> JobSearch:
    """As ``jobs.estimates.is_late`` has it: there is still work to do, and it is later than was said."""
    return replace(search, at=stages_in(workflows, "waiting", "working"), due_before=now)


def cursor_of(job: Job) -> str:
    micros = "" if job.eta_at is None else (job.eta_at - _EPOCH) // timedelta(microseconds=1)
    return f"{job.id}:{micros}"


def place_from(cursor: str) -> Place:
    """Raises CursorError."""
    found = _PLACE.fullmatch(cursor)
    if found is None:
        raise CursorError(f"the cursor {cursor[:40]!r} is none of ours; use `next` of the page before.")
    return Place(int(found[1]), _EPOCH + timedelta(microseconds=int(found[2])) if found[2] else None)


def matching(query: Select[Any], search: JobSearch) -> Select[Any]:
    if search.shop_id is not None:
        query = query.where(jobs.c.shop_id == search.shop_id)
    if search.kind:
        query = query.where(jobs.c.kind == search.kind)
    if search.stages:
        query = query.where(jobs.c.stage.in_(search.stages))
    if search.ids is not None:
        query = query.where(jobs.c.id.in_(search.ids))
    if search.open_only:
        query = query.where(jobs.c.completed_at.is_(None))
    if search.done_only:
        query = query.where(jobs.c.completed_at.is_not(None))
    if search.at is not None:
        query = query.where(
            or_(*(and_(jobs.c.kind == kind, jobs.c.stage.in_(keys)) for kind, keys in search.at.items()))
        )
    if search.due_before is not None:
        query = query.where(jobs.c.eta_at < search.due_before)
    if not search.text:
        return query
    if not is_plain(search.text):
        return query.where(false())
    if not search.private:
        return query.where(or_(*_in_public(search.text)))
    query = query.outerjoin(job_details, job_details.c.job_id == jobs.c.id)
    return query.where(or_(*_in_public(search.text), *_in_private(search.text)))


def _in_public(text: str) -> list[ColumnElement[bool]]:
    """As it stands there; references also however somebody reads them aloud: r 1O42 for R-1042."""
    found = [column.icontains(text, autoescape=True) for column in (jobs.c.reference, jobs.c.item)]
    parts = "".join(normalise_typed(part) for part in text.split("/"))  # each: of an address only its end is left
    forgiven = fold(parts).replace(" ", "").replace("-", "")
    if len(forgiven) >= MIN_FORGIVEN:
        folded: ColumnElement[str] = func.lower(jobs.c.reference)
        for sign, plain in _ALIKE:
            folded = func.replace(folded, sign, plain)
        found.append(folded.contains(forgiven, autoescape=True))
    return found


def _in_private(text: str) -> list[ColumnElement[bool]]:
    found = [
        column.icontains(text, autoescape=True)
        for column in (job_details.c.customer_name, job_details.c.customer_phone)
    ]
    tokens = {fold(typed) for typed in typed_candidates(_ADDRESS.sub("", text))}
    tokens = {token for token in tokens if len(token) == JOB_LENGTH}
    if tokens:
        # With its domains named, or SQLite would read through all codes.
        of_any = codes.c.domain_id.in_(select(domains.c.id)), codes.c.kind == "job"
        found.append(jobs.c.code_id.in_(select(codes.c.id).where(*of_any, codes.c.folded.in_(tokens))))
    return found


def _order(search: JobSearch) -> tuple[ColumnElement[Any], ...]:
    if search.sort == "due":
        return jobs.c.eta_at.is_(None), jobs.c.eta_at, jobs.c.id
    return (jobs.c.id.desc(),)


def _behind(place: Place, sort: JobSort) -> ColumnElement[bool]:
    if sort == "newest":
        return jobs.c.id < place.id
    undated = jobs.c.eta_at.is_(None)
    if place.eta_at is None:
        return and_(undated, jobs.c.id > place.id)
    same = and_(jobs.c.eta_at == place.eta_at, jobs.c.id > place.id)
    return or_(jobs.c.eta_at > place.eta_at, same, undated)
