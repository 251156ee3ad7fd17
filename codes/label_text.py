"""Text on labels: the font, shaping for right-to-left scripts, and letters small enough to fit.

With the built DejaVu Sans any script it has; without it the letters of the PDF's own Helvetica, Western European ones.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from codes.sheets import Box, SheetError, SheetsUnavailable

if TYPE_CHECKING:
    from fpdf import FPDF

FONT_FILE: Final = "DejaVuSansCondensed.ttf"
FAMILY: Final = "label"
MM_PER_PT: Final = 25.4 / 72
LINE: Final = 1.2  # of the letter size
NAME_PT: Final = [12 - 0.5 * step for step in range(16)]
LINK_PT: Final = (8.0, 7.0, 6.0, 5.5, 5.0, 4.5, 4.0, 3.5)
MAX_NAME_LINES, MAX_LINK_LINES = 3, 3
MISSING_PACKAGE: Final = (
    "Label sheets need the packages fpdf2 and uharfbuzz, which are not installed here. Install them with"
    " `pip install 'waymark-qr[labels]'` (`make serve` brings them) and start Waymark again."
)


class Fitted(NamedTuple):
    lines: Sequence[str]
    size_pt: float
    right_to_left: bool

    @property
    def height_mm(self) -> float:
        return len(self.lines) * self.size_pt * LINE * MM_PER_PT


@contextmanager
def new_document(width_mm: float, height_mm: float, fonts: Path | None) -> Iterator["FPDF"]:
    """An empty PDF with the label font ready; raises SheetsUnavailable. fpdf2 leaves the font's file open: it is closed."""
    check_installed()
    from fpdf import FPDF
    from fpdf.fonts import TTFFont

    document = FPDF(unit="mm", format=(width_mm, height_mm))
    document.set_margin(0)
    document.c_margin = 0
    document.set_auto_page_break(auto=False)
    document.set_creator("Waymark")
    path = fonts / FONT_FILE if fonts else None
    if path and path.is_file():
        document.add_font(FAMILY, fname=path)
        document.set_text_shaping(True)
        document.set_font(FAMILY)
    else:
        document.set_font("Helvetica")
    try:
        yield document
    finally:
        for font in document.fonts.values():
            if isinstance(font, TTFFont):
                font.ttfont.close()


def check_installed() -> None:
    """Raises SheetsUnavailable."""
    try:
        import fpdf  # noqa: F401
        import uharfbuzz  # noqa: F401  without it fpdf2 prints Arabic unjoined and reversed
    except ImportError:
        raise SheetsUnavailable(MISSING_PACKAGE) from None


def check_letters(document: "FPDF", text: str) -> None:
    """Raises SheetError for what the font cannot write: an empty box on a printed label helps nobody."""
    from fpdf.fonts import TTFFont

    font = document.current_font
    if not isinstance(font, TTFFont):
        if not _is_latin_1(text):
            raise SheetError(
                f"{text!r} cannot be written: the label font with Arabic and other scripts is not built here, and the PDF's"
                " own font knows Western European letters only. Run `npm ci && npm run build` in the checkout (make serve"
                " does) or install a released wheel; or print without names."
            )
        return
    known = font.cmap
    unknown = sorted(
        {char for char in text if ord(char) not in known and not unicodedata.category(char).startswith("C")}
    )
    if unknown:
        raise SheetError(
            f"{text!r} has letters that the label font has not: {' '.join(unknown[:10])}. Change the name or print"
            " without names."
        )


def is_right_to_left(text: str) -> bool:
    """By the first letter with a direction, as the Unicode bidirectional algorithm does (rules P2 and P3)."""
    for char in text:
        direction = unicodedata.bidirectional(char)
        if direction in ("L", "R", "AL"):
            return direction != "L"
    return False


def fitted_name(document: "FPDF", text: str, box: Box) -> Fitted:
    """As large as fits into the box; what does not fit at the smallest size is cut with an ellipsis."""
    check_letters(document, text)
    rtl = is_right_to_left(text)
    set_direction(document, right_to_left=rtl)
    width = _width(document, text, 10) / 10
    for size in NAME_PT:
        if width * size > MAX_NAME_LINES * box.width:
            continue  # no way of breaking it helps, and measuring takes its time
        lines = _lines(document, text, box.width, size)
        fitted = Fitted(lines, size, rtl)
        if len(lines) <= MAX_NAME_LINES and fitted.height_mm <= box.height and _words_are_whole(text, lines):
            return fitted
    room = max(1, min(MAX_NAME_LINES, int(box.height / (NAME_PT[-1] * LINE * MM_PER_PT))))
    shortened = text
    while len(_lines(document, f"{shortened}...", box.width, NAME_PT[-1])) > room and shortened:
        shortened = shortened[:-1].rstrip()
    return Fitted(_lines(document, f"{shortened}...", box.width, NAME_PT[-1]), NAME_PT[-1], rtl)


def fitted_link(document: "FPDF", text: str, box: Box) -> Fitted:
    """Whole or not at all: a link with its end cut off cannot be typed. Raises SheetError."""
    check_letters(document, text)
    set_direction(document, right_to_left=False)
    head, slash, tail = text.partition("/")
    for pieces in ((text,), (head + slash, tail)):
        width = max(_width(document, piece, 10) for piece in pieces) / 10
        for size in LINK_PT:
            fitted = Fitted(pieces, size, False)
            if width * size <= box.width and fitted.height_mm <= box.height:
                return fitted
    for size in LINK_PT:
        lines = _lines(document, text, box.width, size)
        if len(lines) <= MAX_LINK_LINES and Fitted(lines, size, False).height_mm <= box.height:
            return Fitted(lines, size, False)
    raise SheetError(
        f"The link {text} does not fit on the label, not even in {LINK_PT[-1]} pt. Choose larger labels, a smaller code, or"
        " print the name alone."
    )


def write(document: "FPDF", fitted: Fitted, box: Box, *, centred: bool) -> None:
    """From the top of the box on."""
    set_direction(document, right_to_left=fitted.right_to_left)
    document.set_font_size(fitted.size_pt)
    height = fitted.size_pt * LINE * MM_PER_PT
    align = "C" if centred else "R" if fitted.right_to_left else "L"
    for number, line in enumerate(fitted.lines):
        document.set_xy(box.x, box.y + number * height)
        document.cell(box.width, height, line, align=align)


def set_direction(document: "FPDF", *, right_to_left: bool) -> None:
    """Of the paragraph: a line of it that begins with a word in the other script would be ordered the wrong way round."""
    if document.text_shaping:
        document.set_text_shaping(True, direction="rtl" if right_to_left else "ltr")


def _width(document: "FPDF", text: str, size_pt: float) -> float:
    document.set_font_size(size_pt)
    return document.get_string_width(text)


def _lines(document: "FPDF", text: str, width_mm: float, size_pt: float) -> list[str]:
    document.set_font_size(size_pt)
    lines: list[str] = document.multi_cell(width_mm, 1, text, dry_run=True, output="LINES")  # type: ignore[assignment]
    return lines


def _words_are_whole(text: str, lines: Sequence[str]) -> bool:
    words = set(text.split())
    return all(word in words for line in lines for word in line.split())


def _is_latin_1(text: str) -> bool:
    try:
        text.encode("latin-1")
    except UnicodeEncodeError:
        return False
    return True
