"""Label stock: where each label lies on its sheet, in mm; what can be bought, and any other measure.

US sheets as Avery's own templates have them (margin 3/16 and 5/32 inch, pitch 2 3/4 and 4 3/16 inch). L7160, L4732 and
the Dymo rolls as in gLabels' template collection (templates/avery-iso-templates.xml, dymo-other-templates.xml), the A4
grids set in the middle of the sheet. Sheets are cut with a tolerance of about 1 mm: that is what the nudge is for.
"""

from dataclasses import dataclass
from typing import Final

INCH: Final = 25.4
MIN_LABEL_MM, MAX_SHEET_MM, MAX_CELLS = 10.0, 1_500.0, 1_000
OVERLAP_MM: Final = 0.01


class StockError(ValueError):
    """There is no such stock, or its measures do not fit together; the text says which."""


@dataclass(frozen=True, slots=True)
class Stock:
    """``left_mm`` and ``top_mm`` lead to the first label, the pitch from one to the next. The margins lie inside each label:
    what no printer reaches, or where the cut may fall.
    """

    key: str
    name: str
    width_mm: float
    height_mm: float
    columns: int
    rows: int
    label_width_mm: float
    label_height_mm: float
    left_mm: float = 0.0
    top_mm: float = 0.0
    pitch_x_mm: float = 0.0
    pitch_y_mm: float = 0.0
    margin_x_mm: float = 1.5
    margin_y_mm: float = 1.5

    @property
    def cells(self) -> int:
        return self.columns * self.rows

    def corner(self, cell: int) -> tuple[float, float]:
        """The top left corner of a label, counted from 0, row by row."""
        row, column = divmod(cell, self.columns)
        return self.left_mm + column * self.pitch_x_mm, self.top_mm + row * self.pitch_y_mm


def _letter(
    key: str, name: str, columns: int, rows: int, label: tuple[float, float], left: float, pitch: float
) -> Stock:
    """Measures in inches; the labels touch from top to bottom."""
    width, height = label
    return Stock(
        key,
        name,
        8.5 * INCH,
        11 * INCH,
        columns,
        rows,
        width * INCH,
        height * INCH,
        left * INCH,
        0.5 * INCH,
        pitch * INCH,
        height * INCH,
    )


def _a4(key: str, name: str, columns: int, rows: int, label: tuple[float, float], pitch_x: float) -> Stock:
    """In the middle of the sheet; the labels touch from top to bottom."""
    width, height = label
    left = (210 - (columns - 1) * pitch_x - width) / 2
    top = (297 - rows * height) / 2
    margin = 1.5 if height > 20 else 1.0
    return Stock(key, name, 210, 297, columns, rows, width, height, left, top, pitch_x, height, margin, margin)


def _roll(key: str, name: str, width: float, height: float) -> Stock:
    """One label a page, lying. A LabelWriter leaves about 6 mm free where the label enters and leaves it."""
    return Stock(key, name, width, height, 1, 1, width, height, margin_x_mm=6.0, margin_y_mm=1.0)


STOCKS: Final[dict[str, Stock]] = {
    stock.key: stock
    for stock in (
        _letter("avery-5160", "Avery 5160 (Letter, 30 labels, 2 5/8 x 1 in)", 3, 10, (2.625, 1), 0.1875, 2.75),
        _letter("avery-5163", "Avery 5163 (Letter, 10 labels, 4 x 2 in)", 2, 5, (4, 2), 0.15625, 4.1875),
        _a4("avery-l7160", "Avery L7160 (A4, 21 labels, 63.5 x 38.1 mm)", 3, 7, (63.5, 38.1), 66.04),
        _a4("avery-l4732", "Avery L4732 (A4, 80 labels, 35.6 x 16.9 mm)", 5, 16, (35.6, 16.9), 38.1),
        _roll("dymo-99010", "Dymo 99010 / 30252 (roll, 89 x 28 mm)", 89, 28),
        _roll("dymo-99012", "Dymo 99012 (roll, 89 x 36 mm)", 89, 36),
        _roll("dymo-99014", "Dymo 99014 (roll, 101 x 54 mm)", 101, 54),
        _roll("dymo-11352", "Dymo 11352 (roll, 54 x 25 mm)", 54, 25),
        _roll("dymo-11354", "Dymo 11354 / 30334 (roll, 57 x 32 mm)", 57, 32),
    )
}


def get_stock(key: str) -> Stock:
    try:
        return STOCKS[key]
    except KeyError:
        raise StockError(
            f"There is no label stock {key!r}. There are {', '.join(STOCKS)}; any other is described by its measures in mm."
        ) from None


def checked(stock: Stock) -> Stock:
    """Free geometry: raises StockError for labels that overlap or stick out, saying by how much."""
    if not (stock.columns >= 1 and stock.rows >= 1 and stock.cells <= MAX_CELLS):
        raise StockError(f"A sheet has at least one column and one row, and at most {MAX_CELLS} labels.")
    if not (stock.width_mm <= MAX_SHEET_MM and stock.height_mm <= MAX_SHEET_MM):
        raise StockError(f"A sheet of {stock.width_mm:g} x {stock.height_mm:g} mm is larger than {MAX_SHEET_MM:g} mm.")
    if not (stock.label_width_mm >= MIN_LABEL_MM and stock.label_height_mm >= MIN_LABEL_MM):
        raise StockError(f"No code fits on a label of less than {MIN_LABEL_MM:g} mm.")
    axes = (
        ("wide", stock.width_mm, stock.left_mm, stock.columns, stock.pitch_x_mm, stock.label_width_mm),
        ("high", stock.height_mm, stock.top_mm, stock.rows, stock.pitch_y_mm, stock.label_height_mm),
    )
    for side, sheet, start, count, pitch, label in axes:
        if count > 1 and not pitch >= label - OVERLAP_MM:
            raise StockError(
                f"The labels are {label:g} mm {side} and follow each other every {pitch:g} mm: they would overlap."
                " The pitch is measured from one label's edge to the same edge of the next."
            )
        end = start + (count - 1) * pitch + label
        if not start >= 0 or not end <= sheet + OVERLAP_MM:
            raise StockError(
                f"The labels end at {end:g} mm, but the sheet is {sheet:g} mm {side}. Check margin, pitch and number."
            )
    return stock
