"""Draws a matrix of modules as SVG, PNG, PDF, EPS or terminal text, quiet zone included; same input, same bytes.

Does not know what the symbol says, or whether it can be read: codes/qr.py and codes/decode.py do.
"""

import io
import math
import zlib
from collections.abc import Iterator, Sequence
from html import escape

from PIL import Image

QUIET_ZONE = 4
"""Modules of free space on each side, ISO/IEC 18004 section 5.3.8."""

DEFAULT_PRINT_MM = 40.0
"""Edge of a PDF or EPS, quiet zone included, when nobody chose one: paper has no size-less drawing."""

INK_ON_PAPER = "\x1b[38;5;16;48;5;231m"
"""Black on white from the fixed part of the 256-colour table, which terminal themes leave alone."""

Matrix = Sequence[Sequence[int]]
Rgb = tuple[int, int, int]


def edge_of(matrix: Matrix) -> int:
    """Modules along one edge, quiet zone included."""
    return len(matrix) + 2 * QUIET_ZONE


def svg(matrix: Matrix, dark: Rgb, light: Rgb, title: str, size_mm: float | None) -> bytes:
    edge = edge_of(matrix)
    size = "" if size_mm is None else f' width="{size_mm:g}mm" height="{size_mm:g}mm"'
    path = "".join(f"M{x} {y}h{width}v1h-{width}z" for x, y, width in _runs(matrix))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg"{size} viewBox="0 0 {edge} {edge}" role="img"'
        f' shape-rendering="crispEdges"><title>{escape(title)}</title>'
        f'<path fill="{_hex(light)}" d="M0 0h{edge}v{edge}H0z"/><path fill="{_hex(dark)}" d="{path}"/></svg>\n'
    ).encode()


def png(matrix: Matrix, dark: Rgb, light: Rgb, module_px: int, size_mm: float | None) -> bytes:
    """One bit per pixel; with size_mm the file says its resolution, so that it prints at that size."""
    edge = edge_of(matrix)
    edge_px = edge * module_px
    image = Image.frombytes("P", (edge, edge), b"".join(_bordered(matrix)))
    image = image.resize((edge_px, edge_px), Image.Resampling.NEAREST)
    image.putpalette([*light, *dark])
    out = io.BytesIO()
    if size_mm is None:
        image.save(out, "PNG", bits=1)
    else:
        dpi = edge_px / (size_mm / 25.4)
        image.save(out, "PNG", bits=1, dpi=(dpi, dpi))
    return out.getvalue()


def pdf(matrix: Matrix, dark: Rgb, light: Rgb, size_mm: float | None) -> bytes:
    """One page, exactly as large as the drawing. No dates and no producer: same input, same bytes."""
    edge = edge_of(matrix)
    points = _points(size_mm)
    path = "".join(f"{x} {edge - y - 1} {width} 1 re\n" for x, y, width in _runs(matrix))
    scale = f"{points / edge:.8f}"
    drawing = (
        f"{_unit(light)} rg 0 0 {points:.4f} {points:.4f} re f\n{scale} 0 0 {scale} 0 0 cm\n{_unit(dark)} rg\n{path}f\n"
    ).encode("ascii")
    content = zlib.compress(drawing, 9)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /Resources << >> /MediaBox [0 0 {points:.4f} {points:.4f}]"
        " /Contents 4 0 R >>".encode("ascii"),
        f"<< /Length {len(content)} /Filter /FlateDecode >>\nstream\n".encode("ascii") + content + b"\nendstream",
    ]
    return _pdf_file(objects)


def eps(matrix: Matrix, dark: Rgb, light: Rgb, size_mm: float | None) -> bytes:
    """One `x y width r` per run of dark modules, which `decode` reads back."""
    edge = edge_of(matrix)
    points = _points(size_mm)
    whole = math.ceil(points)
    lines = [
        "%!PS-Adobe-3.0 EPSF-3.0",
        f"%%BoundingBox: 0 0 {whole} {whole}",
        f"%%HiResBoundingBox: 0 0 {points:.4f} {points:.4f}",
        "%%LanguageLevel: 2",
        "%%EndComments",
        "gsave",
        "/r { 3 1 roll moveto dup 0 rlineto 0 1 rlineto neg 0 rlineto closepath } bind def",
        f"{points / edge:.8f} dup scale",
        f"{_unit(light)} setrgbcolor 0 0 {edge} {edge} rectfill",
        f"{_unit(dark)} setrgbcolor newpath",
        *(f"{x} {edge - y - 1} {width} r" for x, y, width in _runs(matrix)),
        "fill",
        "grestore",
        "%%EOF",
    ]
    return ("\n".join(lines) + "\n").encode("ascii")


def terminal(matrix: Matrix, colour: bool) -> str:
    """Two modules per character cell, for cells twice as high as wide.

    In colour the dark modules are black ink on white. Without colour the light ones are drawn, which is right on a dark
    terminal only. The odd last row is filled up with quiet zone.
    """
    rows = [*_bordered(matrix), bytes(edge_of(matrix))]
    ink = 1 if colour else 0
    lines = [
        "".join(" ▀▄█"[(upper == ink) + 2 * (lower == ink)] for upper, lower in zip(top, bottom, strict=True))
        for top, bottom in zip(rows[::2], rows[1::2], strict=True)
    ]
    if colour:
        lines = [f"{INK_ON_PAPER}{line}\x1b[0m" for line in lines]
    return "\n".join(lines) + "\n"


def _runs(matrix: Matrix) -> Iterator[tuple[int, int, int]]:
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


def _points(size_mm: float | None) -> float:
    return (DEFAULT_PRINT_MM if size_mm is None else size_mm) / 25.4 * 72


def _hex(colour: Rgb) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _unit(colour: Rgb) -> str:
    """Channels from 0 to 1, as PDF and PostScript want them."""
    return " ".join(f"{channel / 255:.4f}" for channel in colour)


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
