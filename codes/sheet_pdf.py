"""Draws label sheets, their proof and the calibration page as PDF, symbols as rectangles."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from codes.drawings import runs
from codes.label_text import (
    check_letters,
    fitted_link,
    fitted_name,
    is_right_to_left,
    new_document,
    set_direction,
    write,
)
from codes.logos import Logo
from codes.sheets import Box, Placed, SheetOrder
from codes.stocks import Stock

if TYPE_CHECKING:
    from fpdf import FPDF

NAME_SHARE: Final = 0.62  # of the text box, where the link stands below
RULER_MM: Final = 100
PROOF_SHEET_MM: Final = (210.0, 297.0)
PROOF_ROWS: Final = 48
GREY: Final = 150
PAPER: Final = (255, 255, 255)


def sheets_pdf(order: SheetOrder, placed: Sequence[Placed], keep_going: Callable[[], None]) -> bytes:
    """All sheets, one page each; ``keep_going`` is called for each page and may raise to stop."""
    logo = _plate_png(order.logo) if order.logo else None
    with new_document(order.stock.width_mm, order.stock.height_mm, order.fonts) as document:
        page = -1
        for entry in placed:
            while page < entry.page:
                keep_going()
                document.add_page()
                page += 1
            _draw_label(document, order, entry, logo)
        if order.proof:
            _add_proof(document, order, placed)
        return bytes(document.output())


def calibration_pdf(stock: Stock, nudge_x_mm: float = 0.0, nudge_y_mm: float = 0.0, fonts: Path | None = None) -> bytes:
    """To be printed on plain paper and held against a sheet: every label's outline, its number, and rulers."""
    with new_document(stock.width_mm, stock.height_mm, fonts) as document:
        document.add_page()
        document.set_line_width(0.15)
        for cell in range(stock.cells):
            x, y = stock.corner(cell)
            x, y = x + nudge_x_mm, y + nudge_y_mm
            document.rect(x, y, stock.label_width_mm, stock.label_height_mm)
            _cross(document, x + stock.label_width_mm / 2, y + stock.label_height_mm / 2)
            document.set_font_size(7)
            document.set_xy(x + 1, y + 1)
            document.cell(10, 3, str(cell + 1))
        _rulers(document, stock, nudge_x_mm, nudge_y_mm)
        return bytes(document.output())


def _draw_label(document: "FPDF", order: SheetOrder, placed: Placed, logo: bytes | None) -> None:
    if order.outlines:
        document.set_draw_color(GREY)
        document.set_line_width(0.1)
        document.rect(placed.cut.x, placed.cut.y, placed.cut.width, placed.cut.height)
    _draw_symbol(document, placed, order.dark)
    if logo:
        plate = placed.plate
        document.image(logo, plate.x, plate.y, plate.width, plate.height)
    if placed.text:
        _write_text(document, order, placed, placed.text)


def _draw_symbol(document: "FPDF", placed: Placed, dark: str) -> None:
    """One path for all modules: rectangles drawn one by one show hairlines on screens, and PDFium widens each to whole
    pixels. Written directly, since the library's own paths take ten times as long.
    """
    red, green, blue = _rgb(dark)
    scale, module = document.k, placed.module_mm
    left, top = placed.code.x * scale, document.h_pt - placed.code.y * scale
    path = " ".join(f"{x} {-y - 1} {width} 1 re" for x, y, width in runs(placed.matrix))
    document._out(  # noqa: SLF001
        f"q {red / 255:.4f} {green / 255:.4f} {blue / 255:.4f} rg {scale * module:.6f} 0 0 {scale * module:.6f}"
        f" {left:.4f} {top:.4f} cm {path} f Q"
    )


def _plate_png(logo: Logo) -> bytes:
    """The same bytes for every label, so that the file holds the picture once."""
    out = io.BytesIO()
    logo.plate(PAPER).save(out, "PNG", optimize=True)
    return out.getvalue()


def _write_text(document: "FPDF", order: SheetOrder, placed: Placed, box: Box) -> None:
    document.set_text_color(0)
    name = placed.label.name.strip() if order.wording in ("name_and_link", "name") else ""
    link = placed.label.link if order.wording in ("name_and_link", "link") else ""
    parts = []
    room = box.height
    if name:
        share = NAME_SHARE if link else 1.0
        parts.append(fitted_name(document, name, Box(box.x, box.y, box.width, box.height * share)))
        room -= parts[0].height_mm
    if link:
        parts.append(fitted_link(document, link, Box(box.x, box.y, box.width, room)))
    spare = box.height - sum(part.height_mm for part in parts)
    y = box.y if placed.text_below else box.y + spare / 2
    for part in parts:
        write(document, part, Box(box.x, y, box.width, part.height_mm), centred=placed.text_below)
        y += part.height_mm


def _add_proof(document: "FPDF", order: SheetOrder, placed: Sequence[Placed]) -> None:
    """What is where, for whoever checks the print. One line for labels of the same code that follow each other."""
    rows = _proof_rows(placed)
    for start in range(0, len(rows), PROOF_ROWS):
        document.add_page(format=PROOF_SHEET_MM)
        set_direction(document, right_to_left=False)
        document.set_text_color(0)
        document.set_font_size(12)
        document.set_xy(15, 12)
        document.cell(180, 7, "Proof: what is on these sheets")
        document.set_font_size(7.5)
        document.set_xy(15, 19)
        counted = f"{len(placed)} labels on {placed[-1].page + 1} sheets of {order.stock.name}"
        document.cell(180, 4, f"{counted}; each was decoded before this file was handed out.")
        for number, (where, link, name) in enumerate(rows[start : start + PROOF_ROWS]):
            y = 26 + number * 5.2
            for x, width, text in ((15, 45, where), (60, 75, link), (135, 60, name)):
                set_direction(document, right_to_left=is_right_to_left(text))
                document.set_xy(x, y)
                document.cell(width, 5, _cut(document, text, width - 2))


def _proof_rows(placed: Sequence[Placed]) -> list[tuple[str, str, str]]:
    rows: list[tuple[str, str, str]] = []
    first = placed[0]
    for entry, following in zip(placed, [*placed[1:], None], strict=True):
        if following is None or following.label != entry.label:
            where = f"sheet {first.page + 1}, label {first.cell + 1}"
            if entry is not first:
                until = (
                    f"label {entry.cell + 1}"
                    if entry.page == first.page
                    else f"sheet {entry.page + 1}, {entry.cell + 1}"
                )
                where += f" to {until}"
            rows.append((where, entry.label.link, entry.label.name))
            if following is not None:
                first = following
    return rows


def _cut(document: "FPDF", text: str, width_mm: float) -> str:
    check_letters(document, text)
    whole = text
    while document.get_string_width(text) > width_mm and text:
        text = text[:-1]
    return text if text == whole else f"{text[:-2]}..."


def _cross(document: "FPDF", x: float, y: float) -> None:
    document.line(x - 2, y, x + 2, y)
    document.line(x, y - 2, x, y + 2)


def _rulers(document: "FPDF", stock: Stock, nudge_x_mm: float, nudge_y_mm: float) -> None:
    """In the first label and along it: printed at another scale than 100 %, their ends miss those of a real ruler."""
    length = min(RULER_MM, int(stock.width_mm) - 20)
    if stock.height_mm < 120 or length < 50:
        return
    x, y = (stock.width_mm - length) / 2, stock.height_mm / 2
    document.set_fill_color(255)
    document.rect(x - 5, y - 14, length + 10, 24, style="DF")
    document.line(x, y, x + length, y)
    for tick in range(length + 1):
        document.line(x + tick, y, x + tick, y - (4 if tick % 10 == 0 else 2))
    document.set_font_size(8)
    lines = (
        f"{length} mm: measure it. If it is not, print at 100 % (no fitting to the page).",
        f"{stock.name}. Nudge in this print: {nudge_x_mm:+g} mm right, {nudge_y_mm:+g} mm down.",
        "Hold it against a sheet: frames too far left need a larger nudge to the right, too high a larger one down.",
    )
    for number, line in enumerate(lines):
        document.set_font_size(8)
        while document.get_string_width(line) > length + 8 and document.font_size_pt > 4:
            document.set_font_size(document.font_size_pt - 0.25)
        document.set_xy(x - 4, y - 13 + number * 3 if number < 2 else y + 2)
        document.cell(length + 8, 3, line)


def _rgb(colour: str) -> tuple[int, int, int]:
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue
