"""Reads a finished QR file back, as a phone would, and refuses it when it is not exactly right.

Works from the bytes that leave, never from the matrix they were drawn from.
"""

import io
import math
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pypdfium2
import resvg_py
import zxingcpp
from PIL import Image, ImageChops, ImageDraw

from codes import zbar
from codes.drawings import QUIET_ZONE, TERMINAL_COLOURS
from codes.zpl import bitmap

SCALES = (3, 5, 7)
"""Pixels per module at which every code is read: small on a screen, far away, near."""

MIN_CONTRAST = 0.40
"""Least difference of relative luminance between dark and light modules."""

MIN_SPARE = 0.25
"""Share of the error correction that a logo has to leave to dirt and scratches."""

Picture = Callable[[int | None], Image.Image]
"""Gives the artefact that many pixels wide; None: as it is (PNG, terminal) or large (everything without pixels)."""

_PROBE_PX = 480
_SAME_COLOUR = 16
PDFIUM = threading.Lock()  # PDFium is not safe to use from two threads at once

_EPS_SIZE = re.compile(r"^%%HiResBoundingBox: 0 0 ([\d.]+) ([\d.]+)$", re.MULTILINE)
_EPS_SCALE = re.compile(r"^([\d.]+) dup scale$", re.MULTILINE)
_EPS_COLOUR = re.compile(r"^([\d.]+) ([\d.]+) ([\d.]+) setrgbcolor (newpath|0 0 (\d+) (\d+) rectfill)$", re.MULTILINE)
_EPS_LOGO = re.compile(
    r"^gsave (\d+) (\d+) translate (\d+) dup scale\n(\d+) (\d+) 8 \[.*colorimage\n([0-9a-f\n]*)>$", re.MULTILINE
)
_EPS_RUN = re.compile(r"^(\d+) (\d+) (\d+) r$", re.MULTILINE)
_INK_ON_PAPER = re.compile(r"^\x1b\[38;5;(\d+);48;5;(\d+)m", re.MULTILINE)
_ESCAPE = re.compile(r"\x1b\[[\d;]*m")
_HALF_BLOCKS = {" ": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}


class QrError(Exception):
    """A QR code was not handed out; the text says what, why and what to do."""


def verify(
    artefact: bytes,
    format: str,  # noqa: A002  the word of the whole interface
    expected: str,
    *,
    covered: int = 0,
    caption: bool = False,
) -> None:
    """Decodes the artefact (svg, png, pdf, eps, zpl, terminal) and raises QrError unless all of this holds:

    - at 3, 5 and 7 px per module, and for a PNG in the very pixels of the file, it reads exactly `expected` and uses
      none of its error correction: that belongs to dirt and scratches. With `covered` modules behind a logo, MIN_SPARE
      of it are left;
    - the pixels of the four modules around the symbol are all of the light colour, and nothing is transparent; a
      `caption` is below them;
    - every module has the colour of that quiet zone or is darker by at least MIN_CONTRAST;
    - zbar reads it too, where it is installed.

    SVG is drawn by resvg and PDF by PDFium. EPS is not run as PostScript, which would need Ghostscript on every server:
    the size, colours, runs and logo are read back from the file as codes/drawings.py writes them and painted by Pillow.
    The tests decode the same files through Ghostscript.
    """
    if format not in _PICTURES:
        raise QrError(f"There is no way to read back a {format!r} file. Use one of {', '.join(_PICTURES)}.")
    try:
        picture = _PICTURES[format](artefact)
        whole = Render(format, "as it is", picture(None).convert("RGBA"))
        size = modules_read(whole, expected, spare=0.0)
        edge = size + 2 * QUIET_ZONE
        renders = [Render(format, f"at {px} px per module", picture(edge * px).convert("RGBA")) for px in SCALES]
    except (
        ValueError,
        ArithmeticError,
        SyntaxError,
        OSError,
        pypdfium2.PdfiumError,
        Image.DecompressionBombError,
    ) as error:
        raise QrError(
            f"The {format} file of {expected} is damaged and cannot be drawn: {error}. Draw it again."
        ) from error
    if format in ("png", "zpl", "terminal"):
        renders.append(whole)
    for render in renders:
        modules_read(render, expected, spare=MIN_SPARE if covered else 1.0)
        check_symbol(render.top_square() if caption else render, size, covered)
    check_with_zbar(renders[:3], [expected])


def check_with_zbar(renders: Sequence["Render"], expected: Sequence[str]) -> None:
    """Each picture holds exactly these texts, says a second reader, where there is one."""
    for render in renders:
        found = zbar.find_texts(render.image)
        if found is not None and sorted(found) != sorted(expected):
            raise render.refused(f"zbar reads {found} instead of {list(expected)}. Draw it again.")


def luminance(colour: Sequence[int]) -> float:
    """Relative luminance, 0 (black) to 1 (white), as WCAG 2 defines it for sRGB."""
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (channel / 255 for channel in colour)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@dataclass(frozen=True, slots=True)
class Render:
    format: str
    how: str
    image: Image.Image

    def top_square(self) -> "Render":
        """Without the caption below."""
        return Render(self.format, self.how, self.image.crop((0, 0, self.image.width, self.image.width)))

    def refused(self, why: str) -> QrError:
        return QrError(f"The {self.format} file was held back: {self.how}, {why}")


def modules_read(render: Render, expected: str, *, spare: float) -> int:
    """The modules along one edge of the one symbol in the image, without quiet zone. `spare` is the share of its error
    correction that must be left over.
    """
    if render.image.getchannel("A").getextrema() != (255, 255):
        raise render.refused("parts of it are transparent, so what lies behind decides. Give it a solid light colour.")
    found = zxingcpp.read_barcodes(
        render.image.convert("L"),
        formats=zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode),
        try_rotate=False,
        try_invert=False,
        try_downscale=False,
        text_mode=zxingcpp.TextMode.Plain,
    )
    if len(found) != 1:
        raise render.refused(
            f"a scanner finds {len(found)} QR codes in it, not the one for {expected}. Draw it again, black on white."
        )
    if found[0].text != expected:
        raise render.refused(f"it reads {found[0].text!r} instead of {expected!r}. Draw it again.")
    facts = cast("dict[str, Any]", found[0].extra)
    if facts["UEC"] < spare:
        remedy = "Draw it again" if spare == 1 else "Choose a smaller logo or more error correction"
        raise render.refused(f"wrong modules use up {1 - facts['UEC']:.0%} of its error correction. {remedy}.")
    return 17 + 4 * int(facts["Version"])


def check_symbol(render: Render, size: int, covered: int = 0) -> None:
    """Quiet zone and contrast of a symbol that fills the image."""
    _check_quiet_zone(render, size)
    _check_contrast(render, size, covered)


def _check_quiet_zone(render: Render, size: int) -> None:
    left, top, right, bottom = _symbol_box(render.image)
    module_px = min(right - left, bottom - top) / size
    free_px = min(left, top, render.image.width - right, render.image.height - bottom)
    if free_px + 0.5 < QUIET_ZONE * module_px:
        raise render.refused(
            f"only {free_px / module_px:.1f} modules around the symbol are free and scanners need {QUIET_ZONE}."
            " Do not crop the code or draw into its margin."
        )


def _check_contrast(render: Render, size: int, covered: int) -> None:
    """Of the modules' centres; those behind a logo are not looked at."""
    centres = render.image.resize((size, size), Image.Resampling.NEAREST, box=_symbol_box(render.image)).convert("RGB")
    paper = cast("tuple[int, int, int]", render.image.getpixel((0, 0)))[:3]
    start = (size - covered) // 2
    centres.paste(paper, (start, start, start + covered, start + covered))
    colours = cast("set[tuple[int, ...]]", set(centres.get_flattened_data()))
    inks = [ink for ink in colours if max(abs(a - b) for a, b in zip(ink, paper, strict=True)) > _SAME_COLOUR]
    contrast = luminance(paper) - max(map(luminance, inks), default=1.0)
    if contrast < MIN_CONTRAST:
        raise render.refused(
            f"some modules are only {max(0, math.floor(contrast * 100))} % darker in luminance than the paper and cameras"
            f" need {MIN_CONTRAST:.0%}. Choose a darker dark colour or a lighter light one."
        )


def _symbol_box(image: Image.Image) -> tuple[int, int, int, int]:
    """Everything that differs from the colour of the corner: left, top, right, bottom in pixels."""
    solid = image.convert("RGB")
    paper = Image.new("RGB", solid.size, cast("tuple[int, int, int]", solid.getpixel((0, 0))))
    red, green, blue = ImageChops.difference(solid, paper).split()
    difference = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    box = difference.point([0] * _SAME_COLOUR + [255] * (256 - _SAME_COLOUR)).getbbox()
    return box or (0, 0, *image.size)


def _png_picture(artefact: bytes) -> Picture:
    return _resized(Image.open(io.BytesIO(artefact), formats=["PNG"]).convert("RGBA"))


def _svg_picture(artefact: bytes) -> Picture:
    text = artefact.decode()

    def draw(width: int | None) -> Image.Image:
        # resvg rounds the SVG's own size to whole pixels before it scales: 1,000 px per mm leave nothing to round.
        drawn = resvg_py.svg_to_bytes(svg_string=text, width=width or _PROBE_PX, dpi=25_400, skip_system_fonts=True)
        return Image.open(io.BytesIO(drawn), formats=["PNG"])

    return draw


def _pdf_picture(artefact: bytes) -> Picture:
    def draw(width: int | None) -> Image.Image:
        with PDFIUM:
            document = pypdfium2.PdfDocument(artefact)
            try:
                page = document[0]
                # PDFium rounds a fraction of a pixel up: aim just below the whole number.
                scale = ((width or _PROBE_PX) - 0.001) / page.get_width()
                bitmap = page.render(scale=scale, fill_color=(0, 0, 0, 0), maybe_alpha=True)
                return cast("Image.Image", bitmap.to_pil()).copy()
            finally:
                document.close()

    return draw


def _eps_picture(artefact: bytes) -> Picture:
    text = artefact.decode("ascii")
    size, scale, colours = _EPS_SIZE.search(text), _EPS_SCALE.search(text), _EPS_COLOUR.findall(text)
    if not size or not scale or len(colours) != 2 or not colours[0][4]:
        raise ValueError("size, scale or colours are missing")
    edge = round(float(size[1]) / float(scale[1]))
    image = Image.new("RGBA", (edge, round(float(size[2]) / float(scale[1]))), (0, 0, 0, 0))
    light, dark = (tuple(round(float(channel) * 255) for channel in colour[:3]) for colour in colours)
    _fill(image, 0, 0, int(colours[0][4]), int(colours[0][5]), light)
    for run in _EPS_RUN.finditer(text):
        x, y, width = map(int, run.groups())
        _fill(image, x, y, width, 1, dark)
    for logo in _EPS_LOGO.finditer(text):
        x, y, covered, width, height = map(int, logo.groups()[:5])
        plate = Image.frombytes("RGB", (width, height), bytes.fromhex(logo[6]))
        image.paste(plate.resize((covered, covered), Image.Resampling.BOX), (x, image.height - y - covered))
    return _resized(image, _PROBE_PX // edge)


def _fill(image: Image.Image, x: int, y: int, width: int, height: int, colour: tuple[int, ...]) -> None:
    """PostScript counts from the bottom; Pillow's rectangles include their last pixel."""
    top = image.height - y - height
    ImageDraw.Draw(image).rectangle((x, top, x + width - 1, top + height - 1), fill=colour)


def _zpl_picture(artefact: bytes) -> Picture:
    return _resized(bitmap(artefact).convert("RGB"))


def _terminal_picture(artefact: bytes) -> Picture:
    text = artefact.decode()
    colours = set(_INK_ON_PAPER.findall(text))
    if len(colours) > 1:
        raise ValueError("its lines have different colours")
    ink, paper = ((255, 255, 255), (0, 0, 0))
    if colours:
        numbers = [int(number) for number in colours.pop()]
        if not set(numbers) <= TERMINAL_COLOURS.keys():
            raise ValueError("its colours are not of the fixed table")
        ink, paper = (TERMINAL_COLOURS[number] for number in numbers)
    lines = [_ESCAPE.sub("", line) for line in text.splitlines()]
    if not set("".join(lines)) <= set(_HALF_BLOCKS) or len({len(line) for line in lines}) != 1:
        raise ValueError("it is not a rectangle of half blocks")
    image = Image.new("RGB", (len(lines[0]), 2 * len(lines)), paper)
    for row, line in enumerate(lines):
        for column, cell in enumerate(line):
            for half, inked in enumerate(_HALF_BLOCKS[cell]):
                if inked:
                    image.putpixel((column, 2 * row + half), ink)
    return _resized(image)


def _resized(image: Image.Image, whole: int = 1) -> Picture:
    """Box filter: the grey edges a browser or a printer driver makes when it scales."""

    def resize(width: int | None) -> Image.Image:
        width = width or image.width * whole
        return image.resize((width, round(image.height * width / image.width)), Image.Resampling.BOX)

    return resize


_PICTURES: dict[str, Callable[[bytes], Picture]] = {
    "svg": _svg_picture,
    "png": _png_picture,
    "pdf": _pdf_picture,
    "eps": _eps_picture,
    "zpl": _zpl_picture,
    "terminal": _terminal_picture,
}
