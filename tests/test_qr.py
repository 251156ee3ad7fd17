"""QR codes: what they say, how they look, and that none leaves unread."""

import io
import os
import random
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pypdfium2
import pytest
import resvg_py
import segno
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from codes import decode, drawings, qr
from codes.logos import read_logo
from codes.qr import FORMATS, QrError, QrInputError, QrStyle, render, verify
from codes.zpl import zpl
from tests.symbols import read_symbols

URL = "https://w.example/SPRING"
TEXT = "https://W.EXAMPLE/SPRING"
BLACK, WHITE = (0, 0, 0), (255, 255, 255)

COLOURED = ("svg", "png", "pdf", "eps")  # ZPL is black, and as large as whole dots allow
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
HOSTS = ["w.example", "localhost:8080", "127.0.0.1:8080", "go.some-long-shop-name.example", "xn--mnchen-3ya.example"]
codes = st.one_of(
    st.text(CROCKFORD, min_size=8, max_size=32),
    st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=3, max_size=64),
)
short_urls = st.builds("https://{}/{}".format, st.sampled_from(HOSTS), codes)
legacy_urls = st.builds(
    "https://{}/{}".format, st.sampled_from(HOSTS), st.text("abzABZ059-_.~%&=+'()<>", min_size=1, max_size=40)
)


def scanned(artefact: bytes, format: str) -> list[zxingcpp.Barcode]:  # noqa: A002
    """Read as an ordinary program would, with none of the strictness of `verify`."""
    if format == "zpl":
        return read_symbols(printed(artefact))
    if format == "svg":
        artefact = resvg_py.svg_to_bytes(svg_string=artefact.decode(), width=320, dpi=25_400, skip_system_fonts=True)
    if format == "pdf":
        with pypdfium2.PdfDocument(artefact) as document:
            return read_symbols(document[0].render(scale=3).to_pil())
    return read_symbols(Image.open(io.BytesIO(artefact)).convert("RGB"))


def printed(artefact: bytes) -> Image.Image:
    """What a label printer makes of ^GFA, by the programming guide: hexadecimal, high bit left, 1 is ink."""
    total, per_row, data = re.search(rb"\^GFA,(\d+),\1,(\d+),\n([0-9A-F\n]+)\n\^FS", artefact).groups()  # type: ignore[union-attr]
    ink = bytes.fromhex(data.decode())
    assert len(ink) == int(total)
    return Image.frombytes("1", (8 * int(per_row), int(total) // int(per_row)), bytes(255 - byte for byte in ink))


def matrix_of(url: str = URL) -> list[bytearray]:
    """The modules of a finished symbol, free to be damaged."""
    image = Image.open(io.BytesIO(render(url, "png", QrStyle(module_px=1)))).convert("L")
    inside = range(drawings.QUIET_ZONE, image.width - drawings.QUIET_ZONE)
    return [bytearray(image.getpixel((x, y)) == 0 for x in inside) for y in inside]


def drawn(matrix: drawings.Matrix, format: str, dark: drawings.Rgb = BLACK, light: drawings.Rgb = WHITE) -> bytes:  # noqa: A002
    drawing = drawings.Drawing(matrix, dark, light)
    match format:
        case "svg":
            return drawings.svg(drawing, URL)
        case "png":
            return drawings.png(drawing, 10)
        case "pdf":
            return drawings.pdf(drawing)
        case "eps":
            return drawings.eps(drawing)
        case "zpl":
            return zpl(drawings.raster(drawing, 4))
    return drawings.terminal(matrix, colour=True).encode()


@pytest.mark.parametrize(
    ("short_url", "legacy", "text"),
    [
        pytest.param("https://w.example/spring", False, "https://W.EXAMPLE/SPRING", id="own slug"),
        pytest.param("https://w.example/7ZK3A9QX2M", False, "https://W.EXAMPLE/7ZK3A9QX2M", id="generated"),
        pytest.param("http://localhost:8080/a-b", False, "http://LOCALHOST:8080/A-B", id="port, no TLS"),
        pytest.param("HTTPS://W.Example/a", False, "https://W.EXAMPLE/A", id="scheme always lower-case"),
        pytest.param("https://[::1]:8080/AB", False, "https://[::1]:8080/AB", id="IPv6 host has brackets"),
        pytest.param("https://A_b.example/AB", False, "https://a_b.example/AB", id="host with underscore"),
        pytest.param("https://w.example/A_b", False, "https://w.example/A_b", id="code with underscore"),
        pytest.param("https://München.example/ab", False, "https://XN--MNCHEN-3YA.EXAMPLE/AB", id="IDN host"),
        pytest.param("https://W.example/aBc", True, "https://w.example/aBc", id="legacy keeps its case"),
        pytest.param("https://w.example/a/B?c=%C3%BC", True, "https://w.example/a/B?c=%C3%BC", id="legacy path"),
    ],
)
def test_encoded_text(short_url: str, legacy: bool, text: str) -> None:
    assert qr.encoded_text(short_url, legacy) == text
    assert [found.text for found in scanned(render(short_url, "png", legacy=legacy), "png")] == [text]


@pytest.mark.parametrize(
    "short_url",
    ["", "w.example/A", "https://w.example", "https://w.example/", "ftp://w.example/A", "https://u@w.example/A",
     "https://w.example/A B", "https://w.example/ä", "https://w.example/A\n", "https://ä..example/A",
     "https://w.example/" + "A" * 5000],
)  # fmt: skip
def test_what_is_not_a_short_url_is_refused(short_url: str) -> None:
    with pytest.raises(QrInputError):
        render(short_url, "svg")


@pytest.mark.parametrize(
    ("short_url", "version", "in_bytes"),
    [
        ("https://w.example/7ZK3A9QX2M", 2, 3),
        ("https://go.example/SPRING-2026", 2, 3),
        ("https://go.example.org/7ZK3A9QX2M7ZK3A9Q", 3, 3),
        ("https://w.example/summer-sale-2026-hall-blue", 3, 4),
        ("https://go.shop.example/7ZK3A9QX2M7ZK3A9QX2M7ZK3A9QX2M", 3, 4),
        ("https://go.some-long-shop-name.example/" + "summer-" * 9, 5, 6),
    ],
)
def test_two_modes_make_a_smaller_symbol(short_url: str, version: int, in_bytes: int) -> None:
    plain = segno.make(short_url, mode="byte", error="m", micro=False)
    assert (qr.symbol_version(short_url), plain.version) == (version, in_bytes)


@given(short_urls)
@settings(deadline=None, max_examples=200)
def test_two_modes_never_make_a_larger_symbol(short_url: str) -> None:
    plain = segno.make(short_url, mode="byte", error="m", micro=False)
    assert qr.symbol_version(short_url) <= int(plain.version)


@pytest.mark.parametrize("short_url", ["https://w.example/" + "aBc-" * 6, "https://10.0.0.1/" + "ABC-" * 6])
def test_legacy_codes_are_all_in_byte_mode(short_url: str) -> None:
    plain = segno.make(short_url, mode="byte", error="m", micro=False)
    expected = io.BytesIO()
    plain.save(expected, kind="png", scale=1)
    ours = Image.open(io.BytesIO(render(short_url, "png", QrStyle(module_px=1), legacy=True))).convert("L")
    assert ours.tobytes() == Image.open(expected).convert("L").tobytes()


# Each file is read back by a zbarimg process per size: a few examples in every run, many with the slow tests.
HOW_MANY = pytest.mark.parametrize(
    "examples", [10, pytest.param(60, marks=[pytest.mark.slow, pytest.mark.ci, pytest.mark.together])]
)


@HOW_MANY
@pytest.mark.parametrize("format", FORMATS)
def test_random_codes_decode(format: str, examples: int) -> None:  # noqa: A002
    @given(short_urls, st.booleans())
    @settings(deadline=None, max_examples=examples)
    def decodes(short_url: str, strong: bool) -> None:
        artefact = render(short_url, format, QrStyle(error="q" if strong else "m"))
        if format != "eps":  # Ghostscript takes a process per file: test_eps_decodes_through_ghostscript
            assert [found.text for found in scanned(artefact, format)] == [qr.encoded_text(short_url)]

    decodes()


@HOW_MANY
@pytest.mark.parametrize("format", FORMATS)
def test_random_legacy_codes_decode(format: str, examples: int) -> None:  # noqa: A002
    @given(legacy_urls)
    @settings(deadline=None, max_examples=examples)
    def decodes(short_url: str) -> None:
        artefact = render(short_url, format, legacy=True)
        if format != "eps":
            assert [found.text for found in scanned(artefact, format)] == [short_url]

    decodes()


@pytest.mark.slow
def test_ten_thousand_random_codes_decode() -> None:
    """Each format in turn, in any looks; read once more by a plain reader. None may fail or be held back."""
    chooser = random.Random(20261121)
    red = Image.new("RGB", (120, 90), (160, 20, 40))
    out = io.BytesIO()
    red.save(out, "PNG")
    logo = read_logo(out.getvalue())
    read = 0
    for number in range(10_000):
        format = FORMATS[number % len(FORMATS)]  # noqa: A001
        code = "".join(chooser.choices(CROCKFORD, k=chooser.randint(8, 32)))
        short_url, error = f"https://{chooser.choice(HOSTS)}/{code}", chooser.choice("lmqh")
        with_logo = format != "zpl" and error != "l" and chooser.random() < 0.3
        style = QrStyle(error=error, caption=chooser.random() < 0.3, logo=logo if with_logo else None)
        artefact = render(short_url, format, style)
        if format == "eps":
            found = read_symbols(decode._PICTURES[format](artefact)(400).convert("L"))
        else:
            found = scanned(artefact, format)
        # Among so many symbols the reader sees a four-digit strip code (ITF) in some: that is its guess, not our ink.
        symbols = [barcode.text for barcode in found if "QR" in str(barcode.format)]
        assert symbols == [qr.encoded_text(short_url)]
        read += 1
    assert read == 10_000


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
@pytest.mark.parametrize("length", [60, 400, 3350])
@pytest.mark.parametrize("format", FORMATS)
def test_large_symbols_decode(format: str, length: int) -> None:  # noqa: A002
    artefact = render("https://w.example/" + "A" * length, format, QrStyle(module_px=4))
    verify(artefact, format, "https://W.EXAMPLE/" + "A" * length)


@pytest.mark.parametrize("level", ["l", "m", "q", "h"])
def test_error_correction_is_at_least_what_was_asked_for(level: str) -> None:
    (found,) = scanned(render(URL, "png", QrStyle(error=level)), "png")
    assert "LMQH".index(found.ec_level) >= "LMQH".index(level.upper())


@pytest.mark.parametrize("module_px", [1, 2, 3, 4, 7, 10, 33, 50])
def test_png_has_the_module_size_asked_for(module_px: int) -> None:
    artefact = render(URL, "png", QrStyle(module_px=module_px))
    assert Image.open(io.BytesIO(artefact)).size == (33 * module_px, 33 * module_px)


@pytest.mark.parametrize(
    ("dark", "light"),
    [("#000", "#fff"), ("#1a2b6d", "#fef3c7"), ("#8B0000", "#FFF"), ("#f00", "#fff"), ("#010102", "#fffe01"),
     ("#000000", "#aaaaaa"), ("#7a7a7a", "#ffffff")],
)  # fmt: skip
@pytest.mark.parametrize("format", COLOURED)
def test_colours_reach_the_file(format: str, dark: str, light: str) -> None:  # noqa: A002
    artefact = render(URL, format, QrStyle(dark, light))
    picture = decode._PICTURES[format](artefact)(33 * 5).convert("RGB")
    pixels = {picture.getpixel((x, y)) for x, y in ((0, 0), (22, 22))}
    assert pixels == {rgb_of(light), rgb_of(dark)}


def rgb_of(colour: str) -> tuple[int, ...]:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    return tuple(bytes.fromhex(digits))


@pytest.mark.parametrize(
    ("dark", "light", "reason"),
    [
        pytest.param("#fff", "#000", "swap", id="inverted"),
        pytest.param("#000", "#000", "0 %", id="same"),
        pytest.param("#999", "#ccc", "luminance", id="grey on grey"),
        pytest.param("#00f", "#f00", "14 %", id="blue on red"),
        pytest.param("#010101", "#ff01ff", "28 %", id="magenta is dark"),
        pytest.param("#000", "#0000", "#rgb", id="transparent"),
        pytest.param("#000", "transparent", "#rgb", id="name"),
        pytest.param("black", "#fff", "dark colour", id="name"),
        pytest.param("#00000g", "#fff", "dark colour", id="not hexadecimal"),
        pytest.param("#000\n", "#fff", "dark colour", id="line break"),
        pytest.param('#000"/>', "#fff", "dark colour", id="markup"),
    ],
)
def test_colours_a_scanner_cannot_use_are_refused(dark: str, light: str, reason: str) -> None:
    with pytest.raises(QrInputError, match=reason):
        QrStyle(dark, light)


def test_a_share_without_a_logo_is_refused() -> None:
    with pytest.raises(QrInputError, match="no logo"):
        QrStyle(logo_percent=20)


@pytest.mark.parametrize(
    ("colour", "expected"), [((0, 0, 0), 0), ((255, 255, 255), 1), ((255, 0, 0), 0.2126), ((119, 119, 119), 0.1845)]
)
def test_luminance(colour: tuple[int, int, int], expected: float) -> None:
    assert decode.luminance(colour) == pytest.approx(expected, abs=1e-4)


def test_sizes_and_levels_out_of_range_are_refused() -> None:
    for module_px in (0, 51, -1, True, 2.5):
        with pytest.raises(QrInputError, match="odule"):
            QrStyle(module_px=module_px)  # type: ignore[arg-type]
    for size_mm in (0.0, -5.0, 9.9, 5001.0, float("nan"), float("inf")):
        with pytest.raises(QrInputError, match="mm"):
            QrStyle(size_mm=size_mm)
    for level in ("", "x", "M", "lm"):
        with pytest.raises(QrInputError, match="level"):
            QrStyle(error=level)


def test_a_png_too_large_to_read_back_is_refused() -> None:
    long_url = "https://w.example/" + "A" * 3000
    with pytest.raises(QrInputError, match="up to 22 px"):
        render(long_url, "png", QrStyle(module_px=23))
    render(long_url, "svg", QrStyle(module_px=50))


def test_unknown_formats_are_refused() -> None:
    for name in ("", "gif", "SVG", "terminal"):
        with pytest.raises(QrInputError, match="svg, png, pdf, eps and zpl"):
            render(URL, name)
    with pytest.raises(QrError, match="gif"):
        verify(b"GIF89a", "gif", TEXT)


def test_media_types() -> None:
    assert [qr.media_type(name) for name in FORMATS] == [
        "image/svg+xml", "image/png", "application/pdf", "application/postscript", "application/x-zpl",
    ]  # fmt: skip


@pytest.mark.parametrize("size_mm", [None, 10, 33.3, 40, 1189])
@pytest.mark.parametrize("format", COLOURED)
def test_physical_size(format: str, size_mm: float | None) -> None:  # noqa: A002
    artefact = render(URL, format, QrStyle(size_mm=size_mm))
    points = (size_mm or drawings.DEFAULT_PRINT_MM) / 25.4 * 72
    match format:
        case "svg":
            root = ET.fromstring(artefact)
            expected = None if size_mm is None else f"{size_mm:g}mm"
            assert (root.get("width"), root.get("height"), root.get("viewBox")) == (expected, expected, "0 0 33 33")
        case "png":
            dpi = Image.open(io.BytesIO(artefact)).info.get("dpi")
            assert dpi == (None if size_mm is None else pytest.approx((330 / size_mm * 25.4,) * 2, rel=0.005))
        case "pdf":
            with pypdfium2.PdfDocument(artefact) as document:
                assert document[0].get_size() == pytest.approx((points, points), abs=0.001)
        case "eps":
            boxes = re.findall(rb"BoundingBox: 0 0 ([\d.]+) ([\d.]+)", artefact)
            assert [float(edge) for box in boxes for edge in box] == pytest.approx(
                [points, points, points, points], abs=1
            )


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
@pytest.mark.parametrize("format", COLOURED)
@given(size_mm=st.floats(qr.MIN_SIZE_MM, qr.MAX_SIZE_MM), short_url=short_urls)
@settings(deadline=None, max_examples=20)
def test_every_size_decodes(format: str, size_mm: float, short_url: str) -> None:  # noqa: A002
    render(short_url, format, QrStyle(size_mm=size_mm))


def test_svg_fits_a_strict_page() -> None:
    artefact = render("https://w.example/a&b<c", "svg", legacy=True)
    root = ET.fromstring(artefact)
    title = root.find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert title.text == "https://w.example/a&b<c"
    assert root.get("role") == "img"
    names = {name for element in root.iter() for name in element.attrib}
    assert names == {"viewBox", "role", "shape-rendering", "fill", "d"}


def test_pdf_table_points_at_its_objects() -> None:
    artefact = render(URL, "pdf")
    start = int(re.search(rb"startxref\n(\d+)", artefact)[1])  # type: ignore[index]
    assert artefact[start:].startswith(b"xref\n0 5\n")
    offsets = re.findall(rb"^(\d{10}) 00000 n $", artefact, re.MULTILINE)
    for number, offset in enumerate(offsets, start=1):
        assert artefact[int(offset) :].startswith(b"%d 0 obj" % number)
    assert len(offsets) == 4


@pytest.mark.parametrize("format", FORMATS)
def test_same_input_same_bytes_without_a_date(format: str) -> None:  # noqa: A002
    first = render(URL, format, QrStyle(size_mm=30))
    assert render(URL, format, QrStyle(size_mm=30)) == first
    assert b"Date" not in first
    assert b"tIME" not in first


def test_files_can_be_drawn_by_several_threads_at_once() -> None:
    wanted = [(f"https://w.example/THREAD{number}", format) for number in range(12) for format in FORMATS]  # noqa: A001
    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(lambda each: render(*each), wanted))) == len(wanted)


@pytest.mark.parametrize("colour", [True, False])
@pytest.mark.parametrize("short_url", [URL, "https://go.some-long-shop-name.example/" + "summer-" * 9])
def test_terminal_text_decodes(short_url: str, colour: bool) -> None:
    text = qr.terminal(short_url, colour=colour)
    verify(text.encode(), "terminal", qr.encoded_text(short_url))
    assert ("\x1b" in text) == colour
    lines = [re.sub(r"\x1b\[[\d;]*m", "", line) for line in text.splitlines()]
    assert {len(line) for line in lines} == {17 + 4 * qr.symbol_version(short_url) + 8}


@pytest.mark.parametrize(
    ("dark", "light", "numbers"),
    [
        ("#000", "#fff", (16, 231)),
        ("#102060", "#ffeecc", (17, 230)),
        ("#333333", "#eeeeee", (236, 255)),
    ],
)
def test_a_terminal_shows_the_nearest_colours_it_has(dark: str, light: str, numbers: tuple[int, int]) -> None:
    text = qr.terminal(URL, dark=dark, light=light)
    assert text.startswith(drawings.INK_ON_PAPER.format(*numbers))
    verify(text.encode(), "terminal", TEXT)


def test_colours_that_do_not_differ_enough_are_refused_on_a_terminal_too() -> None:
    for dark, light in (("#777", "#999"), ("#fff", "#000"), ("blue", "#fff")):
        with pytest.raises(QrInputError):
            qr.terminal(URL, dark=dark, light=light)
    damaged = drawings.terminal(qr.symbol_for(TEXT, "m"), colour=True, dark=(215, 215, 215)).encode()
    with pytest.raises(QrError, match="darker in luminance"):
        verify(damaged, "terminal", TEXT)
    with pytest.raises(QrError, match="fixed table"):
        verify(damaged.replace(b"48;5;231", b"48;5;7"), "terminal", TEXT)


GS = shutil.which("gs")


@pytest.mark.skipif(
    GS is None and os.environ.get("WAYMARK_REQUIRE_ALL") != "1",
    reason="Ghostscript (gs) is not installed: EPS files are not run as PostScript",
)
@pytest.mark.parametrize(
    ("short_url", "style"),
    [
        pytest.param(URL, QrStyle(), id="default"),
        pytest.param("https://localhost:8080/7ZK3A9QX2M", QrStyle("#1a2b6d", "#fef3c7"), id="colours"),
        pytest.param("https://go.example/" + "SALE-" * 12, QrStyle(error="h", size_mm=33.3), id="large symbol"),
        pytest.param(URL, QrStyle(size_mm=10), id="smallest size"),
    ],
)
def test_eps_decodes_through_ghostscript(tmp_path: Path, short_url: str, style: QrStyle) -> None:
    assert GS, "WAYMARK_REQUIRE_ALL=1 needs Ghostscript (gs)"
    file, page = tmp_path / "code.eps", tmp_path / "page.png"
    file.write_bytes(render(short_url, "eps", style))
    edge = 17 + 4 * qr.symbol_version(short_url, error=style.error) + 8
    inches = (style.size_mm or drawings.DEFAULT_PRINT_MM) / 25.4
    for px in decode.SCALES:
        subprocess.run(
            [GS, "-q", "-dBATCH", "-dNOPAUSE", "-dSAFER", "-dEPSCrop", "-sDEVICE=png16m",
             f"-r{edge * px / inches:.6f}", f"-sOutputFile={page}", file],
            check=True, timeout=60,
        )  # fmt: skip
        with Image.open(page) as image:
            assert image.width == pytest.approx(edge * px, abs=1)
        verify(page.read_bytes(), "png", qr.encoded_text(short_url))


EVERY_FORM = [*FORMATS, "terminal"]


@pytest.mark.parametrize("format", EVERY_FORM)
def test_an_undamaged_drawing_passes(format: str) -> None:  # noqa: A002
    """The control for the damaged ones below."""
    verify(drawn(matrix_of(), format), format, TEXT)


@pytest.mark.parametrize("format", EVERY_FORM)
def test_damage_that_error_correction_would_mend_is_refused(format: str) -> None:  # noqa: A002
    matrix = matrix_of()
    matrix[12][20] ^= 1
    if format == "png":
        assert [found.text for found in scanned(drawn(matrix, format), format)] == [TEXT]
    with pytest.raises(QrError, match="error correction"):
        verify(drawn(matrix, format), format, TEXT)


@pytest.mark.parametrize("format", EVERY_FORM)
def test_damage_beyond_repair_is_refused(format: str) -> None:  # noqa: A002
    matrix = matrix_of()
    for row in matrix[9:]:
        row[9:] = bytes(len(row) - 9)
    with pytest.raises(QrError, match="a scanner finds 0"):
        verify(drawn(matrix, format), format, TEXT)


@pytest.mark.parametrize("format", EVERY_FORM)
def test_another_codes_file_is_refused(format: str) -> None:  # noqa: A002
    with pytest.raises(QrError, match="WINTER"):
        verify(drawn(matrix_of("https://w.example/WINTER"), format), format, TEXT)


@pytest.mark.parametrize("format", COLOURED)
@pytest.mark.parametrize(
    ("dark", "light", "reason"),
    [
        pytest.param((119, 119, 119), (187, 187, 187), "luminance", id="grey on grey"),
        pytest.param((0, 0, 255), (255, 0, 0), "luminance", id="blue on red"),
        pytest.param(WHITE, BLACK, "a scanner finds 0", id="inverted"),
        pytest.param(WHITE, WHITE, "a scanner finds 0", id="white on white"),
    ],
)
def test_colours_in_the_file_are_refused(
    format: str,  # noqa: A002
    dark: drawings.Rgb,
    light: drawings.Rgb,
    reason: str,
) -> None:
    with pytest.raises(QrError, match=reason):
        verify(drawn(matrix_of(), format, dark, light), format, TEXT)


@pytest.mark.parametrize("format", EVERY_FORM)
def test_cut_off_files_are_refused(format: str) -> None:  # noqa: A002
    artefact = drawn(matrix_of(), format)
    for length in (0, 1, 20, len(artefact) // 2):
        with pytest.raises(QrError):
            verify(artefact[:length], format, TEXT)


@pytest.mark.parametrize(
    ("format", "pattern", "replacement", "reason"),
    [
        pytest.param("svg", rb'viewBox="0 0 33 33"', b'viewBox="1 1 31 31"', "3.2 modules", id="svg margin cut"),
        pytest.param("svg", rb'<path fill="#ffffff".*?/>', b"", "transparent", id="svg without light"),
        pytest.param("svg", rb"M0 0h33v33", b"M0 0h33v32", "transparent", id="svg light too short"),
        pytest.param("svg", rb"</svg>", b'<path d="M1 9h1v1h-1z"/></svg>', "1.0 modules", id="svg speck in margin"),
        pytest.param("svg", rb'd="M4 4h7v1h-7z', b'fill-opacity=".2" d="M4 4h7v1h-7z', "luminance", id="svg faded"),
        pytest.param("pdf", rb"\[0 0 113.3858 113.3858\]", b"[3 3 110.386 110.386 ]", "modules", id="pdf margin cut"),
        pytest.param("pdf", rb"/Kids \[3 0 R\]", b"/Kids [9 0 R]", "damaged", id="pdf without page"),
        pytest.param("eps", rb"(?m)^10 \d+ \d+ r\n", b"", "instead|error|finds 0", id="eps runs gone"),
        pytest.param("eps", rb"0 0 33 33 rectfill", b"0 0 33 32 rectfill", "transparent", id="eps light too short"),
        pytest.param("eps", rb"1.0000 1.0000 1.0000", b"0.5000 0.5000 0.5000", "luminance", id="eps grey"),
        pytest.param("eps", rb"(?m)^[\d.]+ dup scale", b"0 dup scale", "damaged", id="eps scale zero"),
        pytest.param("eps", rb"dup scale", b"dup skale", "damaged", id="eps scale gone"),
        pytest.param("eps", rb"(?m)^4 28 7 r", b"1 16 1 r\n4 28 7 r", "1.0 modules", id="eps speck in margin"),
        pytest.param("terminal", rb"\A.*\n", b"", "2.0 modules", id="terminal margin cut"),
        pytest.param("terminal", rb"\x1b\[[\d;]*m", b"", "a scanner finds 0", id="terminal colours lost"),
        pytest.param("terminal", "█".encode(), b"#", "half blocks", id="terminal characters replaced"),
        pytest.param("terminal", rb"    \x1b\[0m\n\Z", b"\x1b[0m\n", "rectangle", id="terminal line cut"),
    ],
)
def test_tampered_files_are_refused(
    format: str,  # noqa: A002
    pattern: bytes,
    replacement: bytes,
    reason: str,
) -> None:
    artefact = drawn(matrix_of(), format)
    tampered = re.sub(pattern, lambda _: replacement, artefact)
    assert tampered != artefact
    with pytest.raises(QrError, match=reason):
        verify(tampered, format, TEXT)


def changed(image: Image.Image, change: str) -> Image.Image:
    dark = image.convert("L").point(lambda shade: 255 - shade)
    match change:
        case "crop one side":
            return image.crop((10, 0, 330, 330))
        case "crop to the symbol":
            return image.crop((40, 40, 290, 290))
        case "crop into the symbol":
            return image.crop((60, 60, 330, 330))
        case "speck":
            ImageDraw.Draw(image).rectangle((100, 10, 101, 11), fill="black")
        case "fade some columns":
            image.paste("#b4b4b4", (200, 0, 280, 330), dark.crop((200, 0, 280, 330)))
        case "clear background":
            image.putalpha(dark)
        case "two codes":
            both = Image.new("RGBA", (660, 330))
            both.paste(image, (0, 0))
            both.paste(image, (330, 0))
            return both
    return image


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("crop one side", "2.9 modules"),
        ("crop to the symbol", "modules around"),
        ("crop into the symbol", "a scanner finds 0"),
        ("speck", "modules around"),
        ("fade some columns", "a scanner finds 0"),
        ("clear background", "transparent"),
        ("two codes", "a scanner finds 2"),
        ("nothing", None),
    ],
)
def test_tampered_pixels_are_refused(change: str, reason: str | None) -> None:
    original = Image.open(io.BytesIO(render(URL, "png"))).convert("RGBA")
    out = io.BytesIO()
    changed(original, change).save(out, "PNG")
    if reason is None:
        verify(out.getvalue(), "png", TEXT)
        return
    with pytest.raises(QrError, match=reason):
        verify(out.getvalue(), "png", TEXT)
