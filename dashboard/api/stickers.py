"""Sticker sheets of jobs over the API, made in the background like label sheets. For staff: they hold the jobs' links."""

from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse
from pydantic import Field, model_validator
from sqlalchemy.ext.asyncio import AsyncConnection

from dashboard.access import Editor, TheParts
from dashboard.api.job_models import Refusing
from dashboard.api.jobs import ShopName, asked_job
from dashboard.api.sheets import PDF, Nudge, Number, SheetList, SheetOut, end_sheet, file_answer, sheet_out
from dashboard.labels import STICKERS
from dashboard.stickers import order_stickers
from dashboard.tasks import Task, get_task, list_tasks
from jobs.kinds import check_names, list_workflows
from jobs.search import JobSearch, late_only
from jobs.shops import get_shop_named

router = APIRouter(prefix="/sticker-sheets", tags=["slips"])
MAX_NAMED: Final = 300  # jobs; a search finds more


class StickerSheetIn(Refusing):
    """Either the ``references``, or all jobs that the rest finds, as ``GET /jobs`` does."""

    stock: str = Field("avery-l7160", max_length=40, description="As in /sheets/stocks.")
    copies: int = Field(1, ge=1, le=1000, description="Stickers of each job.")
    start_cell: int = Field(1, ge=1, le=1000, description="The first label to print on, counted row by row.")
    nudge_x_mm: Nudge = 0
    nudge_y_mm: Nudge = 0
    outlines: bool = Field(False, description="Draw the labels' edges, for plain paper.")
    references: list[Annotated[str, Field(max_length=200)]] | None = Field(None, min_length=1, max_length=MAX_NAMED)
    search: str = Field("", max_length=200)
    kind: str = Field("", max_length=40)
    stage: list[Annotated[str, Field(max_length=40)]] = Field([], max_length=30, description="Any of these.")
    open: bool = Field(False, description="Without those that are done.")
    late: bool = Field(False, description="Only those later than was said.")

    @model_validator(mode="after")
    def _either(self) -> "StickerSheetIn":
        narrowed = bool(self.search or self.kind or self.stage or self.open or self.late)
        if narrowed == (self.references is not None):
            raise ValueError("name jobs by references, or choose them by search, kind, stage, open and late")
        return self

    def given(self) -> dict[str, Any]:
        """What is kept with the task."""
        return self.model_dump(include={"stock", "copies", "start_cell", "nudge_x_mm", "nudge_y_mm", "outlines"})


@router.post("", status_code=201)
async def add_sticker_sheets(
    body: StickerSheetIn, who: Editor, parts: TheParts, response: Response, shop: ShopName = None
) -> SheetOut:
    """Up to 60 stickers are ready when it answers; for more, ask again until ``state`` is done."""
    async with parts.database.reading() as connection:
        search = await _search(connection, body, shop)
    number = await order_stickers(parts, body.given(), search, who.name)
    response.headers["Location"] = f"/api/v1/sticker-sheets/{number}"
    return await show_sticker_sheets(number, who, parts)


@router.get("")
async def recent_sticker_sheets(_who: Editor, parts: TheParts) -> SheetList:
    """Newest first, 50 at most."""
    async with parts.database.reading() as connection:
        return SheetList(sheets=[_out(task) for task in await list_tasks(connection, STICKERS)])


@router.get("/{number}")
async def show_sticker_sheets(number: Number, _who: Editor, parts: TheParts) -> SheetOut:
    async with parts.database.reading() as connection:
        return _out(await get_task(connection, number, STICKERS))


@router.get("/{number}/file", response_class=FileResponse, responses=PDF)
async def sticker_sheets_file(number: Number, _who: Editor, parts: TheParts) -> Response:
    async with parts.database.reading() as connection:
        return file_answer(parts, await get_task(connection, number, STICKERS), f"stickers-{number}.pdf")


@router.delete("/{number}", status_code=204)
async def end_sticker_sheets(number: Number, _who: Editor, parts: TheParts) -> None:
    """Cancels sheets that are being made, else removes them with their file."""
    await end_sheet(parts, number, STICKERS)


async def _search(connection: AsyncConnection, body: StickerSheetIn, shop: str | None) -> JobSearch:
    if body.references is not None:
        return JobSearch(ids=[(await asked_job(connection, reference, shop)).id for reference in body.references])
    await check_names(connection, body.kind, body.stage)
    search = JobSearch(
        shop_id=(await get_shop_named(connection, shop)).id if shop else None,
        kind=body.kind,
        stages=body.stage,
        open_only=body.open,
        text=body.search.strip(),
        sort="due",
    )
    return late_only(search, await list_workflows(connection), datetime.now(UTC)) if body.late else search


def _out(task: Task) -> SheetOut:
    found = sheet_out(task)
    return found.model_copy(update={"file": f"/api/v1/sticker-sheets/{task.id}/file"}) if found.file else found
