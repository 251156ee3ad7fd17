"""What a job's public page is made of, read column by column: what is not named here, the public side never has."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from database.schema import codes, domains, expired_jobs, job_moves, jobs
from jobs.kinds import get_workflow
from jobs.shops import Shop, get_shop
from jobs.workflows import Workflow

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


async def find_source(connection: AsyncConnection, code_id: int) -> Source | None:
    """None: no job has this code (any more)."""
    query = (
        select(
            jobs.c.id,
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
        .where(jobs.c.code_id == code_id)
    )
    row = (await connection.execute(query)).first()
    if row is None:
        return await _find_expired(connection, code_id)
    return JobSource(
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
        await _moves(connection, row.id),
        await get_workflow(connection, row.kind),
        await get_shop(connection, row.shop_id),
    )


async def _find_expired(connection: AsyncConnection, code_id: int) -> ExpiredSource | None:
    query = select(expired_jobs.c.shop_id).where(expired_jobs.c.code_id == code_id)
    shop_id = (await connection.execute(query)).scalar_one_or_none()
    return None if shop_id is None else ExpiredSource(await get_shop(connection, shop_id))


async def _moves(connection: AsyncConnection, job_id: int) -> tuple[PublicMove, ...]:
    columns = (job_moves.c.at, job_moves.c.recorded_at, job_moves.c.to_stage, job_moves.c.eta_at)
    query = select(*columns).where(job_moves.c.job_id == job_id).order_by(job_moves.c.id)
    return tuple(PublicMove(*row) for row in await connection.execute(query))
