"""The page that makes sticker sheets of the jobs ticked on the board, or of all that it shows. For staff alone."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import ClassVar, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from codes.alphabet import CodeError
from codes.errors import Conflict, NotFound
from codes.qr import QrError
from codes.sheets import MAX_LABELS, SheetError, SheetsUnavailable
from codes.stocks import STOCKS, StockError
from dashboard.access import Identity, TheParts
from dashboard.api.sheets import end_sheet
from dashboard.api.stickers import StickerSheetIn
from dashboard.board_pages import search_for
from dashboard.board_views import Asked, asked_from
from dashboard.forms import read_form
from dashboard.job_cards import shops_by_id
from dashboard.job_forms import refused
from dashboard.labels import KEEP_DAYS, STICKERS
from dashboard.parts import Parts
from dashboard.print_views import SheetView, sheet_views
from dashboard.show import show
from dashboard.signed_in import Writer
from dashboard.stickers import chosen_jobs, order_stickers
from dashboard.tasks import list_tasks
from dashboard.views import Form
from jobs.kinds import list_workflows
from jobs.search import JobSearch

router = APIRouter(include_in_schema=False)

REFUSALS: Final = (QrError, StockError, SheetsUnavailable, CodeError, Conflict, NotFound)
NAMED: Final = 12
_NUMBERS: Final = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class StickersPage:
    """``chosen`` names the first of ``count`` jobs; ``picked`` and ``asked`` carry the choice from one form to the next."""

    template: ClassVar[str] = "stickers.html"
    active: ClassVar[str] = "jobs"
    form: Form
    sheets: tuple[SheetView, ...]
    chosen: tuple[str, ...]
    count: int
    picked: str
    asked: Asked
    stocks: Mapping[str, str]


@router.get("/stickers")
async def stickers(request: Request, who: Writer, parts: TheParts) -> Response:
    given = request.query_params
    fields = {**given, "jobs": " ".join([*given.getlist("job"), given.get("jobs", "")]).strip()}
    return await _page(request, who, parts, fields, Form())


@router.post("/stickers")
async def make_stickers(request: Request, who: Writer, parts: TheParts) -> Response:
    fields = await read_form(request, who)
    names = ("stock", "copies", "start_cell", "nudge_x_mm", "nudge_y_mm")
    given = {name: fields[name].strip() for name in names if fields.get(name, "").strip()}
    try:
        wanted = StickerSheetIn.model_validate({**given, "open": True, "outlines": bool(fields.get("outlines"))})
        await order_stickers(parts, wanted.given(), await _search(parts, fields), who.name)
    except ValidationError as problem:
        error = problem.errors()[0]
        form = Form(fields, {str(error["loc"][-1]): error["msg"]})
        return await _page(request, who, parts, fields, form, 422)
    except REFUSALS as problem:
        return await _page(request, who, parts, fields, refused(fields, problem), 422)
    return RedirectResponse("/stickers#made", 303)


@router.post("/stickers/{number:int}/end")
async def end_stickers(number: int, request: Request, who: Writer, parts: TheParts) -> Response:
    await read_form(request, who)
    await end_sheet(parts, number, STICKERS)
    return RedirectResponse("/stickers#made", 303)


async def _page(
    request: Request, who: Identity, parts: Parts, fields: Mapping[str, str], form: Form, status: int = 200
) -> Response:
    now, shops = datetime.now(UTC), await shops_by_id(parts)
    search, chosen = await _search(parts, fields), []
    async with parts.database.reading() as connection:
        tasks = await list_tasks(connection, STICKERS)
        if search.ids != []:
            try:
                chosen = await chosen_jobs(connection, search)
            except (SheetError, Conflict) as error:
                form = form if form.errors else refused(fields, error)
    page = StickersPage(
        form=form,
        sheets=sheet_views(tasks, ZoneInfo(next(iter(shops.values())).zone), now, KEEP_DAYS[STICKERS]),
        chosen=tuple(mark.reference for mark in chosen[:NAMED]),
        count=len(chosen),
        picked="" if fields.get("all") else " ".join(_NUMBERS.findall(fields.get("jobs", ""))),
        asked=asked_from(fields) if fields.get("all") else Asked(),
        stocks={stock.key: stock.name for stock in STOCKS.values()},
    )
    return show(request, page, who, status=status)


async def _search(parts: Parts, fields: Mapping[str, str]) -> JobSearch:
    """All that the board shows for the same address, or those ticked; none are, then nothing is chosen."""
    if not fields.get("all"):
        return JobSearch(ids=[int(number) for number in _NUMBERS.findall(fields.get("jobs", ""))[: MAX_LABELS + 1]])
    asked, shops = asked_from(fields), await shops_by_id(parts)
    async with parts.database.reading() as connection:
        search = search_for(asked, shops, await list_workflows(connection), datetime.now(UTC))
    return replace(search, stages=(asked.stage,) if asked.stage else ())
