"""Draws a matrix of modules as SVG, PNG, PDF, EPS or terminal text, quiet zone included; same input, same bytes.

Does not know what the symbol says, or whether it can be read: codes/qr.py and codes/decode.py do.
"""

import base64
import io
import math
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from PIL import Image, ImageDraw, ImageFont

from codes.logos import Logo

QUIET_ZONE = 4
"""Modules of free space on each side, ISO/IEC 18004 section 5.3.8."""

DEFAULT_PRINT_MM = 40.0
"""Edge of a PDF or EPS, quiet zone included, when nobody chose one: paper has no size-less drawing."""

INK_ON_PAPER = "\x1b[38;5;{};48;5;{}m"
"""Two numbers of the fixed part of the 256-colour table, which terminal themes leave alone: 16 is black, 231 white."""

_CUBE = (0, 95, 135, 175, 215, 255)
TERMINAL_COLOURS: dict[int, "Rgb"] = {
    **{16 + 36 * r + 6 * g + b: (_CUBE[r], _CUBE[g], _CUBE[b]) for r in range(6) for g in range(6) for b in range(6)},
    **{232 + step: (8 + 10 * step,) * 3 for step in range(24)},
}

LINE_MODULES = 3
"""Height of one line of the caption. Its letters are Courier's, 0.6 em wide, which no viewer has to look up."""
MAX_EM, MIN_EM, LETTER_EM = 2.4, 1.5, 0.6

Matrix = Sequence[Sequence[int]]
Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Drawing:
    """A symbol and what stands in and under it. ``size_mm`` is the edge with the quiet zone, without the caption."""

    matrix: Matrix
    dark: Rgb = (0, 0, 0)
    light: Rgb = (255, 255, 255)
    size_mm: float | None = None
    caption: tuple[str, ...] = ()
    logo: Logo | None = None
    covered: int = 0  # modules along one edge that the logo's plate hides; odd, as the symbol's own edge is

    @property
    def edge(self) -> int:
        return edge_of(self.matrix)

    @property
    def height(self) -> int:
        """Modules from top to bottom; the caption has a strip of its own below the quiet zone."""
        return self.edge + (LINE_MODULES * len(self.caption) + 1 if self.caption else 0)

    @property
    def em(self) -> float:
        """The caption's letter size in modules."""
        return min(MAX_EM, (self.edge - QUIET_ZONE) / (LETTER_EM * max(map(len, self.caption))))

    @property
    def baselines(self) -> tuple[int, ...]:
        """Of the caption's lines, in modules from the top."""
        return tuple(self.edge + LINE_MODULES * number + 2 for number in range(len(self.caption)))

    @property
    def plate(self) -> tuple[int, int]:
        """Where the logo's plate begins, in modules from the top left corner, and how many it covers."""
        return (self.edge - self.covered) // 2, self.covered


def edge_of(matrix: Matrix) -> int:
    """Modules along one edge, quiet zone included."""
    return len(matrix) + 2 * QUIET_ZONE


def caption_lines(text: str, edge: int) -> tuple[str, ...]:
    """Broken anywhere, as a link has no spaces, into lines of about the same length."""
    per_line = int((edge - QUIET_ZONE) / (LETTER_EM * MIN_EM))
    count = math.ceil(len(text) / per_line)
    width = math.ceil(len(text) / max(1, count))
    return tuple(text[start : start + width] for start in range(0, len(text), width))


def svg(drawing: Drawing, title: str) -> bytes:
    edge, height = drawing.edge, drawing.height
    size = ""
    if drawing.size_mm is not None:
        size = f' width="{drawing.size_mm:g}mm" height="{drawing.size_mm * height / edge:g}mm"'
    path = "".join(f"M{x} {y}h{width}v1h-{width}z" for x, y, width in runs(drawing.matrix))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg"{size} viewBox="0 0 {edge} {height}" role="img"'
        f' shape-rendering="crispEdges"><title>{escape(title)}</title>'
        f'<path fill="{_hex(drawing.light)}" d="M0 0h{edge}v{height}H0z"/>'
        f'<path fill="{_hex(drawing.dark)}" d="{path}"/>{_svg_logo(drawing)}{_svg_caption(drawing)}</svg>\n'
    ).encode()


def png(drawing: Drawing, module_px: int) -> bytes:
    """One bit per pixel without logo and caption; with size_mm the file says its resolution, so that it prints at that size."""
    image = raster(drawing, module_px)
    out = io.BytesIO()
    bits = {"bits": 1} if image.mode == "P" else {}
    if drawing.size_mm is None:
        image.save(out, "PNG", **bits)
    else:
        dpi = drawing.edge * module_px / (drawing.size_mm / 25.4)
        image.save(out, "PNG", dpi=(dpi, dpi), **bits)
    return out.getvalue()


def raster(drawing: Drawing, module_px: int) -> Image.Image:
    """The drawing in pixels: two colours of a palette, or RGB when there is more to it than modules."""
    edge_px = drawing.edge * module_px
    image = Image.frombytes("P", (drawing.edge, drawing.edge), b"".join(_bordered(drawing.matrix)))
    image = image.resize((edge_px, edge_px), Image.Resampling.NEAREST)
    image.putpalette([*drawing.light, *drawing.dark])
    if not drawing.caption and drawing.logo is None:
        return image
    whole = Image.new("RGB", (edge_px, drawing.height * module_px), drawing.light)
    whole.paste(image.convert("RGB"), (0, 0))
    if drawing.logo is not None:
        start, covered = drawing.plate
        plate = drawing.logo.plate(drawing.light).resize((covered * module_px,) * 2, Image.Resampling.LANCZOS)
        whole.paste(plate, (start * module_px, start * module_px))
    for line, baseline in zip(drawing.caption, drawing.baselines, strict=True):
        _write(whole, line, baseline * module_px, drawing.em * module_px, drawing.dark)
    return whole


def pdf(drawing: Drawing) -> bytes:
    """One page, exactly as large as the drawing. No dates and no producer: same input, same bytes."""
    edge, height = drawing.edge, drawing.height
    width_pt = _points(drawing.size_mm)
    scale = width_pt / edge
    path = "".join(f"{x} {height - y - 1} {width} 1 re\n" for x, y, width in runs(drawing.matrix))
    content = (
        f"{_unit(drawing.light)} rg 0 0 {width_pt:.4f} {scale * height:.4f} re f\n"
        f"{scale:.8f} 0 0 {scale:.8f} 0 0 cm\n{_unit(drawing.dark)} rg\n{path}f\n{_pdf_logo(drawing)}{_pdf_caption(drawing)}"
    ).encode("ascii")
    resources, extra = _pdf_resources(drawing)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /Resources <<{resources} >>"
        f" /MediaBox [0 0 {width_pt:.4f} {scale * height:.4f}] /Contents 4 0 R >>".encode("ascii"),
        _stream("", content),
        *extra,
    ]
    return _pdf_file(objects)


def eps(drawing: Drawing) -> bytes:
    """One `x y width r` per run of dark modules, which `decode` reads back."""
    edge, height = drawing.edge, drawing.height
    width_pt = _points(drawing.size_mm)
    height_pt = width_pt * height / edge
    lines = [
        "%!PS-Adobe-3.0 EPSF-3.0",
        f"%%BoundingBox: 0 0 {math.ceil(width_pt)} {math.ceil(height_pt)}",
        f"%%HiResBoundingBox: 0 0 {width_pt:.4f} {height_pt:.4f}",
        "%%LanguageLevel: 2",
        "%%EndComments",
        "gsave",
        "/r { 3 1 roll moveto dup 0 rlineto 0 1 rlineto neg 0 rlineto closepath } bind def",
        f"{width_pt / edge:.8f} dup scale",
        f"{_unit(drawing.light)} setrgbcolor 0 0 {edge} {height} rectfill",
        f"{_unit(drawing.dark)} setrgbcolor newpath",
        *(f"{x} {height - y - 1} {width} r" for x, y, width in runs(drawing.matrix)),
        "fill",
        *_eps_caption(drawing),
        *_eps_logo(drawing),
        "grestore",
        "%%EOF",
    ]
    return ("\n".join(lines) + "\n").encode("ascii")


def terminal(matrix: Matrix, colour: bool, dark: Rgb = (0, 0, 0), light: Rgb = (255, 255, 255)) -> str:
    """Two modules per character cell, for cells twice as high as wide.

    In colour the dark modules are ink on paper, each the nearest colour that every terminal has. Without colour the light
    ones are drawn, which is right on a dark terminal only. The odd last row is filled up with quiet zone.
    """
    rows = [*_bordered(matrix), bytes(edge_of(matrix))]
    ink = 1 if colour else 0
    lines = [
        "".join(" ▀▄█"[(upper == ink) + 2 * (lower == ink)] for upper, lower in zip(top, bottom, strict=True))
        for top, bottom in zip(rows[::2], rows[1::2], strict=True)
    ]
    if colour:
        ink_on_paper = INK_ON_PAPER.format(terminal_colour(dark), terminal_colour(light))
        lines = [f"{ink_on_paper}{line}\x1b[0m" for line in lines]
    return "\n".join(lines) + "\n"


def terminal_colour(wanted: Rgb) -> int:
    """The number of the nearest one."""
    return min(
        TERMINAL_COLOURS, key=lambda n: sum((a - b) ** 2 for a, b in zip(TERMINAL_COLOURS[n], wanted, strict=True))
    )


def runs(matrix: Matrix) -> Iterator[tuple[int, int, int]]:
    """(x, y, width) of each horizontal run of dark modules, from the top left corner of the quiet zone."""
    for y, row in enumerate(_bordered(matrix)):
        start = row.find(1)
        while start >= 0:
            end = row.find(0, start)
            yield start, y, end - start
            start = row.find(1, end)


def _bordered(matrix: Matrix) -> list[bytes]:
    side = bytes(QUIET_ZONE)
    blank = [bytes(edge_of(matrix))] * QUIET_ZONE
    return [*blank, *(side + bytes(row) + side for row in matrix), *blank]


def _write(image: Image.Image, line: str, baseline_px: int, em_px: float, colour: Rgb) -> None:
    """Pillow's own letters, made smaller when the line would be wider than the image."""
    font = ImageFont.load_default(em_px)
    too_wide = font.getlength(line) / (image.width * 0.95)
    if too_wide > 1:
        font = ImageFont.load_default(em_px / too_wide)
    ImageDraw.Draw(image).text((image.width / 2, baseline_px), line, fill=colour, font=font, anchor="ms")


def _svg_logo(drawing: Drawing) -> str:
    if drawing.logo is None:
        return ""
    start, covered = drawing.plate
    out = io.BytesIO()
    drawing.logo.plate(drawing.light).save(out, "PNG", optimize=True)
    data = base64.b64encode(out.getvalue()).decode("ascii")
    return f'<image x="{start}" y="{start}" width="{covered}" height="{covered}" href="data:image/png;base64,{data}"/>'


def _svg_caption(drawing: Drawing) -> str:
    return "".join(
        f'<text x="{drawing.edge / 2:g}" y="{baseline}" text-anchor="middle" fill="{_hex(drawing.dark)}"'
        f' font-family="Courier New,Courier,monospace" font-weight="bold" font-size="{drawing.em:.4g}"'
        f' textLength="{len(line) * LETTER_EM * drawing.em:.4g}" lengthAdjust="spacingAndGlyphs">{escape(line)}</text>'
        for line, baseline in zip(drawing.caption, drawing.baselines, strict=True)
    )


def _pdf_logo(drawing: Drawing) -> str:
    if drawing.logo is None:
        return ""
    start, covered = drawing.plate
    return f"q {covered} 0 0 {covered} {start} {drawing.height - start - covered} cm /Logo Do Q\n"


def _pdf_caption(drawing: Drawing) -> str:
    return "".join(
        f"BT /F1 {drawing.em:.4f} Tf {left:.4f} {bottom} Td {text} Tj ET\n" for left, bottom, text in _placed(drawing)
    )


def _pdf_resources(drawing: Drawing) -> tuple[str, list[bytes]]:
    """What the page's content names, and the further objects, from number 5."""
    resources, extra = "", []
    if drawing.caption:
        resources += " /Font << /F1 << /Type /Font /Subtype /Type1 /BaseFont /Courier-Bold >> >>"
    if drawing.logo is not None:
        plate = drawing.logo.plate(drawing.light)
        resources += " /XObject << /Logo 5 0 R >>"
        kind = f" /Type /XObject /Subtype /Image /Width {plate.width} /Height {plate.height}"
        extra.append(_stream(f"{kind} /ColorSpace /DeviceRGB /BitsPerComponent 8", plate.tobytes()))
    return resources, extra


def _eps_caption(drawing: Drawing) -> list[str]:
    if not drawing.caption:
        return []
    font = f"/Courier-Bold findfont {drawing.em:.4f} scalefont setfont"
    return [font, *(f"{left:.4f} {bottom} moveto {text} show" for left, bottom, text in _placed(drawing))]


def _eps_logo(drawing: Drawing) -> list[str]:
    if drawing.logo is None:
        return []
    start, covered = drawing.plate
    plate = drawing.logo.plate(drawing.light)
    width, height, data = plate.width, plate.height, plate.tobytes().hex()
    return [
        f"gsave {start} {drawing.height - start - covered} translate {covered} dup scale",
        f"{width} {height} 8 [{width} 0 0 -{height} 0 {height}] currentfile /ASCIIHexDecode filter false 3 colorimage",
        *(data[at : at + 120] for at in range(0, len(data), 120)),
        ">",
        "grestore",
    ]


def _placed(drawing: Drawing) -> Iterator[tuple[float, int, str]]:
    """(left, bottom, string) of each line of the caption in modules from the bottom left corner, for PDF and PostScript."""
    for line, baseline in zip(drawing.caption, drawing.baselines, strict=True):
        text = line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        left = (drawing.edge - len(line) * LETTER_EM * drawing.em) / 2
        yield left, drawing.height - baseline, f"({text})"


def _points(size_mm: float | None) -> float:
    return (DEFAULT_PRINT_MM if size_mm is None else size_mm) / 25.4 * 72


def _hex(colour: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _unit(colour: Rgb) -> str:
    """Channels from 0 to 1, as PDF and PostScript want them."""
    return " ".join(f"{channel / 255:.4f}" for channel in colour)


def _stream(entries: str, data: bytes) -> bytes:
    packed = zlib.compress(data, 9)
    head = f"<< /Length {len(packed)} /Filter /FlateDecode{entries} >>\nstream\n".encode("ascii")
    return head + packed + b"\nendstream"


def _pdf_file(objects: Sequence[bytes]) -> bytes:
    out = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    table = [b"0000000000 65535 f \n"]
    for number, body in enumerate(objects, start=1):
        table.append(b"%010d 00000 n \n" % len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n%b" % (len(table), b"".join(table))
    out += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(table), start)
    return bytes(out)
