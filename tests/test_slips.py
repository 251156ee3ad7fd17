"""What is printed for a job: each artefact's own bytes are read back, what does not fit is said, no customer is on it."""

from dataclasses import replace
from typing import Any

import pypdfium2
import pytest
from PIL import Image, ImageDraw

from codes import escpos, zpl
from codes.decode import QrError
from codes.errors import Conflict
from codes.escpos import EscPosError
from codes.qr import QrInputError
from dashboard.rendering import DEFAULT_BUILD_FOLDER
from jobs.slips import (
    PAPER_DOTS,
    SlipFormat,
    SlipOrder,
    check_slip,
    label_picture,
    slip,
    strip_picture,
)
from tests.symbols import read_symbols
from tests.test_messages import JOB

FONTS = DEFAULT_BUILD_FOLDER / "fonts"
LONG = replace(JOB, shop="Workshop for everything " * 4, reference="2026/" * 15)
LONG = replace(LONG, short_url=f"https://status.a-rather-long-name-of-a-shop.example/{LONG.token}")
BUILT = (FONTS / "DejaVuSansCondensed.ttf").is_file()


def printed(made: bytes, kind: SlipFormat) -> Image.Image:
    """As the printer would put it on paper."""
    if kind == "zpl":
        return zpl.bitmap(made)
    if kind == "escpos":
        return escpos.bitmap(made)
    document = pypdfium2.PdfDocument(made)
    try:
        return document[0].render(scale=4).to_pil().convert("L")  # type: ignore[no-any-return]
    finally:
        document.close()


def texts_in(image: Image.Image) -> list[str]:
    return sorted(found.text for found in read_symbols(image))


@pytest.mark.parametrize("job", [JOB, LONG], ids=["short", "long"])
@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("pdf", {}),
        ("pdf", {"width_mm": 40, "height_mm": 40}),
        ("zpl", {"width_mm": 76, "height_mm": 40}),
        ("zpl", {"width_mm": 40, "height_mm": 45}),
        ("zpl", {"dots_per_mm": 12}),
        ("escpos", {}),
        ("escpos", {"paper_dots": 384, "cut": True, "feed_lines": 5}),
        ("escpos", {"wording": "link"}),
    ],
)
def test_every_slip_reads_as_the_short_link(job: Any, kind: SlipFormat, more: dict[str, Any]) -> None:
    image = printed(slip(job, SlipOrder(kind, **more)), kind)
    assert texts_in(image) == [job.short_url.upper().replace("HTTPS", "https")]


def test_a_slip_has_the_size_that_was_asked_for() -> None:
    [page] = pypdfium2.PdfDocument(slip(JOB, SlipOrder("pdf")))
    assert [round(side * 25.4 / 72, 1) for side in page.get_size()] == [80.0, 30.0]
    assert page.get_textpage().get_text_range().split() == ["Fix", "It", "R-1042", "w.example/0123456789ABCDEF"]
    assert zpl.bitmap(slip(JOB, SlipOrder("zpl"))).size == (57 * 8, 32 * 8)
    for dots in PAPER_DOTS:
        assert escpos.bitmap(slip(JOB, SlipOrder("escpos", paper_dots=dots))).width == dots


def test_the_wording_says_less() -> None:
    words = {}
    for wording in ("all", "reference", "link"):
        [page] = pypdfium2.PdfDocument(slip(JOB, SlipOrder("pdf", wording)))
        words[wording] = page.get_textpage().get_text_range().split()
    assert words["reference"] == ["R-1042", "w.example/0123456789ABCDEF"]
    assert words["link"] == ["w.example/0123456789ABCDEF"]
    heights = [escpos.bitmap(slip(JOB, SlipOrder("escpos", wording))).height for wording in ("all", "link")]
    assert heights[0] > heights[1]


def test_a_strip_feeds_and_cuts() -> None:
    plain, cut = (slip(JOB, SlipOrder("escpos", feed_lines=4, cut=cut)) for cut in (False, True))
    assert plain.endswith(b"\x1bd\x04")
    assert cut == plain + b"\x1dVB\x00"
    assert plain.startswith(b"\x1dv0\x00" + bytes([576 // 8, 0, 240, 0]))  # bands of 240 rows


@pytest.mark.parametrize(
    "damaged",
    [
        lambda made: made[:-2],
        lambda made: made[:100],
        lambda made: b"",
        lambda made: made + b"hello",
        lambda made: made.replace(b"\x1bd\x03", b"\x1bd\xff"),
        lambda made: made[:4] + b"\x00" + made[5:],
    ],
)
def test_bytes_that_are_no_picture_are_not_taken_for_one(damaged: Any) -> None:
    with pytest.raises(EscPosError):
        escpos.bitmap(damaged(slip(JOB, SlipOrder("escpos"))))


def test_any_picture_comes_back_as_it_was() -> None:
    image = Image.effect_noise((384, 700), 200).point(lambda shade: 255 if shade > 127 else 0)
    assert escpos.bitmap(escpos.escpos(image)).tobytes() == image.tobytes()


@pytest.mark.parametrize("picture", [label_picture, strip_picture])
def test_a_picture_that_does_not_read_is_held_back(picture: Any) -> None:
    assert JOB.short_url is not None
    image, box = picture(JOB, SlipOrder("zpl"))
    check_slip(image, box, "zpl", JOB.short_url)
    left, top, right, bottom = box
    smeared = image.copy()
    ImageDraw.Draw(smeared).rectangle((left, bottom - 12, right, bottom - 4), fill=0)  # into the quiet zone
    cut = image.copy()
    ImageDraw.Draw(cut).rectangle(((left + right) // 2, (top + bottom) // 2, right, bottom), fill=255)
    for damaged, expected in ((smeared, JOB.short_url), (cut, JOB.short_url), (image, f"{JOB.short_url}0")):
        with pytest.raises(QrError, match="held back"):
            check_slip(damaged, box, "zpl", expected)


@pytest.mark.parametrize("kind", ["zpl", "escpos"])
def test_the_finished_bytes_are_what_is_read_back(kind: SlipFormat, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever spoils the picture on its way into the file."""
    for module, write in ((zpl, "zpl"), (escpos, "escpos")):
        made = getattr(module, write)
        monkeypatch.setattr(
            module, write, lambda image, made=made, **more: made(image.rotate(1, fillcolor=255), **more)
        )
    with pytest.raises(QrError, match="held back"):
        slip(JOB, SlipOrder(kind))


def test_a_job_without_a_code_has_no_slip() -> None:
    with pytest.raises(Conflict, match="tracking is off"):
        slip(replace(JOB, short_url=None), SlipOrder("pdf"))


@pytest.mark.parametrize(
    ("kind", "more", "says"),
    [
        ("pdf", {"width_mm": 5}, "5 mm cannot be printed"),
        ("zpl", {"height_mm": 500}, "500 mm cannot be printed"),
        ("zpl", {"dots_per_mm": 10}, "203 or 300 dpi"),
        ("escpos", {"paper_dots": 400}, "384 dots wide"),
        ("escpos", {"feed_lines": 99}, "0 to 20 lines"),
        ("svg", {}, "no slip 'svg'"),
        ("zpl", {"width_mm": 15, "height_mm": 15}, "Choose a larger"),
        ("zpl", {"width_mm": 200, "height_mm": 200, "dots_per_mm": 12}, "Choose a smaller"),
    ],
)
def test_what_cannot_be_printed_is_said(kind: Any, more: dict[str, Any], says: str) -> None:
    with pytest.raises(QrInputError, match=says):
        slip(JOB, SlipOrder(kind, **more))


@pytest.mark.parametrize("kind", ["pdf", "zpl", "escpos"])
def test_letters_that_the_font_has_not_are_no_empty_boxes(kind: SlipFormat) -> None:
    arabic = replace(JOB, shop="ورشة الإصلاح")
    with pytest.raises(QrInputError):
        slip(arabic, SlipOrder(kind))
    assert slip(arabic, SlipOrder(kind, "reference"))
    if BUILT:
        with_font = printed(slip(arabic, SlipOrder(kind, fonts=FONTS)), kind)
        assert texts_in(with_font) == ["https://W.EXAMPLE/0123456789ABCDEF"]
