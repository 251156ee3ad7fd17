"""What a job's public page is made of, read column by column: what is not named here, the public side never has."""

import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.alphabet import CodeError
from codes.errors import NotFound
from database.schema import codes, domains, expired_jobs, job_moves, jobs
from jobs.kinds import get_workflow
from jobs.shops import Shop, get_shop
from jobs.workflows import Workflow

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

    async def shop(self, connection: AsyncConnection, shop_id: int) -> Shop:
        if shop_id not in self.shops:
            self.shops[shop_id] = await get_shop(connection, shop_id)
        return self.shops[shop_id]

    async def workflow(self, connection: AsyncConnection, kind: str) -> Workflow:
        if kind not in self.workflows:
            self.workflows[kind] = await get_workflow(connection, kind)
        return self.workflows[kind]


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
