"""Looks of a symbol: resolution, logo, caption, ZPL, static targets, zbar, and how large to print it."""

import base64
import io
import os
import re
import shutil
import subprocess
import warnings
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, PngImagePlugin

from codes import decode, drawings, logos, qr, zbar
from codes.advisor import AdviceError, smallest_safe_size
from codes.logos import Logo, LogoError, covered_modules, read_logo
from codes.qr import QrError, QrInputError, QrStyle, render, render_static, verify
from codes.zpl import ZplError, bitmap, zpl
from tests.symbols import read_symbols
from tests.test_qr import GS, TEXT, URL, printed, scanned

FORMATS_WITH_LOGO = ("svg", "png", "pdf", "eps")


def picture(width: int = 300, height: int = 200, kind: str = "PNG", colour: str = "#0b6e4f") -> bytes:
    image = Image.new("RGB", (width, height), colour)
    ImageDraw.Draw(image).ellipse((10, 10, width // 3, height - 10), fill="white")
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


@pytest.fixture(scope="module")
def logo() -> Logo:
    return read_logo(picture())


def drawn_with(covered: int, logo: Logo, error: str = "h", format: str = "svg") -> bytes:  # noqa: A002
    """As `render` draws it, but with a logo of any size."""
    matrix = qr.symbol_for(TEXT, error)
    drawing = drawings.Drawing(matrix, logo=logo, covered=covered)
    return drawings.svg(drawing, URL) if format == "svg" else drawings.png(drawing, 10)


def is_green(pixel: object) -> bool:
    red, green, blue = cast("tuple[int, int, int]", pixel)
    return max(abs(red - 11), abs(green - 110), abs(blue - 79)) < 8


# Resolution


@pytest.mark.parametrize(("size_mm", "dpi"), [(20, 300), (40, 600), (33.3, 203), (100, 72)])
def test_a_png_has_whole_pixels_per_module_and_says_its_size(size_mm: float, dpi: int) -> None:
    image = Image.open(io.BytesIO(render(URL, "png", QrStyle(size_mm=size_mm, dpi=dpi))))
    modules = 33
    assert image.width % modules == 0
    assert dpi * size_mm / 25.4 / modules - 1 < image.width / modules <= dpi * size_mm / 25.4 / modules
    assert image.width / image.info["dpi"][0] * 25.4 == pytest.approx(size_mm, rel=0.001)


def test_resolutions_that_cannot_be_used_are_refused() -> None:
    with pytest.raises(QrInputError, match="without a size"):
        QrStyle(dpi=300)
    with pytest.raises(QrInputError, match="printer"):
        QrStyle(size_mm=20, dpi=10_000)
    with pytest.raises(QrInputError, match="at least 12 mm"):
        render(URL, "png", QrStyle(size_mm=10, dpi=72))


# Logo


@pytest.mark.parametrize("error", ["m", "q", "h"])
@pytest.mark.parametrize("format", FORMATS_WITH_LOGO)
def test_a_logo_stands_in_the_middle_and_the_code_still_reads(format: str, error: str, logo: Logo) -> None:  # noqa: A002
    artefact = render(URL, format, QrStyle(error=error, logo=logo))
    share = {"m": 0.20, "q": 0.25, "h": 0.30}[error]
    image = decode._PICTURES[format](artefact)(330).convert("RGB")
    green = [(x, y) for x in range(330) for y in range(330) if is_green(image.getpixel((x, y)))]
    assert len(green) > 100
    assert max(x for x, _ in green) - min(x for x, _ in green) <= share * 250
    assert max(y for _, y in green) < 165 + share * 125
    assert min(y for _, y in green) > 165 - share * 125
    if format != "eps":
        assert [found.text for found in scanned(artefact, format)] == [TEXT]


@pytest.mark.parametrize(
    ("size", "error", "percent", "covered"),
    [
        (25, "m", None, 5),
        (25, "q", None, 5),
        (25, "h", None, 7),
        (29, "h", 30, 7),
        (33, "h", None, 9),
        (25, "h", 10, 1),
    ],
)
def test_how_much_a_logo_hides(size: int, error: str, percent: int | None, covered: int) -> None:
    assert covered_modules(size, error, percent) == covered


@given(st.integers(1, 40), st.sampled_from("mqh"), st.integers(5, 30))
def test_a_logo_hides_no_more_than_its_share_and_sits_in_the_middle(version: int, error: str, percent: int) -> None:
    size = 17 + 4 * version
    if percent > logos.MAX_SHARE[error]:
        with pytest.raises(LogoError):
            covered_modules(size, error, percent)
        return
    covered = covered_modules(size, error, percent)
    assert covered % 2 == 1
    assert covered == 1 or covered / size <= percent / 100


@pytest.mark.parametrize(("error", "percent"), [("l", None), ("m", 21), ("q", 26), ("h", 31), ("h", 4)])
def test_logos_that_error_correction_cannot_make_up_for_are_refused(
    error: str, percent: int | None, logo: Logo
) -> None:
    with pytest.raises(QrInputError, match=r"[Ll]ogo"):
        render(URL, "svg", QrStyle(error=error, logo=logo, logo_percent=percent))


@pytest.mark.parametrize(("covered", "reason"), [(11, "error correction|finds 0"), (17, "finds 0|error correction")])
def test_a_logo_that_leaves_too_little_is_held_back(covered: int, reason: str, logo: Logo) -> None:
    verify(drawn_with(7, logo), "svg", TEXT, covered=7)
    with pytest.raises(QrError, match=reason):
        verify(drawn_with(covered, logo, "m"), "svg", TEXT, covered=covered)


def test_a_logo_nobody_spoke_of_is_held_back(logo: Logo) -> None:
    with pytest.raises(QrError, match="error correction"):
        verify(drawn_with(5, logo), "svg", TEXT)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_a_logo_is_reduced_to_its_pixels(kind: str) -> None:
    logo = read_logo(picture(kind=kind))
    assert max(logo.image.size) <= logos.PLATE_PX
    assert logo.image.info == {}


def test_nothing_of_the_file_but_pixels_gets_into_the_symbol() -> None:
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Comment", "SECRET-NOTE")
    out = io.BytesIO()
    Image.new("RGB", (50, 50), "red").save(out, "PNG", pnginfo=notes)
    assert b"SECRET-NOTE" in out.getvalue()
    artefact = render(URL, "svg", QrStyle(error="h", logo=read_logo(out.getvalue() + b"SECRET-NOTE")))
    inside = base64.b64decode(re.search(rb"base64,([^\"]+)\"", artefact)[1])  # type: ignore[index]
    assert b"SECRET" not in artefact + inside


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "cannot be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "exported"),
        (picture()[:200], "cannot be read"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "cannot be read"),
        (b"x" * 500_001, "500 are the limit"),
        (picture(4001, 40), "4000 are the limit"),
    ],
    ids=["nothing", "SVG", "cut off", "not really", "too many bytes", "too many pixels"],
)
def test_pictures_that_are_no_logo_are_refused(data: bytes, reason: str) -> None:
    with warnings.catch_warnings(), pytest.raises(LogoError, match=reason):
        read_logo(data)


# Caption


@pytest.mark.parametrize("format", [*FORMATS_WITH_LOGO, "zpl"])
@pytest.mark.parametrize("length", [3, 30, 80])
def test_a_caption_stands_below_and_the_code_still_reads(format: str, length: int) -> None:  # noqa: A002
    url = "https://w.example/" + "A" * length
    artefact = render(url, format, QrStyle(caption=True))
    plain = decode._PICTURES[format](render(url, format))(660)
    image = decode._PICTURES[format](artefact)(660)
    assert plain.height == plain.width
    assert image.height > image.width
    verify(artefact, format, qr.encoded_text(url), caption=True)
    if format in ("svg", "pdf", "eps"):
        text = artefact.decode("latin-1") if format != "pdf" else pdf_text(artefact)
        assert "w.example/" in text.replace("</text>", "")


def pdf_text(document: bytes) -> str:
    import pypdfium2

    with pypdfium2.PdfDocument(document) as pdf:
        return str(pdf[0].get_textpage().get_text_range())


def test_a_caption_stays_out_of_the_quiet_zone() -> None:
    artefact = render(URL, "png", QrStyle(caption=True, module_px=10))
    image = Image.open(io.BytesIO(artefact)).convert("L")
    strip = image.crop((0, 290, 330, 330))
    assert strip.getextrema() == (255, 255)
    darkest, _ = cast("tuple[int, int]", image.crop((0, 330, 330, image.height)).getextrema())
    assert darkest < 100  # there is something in its own


def test_a_caption_with_brackets_does_not_break_the_files() -> None:
    url = r"https://w.example/a(b)\c<d>&e"
    for format in ("svg", "pdf", "eps"):  # noqa: A001
        artefact = render(url, format, QrStyle(caption=True), legacy=True)
        if format == "pdf":
            assert pdf_text(artefact).replace("\r\n", "") == url.removeprefix("https://")


def test_a_caption_too_long_to_read_is_refused() -> None:
    with pytest.raises(QrInputError, match="Leave the caption out"):
        render("https://w.example/" + "A" * 1500, "svg", QrStyle(caption=True))


@pytest.mark.skipif(GS is None and os.environ.get("WAYMARK_REQUIRE_ALL") != "1", reason="Ghostscript is not installed")
def test_eps_with_logo_and_caption_decodes_through_ghostscript(tmp_path: Path, logo: Logo) -> None:
    assert GS
    file, page = tmp_path / "code.eps", tmp_path / "page.png"
    file.write_bytes(render(URL, "eps", QrStyle(error="h", logo=logo, caption=True, size_mm=40)))
    subprocess.run(
        [GS, "-q", "-dBATCH", "-dNOPAUSE", "-dSAFER", "-dEPSCrop", "-sDEVICE=png16m", "-r300", f"-sOutputFile={page}", file],
        check=True, timeout=60,
    )  # fmt: skip
    with Image.open(page) as image:
        assert [found.text for found in read_symbols(image)] == [TEXT]
        assert is_green(image.convert("RGB").getpixel((image.width // 2 + 10, image.width // 2)))
        below = image.crop((0, image.width + 10, image.width, image.height)).convert("L")
        assert cast("tuple[int, int]", below.getextrema())[0] < 60


# ZPL


@pytest.mark.parametrize(("style", "dots"), [
    (QrStyle(), 4),
    (QrStyle(size_mm=25), 6),
    (QrStyle(size_mm=25, dpi=300), 8),
    (QrStyle(size_mm=25, dpi=600, error="h"), 15),
])  # fmt: skip
def test_zpl_prints_whole_dots(style: QrStyle, dots: int) -> None:
    artefact = render(URL, "zpl", style)
    modules = 17 + 4 * qr.symbol_version(URL, error=style.error) + 8
    image = printed(artefact)
    assert image.width // 8 == (modules * dots + 7) // 8
    assert image.height == modules * dots
    assert [found.text for found in read_symbols(image.convert("L"))] == [TEXT]


def test_zpl_is_ascii_and_touches_no_setting_of_the_printer() -> None:
    artefact = render(URL, "zpl")
    assert artefact.isascii()
    assert re.findall(rb"[\^~][A-Z]{2}", artefact) == [b"^XA", b"^FX", b"^FS", b"^FO", b"^GF", b"^FS", b"^XZ"]


def test_zpl_has_no_colours_no_logo_and_a_limit(logo: Logo) -> None:
    for style in (QrStyle(dark="#102060"), QrStyle(light="#ffffee"), QrStyle(error="h", logo=logo)):
        with pytest.raises(QrInputError, match="black dots"):
            render(URL, "zpl", style)
    with pytest.raises(QrInputError, match="smaller size"):
        render(URL, "zpl", QrStyle(size_mm=200))


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (rb"\^XA", b""),
        (rb"GFA,\d+", b"GFA,9"),
        (rb"\^FS\n\^XZ", b"00^FS\n^XZ"),
        (rb"132 dots", b"131 dots"),
        (rb"\^GFA", b"^GFB"),
    ],
)
def test_zpl_that_a_printer_would_misread_is_held_back(pattern: bytes, replacement: bytes) -> None:
    artefact = render(URL, "zpl")
    changed = re.sub(pattern, replacement, artefact, count=1)
    assert changed != artefact
    with pytest.raises(QrError):
        verify(changed, "zpl", TEXT)


@given(st.integers(1, 70), st.integers(1, 40), st.randoms())
@settings(max_examples=60, deadline=None)
def test_a_bitmap_survives_the_way_through_zpl(width: int, height: int, random: object) -> None:
    image = Image.new("L", (width, height), 255)
    for x in range(width):
        for y in range(height):
            if random.random() < 0.5:  # type: ignore[attr-defined]
                image.putpixel((x, y), 0)
    assert bitmap(zpl(image)).tobytes() == image.tobytes()


def test_a_bitmap_too_large_for_a_printer_is_refused() -> None:
    with pytest.raises(ZplError, match="99999"):
        zpl(Image.new("L", (1000, 1000), 255))


# Static codes


@pytest.mark.parametrize("target", ["https://example.com/menu.pdf?x=1&y=%C3%BC", "tel:+441234567890", "geo:48.2,16.37"])
@pytest.mark.parametrize("format", ["svg", "png", "pdf", "zpl"])
def test_a_static_symbol_holds_its_target(target: str, format: str) -> None:  # noqa: A002
    artefact = render_static(target, format, QrStyle(caption=True))
    verify(artefact, format, target, caption=True)
    assert [found.text for found in scanned(artefact, format)] == [target]


def test_a_target_that_fits_no_symbol_is_refused() -> None:
    with pytest.raises(QrInputError, match="does not fit"):
        render_static("https://example.com/" + "x" * 3000, "svg", QrStyle(error="h"))


# zbar


@pytest.mark.skipif(
    shutil.which("zbarimg") is None and os.environ.get("WAYMARK_REQUIRE_ALL") != "1",
    reason="zbar-tools is not installed",
)
def test_zbar_reads_what_zxing_reads(logo: Logo) -> None:
    zbar.find_program.cache_clear()
    assert zbar.find_program(), "WAYMARK_REQUIRE_ALL=1 needs zbar-tools"
    for style in (QrStyle(), QrStyle(error="h", logo=logo), QrStyle("#1a2b6d", "#fef3c7", caption=True)):
        image = Image.open(io.BytesIO(render(URL, "png", style)))
        assert zbar.find_texts(image) == [TEXT]
    assert zbar.find_texts(Image.new("L", (100, 100), 255)) == []


def test_a_second_reader_that_disagrees_holds_the_file_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of that name which always reads something else."""
    program = tmp_path / "zbarimg"
    program.write_text("#!/bin/sh\ncat >/dev/null\necho https://elsewhere.example/\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    zbar.find_program.cache_clear()
    try:
        with pytest.raises(QrError, match="zbar reads"):
            render(URL, "svg")
        program.write_text("#!/bin/sh\nexit 2\n")  # broken, not of another opinion
        render(URL, "svg")
    finally:
        zbar.find_program.cache_clear()


# Advice


@pytest.mark.parametrize(
    ("distance_m", "edge", "size_mm"),
    [(0.05, 33, 16.5), (0.3, 33, 40.0), (2, 33, 264.0), (2, 45, 360.0), (10, 33, 1320.0)],
)
def test_the_smallest_safe_size(distance_m: float, edge: int, size_mm: float) -> None:
    assert smallest_safe_size(distance_m, edge).size_mm == size_mm


@given(st.floats(0.05, 200), st.integers(1, 40), st.sampled_from([None, 203, 300, 600]))
def test_advice_is_never_too_small(distance_m: float, version: int, dpi: int | None) -> None:
    edge = 25 + 4 * version
    advice = smallest_safe_size(distance_m, edge, dpi)
    assert advice.module_mm >= max(0.5, distance_m * 4) - 0.001
    assert advice.size_mm == pytest.approx(advice.module_mm * edge, abs=0.001 * edge)
    if dpi:
        assert advice.module_dots
        assert advice.module_mm == pytest.approx(advice.module_dots * 25.4 / dpi, abs=0.001)


def test_a_tenth_of_the_distance_is_the_rule_for_usual_symbols() -> None:
    assert smallest_safe_size(3, 33).symbol_mm == 300


@pytest.mark.parametrize(("distance_m", "dpi"), [(0, None), (-1, None), (201, None), (float("nan"), None), (1, 10)])
def test_distances_nobody_can_advise_about(distance_m: float, dpi: int | None) -> None:
    with pytest.raises(AdviceError):
        smallest_safe_size(distance_m, 33, dpi)
