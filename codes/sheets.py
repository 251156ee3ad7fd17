"""Label sheets: which label goes where, how its code and text are arranged, and that each was read back before it leaves.

Measures are in mm from the sheet's top left corner. Drawing is codes/sheet_pdf.py's, reading back codes/sheet_check.py's.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, get_args

from codes.drawings import QUIET_ZONE, Matrix
from codes.logos import Logo, LogoError, covered_modules
from codes.qr import QrInputError, QrStyle, encoded_text, symbol_for
from codes.stocks import Stock

Wording = Literal["name_and_link", "name", "link", "none"]

MAX_LABELS: Final = 5_000
MAX_NUDGE_MM: Final = 20.0
MIN_MODULE_MM: Final = 0.25  # two dots of a 203 dpi label printer
WIDE: Final = 1.5  # labels at least so much wider than high have their text beside the code
GAP_MM: Final = 0.8
TEXT_SHARE: Final = 0.3  # of a high label's height

Progress = Callable[[int, int], None]


class SheetError(QrInputError):
    """The sheet cannot be made as asked; the text says why and what to change."""


class SheetsUnavailable(Exception):  # noqa: N818  a state of the installation
    """The optional package is missing."""


@dataclass(frozen=True, slots=True)
class Label:
    """What one label shows. ``short_url`` goes into the symbol, its shorter form below or beside it."""

    short_url: str
    name: str = ""
    legacy: bool = False

    @property
    def link(self) -> str:
        return self.short_url.partition("://")[2]


@dataclass(frozen=True, slots=True)
class SheetOrder:
    """``start_cell`` counts from 1, row by row: the labels before it are used up. The nudge moves everything."""

    stock: Stock
    start_cell: int = 1
    nudge_x_mm: float = 0.0
    nudge_y_mm: float = 0.0
    size_mm: float | None = None
    wording: Wording = "name_and_link"
    error: str = "m"
    dark: str = "#000000"
    logo: Logo | None = None
    logo_percent: int | None = None
    outlines: bool = False
    proof: bool = False
    fonts: Path | None = None  # the folder of the label font, if it was built

    def __post_init__(self) -> None:
        QrStyle(dark=self.dark, error=self.error, size_mm=self.size_mm)  # raises for what a scanner would not read
        if not 1 <= self.start_cell <= self.stock.cells:
            raise SheetError(
                f"{self.stock.name} has {self.stock.cells} labels; there is no number {self.start_cell} to start at."
            )
        if not (abs(self.nudge_x_mm) <= MAX_NUDGE_MM and abs(self.nudge_y_mm) <= MAX_NUDGE_MM):
            raise SheetError(f"A nudge moves the print by at most {MAX_NUDGE_MM:g} mm; this looks like another stock.")
        if self.logo_percent is not None and self.logo is None:
            raise SheetError("A logo's share of the width was given, but no logo.")
        if self.wording not in get_args(Wording):
            raise SheetError(f"There is no wording {self.wording!r}. Choose {', '.join(get_args(Wording))}.")


@dataclass(frozen=True, slots=True)
class Box:
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Placed:
    """One label on its sheet; pages and cells count from 0."""

    label: Label
    page: int
    cell: int
    cut: Box  # the label itself
    code: Box  # with the quiet zone
    text: Box | None
    text_below: bool
    matrix: Matrix
    covered: int = 0  # modules along one edge that the logo hides

    @property
    def module_mm(self) -> float:
        return self.code.width / (len(self.matrix) + 2 * QUIET_ZONE)

    @property
    def plate(self) -> Box:
        """What the logo hides, in the middle of the code."""
        edge = self.covered * self.module_mm
        return Box(self.code.x + (self.code.width - edge) / 2, self.code.y + (self.code.height - edge) / 2, edge, edge)

    @property
    def expected(self) -> str:
        return encoded_text(self.label.short_url, self.label.legacy)


def placed_labels(order: SheetOrder, labels: Sequence[Label]) -> Iterator[Placed]:
    """In order, from the start cell on; raises SheetError when a code would be too small to scan."""
    if not labels:
        raise SheetError("No code was chosen, so there is nothing to print. Choose some by code, tag or search.")
    if len(labels) > MAX_LABELS:
        raise SheetError(f"{len(labels)} labels are more than the {MAX_LABELS} of one file. Make several.")
    stock = order.stock
    matrices: dict[tuple[str, bool], Matrix] = {}
    for number, label in enumerate(labels, start=order.start_cell - 1):
        page, cell = divmod(number, stock.cells)
        key = (label.short_url, label.legacy)
        if key not in matrices:
            matrices[key] = symbol_for(encoded_text(*key), order.error, label.legacy)
        left, top = stock.corner(cell)
        cut = Box(left + order.nudge_x_mm, top + order.nudge_y_mm, stock.label_width_mm, stock.label_height_mm)
        code, text, below = _arranged(order, cut)
        matrix = matrices[key]
        placed = Placed(label, page, cell, cut, code, text, below, matrix, _covered(order, matrix))
        if placed.module_mm < MIN_MODULE_MM:
            raise SheetError(
                f"On {stock.name} the code of {label.link} would have modules of {placed.module_mm:.2f} mm, and printers and"
                f" cameras need {MIN_MODULE_MM} mm. Choose larger labels, less text or less error correction."
            )
        yield placed


def make_sheets(order: SheetOrder, labels: Sequence[Label], progress: Progress = lambda done, total: None) -> bytes:
    """The PDF; raises SheetError, QrError for a label that does not read, SheetsUnavailable. ``progress`` counts labels
    that were read back and may raise to stop.
    """
    from codes.sheet_check import check_sheets
    from codes.sheet_pdf import sheets_pdf

    placed = list(placed_labels(order, labels))
    document = sheets_pdf(order, placed, lambda: progress(0, len(placed)))
    check_sheets(document, placed, lambda done: progress(done, len(placed)))
    return document


def _covered(order: SheetOrder, matrix: Matrix) -> int:
    if order.logo is None:
        return 0
    try:
        return covered_modules(len(matrix), order.error, order.logo_percent)
    except LogoError as problem:
        raise SheetError(str(problem)) from None


def _arranged(order: SheetOrder, cut: Box) -> tuple[Box, Box | None, bool]:
    """(code, text, whether the text is below) within one label."""
    stock = order.stock
    inner = Box(
        cut.x + stock.margin_x_mm,
        cut.y + stock.margin_y_mm,
        cut.width - 2 * stock.margin_x_mm,
        cut.height - 2 * stock.margin_y_mm,
    )
    if order.wording == "none":
        edge = _edge(order, min(inner.width, inner.height))
        code = Box(inner.x + (inner.width - edge) / 2, inner.y + (inner.height - edge) / 2, edge, edge)
        return code, None, False
    if inner.width >= WIDE * inner.height:
        edge = _edge(order, min(inner.height, inner.width * 0.6))
        code = Box(inner.x, inner.y + (inner.height - edge) / 2, edge, edge)
        left = code.x + edge + GAP_MM
        return code, Box(left, inner.y, inner.x + inner.width - left, inner.height), False
    edge = _edge(order, min(inner.width, inner.height * (1 - TEXT_SHARE)))
    code = Box(inner.x + (inner.width - edge) / 2, inner.y, edge, edge)
    top = code.y + edge + GAP_MM / 2
    return code, Box(inner.x, top, inner.width, inner.y + inner.height - top), True


def _edge(order: SheetOrder, room_mm: float) -> float:
    if order.size_mm is None:
        return room_mm
    if order.size_mm > room_mm + 0.01:
        raise SheetError(
            f"A code of {order.size_mm:g} mm does not fit: {order.stock.name} has room for {room_mm:.1f} mm. Choose that"
            " or less, or leave the size out."
        )
    return order.size_mm
