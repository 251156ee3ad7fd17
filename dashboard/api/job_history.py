"""A job's history over the API, as JSON, CSV and PDF, and the service report over all jobs."""

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from analytics.periods import period_for
from dashboard.access import Editor, TheParts, Viewer
from dashboard.api.job_models import is_staff
from dashboard.api.jobs import Reference, ShopName, asked_job, file_name
from dashboard.labels import FONTS
from jobs.history_files import History, history_csv, history_pdf
from jobs.kinds import check_names, get_workflow
from jobs.register import get_details, list_moves
from jobs.service_report import MAX_JOBS, service_report
from jobs.service_times import service, stays
from jobs.shops import get_shop, get_shop_named

router = APIRouter(tags=["jobs"])
_FILES: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {}, "application/pdf": {}}}}


class MoveOut(BaseModel):
    """``reason``: null for viewers."""

    at: datetime
    recorded_at: datetime
    action: str
    from_stage: str | None
    to_stage: str
    eta_at: datetime | None
    who: str
    reason: str | None


class StayOut(BaseModel):
    stage: str
    name: str
    since: datetime
    until: datetime | None
    wall_hours: float
    working_hours: float = Field(description="Within the shop's opening hours.")


class HistoryOut(BaseModel):
    reference: str
    shop: str
    promised_at: datetime | None = Field(description="What the customer was told first.")
    finished_at: datetime | None
    kept: bool | None = Field(description="Null while it is unfinished, or when nothing was promised.")
    stays: list[StayOut]
    moves: list[MoveOut]


class StageTimesOut(BaseModel):
    stage: str
    name: str
    stays: int
    median_hours: float
    p90_hours: float
    median_working_hours: float
    p90_working_hours: float


class KindTimesOut(BaseModel):
    kind: str
    name: str
    finished: int
    promised: int
    kept: int
    kept_share: float | None
    stages: list[StageTimesOut]


class ServiceReport(BaseModel):
    start: datetime = Field(alias="from")
    end: datetime = Field(alias="to")
    partial: bool = Field(description=f"There are more than {MAX_JOBS:,} jobs; only the newest were looked at.")
    kinds: list[KindTimesOut]


@router.get("/reports/stages")
async def stage_times(
    _who: Viewer,
    parts: TheParts,
    kind: Annotated[str, Query(max_length=40)] = "",
    shop: ShopName = None,
    start: Annotated[str | None, Query(alias="from", max_length=40, examples=["2026-11-01"])] = None,
    to: Annotated[str | None, Query(max_length=40, description="A date includes that whole day.")] = None,
    tz: Annotated[str, Query(max_length=60, examples=["Europe/Berlin"])] = "UTC",
) -> ServiceReport:
    """Median and 90th percentile of the time in each stage, and the share of promises kept. The last 90 days."""
    period = period_for(start, to, tz, days=90)
    async with parts.database.reading() as connection:
        await check_names(connection, kind)
        shop_id = (await get_shop_named(connection, shop)).id if shop else None
    found, partial = await service_report(parts.database, period.start, period.end, kind=kind, shop_id=shop_id)
    kinds = [asdict(one) for one in found]
    return ServiceReport.model_validate({"from": period.start, "to": period.end, "partial": partial, "kinds": kinds})


@router.get("/jobs/{reference}/history")
async def history(reference: Reference, who: Viewer, parts: TheParts, shop: ShopName = None) -> HistoryOut:
    """Every move, the time in each stage, and whether the first promise was kept."""
    async with parts.database.reading() as connection:
        found = await _history(connection, reference, shop)
    told = found.service
    return HistoryOut(
        reference=found.job.reference,
        shop=found.job.shop,
        promised_at=told.promised_at,
        finished_at=told.finished_at,
        kept=told.kept,
        stays=[
            StayOut(
                stage=stay.stage,
                name=stay.name,
                since=stay.since,
                until=stay.until,
                wall_hours=round(stay.wall.total_seconds() / 3600, 3),
                working_hours=round(stay.working.total_seconds() / 3600, 3),
            )
            for stay in found.stays
        ],
        moves=_moves(found, staff=is_staff(who)),
    )


@router.get("/jobs/{reference}/history.{kind}", response_class=Response, responses=_FILES)
async def history_file(
    reference: Reference, kind: Literal["csv", "pdf"], _who: Editor, parts: TheParts, shop: ShopName = None
) -> Response:
    """For disputes: the PDF says whose it was, what was promised, and every change with its time."""
    async with parts.database.reading() as connection:
        found = await _history(connection, reference, shop)
    if kind == "csv":
        content, media = history_csv(found.job, found.moves), "text/csv; charset=utf-8"
    else:
        content = await asyncio.to_thread(history_pdf, found, FONTS if FONTS.is_dir() else None)
        media = "application/pdf"
    headers = {"Content-Disposition": f'attachment; filename="{file_name(found.job)}-history.{kind}"'}
    return Response(content, media_type=media, headers=headers)


def _moves(found: History, *, staff: bool) -> list[MoveOut]:
    shown = [{**asdict(move), "reason": move.reason if staff else None} for move in found.moves]
    return [MoveOut(**{name: move[name] for name in MoveOut.model_fields}) for move in shown]


async def _history(connection: AsyncConnection, reference: str, shop_name: str | None) -> History:
    job = await asked_job(connection, reference, shop_name)
    shop, workflow = await get_shop(connection, job.shop_id), await get_workflow(connection, job.kind)
    moves, now = await list_moves(connection, job.id), datetime.now(UTC)
    spent = stays(moves, workflow, shop.calendar, now)
    told = service(job.promised_at, spent)
    return History(job, shop, workflow, moves, spent, told, await get_details(connection, job.id), now)
