"""What is printed for a job: a piece for the head of a receipt or a small label (PDF, ZPL), a strip for a receipt printer
(ESC/POS). Every symbol is read back from the finished bytes. Never the customer's name.
"""

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from PIL import Image

from codes import escpos, zpl
from codes.decode import Render, modules_read, verify
from codes.drawings import Drawing, edge_of, raster
from codes.errors import Conflict
from codes.qr import QrError, encoded_text, symbol_for
from codes.raster_text import Line, check_letters, cut_to, draw_line, fitted
from codes.sheets import WIDE, Label, SheetError, SheetOrder, make_sheets
from codes.stocks import Stock, checked
from jobs.register import Job

SlipFormat = Literal["pdf", "zpl", "escpos"]
Wording = Literal["all", "reference", "link"]
SLIP_FORMATS: Final[tuple[SlipFormat, ...]] = get_args(SlipFormat)
MEDIA_TYPES: Final[dict[SlipFormat, str]] = {
    "pdf": "application/pdf",
    "zpl": "application/x-zpl",
    "escpos": "application/octet-stream",
}
PAPER_DOTS: Final = (384, 576)  # rolls of 58 and 80 mm
ZPL_DOTS_PER_MM: Final = (8, 12)  # 203 and 300 dpi
SLIP_MM: Final = (80.0, 30.0)
LABEL_MM: Final = (57.0, 32.0)
MIN_MM, MAX_MM = 15.0, 200.0
MODULE_DOTS: Final = 6  # on a receipt, 0.75 mm; fewer where the paper is too narrow
MIN_MODULE_DOTS: Final = 2
MARGIN_MM: Final = 1.5
TEXT_DOTS: Final = (30, 28, 26, 24, 22, 20, 18, 16)
LINK_DOTS: Final = (24, 22, 20, 18, 16, 14)
MAX_LINK_LINES: Final = 4


Box = tuple[int, int, int, int]  # left, top, right, bottom in dots


@dataclass(frozen=True, slots=True)
class SlipOrder:
    """Measures in mm are of PDF and ZPL, ``paper_dots``, ``feed_lines`` and ``cut`` of a receipt. Raises SheetError."""

    format: SlipFormat
    wording: Wording = "all"
    width_mm: float | None = None
    height_mm: float | None = None
    dots_per_mm: int = ZPL_DOTS_PER_MM[0]
    paper_dots: int = PAPER_DOTS[1]
    feed_lines: int = 3
    cut: bool = False
    fonts: Path | None = None  # the folder of the label font, if it was built

    def __post_init__(self) -> None:
        if self.format not in SLIP_FORMATS or self.wording not in get_args(Wording):
            raise SheetError(f"There is no slip {self.format!r} with {self.wording!r} on it.")
        if self.paper_dots not in PAPER_DOTS:
            raise SheetError(f"Paper is 384 dots wide (58 mm) or 576 (80 mm), not {self.paper_dots}.")
        if self.dots_per_mm not in ZPL_DOTS_PER_MM:
            raise SheetError(
                f"Label printers have 203 or 300 dpi (8 or 12 dots per mm), not {self.dots_per_mm} per mm."
            )
        if not 0 <= self.feed_lines <= escpos.MAX_FEED_LINES:
            raise SheetError(f"A printer feeds 0 to {escpos.MAX_FEED_LINES} lines here, not {self.feed_lines}.")
        for size in (self.width_mm, self.height_mm):
            if size is not None and not MIN_MM <= size <= MAX_MM:
                raise SheetError(f"A slip of {size:g} mm cannot be printed. Choose {MIN_MM:g} to {MAX_MM:g} mm.")

    @property
    def size_mm(self) -> tuple[float, float]:
        width, height = LABEL_MM if self.format == "zpl" else SLIP_MM
        return self.width_mm or width, self.height_mm or height


def slip(job: Job, order: SlipOrder) -> bytes:
    """Raises Conflict for a job without a code, SheetError for what does not fit, QrError, SheetsUnavailable (PDF)."""
    short_url = link_of(job)
    if order.format == "pdf":
        return _slip_pdf(job, order)
    if order.format == "zpl":
        image, box = label_picture(job, order)
        try:
            artefact = zpl.zpl(image)
        except zpl.ZplError as problem:
            raise SheetError(f"{problem} Choose a smaller label.") from None
        check_slip(zpl.bitmap(artefact), box, "zpl", short_url)
        return artefact
    image, box = strip_picture(job, order)
    artefact = escpos.escpos(image, feed_lines=order.feed_lines, cut=order.cut)
    check_slip(escpos.bitmap(artefact), box, "escpos", short_url)
    return artefact


def link_of(job: Job) -> str:
    """What its symbol holds. Raises Conflict."""
    if job.short_url is None:
        raise Conflict(f"job {job.reference} has no code: tracking is off for {job.shop}. Switch it on first.")
    return job.short_url


def label_picture(job: Job, order: SlipOrder) -> tuple[Image.Image, Box]:
    """The symbol on the left and the text right of it, or above the text on a label that is not wide."""
    width, height = (round(size * order.dots_per_mm) for size in order.size_mm)
    margin = round(MARGIN_MM * order.dots_per_mm)
    inner_width, inner_height = width - 2 * margin, height - 2 * margin
    image = Image.new("L", (width, height), 255)
    if width >= WIDE * height:
        symbol = _symbol(link_of(job), min(inner_height, round(inner_width * 0.6)))
        lines = _lines(job, order, inner_width - symbol.width)
        left, top = margin, (height - symbol.height) // 2
        middle_x, text_top = (margin + symbol.width + width - margin) // 2, (height - _height(lines)) // 2
    else:
        lines = _lines(job, order, inner_width)
        symbol = _symbol(link_of(job), min(inner_width, inner_height - _height(lines)))
        left, top = (width - symbol.width) // 2, margin
        middle_x, text_top = width // 2, margin + symbol.height
    if _height(lines) > inner_height:
        raise SheetError(
            f"The text does not fit on a label of {order.size_mm[0]:g} x {order.size_mm[1]:g} mm. Choose a larger one, or"
            " print the link alone (wording link)."
        )
    image.paste(symbol, (left, top))
    _draw(image, lines, middle_x, text_top)
    return image, (left, top, left + symbol.width, top + symbol.height)


def strip_picture(job: Job, order: SlipOrder) -> tuple[Image.Image, Box]:
    """The symbol in the middle, the text below."""
    symbol = _symbol(link_of(job), order.paper_dots, MODULE_DOTS)
    lines = _lines(job, order, order.paper_dots - 16)
    image = Image.new("L", (order.paper_dots, symbol.height + _height(lines)), 255)
    left = (order.paper_dots - symbol.width) // 2
    image.paste(symbol, (left, 0))
    _draw(image, lines, order.paper_dots // 2, symbol.height)
    return image, (left, 0, left + symbol.width, symbol.height)


def check_slip(printed: Image.Image, box: Box, format: SlipFormat, short_url: str) -> None:  # noqa: A002
    """What the printer would print: the symbol by itself as strictly as any file, and one symbol on the whole slip."""
    expected = encoded_text(short_url)
    modules_read(Render(format, "as it is", printed.convert("RGBA")), expected, spare=1.0)
    out = io.BytesIO()
    printed.crop(box).save(out, "PNG")
    try:
        verify(out.getvalue(), "png", expected)
    except QrError as problem:
        raise QrError(str(problem).replace("png", format, 1)) from None


def _slip_pdf(job: Job, order: SlipOrder) -> bytes:
    width, height = order.size_mm
    stock = Stock("slip", "the slip", width, height, 1, 1, width, height, margin_x_mm=MARGIN_MM, margin_y_mm=MARGIN_MM)
    label = Label(link_of(job), "\n".join(_names(job, order)))
    wording: Literal["name_and_link", "link"] = "name_and_link" if label.name else "link"
    return make_sheets(SheetOrder(checked(stock), wording=wording, fonts=order.fonts), [label])


def _names(job: Job, order: SlipOrder) -> list[str]:
    return {"all": [job.shop, job.reference], "reference": [job.reference], "link": []}[order.wording]


def _symbol(short_url: str, room: int, most: int = 50) -> Image.Image:
    """With its quiet zone, as large as fits in whole dots."""
    matrix = symbol_for(encoded_text(short_url), "m")
    module = min(most, room // edge_of(matrix))
    if module < MIN_MODULE_DOTS:
        raise SheetError(
            f"A code of {edge_of(matrix)} modules needs {MIN_MODULE_DOTS} dots for each, and there is room for {room}."
            " Choose a larger label."
        )
    return raster(Drawing(matrix), module).convert("L")


def _lines(job: Job, order: SlipOrder, width: int) -> list[Line]:
    """Names are cut where they do not fit. The link is whole: half a link cannot be typed."""
    lines = []
    for name in _names(job, order):
        check_letters(name, order.fonts)
        lines.append(fitted(name, width, TEXT_DOTS, order.fonts) or cut_to(name, width, TEXT_DOTS[-1], order.fonts))
    link = Label(link_of(job)).link
    host, slash, token = link.partition("/")
    for pieces in ([link], [host + slash, token], *(_pieces(link, count) for count in range(2, MAX_LINK_LINES + 1))):
        for size in LINK_DOTS:
            found = [fitted(piece, width, (size,), order.fonts) for piece in pieces]
            if all(found):
                return [*lines, *(line for line in found if line)]
    raise SheetError(f"The link {link} does not fit into {width} dots. Choose a larger label.")


def _pieces(link: str, count: int) -> list[str]:
    """Broken anywhere, as a link has no spaces, into lines of about the same length."""
    length = math.ceil(len(link) / count)
    return [link[start : start + length] for start in range(0, len(link), length)]


def _height(lines: Sequence[Line]) -> int:
    return sum(height for _text, _font, height in lines)


def _draw(image: Image.Image, lines: Sequence[Line], middle_x: int, top: int) -> None:
    for text, font, height in lines:
        draw_line(image, text, font, middle_x, top, height)
        top += height
