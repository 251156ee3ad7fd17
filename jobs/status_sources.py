"""What a job's public page is made of, read column by column: what is not named here, the public side never has."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, Select, bindparam, case, select
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.alphabet import CodeError
from codes.errors import NotFound
from database.schema import codes, domains, expired_jobs, frozen_jobs, job_moves, jobs
from jobs.freezing import Frozen, find_frozen
from jobs.kinds import get_workflow
from jobs.shops import Shop, get_shop
from jobs.workflows import Workflow
from jobs.working_time import Calendar

log = logging.getLogger(__name__)

PAGES: Final = "/j/"


@dataclass(frozen=True, slots=True)
class PublicMove:
    """Without who did it and why."""

    at: datetime
    recorded_at: datetime
    to_stage: str
    eta_at: datetime | None


@dataclass(frozen=True, slots=True)
class JobSource:
    """A frozen shop's job is all as of then, but for its shop, which is as it is now."""

    job_id: int
    token: str  # lower case
    origin: str  # of the domain its code is on, as configured: scheme and host
    reference: str
    stage: str
    stage_at: datetime
    item: str
    public_note: str
    has_photo: bool
    eta_at: datetime | None
    is_promised: bool  # the shop named the date; else it is estimated
    revision: int
    created_at: datetime
    updated_at: datetime
    moves: tuple[PublicMove, ...]  # in the order they were recorded
    workflow: Workflow
    shop: Shop
    frozen_at: datetime | None = None
    frozen_calendar: Calendar | None = None

    @property
    def calendar(self) -> Calendar:
        """By which it is told how the job stands."""
        return self.frozen_calendar or self.shop.calendar

    @property
    def path(self) -> str:
        return f"{PAGES}{self.token}"

    @property
    def url(self) -> str:
        return f"{self.origin}{self.path}"


@dataclass(frozen=True, slots=True)
class ExpiredSource:
    """Of a job whose page was kept for as long as was said."""

    shop: Shop


Source = JobSource | ExpiredSource


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What many pages have in common, as first read: whoever keeps it must begin a new one when shops or workflows change."""

    shops: dict[int, Shop] = field(default_factory=dict)
    workflows: dict[str, Workflow] = field(default_factory=dict)
    frozen: dict[int, Frozen | None] = field(default_factory=dict)  # by shop

    async def shop(self, connection: AsyncConnection, shop_id: int) -> Shop:
        if shop_id not in self.shops:
            self.shops[shop_id] = await get_shop(connection, shop_id)
        return self.shops[shop_id]

    async def workflow(self, connection: AsyncConnection, kind: str) -> Workflow:
        if kind not in self.workflows:
            self.workflows[kind] = await get_workflow(connection, kind)
        return self.workflows[kind]

    async def as_frozen(self, connection: AsyncConnection, shop: Shop) -> Frozen | None:
        if shop.tracking != "frozen":
            return None
        if shop.id not in self.frozen:
            self.frozen[shop.id] = await find_frozen(connection, shop.id)
        return self.frozen[shop.id]


async def find_sources(
    connection: AsyncConnection, code_ids: Collection[int], around: Surroundings | None = None
) -> dict[int, Source]:
    """By code. What is missing there is no job's code (any more). A few questions, however many codes; what is wrong with
    one job is logged, and stays with it.
    """
    around = Surroundings() if around is None else around
    rows = (await connection.execute(_SOURCES, {"code_ids": list(code_ids)})).all()
    moves = await _moves(connection, [row.id for row in rows])
    found: dict[int, Source] = {}
    for row in rows:
        try:
            workflow, shop = await around.workflow(connection, row.kind), await around.shop(connection, row.shop_id)
        except (CodeError, NotFound) as error:
            log.error("job %d has no page: %s", row.id, error)
            continue
        found[row.code_id] = JobSource(
            row.id,
            row.code.lower(),
            f"{row.scheme}://{row.host}",
            row.reference,
            row.stage,
            row.stage_at,
            row.item,
            row.public_note,
            row.has_photo,
            row.eta_at,
            row.is_promised,
            row.revision,
            row.created_at,
            row.updated_at,
            tuple(moves.get(row.id, ())),
            workflow,
            shop,
        )
    await _take_back(connection, found, around)
    gone = [code_id for code_id in code_ids if code_id not in found]
    for code_id, shop_id in await _expired(connection, gone):
        found[code_id] = ExpiredSource(await around.shop(connection, shop_id))
    return found


_SOURCES: Final = (
    select(
        jobs.c.id,
        jobs.c.code_id,
        jobs.c.shop_id,
        jobs.c.kind,
        jobs.c.reference,
        jobs.c.stage,
        jobs.c.stage_at,
        jobs.c.item,
        jobs.c.public_note,
        jobs.c.photo.is_not(None).label("has_photo"),
        jobs.c.eta_at,
        jobs.c.due_at.is_not(None).label("is_promised"),
        jobs.c.revision,
        jobs.c.created_at,
        jobs.c.updated_at,
        codes.c.code,
        domains.c.scheme,
        domains.c.host,
    )
    .join(codes, codes.c.id == jobs.c.code_id)
    .join(domains, domains.c.id == codes.c.domain_id)
    .where(jobs.c.code_id.in_(bindparam("code_ids", expanding=True)))
)
_MOVES: Final = (
    select(job_moves.c.job_id, job_moves.c.at, job_moves.c.recorded_at, job_moves.c.to_stage, job_moves.c.eta_at)
    .where(job_moves.c.job_id.in_(bindparam("job_ids", expanding=True)))
    .order_by(job_moves.c.id)
)


_KEPT: Final[Select[Any]] = select(
    *(column for column in frozen_jobs.c if column.name != "photo"), frozen_jobs.c.photo.is_not(None).label("has_photo")
).where(frozen_jobs.c.job_id.in_(bindparam("job_ids", expanding=True)))


async def find_shown_photo(connection: AsyncConnection, job_id: int) -> bytes | None:
    """JPEG, as its page has it."""
    as_shown = case((frozen_jobs.c.job_id.is_not(None), frozen_jobs.c.photo), else_=jobs.c.photo)
    query = select(as_shown).outerjoin_from(jobs, frozen_jobs, frozen_jobs.c.job_id == jobs.c.id)
    found: bytes | None = (await connection.execute(query.where(jobs.c.id == job_id))).scalar()
    return found


async def _take_back(connection: AsyncConnection, found: dict[int, Source], around: Surroundings) -> None:
    """Jobs of frozen shops to how they stood when these were frozen; those that began later have no page."""
    pages = {code_id: source for code_id, source in found.items() if isinstance(source, JobSource)}
    frozen = {
        code_id: kept for code_id, source in pages.items() if (kept := await around.as_frozen(connection, source.shop))
    }
    if not frozen:
        return
    job_ids = [pages[code_id].job_id for code_id in frozen]
    rows = {row.job_id: row for row in await connection.execute(_KEPT, {"job_ids": job_ids})}
    for code_id, kept in frozen.items():
        page = _as_of_freeze(pages[code_id], kept, rows.get(pages[code_id].job_id))
        if page is None:
            del found[code_id]
        else:
            found[code_id] = page


def _as_of_freeze(source: JobSource, frozen: Frozen, kept: Row[Any] | None) -> JobSource | None:
    """``kept``: how the job was before its first change since; None: it has not changed."""
    frozen_at = source.shop.tracking_at
    if source.created_at > frozen_at:
        return None
    moves = source.moves if kept is None else source.moves[: kept.moves]
    arrived, written, kind = arrivals(moves)[-1], kept or source, kept.kind if kept else source.workflow.kind
    return replace(
        source,
        stage=arrived.to_stage,
        stage_at=arrived.at,
        item=written.item,
        public_note=written.public_note if frozen.show_note else "",
        has_photo=written.has_photo and frozen.show_photo,
        eta_at=moves[-1].eta_at,
        is_promised=source.is_promised if kept is None else kept.due_at is not None,
        revision=written.revision,
        updated_at=written.updated_at,
        moves=moves,
        workflow=replace(source.workflow, stages=frozen.stages.get(kind, source.workflow.stages)),
        frozen_at=frozen_at,
        frozen_calendar=frozen.calendar,
    )


def arrivals(moves: Sequence[PublicMove]) -> list[PublicMove]:
    """Those that came to another stage; the others changed the estimate."""
    before = ["", *(move.to_stage for move in moves)]
    return [move for stage, move in zip(before, moves, strict=False) if move.to_stage != stage]


async def _moves(connection: AsyncConnection, job_ids: Sequence[int]) -> dict[int, list[PublicMove]]:
    found: dict[int, list[PublicMove]] = {}
    if job_ids:
        for row in await connection.execute(_MOVES, {"job_ids": list(job_ids)}):
            found.setdefault(row.job_id, []).append(PublicMove(row.at, row.recorded_at, row.to_stage, row.eta_at))
    return found


async def _expired(connection: AsyncConnection, code_ids: Sequence[int]) -> list[tuple[int, int]]:
    """Code and shop."""
    if not code_ids:
        return []
    query = select(expired_jobs.c.code_id, expired_jobs.c.shop_id).where(expired_jobs.c.code_id.in_(code_ids))
    return [(row.code_id, row.shop_id) for row in await connection.execute(query)]
