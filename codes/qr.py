"""QR codes: what a symbol says, how it looks, and that it was read back before it leaves.

Short URLs, and for static codes any destination. Knows nothing of the database: a code's short URL and whether it is a
legacy code come from the caller.
"""

import math
import re
from dataclasses import dataclass, replace
from typing import Final

import idna
import segno
from segno import consts

from codes import drawings
from codes.decode import MIN_CONTRAST, QrError, luminance, verify
from codes.drawings import Drawing, Matrix, Rgb
from codes.logos import Logo, LogoError, covered_modules
from codes.zpl import ZplError, zpl

__all__ = [
    "FORMATS",
    "STATIC_WARNING",
    "QrError",
    "QrInputError",
    "QrStyle",
    "encoded_text",
    "media_type",
    "render",
    "render_static",
    "symbol_for",
    "symbol_version",
    "terminal",
    "verify",
]

_MEDIA_TYPES: Final = {
    "svg": "image/svg+xml",
    "png": "image/png",
    "pdf": "application/pdf",
    "eps": "application/postscript",
    "zpl": "application/x-zpl",
}
FORMATS: Final = tuple(_MEDIA_TYPES)

MAX_MODULE_PX = 50
MAX_EDGE_PX = 4000
MIN_SIZE_MM, MAX_SIZE_MM = 10, 5000
MIN_DPI, MAX_DPI = 72, 2400
MAX_CAPTION_LINES = 4
ZPL_DPI, ZPL_MODULE_PX = 203, 4

STATIC_WARNING: Final = (
    "This is a static code: the symbol itself holds the target. It can never be changed or undone, and its scans are not"
    " counted. For anything that is printed, a code of Waymark's is safer."
)

_SHORT_URL = re.compile(r"((?i:https?))://([^/?#@\s]+)/([!-~]+)")
_ALPHANUMERIC = re.compile(r"[0-9A-Z $%*+\-./:]+")
_COLOUR = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})", re.IGNORECASE)


class QrInputError(QrError):
    """The asker can put it right: colours, sizes, format or short URL. Any other QrError is our own failure."""


@dataclass(frozen=True, slots=True)
class QrStyle:
    """How a symbol looks; raises QrInputError for what a scanner would not read.

    `error` is the least error correction: a higher level is used when it costs no larger symbol. `size_mm` is the edge
    with the quiet zone; together with `dpi` it decides how many pixels a module of a PNG or ZPL has. `caption` writes
    the link below. A logo hides at most `logo_percent` of the symbol's width (by default what the level allows).
    """

    dark: str = "#000000"
    light: str = "#ffffff"
    error: str = "m"
    module_px: int = 10
    size_mm: float | None = None
    dpi: int | None = None
    caption: bool = False
    logo: Logo | None = None
    logo_percent: int | None = None

    def __post_init__(self) -> None:
        _check_colours(_rgb("dark", self.dark), _rgb("light", self.light))
        _check_error(self.error)
        if isinstance(self.module_px, bool) or not isinstance(self.module_px, int):
            raise QrInputError(
                f"The module size {self.module_px!r} is not a whole number of pixels. Choose 1 to {MAX_MODULE_PX}."
            )
        if not 1 <= self.module_px <= MAX_MODULE_PX:
            raise QrInputError(
                f"A module of {self.module_px} px cannot be drawn. Choose 1 to {MAX_MODULE_PX} px, or SVG for any size."
            )
        if self.size_mm is not None and not MIN_SIZE_MM <= self.size_mm <= MAX_SIZE_MM:
            raise QrInputError(
                f"A code {self.size_mm:g} mm wide is outside what can be printed and scanned."
                f" Choose {MIN_SIZE_MM} to {MAX_SIZE_MM} mm, quiet zone included."
            )
        if self.dpi is not None and not MIN_DPI <= self.dpi <= MAX_DPI:
            raise QrInputError(f"A resolution of {self.dpi} dpi is no printer's. Choose {MIN_DPI} to {MAX_DPI}.")
        if self.dpi is not None and self.size_mm is None:
            raise QrInputError(
                "A resolution in dpi says nothing without a size. Say how many mm wide the code shall be."
            )
        if self.logo_percent is not None and self.logo is None:
            raise QrInputError("A logo's share of the width was given, but no logo.")


def render(short_url: str, format: str, style: QrStyle | None = None, legacy: bool = False) -> bytes:  # noqa: A002
    """The finished file, read back by `verify` first; raises QrInputError or QrError, never hands out a doubtful code.

    `legacy`: the code is case-sensitive, so that the text must keep its case.
    """
    media_type(format)
    style = style or QrStyle()
    text = encoded_text(short_url, legacy)
    return _file(text, symbol_for(text, style.error, legacy), short_url, format, style)


def render_static(target: str, format: str, style: QrStyle | None = None) -> bytes:  # noqa: A002
    """A symbol that holds `target` itself, checked by the caller. Whoever hands it out adds STATIC_WARNING."""
    media_type(format)
    style = style or QrStyle()
    return _file(target, _segno([(target, consts.MODE_BYTE)], target, style.error), target, format, style)


def _file(text: str, matrix: Matrix, title: str, format: str, style: QrStyle) -> bytes:  # noqa: A002
    drawing = _drawing(matrix, title, style)
    match format:
        case "svg":
            artefact = drawings.svg(drawing, title)
        case "png":
            module_px = _module_px(drawing, style)
            _check_edge(drawing.edge, module_px)
            artefact = drawings.png(drawing, module_px)
        case "pdf":
            artefact = drawings.pdf(drawing)
        case "eps":
            artefact = drawings.eps(drawing)
        case _:
            artefact = _zpl(drawing, style)
    verify(artefact, format, text, covered=drawing.covered, caption=bool(drawing.caption))
    return artefact


def _drawing(matrix: Matrix, title: str, style: QrStyle) -> Drawing:
    caption: tuple[str, ...] = ()
    if style.caption:
        caption = drawings.caption_lines(title.partition("://")[2] or title, drawings.edge_of(matrix))
        if len(caption) > MAX_CAPTION_LINES:
            raise QrInputError(
                f"The link has {len(title)} characters, too many to stand below the code. Leave the caption out."
            )
    covered = 0
    if style.logo is not None:
        try:
            covered = covered_modules(len(matrix), style.error, style.logo_percent)
        except LogoError as problem:
            raise QrInputError(str(problem)) from None
    dark, light = _rgb("dark", style.dark), _rgb("light", style.light)
    return Drawing(matrix, dark, light, style.size_mm, caption, style.logo, covered)


def _module_px(drawing: Drawing, style: QrStyle) -> int:
    """With size and resolution as many whole pixels as fit; the file's own dpi then says exactly that size."""
    if style.size_mm is None or style.dpi is None:
        return style.module_px
    fitting = int(style.size_mm / 25.4 * style.dpi / drawing.edge)
    if fitting < 1:
        raise QrInputError(
            f"At {style.dpi} dpi a code of {drawing.edge} modules does not fit into {style.size_mm:g} mm."
            f" Choose at least {drawing.edge * 25.4 / style.dpi:.0f} mm or a higher resolution."
        )
    return fitting


def _zpl(drawing: Drawing, style: QrStyle) -> bytes:
    if drawing.logo is not None or (drawing.dark, drawing.light) != ((0, 0, 0), (255, 255, 255)):
        raise QrInputError("A label printer burns black dots: ZPL has no colours and no logo. Leave them out.")
    sized = style if style.dpi or style.size_mm is None else replace(style, dpi=ZPL_DPI)
    module_px = ZPL_MODULE_PX if sized.size_mm is None else _module_px(drawing, sized)
    _check_edge(drawing.edge, module_px)
    try:
        return zpl(drawings.raster(drawing, module_px))
    except ZplError as problem:
        raise QrInputError(f"{problem} Choose a smaller size.") from None


def terminal(
    short_url: str,
    legacy: bool = False,
    error: str = "m",
    colour: bool = True,
    dark: str = "#000000",
    light: str = "#ffffff",
) -> str:
    """Half-block characters, read back like any file. Without colour it is right on a dark terminal only."""
    _check_error(error)
    ink, paper = _rgb("dark", dark), _rgb("light", light)
    _check_colours(ink, paper)
    text = encoded_text(short_url, legacy)
    drawn = drawings.terminal(symbol_for(text, error, legacy), colour, ink, paper)
    verify(drawn.encode(), "terminal", text)
    return drawn


def media_type(format: str) -> str:  # noqa: A002
    try:
        return _MEDIA_TYPES[format]
    except KeyError:
        raise QrInputError(
            f"There is no QR format {format!r}. Waymark draws {', '.join(FORMATS[:-1])} and {FORMATS[-1]}."
        ) from None


def encoded_text(short_url: str, legacy: bool = False) -> str:
    """What the symbol says: `https://HOST/CODE`, the upper-case part in alphanumeric mode.

    Lower-case host and untouched code for legacy codes and where a character has no alphanumeric form.
    """
    match = _SHORT_URL.fullmatch(short_url)
    if not match:
        raise QrInputError(
            f"{short_url!r} cannot be put into a QR code: it is not a short URL like https://host/CODE in plain ASCII."
            " Percent-encode other characters of the code."
        )
    scheme, host, code = match.groups()
    scheme, host = scheme.lower(), _ascii_host(host.lower())
    upper = f"{host}/{code}".upper()
    if not legacy and _ALPHANUMERIC.fullmatch(upper):
        return f"{scheme}://{upper}"
    return f"{scheme}://{host}/{code}"


def symbol_version(short_url: str, legacy: bool = False, error: str = "m") -> int:
    """1 to 40; an edge has 17 + 4 * version modules."""
    _check_error(error)
    return (len(symbol_for(encoded_text(short_url, legacy), error, legacy)) - 17) // 4


def symbol_for(text: str, error: str, legacy: bool = False) -> Matrix:
    """The modules of what `encoded_text` says, without quiet zone."""
    scheme, rest = text.split("//", 1)
    segments: list[tuple[str, int]] = [(text, consts.MODE_BYTE)]
    if not legacy and _ALPHANUMERIC.fullmatch(rest):
        segments = [(f"{scheme}//", consts.MODE_BYTE), (rest, consts.MODE_ALPHANUMERIC)]
    return _segno(segments, text, error)


def _segno(segments: list[tuple[str, int]], text: str, error: str) -> Matrix:
    try:
        # segno takes a list of segments; its stub does not know.
        symbol = segno.make(segments, error=error, micro=False, boost_error=True)  # type: ignore[arg-type]
    except segno.DataOverflowError as problem:
        raise QrInputError(
            f"The text is {len(text)} characters long and does not fit into a QR code. Use a shorter one."
        ) from problem
    return tuple(bytes(row) for row in symbol.matrix)


def _ascii_host(host: str) -> str:
    if host.isascii():
        return host
    name, colon, port = host.partition(":")
    try:
        return idna.encode(name, uts46=True).decode("ascii") + colon + port
    except (idna.IDNAError, UnicodeError) as problem:
        raise QrInputError(f"The host {host!r} is not a valid domain name: {problem}. Check its spelling.") from problem


def _rgb(name: str, colour: str) -> Rgb:
    if not _COLOUR.fullmatch(colour):
        raise QrInputError(
            f"The {name} colour {colour!r} is not understood, and a scanner needs two solid ones. Write it as #rgb or"
            " #rrggbb, without name or transparency."
        )
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    red, green, blue = bytes.fromhex(digits)
    return red, green, blue


def _check_colours(dark: Rgb, light: Rgb) -> None:
    difference = luminance(light) - luminance(dark)
    if difference <= -MIN_CONTRAST:
        raise QrInputError(
            "The dark colour is lighter than the light one. Many scanners do not read inverted codes: swap the two."
        )
    if difference < MIN_CONTRAST:
        # Rounded down, so that 39.6 % is not reported as the 40 % it misses.
        raise QrInputError(
            f"The two colours differ by only {math.floor(abs(difference) * 100)} % in luminance and cameras need"
            f" {MIN_CONTRAST:.0%}. Choose a darker dark colour or a lighter light one."
        )


def _check_edge(edge: int, module_px: int) -> None:
    """Reading back takes some 20 bytes of memory per pixel."""
    if edge * module_px > MAX_EDGE_PX:
        raise QrInputError(
            f"A PNG of this code would be {edge * module_px} px wide, and {MAX_EDGE_PX} px are the limit."
            f" Choose modules of up to {MAX_EDGE_PX // edge} px, or SVG for any size."
        )


def _check_error(error: str) -> None:
    if error not in ("l", "m", "q", "h"):
        raise QrInputError(f"There is no error correction level {error!r}. Choose l, m, q or h.")
