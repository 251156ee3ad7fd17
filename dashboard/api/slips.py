"""Slips over the API: a piece for the head of a receipt, a small label, a strip for a receipt printer."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from dashboard.access import Editor, TheParts
from dashboard.api.jobs import Reference, ShopName, asked_job, file_name
from dashboard.labels import FONTS
from jobs.slips import MAX_MM, MEDIA_TYPES, MIN_MM, SlipFormat, SlipOrder, Wording, slip

router = APIRouter(tags=["slips"])
Millimetres = Annotated[float | None, Query(ge=MIN_MM, le=MAX_MM, allow_inf_nan=False)]
_FILES: dict[int | str, dict[str, Any]] = {200: {"content": {media_type: {} for media_type in MEDIA_TYPES.values()}}}


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
    dpi: Annotated[
        int, Query(ge=1, le=9600, description="Of a ZPL printer.", json_schema_extra={"enum": [203, 300]})
    ] = 203,
    paper_dots: Annotated[
        int, Query(description="Of an ESC/POS printer: 58 or 80 mm paper.", json_schema_extra={"enum": [384, 576]})
    ] = 576,
    feed_lines: Annotated[int, Query(ge=0, le=20, description="ESC/POS: lines after it.")] = 3,
    cut: Annotated[bool, Query(description="ESC/POS: cut the paper then.")] = False,
) -> Response:
    """With the shop, the reference, the code and its link; decoded in its final form before it is handed out."""
    dots_per_mm = round(dpi / 25.4)
    order = SlipOrder(kind, wording, width_mm, height_mm, dots_per_mm, paper_dots, feed_lines, cut, FONTS)
    async with parts.database.reading() as connection:
        job = await asked_job(connection, reference, shop)
    made = await asyncio.to_thread(slip, job, order)
    return _file(made, f"{file_name(job)}.{kind}", MEDIA_TYPES[kind])


def _file(made: bytes, name: str, media_type: str) -> Response:
    headers = {"Content-Disposition": f'inline; filename="{name}"', "Cache-Control": "private, no-store"}
    return Response(made, media_type=media_type, headers=headers)
