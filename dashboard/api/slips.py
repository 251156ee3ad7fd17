"""Slips over the API: a piece for the head of a receipt, a small label, a strip for a receipt printer, sheets of stickers."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field

from codes.sheets import MAX_NUDGE_MM, SheetOrder
from codes.stocks import get_stock
from dashboard.access import Editor, TheParts
from dashboard.api.job_models import Refusing
from dashboard.api.jobs import Reference, ShopName, asked_job, file_name
from dashboard.labels import FONTS
from jobs.slips import MAX_MM, MAX_STICKERS, MEDIA_TYPES, MIN_MM, SlipFormat, SlipOrder, Wording, slip, stickers

router = APIRouter(tags=["slips"])
Millimetres = Annotated[float | None, Query(ge=MIN_MM, le=MAX_MM, allow_inf_nan=False)]
Nudge = Annotated[float, Field(ge=-MAX_NUDGE_MM, le=MAX_NUDGE_MM, allow_inf_nan=False)]
_FILES: dict[int | str, dict[str, Any]] = {200: {"content": {media_type: {} for media_type in MEDIA_TYPES.values()}}}
_PDF: dict[int | str, dict[str, Any]] = {200: {"content": {"application/pdf": {}}}}


class StickersIn(Refusing):
    references: list[Annotated[str, Field(max_length=200)]] = Field(min_length=1, max_length=MAX_STICKERS)
    stock: str = Field("avery-l7160", max_length=40, description="As in /sheets/stocks.")
    copies: int = Field(1, ge=1, le=MAX_STICKERS, description="Stickers of each job.")
    start_cell: int = Field(1, ge=1, le=1000, description="The first label to print on, counted row by row.")
    nudge_x_mm: Nudge = 0
    nudge_y_mm: Nudge = 0
    outlines: bool = Field(False, description="Draw the labels' edges, for plain paper.")

    def order(self) -> SheetOrder:
        plain = self.model_dump(include={"start_cell", "nudge_x_mm", "nudge_y_mm", "outlines"})
        return SheetOrder(get_stock(self.stock), **plain, fonts=FONTS)


@router.get("/jobs/{reference}/slip.{kind}", response_class=Response, responses=_FILES)
async def job_slip(
    reference: Reference,
    kind: SlipFormat,
    _who: Editor,
    parts: TheParts,
    shop: ShopName = None,
    wording: Annotated[
        Wording, Query(description="Beside the link: shop and reference, the reference, nothing.")
    ] = "all",
    width_mm: Annotated[Millimetres, Query(description="Of PDF (80) and ZPL (57).")] = None,
    height_mm: Annotated[Millimetres, Query(description="Of PDF (30) and ZPL (32).")] = None,
    dots_per_mm: Annotated[
        int, Query(description="Of a ZPL printer: 203 or 300 dpi.", json_schema_extra={"enum": [8, 12]})
    ] = 8,
    paper_dots: Annotated[
        int, Query(description="Of an ESC/POS printer: 58 or 80 mm paper.", json_schema_extra={"enum": [384, 576]})
    ] = 576,
    feed_lines: Annotated[int, Query(ge=0, le=20, description="ESC/POS: lines after it.")] = 3,
    cut: Annotated[bool, Query(description="ESC/POS: cut the paper then.")] = False,
) -> Response:
    """With the shop, the reference, the code and its link; decoded in its final form before it is handed out."""
    order = SlipOrder(kind, wording, width_mm, height_mm, dots_per_mm, paper_dots, feed_lines, cut, FONTS)
    async with parts.database.reading() as connection:
        job = await asked_job(connection, reference, shop)
    made = await asyncio.to_thread(slip, job, order)
    return _file(made, f"{file_name(job)}.{kind}", MEDIA_TYPES[kind])


@router.post("/jobs/stickers", response_class=Response, responses=_PDF)
async def job_stickers(body: StickersIn, _who: Editor, parts: TheParts, shop: ShopName = None) -> Response:
    """A sheet with each job's code, reference and link; read back label by label before it is handed out."""
    order = body.order()
    async with parts.database.reading() as connection:
        jobs = [await asked_job(connection, reference, shop) for reference in dict.fromkeys(body.references)]
    made = await asyncio.to_thread(stickers, jobs, order, body.copies)
    return _file(made, "stickers.pdf", "application/pdf")


def _file(made: bytes, name: str, media_type: str) -> Response:
    headers = {"Content-Disposition": f'inline; filename="{name}"', "Cache-Control": "private, no-store"}
    return Response(made, media_type=media_type, headers=headers)
