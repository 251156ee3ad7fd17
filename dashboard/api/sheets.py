"""Label sheets: what stock there is, make sheets (large ones in the background), calibrate, download."""

import asyncio
import base64
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator

from codes.errors import NotFound
from codes.logos import MAX_LOGO_BYTES, logo_from
from codes.selection import Selection, batch_id_for
from codes.sheet_pdf import calibration_pdf
from codes.sheets import MAX_LABELS, MAX_NUDGE_MM, make_sheets
from codes.stocks import STOCKS, Stock
from dashboard.access import Editor, TheParts, Viewer
from dashboard.labels import FONTS, KIND, chosen, file_of, labels_of, order_from, order_sheets, stock_from
from dashboard.parts import Parts
from dashboard.tasks import Task, end_task, get_task, list_tasks

router = APIRouter(prefix="/sheets", tags=["label sheets"])
PDF: dict[int | str, dict[str, Any]] = {200: {"content": {"application/pdf": {}}}}
Number = Annotated[int, Path(ge=1, le=2**31)]
Millimetres = Annotated[float, Field(ge=0, le=1500, allow_inf_nan=False)]
CHOICES: Final = ("codes", "tag", "batch", "search")
Nudge = Annotated[float, Field(ge=-MAX_NUDGE_MM, le=MAX_NUDGE_MM, allow_inf_nan=False)]


class Geometry(BaseModel):
    """Any stock in mm. The pitch is the way from one label's edge to the same edge of the next."""

    model_config = ConfigDict(extra="forbid")

    width_mm: Millimetres
    height_mm: Millimetres
    columns: int = Field(ge=1, le=1000)
    rows: int = Field(ge=1, le=1000)
    label_width_mm: Millimetres
    label_height_mm: Millimetres
    left_mm: Millimetres = 0
    top_mm: Millimetres = 0
    pitch_x_mm: Millimetres = 0
    pitch_y_mm: Millimetres = 0
    margin_x_mm: float = Field(1.5, ge=0, le=50)
    margin_y_mm: float = Field(1.5, ge=0, le=50)


class SheetIn(BaseModel):
    """Exactly one of ``codes``, ``tag``, ``batch`` and ``search`` chooses what is printed; ``stock`` or ``geometry`` says on
    what.
    """

    model_config = ConfigDict(extra="forbid")

    codes: list[str] | None = Field(None, min_length=1, max_length=MAX_LABELS, examples=[["SPRING"]])
    tag: str | None = Field(None, min_length=1, max_length=60)
    batch: str | None = Field(None, min_length=1, max_length=200, description="A print batch, by name or number.")
    search: str | None = Field(None, min_length=1, max_length=200)
    domain: str | None = Field(None, max_length=260)
    copies: int = Field(1, ge=1, le=MAX_LABELS, description="Labels of each code.")
    stock: str | None = Field(None, max_length=40, examples=["avery-l7160"])
    geometry: Geometry | None = None
    start_cell: int = Field(1, ge=1, le=1000, description="The first label to print on, counted row by row.")
    nudge_x_mm: Nudge = 0
    nudge_y_mm: Nudge = 0
    size_mm: float | None = Field(None, ge=10, le=1000, description="Edge of the code; as large as fits when left out.")
    wording: Literal["name_and_link", "name", "link", "none"] = "name_and_link"
    error: Literal["l", "m", "q", "h"] = "m"
    dark: str = Field("#000000", max_length=9)
    logo: str | None = Field(
        None, max_length=MAX_LOGO_BYTES * 4 // 3 + 4, description="PNG, JPEG, WebP or GIF in base64, up to 500 kB."
    )
    logo_percent: int | None = Field(None, ge=5, le=30, description="Of the code's width: 20 at M, 25 at Q, 30 at H.")
    outlines: bool = Field(False, description="Draw the labels' edges, for plain paper.")
    proof: bool = Field(False, description="Append a page that lists what is where.")
    mark_printed: bool = Field(
        False, description="Mark the batch as printed once the sheets are made: no code can be taken out of it then."
    )

    @model_validator(mode="after")
    def _one_of_each(self) -> "SheetIn":
        if sum(choice is not None for choice in (self.codes, self.tag, self.batch, self.search)) != 1:
            raise ValueError("choose the codes by exactly one of codes, tag, batch and search")
        if self.mark_printed and self.batch is None:
            raise ValueError("only a batch can be marked printed; choose the codes by batch")
        if (self.stock is None) == (self.geometry is None):
            raise ValueError("name either a stock or a geometry in mm")
        return self

    def selection(self) -> Selection:
        named = tuple(self.codes) if self.codes else None
        return Selection(tag=self.tag, search=self.search, codes=named, batch=self.batch)

    def order(self) -> dict[str, Any]:
        """What is kept with the task: everything but the choice of codes, and of the logo its few pixels."""
        given = self.model_dump(exclude={*CHOICES, "domain", "mark_printed"}, exclude_none=True)
        if self.logo:
            given["logo"] = base64.b64encode(logo_from(self.logo).encoded()).decode("ascii")
        return given


class StockOut(BaseModel):
    key: str
    name: str
    cells: int
    width_mm: float
    height_mm: float
    columns: int
    rows: int
    label_width_mm: float
    label_height_mm: float
    left_mm: float
    top_mm: float
    pitch_x_mm: float
    pitch_y_mm: float
    margin_x_mm: float
    margin_y_mm: float


class StockList(BaseModel):
    stocks: list[StockOut]


class SheetOut(BaseModel):
    """``state`` is waiting, running, done, failed or cancelled; ``done`` of ``total`` labels are made and read back."""

    id: int
    state: str
    done: int
    total: int
    stock: str
    problem: str | None
    bytes: int | None
    file: str | None = Field(description="Address of the PDF, once there is one.")
    marks_batch: int | None = Field(description="The print batch that is marked printed once they are made.")
    created_at: datetime
    created_by: str
    finished_at: datetime | None


class SheetList(BaseModel):
    sheets: list[SheetOut]


@router.get("/stocks")
async def all_stocks(_who: Viewer) -> StockList:
    """What can be bought; any other stock is described by its ``geometry``."""
    return StockList(stocks=[stock_out(stock) for stock in STOCKS.values()])


@router.get("/calibration", response_class=Response, responses=PDF)
async def calibration(
    _who: Viewer,
    stock: Annotated[str, Query(max_length=40)],
    nudge_x_mm: Annotated[float, Query(ge=-MAX_NUDGE_MM, le=MAX_NUDGE_MM, allow_inf_nan=False)] = 0,
    nudge_y_mm: Annotated[float, Query(ge=-MAX_NUDGE_MM, le=MAX_NUDGE_MM, allow_inf_nan=False)] = 0,
) -> Response:
    """A page with every label's outline and a ruler: print it on paper and hold it against a sheet."""
    found = stock_from({"stock": stock})
    document = await asyncio.to_thread(calibration_pdf, found, nudge_x_mm, nudge_y_mm, FONTS)
    return _pdf(document, f"calibration-{found.key}.pdf")


@router.post("", status_code=201)
async def add_sheets(body: SheetIn, who: Editor, parts: TheParts, response: Response) -> SheetOut:
    """Up to 60 labels are ready when it answers; for more, ask again until ``state`` is done."""
    number = await make_ordered(parts, body, who.name)
    response.headers["Location"] = f"/api/v1/sheets/{number}"
    async with parts.database.reading() as connection:
        return sheet_out(await get_task(connection, number, KIND))


@router.post("/preview", response_class=Response, responses=PDF)
async def preview(body: SheetIn, _who: Editor, parts: TheParts) -> Response:
    """The first page alone, read back like any other."""
    async with parts.database.reading() as connection:
        codes = await chosen(connection, body.selection(), body.domain)
    return _pdf(await first_page(body.order(), codes), "preview.pdf")


@router.get("")
async def recent_sheets(_who: Viewer, parts: TheParts) -> SheetList:
    """Newest first, 50 at most."""
    async with parts.database.reading() as connection:
        return SheetList(sheets=[sheet_out(task) for task in await list_tasks(connection, KIND)])


@router.get("/{number}")
async def show_sheets(number: Number, _who: Viewer, parts: TheParts) -> SheetOut:
    async with parts.database.reading() as connection:
        return sheet_out(await get_task(connection, number, KIND))


@router.get("/{number}/file", response_class=FileResponse, responses=PDF)
async def sheets_file(number: Number, _who: Viewer, parts: TheParts) -> Response:
    async with parts.database.reading() as connection:
        return file_answer(parts, await get_task(connection, number, KIND), f"labels-{number}.pdf")


@router.delete("/{number}", status_code=204)
async def end_sheets(number: Number, _who: Editor, parts: TheParts) -> None:
    """Cancels sheets that are being made, else removes them with their file."""
    await end_sheet(parts, number, KIND)


def file_answer(parts: Parts, task: Task, name: str) -> Response:
    """Raises NotFound while there is none."""
    path = file_of(parts.settings.data_dir, task)
    if task.state != "done" or not path.is_file():
        why = task.problem or {"done": "it was removed after a time; make it again"}.get(
            task.state, f"it is {task.state}"
        )
        raise NotFound(f"There is no file of the sheets {task.id}: {why}")
    return FileResponse(path, media_type="application/pdf", filename=name)


async def end_sheet(parts: Parts, number: int, kind: str) -> None:
    task = await end_task(parts.database, number, kind)
    file_of(parts.settings.data_dir, task).unlink(missing_ok=True)


async def make_ordered(parts: Parts, body: SheetIn, who: str) -> int:
    """The task's number. Raises what ``order_sheets`` raises, and NotFound."""
    given = body.order()
    async with parts.database.reading() as connection:
        codes = await chosen(connection, body.selection(), body.domain)
        if body.mark_printed and body.batch is not None:
            given["marks_batch"] = await batch_id_for(connection, body.batch)
    return await order_sheets(parts, given, codes, who)


async def first_page(given: dict[str, Any], codes: list[Any]) -> bytes:
    order = order_from({**given, "proof": False})
    labels = labels_of(codes[: order.stock.cells], given["copies"])[: order.stock.cells - order.start_cell + 1]
    return await asyncio.to_thread(make_sheets, order, labels)


def stock_out(stock: Stock) -> StockOut:
    values: dict[str, Any] = {name: getattr(stock, name) for name in StockOut.model_fields}
    return StockOut(**values)


def sheet_out(task: Task) -> SheetOut:
    ready = task.state == "done"
    return SheetOut(
        id=task.id,
        state=task.state,
        done=task.done,
        total=task.total,
        stock=task.input.get("stock") or "custom",
        problem=task.problem,
        bytes=(task.result or {}).get("bytes") if ready else None,
        file=f"/api/v1/sheets/{task.id}/file" if ready else None,
        marks_batch=task.input.get("marks_batch"),
        created_at=task.created_at,
        created_by=task.created_by,
        finished_at=task.finished_at,
    )


def _pdf(document: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f'inline; filename="{name}"', "Cache-Control": "private, no-store"}
    return Response(document, media_type="application/pdf", headers=headers)
