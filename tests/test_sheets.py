"""Label sheets: where labels lie, what stands on them, that each reads, and that bad sheets are not handed out."""

import os
import random
import subprocess
import sys
import unicodedata
from itertools import pairwise
from pathlib import Path

import pypdfium2
import pytest
import zxingcpp
from hypothesis import given, settings
from hypothesis import strategies as st

from codes.decode import QrError
from codes.label_text import FONT_FILE, MISSING_PACKAGE, is_right_to_left
from codes.sheet_check import check_sheets
from codes.sheet_pdf import calibration_pdf, sheets_pdf
from codes.sheets import Label, Placed, SheetError, SheetOrder, make_sheets, placed_labels
from codes.stocks import STOCKS, Stock, StockError, checked, get_stock
from dashboard.labels import FONTS
from tests.symbols import read_symbols

INCH = 25.4
MM = 72 / 25.4
L7160 = STOCKS["avery-l7160"]
MENU = Label("https://w.example/MENU", "Menu")
ROOT = Path(__file__).parent.parent

needs_font = pytest.mark.skipif(
    not (FONTS / FONT_FILE).exists() and os.environ.get("WAYMARK_REQUIRE_ALL") != "1",
    reason="the label font is not built: npm ci && npm run build",
)


def labels(count: int, name: str = "Menu") -> list[Label]:
    return [Label(f"https://w.example/CODE{number:04}", name) for number in range(count)]


def pages_of(document: bytes) -> list[pypdfium2.PdfPage]:
    return list(pypdfium2.PdfDocument(document))


def text_of(document: bytes, page: int = 0) -> str:
    return " ".join(pages_of(document)[page].get_textpage().get_text_range().split())


def scanned(document: bytes, page: int = 0, scale: float = 4) -> list[zxingcpp.Barcode]:
    return read_symbols(pages_of(document)[page].render(scale=scale).to_pil().convert("L"))


def without_checks(order: SheetOrder, wanted: list[Label]) -> tuple[bytes, list[Placed]]:
    placed = list(placed_labels(order, wanted))
    return sheets_pdf(order, placed, lambda: None), placed


# Stock


@pytest.mark.parametrize(
    ("key", "sheet", "grid", "label"),
    [
        ("avery-5160", (8.5 * INCH, 11 * INCH), (3, 10), (2.625 * INCH, INCH)),
        ("avery-5163", (8.5 * INCH, 11 * INCH), (2, 5), (4 * INCH, 2 * INCH)),
        ("avery-l7160", (210, 297), (3, 7), (63.5, 38.1)),
        ("avery-l4732", (210, 297), (5, 16), (35.6, 16.9)),
        ("dymo-99010", (89, 28), (1, 1), (89, 28)),
        ("dymo-99012", (89, 36), (1, 1), (89, 36)),
        ("dymo-11354", (57, 32), (1, 1), (57, 32)),
    ],
)
def test_stock_is_as_it_is_sold(
    key: str, sheet: tuple[float, float], grid: tuple[int, int], label: tuple[float, float]
) -> None:
    stock = get_stock(key)
    assert (stock.width_mm, stock.height_mm) == pytest.approx(sheet)
    assert (stock.columns, stock.rows) == grid
    assert (stock.label_width_mm, stock.label_height_mm) == pytest.approx(label)


@pytest.mark.parametrize("stock", STOCKS.values(), ids=STOCKS)
def test_every_stock_fits_its_sheet_and_lies_in_the_middle(stock: Stock) -> None:
    assert checked(stock) is stock
    right = stock.width_mm - stock.corner(stock.columns - 1)[0] - stock.label_width_mm
    bottom = stock.height_mm - stock.corner(stock.cells - 1)[1] - stock.label_height_mm
    assert right == pytest.approx(stock.left_mm, abs=0.05)
    assert bottom == pytest.approx(stock.top_mm, abs=0.05)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"pitch_x_mm": 60.0}, "overlap"),
        ({"pitch_y_mm": 30.0}, "overlap"),
        ({"columns": 4}, "end at"),
        ({"left_mm": -3.0}, "end at"),
        ({"top_mm": 40.0}, "end at"),
        ({"columns": 0}, "at least one"),
        ({"columns": 100, "rows": 100}, "at most 1000"),
        ({"label_height_mm": 9.0}, "10 mm"),
        ({"width_mm": 9000.0}, "larger than"),
        ({"label_width_mm": float("nan")}, "10 mm"),
    ],
)
def test_measures_that_do_not_fit_together_are_refused(changes: dict[str, float], reason: str) -> None:
    measures = {name: getattr(L7160, name) for name in Stock.__dataclass_fields__} | changes
    with pytest.raises(StockError, match=reason):
        checked(Stock(**measures))


def test_unknown_stock_is_refused_with_what_there_is() -> None:
    with pytest.raises(StockError, match="avery-l7160"):
        get_stock("avery-1")


# Layout


def test_labels_fill_the_sheet_row_by_row_from_the_start_cell() -> None:
    placed = list(placed_labels(SheetOrder(L7160, start_cell=20), labels(4)))
    assert [(entry.page, entry.cell) for entry in placed] == [(0, 19), (0, 20), (1, 0), (1, 1)]
    assert (placed[2].cut.x, placed[2].cut.y) == pytest.approx((7.21, 15.15), abs=0.01)
    assert placed[3].cut.x == pytest.approx(7.21 + 66.04, abs=0.01)


def test_a_nudge_moves_everything() -> None:
    plain = next(placed_labels(SheetOrder(L7160), [MENU]))
    nudged = next(placed_labels(SheetOrder(L7160, nudge_x_mm=1.5, nudge_y_mm=-2), [MENU]))
    assert (nudged.code.x - plain.code.x, nudged.code.y - plain.code.y) == pytest.approx((1.5, -2))


@given(
    stock=st.sampled_from(list(STOCKS.values())),
    wording=st.sampled_from(["name_and_link", "name", "link", "none"]),
    size_mm=st.one_of(st.none(), st.floats(10, 20)),
    count=st.integers(1, 90),
)
@settings(max_examples=60, deadline=None)
def test_code_and_text_stay_within_their_label_and_apart(
    stock: Stock, wording: str, size_mm: float | None, count: int
) -> None:
    order = SheetOrder(stock, wording=wording, size_mm=size_mm)  # type: ignore[arg-type]
    if size_mm and size_mm > room(stock, wording):
        with pytest.raises(SheetError, match="does not fit"):
            list(placed_labels(order, [MENU] * count))
        return
    placed = list(placed_labels(order, [MENU] * count))
    for entry in placed:
        for box in (entry.code, entry.text):
            if box is None:
                continue
            assert box.x >= entry.cut.x
            assert box.y >= entry.cut.y
            assert box.x + box.width <= entry.cut.x + entry.cut.width + 1e-6
            assert box.y + box.height <= entry.cut.y + entry.cut.height + 1e-6
        if entry.text:
            apart = entry.text.x >= entry.code.x + entry.code.width or entry.text.y >= entry.code.y + entry.code.height
            assert apart
    assert size_mm is None or placed[0].code.width == size_mm


def room(stock: Stock, wording: str) -> float:
    """The largest code there is room for, found by asking for the largest."""
    return next(placed_labels(SheetOrder(stock, wording=wording), [MENU])).code.width + 0.01  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("order", "count", "reason"),
    [
        (SheetOrder(L7160), 0, "nothing to print"),
        (SheetOrder(L7160), 5001, "5000"),
        (SheetOrder(STOCKS["avery-l4732"], size_mm=20), 1, "does not fit"),
    ],
)
def test_sheets_that_cannot_be_laid_out_are_refused(order: SheetOrder, count: int, reason: str) -> None:
    with pytest.raises(SheetError, match=reason):
        list(placed_labels(order, [MENU] * count))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"start_cell": 0}, "no number 0"),
        ({"start_cell": 22}, "no number 22"),
        ({"nudge_x_mm": 21.0}, "20 mm"),
        ({"nudge_y_mm": float("nan")}, "20 mm"),
        ({"wording": "all"}, "wording"),
        ({"dark": "#dddddd"}, "luminance"),
        ({"error": "x"}, "level"),
    ],
)
def test_orders_that_make_no_sense_are_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(QrError, match=reason):
        SheetOrder(L7160, **changes)  # type: ignore[arg-type]


def test_codes_too_small_to_scan_are_refused() -> None:
    tiny = checked(Stock("tiny", "Tiny", 100, 100, 1, 1, 11, 11, margin_x_mm=1.5, margin_y_mm=1.5))
    with pytest.raises(SheetError, match="modules of 0"):
        list(placed_labels(SheetOrder(tiny, error="h", wording="none"), [Label("https://w.example/" + "A" * 60)]))


# What is printed


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
@pytest.mark.parametrize("stock", STOCKS.values(), ids=STOCKS)
@pytest.mark.parametrize("wording", ["name_and_link", "none"])
def test_every_label_of_every_stock_reads(stock: Stock, wording: str) -> None:
    wanted = labels(min(stock.cells + 1, 24))
    order = SheetOrder(stock, start_cell=stock.cells, wording=wording)  # type: ignore[arg-type]
    document = make_sheets(order, wanted)
    found = [barcode.text for page in range(len(pages_of(document))) for barcode in scanned(document, page)]
    assert sorted(found) == sorted(label.short_url.upper().replace("HTTPS", "https") for label in wanted)


def test_a_label_is_where_the_stock_says() -> None:
    document = make_sheets(SheetOrder(L7160, start_cell=5), [MENU])
    page = pages_of(document)[0]
    assert page.get_size() == pytest.approx((210 * MM, 297 * MM), abs=0.01)
    (found,) = scanned(document, scale=4 / 1)
    left, top = L7160.corner(4)
    placed = next(placed_labels(SheetOrder(L7160, start_cell=5), [MENU]))
    corner = found.position.top_left
    module = placed.module_mm
    assert corner.x / 4 / MM == pytest.approx(placed.code.x + 4 * module, abs=0.3)
    assert corner.y / 4 / MM == pytest.approx(placed.code.y + 4 * module, abs=0.3)
    assert placed.code.x > left
    assert placed.code.y > top


def test_colours_reach_the_sheet_and_text_stays_black() -> None:
    document = make_sheets(SheetOrder(L7160, dark="#a00"), [MENU])
    image = pages_of(document)[0].render(scale=4).to_pil().convert("RGB")
    colours = {colour for _count, colour in image.getcolors(100_000)}
    assert (170, 0, 0) in colours
    assert (0, 0, 0) in colours


@pytest.mark.parametrize(
    ("wording", "expected"),
    [("name_and_link", "Café Größe w.example/MENU"), ("name", "Café Größe"), ("link", "w.example/MENU"), ("none", "")],
)
@pytest.mark.parametrize("fonts", [None, FONTS], ids=["core font", "label font"])
def test_the_wording_is_printed(wording: str, expected: str, fonts: Path | None) -> None:
    order = SheetOrder(L7160, wording=wording, fonts=fonts)  # type: ignore[arg-type]
    document = make_sheets(order, [Label("https://w.example/MENU", "Café Größe")])
    assert unicodedata.normalize("NFC", text_of(document)) == expected


def test_a_link_is_printed_whole_or_refused_and_a_long_name_is_cut() -> None:
    url = "https://go.a-rather-long-name-of-a-shop.example/SPRING-2026-TABLE-TENTS"
    order = SheetOrder(STOCKS["avery-l7160"])
    document = make_sheets(order, [Label(url, "A name that goes on and on " * 20)])
    text = text_of(document).replace(" ", "")
    assert text.endswith(url.removeprefix("https://"))
    assert "Anamethatgoeson" in text
    assert "..." in text
    with pytest.raises(SheetError, match="does not fit on the label"):
        make_sheets(SheetOrder(STOCKS["avery-l4732"]), [Label("https://w.example/" + "A" * 100, "")])


@needs_font
@pytest.mark.parametrize("name", ["قهوة طازجة", "مقهى الطابق", "שלום עולם"])
def test_right_to_left_names_are_in_order_and_on_the_right(name: str) -> None:
    document = make_sheets(SheetOrder(L7160, fonts=FONTS, wording="name"), [Label("https://w.example/MENU", name)])
    text = pages_of(document)[0].get_textpage()
    boxes = [(text.get_text_range(at, 1), text.get_charbox(at)) for at in range(text.count_chars())]
    letters = [(char, box) for char, box in boxes if char.strip()]
    assert "".join(char for char, _ in letters) == name.replace(" ", "")
    lefts = [box[0] for _char, box in letters]
    assert all(first > second for first, second in pairwise(lefts)), "the first letter is the rightmost"
    placed = next(
        placed_labels(SheetOrder(L7160, fonts=FONTS, wording="name"), [Label("https://w.example/MENU", name)])
    )
    assert placed.text is not None
    assert max(box[2] for _char, box in letters) / MM == pytest.approx(placed.text.x + placed.text.width, abs=0.7)


@needs_font
def test_arabic_letters_are_joined() -> None:
    """Joined letters leave no gap: from end to end there is ink in every column of a word without breaking letters."""
    document = make_sheets(SheetOrder(L7160, fonts=FONTS, wording="name"), [Label("https://w.example/MENU", "جميل")])
    apart = make_sheets(
        SheetOrder(L7160, fonts=FONTS, wording="name"), [Label("https://w.example/MENU", "ج\u200cم\u200cي\u200cل")]
    )
    assert gaps(document) == 0
    assert gaps(apart) == 3


def gaps(document: bytes) -> int:
    placed = next(placed_labels(SheetOrder(L7160, wording="name"), [MENU]))
    assert placed.text is not None
    image = pages_of(document)[0].render(scale=20).to_pil().convert("L")
    edges = (placed.text.x, placed.text.y, placed.text.x + placed.text.width, placed.text.y + placed.text.height)
    word = image.crop(tuple(round(edge * MM * 20) for edge in edges))
    inked = [word.crop((x, 0, x + 1, word.height)).getextrema()[0] < 128 for x in range(word.width)]
    first, last = inked.index(True), len(inked) - 1 - inked[::-1].index(True)
    return sum(before and not after for before, after in pairwise(inked[first : last + 1]))


@needs_font
def test_a_line_that_begins_with_another_script_keeps_the_order_of_its_paragraph() -> None:
    """The second line starts with Latin letters: in a right-to-left name they stand on its right."""
    name = "مقهى Café Central الطابق"
    document = make_sheets(
        SheetOrder(STOCKS["avery-l4732"], fonts=FONTS, wording="name_and_link"), [Label("https://w.example/MENU", name)]
    )
    text = pages_of(document)[0].get_textpage()
    boxes = [(text.get_text_range(at, 1), text.get_charbox(at, loose=True)) for at in range(text.count_chars())]
    left, bottom = next((box[0], box[1]) for _char, box in boxes[text.get_text_range().index("Central") :])
    beside = [box[2] for char, box in boxes if is_right_to_left(char) and abs(box[1] - bottom) < 1]
    assert len(beside) == len("الطابق")
    assert max(beside) < left


@pytest.mark.parametrize(
    ("text", "rtl"),
    [
        ("Menu", False),
        ("قهوة", True),
        ("12 قهوة", True),
        ("Café قهوة", False),
        ("(שלום)", True),
        ("123", False),
        ("", False),
    ],
)
def test_direction_is_that_of_the_first_letter_with_one(text: str, rtl: bool) -> None:
    assert is_right_to_left(text) is rtl


def test_without_the_label_font_other_scripts_are_refused_with_the_remedy(tmp_path: Path) -> None:
    for fonts in (None, tmp_path):
        with pytest.raises(SheetError, match="npm run build"):
            make_sheets(SheetOrder(L7160, fonts=fonts), [Label("https://w.example/MENU", "قهوة")])
        make_sheets(SheetOrder(L7160, fonts=fonts, wording="link"), [Label("https://w.example/MENU", "قهوة")])


@needs_font
def test_letters_the_font_has_not_are_refused_by_name() -> None:
    with pytest.raises(SheetError, match="咖 啡"):
        make_sheets(SheetOrder(L7160, fonts=FONTS), [Label("https://w.example/MENU", "咖啡")])


def test_without_the_optional_package_the_message_says_how_to_get_it() -> None:
    program = (
        "import sys; sys.modules['fpdf'] = None\n"
        "from codes.sheets import *; from codes.stocks import STOCKS\n"
        "try: make_sheets(SheetOrder(STOCKS['avery-l7160']), [Label('https://w.example/MENU')])\n"
        "except SheetsUnavailable as problem: print(problem)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert (done.stdout.strip(), done.stderr) == (MISSING_PACKAGE, "")


def test_outlines_are_drawn_only_when_asked_for() -> None:
    plain, _ = without_checks(SheetOrder(L7160, wording="none"), [MENU])
    outlined, placed = without_checks(SheetOrder(L7160, wording="none", outlines=True), [MENU])
    edge = (round((placed[0].cut.x) * MM * 4), round((placed[0].cut.y + 10) * MM * 4))
    around = [(edge[0] + dx, edge[1]) for dx in (-2, -1, 0, 1, 2)]

    def darkest(document: bytes) -> int:
        image = pages_of(document)[0].render(scale=4).to_pil().convert("L")
        return min(int(image.getpixel(at)) for at in around)

    assert darkest(plain) == 255
    assert darkest(outlined) < 230


def test_a_proof_says_what_is_where() -> None:
    wanted = [label for label in labels(30) for _ in range(2)]
    document = make_sheets(SheetOrder(L7160, proof=True, start_cell=3), wanted)
    pages = pages_of(document)
    assert len(pages) == 4
    proof = text_of(document, 3)
    assert "60 labels on 3 sheets of Avery L7160" in proof
    assert "sheet 1, label 3 to label 4 w.example/CODE0000 Menu" in proof
    assert "sheet 1, label 21 to sheet 2, 1 w.example/CODE0009" in proof
    assert proof.count("CODE") == 30


def test_a_long_proof_goes_on_on_another_page() -> None:
    document = make_sheets(SheetOrder(L7160, proof=True), labels(60))
    assert len(pages_of(document)) == 3 + 2
    assert "CODE0059" in text_of(document, 4)


@pytest.mark.parametrize("key", STOCKS)
def test_the_calibration_page_shows_every_label(key: str) -> None:
    stock = STOCKS[key]
    document = calibration_pdf(stock, 1.0, -0.5)
    text = text_of(document)
    assert str(stock.cells) in text.split()
    image = pages_of(document)[0].render(scale=4).to_pil().convert("L")
    x, y = stock.corner(stock.cells - 1)
    corner = (x + 1.0 + stock.label_width_mm / 2, y - 0.5 + stock.label_height_mm / 2)
    assert image.getpixel((round(corner[0] * MM * 4), round(corner[1] * MM * 4))) < 200
    if stock.cells > 1:
        assert "100 mm" in text
        assert "+1 mm right, -0.5 mm down" in text


# Reading back


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("another code", "reads"),
        ("label missing", "finds 0|drawn"),
        ("blot on the quiet zone", "modules around"),
        ("blot on the symbol", "error correction|finds 0"),
        ("moved", "modules around|finds 0|error correction"),
    ],
)
def test_a_sheet_that_does_not_read_exactly_is_held_back(change: str, reason: str) -> None:
    from fpdf import FPDF

    order = SheetOrder(L7160)
    wanted = labels(3)
    document, placed = without_checks(order, wanted)
    check_sheets(document, placed, lambda done: None)
    code = placed[1].code
    match change:
        case "another code":
            document, _ = without_checks(order, [wanted[0], wanted[2], wanted[1]])
        case "label missing":
            document, _ = without_checks(order, wanted[:1])
        case "moved":
            document, _ = without_checks(SheetOrder(L7160, nudge_x_mm=1.2), wanted)
        case _:
            spot = 0.5 if change.endswith("zone") else code.width / 2
            original = FPDF.output

            def blotted(pdf: FPDF) -> bytearray:
                pdf.set_fill_color(0)
                pdf.rect(code.x + spot, code.y + spot, 1.2, 1.2, style="F")
                return original(pdf)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(FPDF, "output", blotted)
                document, _ = without_checks(order, wanted)
    with pytest.raises(QrError, match=reason):
        check_sheets(document, placed, lambda done: None)


def test_a_code_nobody_ordered_on_the_page_is_held_back() -> None:
    document, placed = without_checks(SheetOrder(L7160), labels(4))
    with pytest.raises(QrError, match="4 codes where 3"):
        check_sheets(document, placed[:3], lambda done: None)


def test_progress_counts_labels_and_can_stop_the_work() -> None:
    seen: list[tuple[int, int]] = []
    make_sheets(SheetOrder(L7160), labels(5), lambda done, total: seen.append((done, total)))
    assert seen[-5:] == [(number, 5) for number in range(1, 6)]

    class Stop(Exception):  # noqa: N818
        pass

    def stop(done: int, _total: int) -> None:
        if done == 2:
            raise Stop

    with pytest.raises(Stop):
        make_sheets(SheetOrder(L7160), labels(5), stop)


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
def test_a_thousand_random_labels_read() -> None:
    chooser = random.Random(20261121)
    stocks = list(STOCKS.values())
    names = ["", "Menu", "Café Größe, table tents", "A rather long name of what hangs in the window"]
    for _ in range(25):
        stock = chooser.choice(stocks)
        wanted = [
            Label(
                f"https://go.some-shop.example/{''.join(chooser.choices('0123456789ABCDEFGHJKMNPQRSTVWXYZ', k=10))}",
                chooser.choice(names),
            )
            for _ in range(40)
        ]
        order = SheetOrder(
            stock,
            start_cell=chooser.randint(1, stock.cells),
            nudge_x_mm=chooser.uniform(-1, 1),
            nudge_y_mm=chooser.uniform(-1, 1),
            error=chooser.choice("lmq"),
            fonts=FONTS if FONTS.is_dir() else None,
        )
        document = make_sheets(order, wanted)
        assert len(document) > 1000


def test_the_font_is_shipped_with_its_licence() -> None:
    if not FONTS.is_dir():
        pytest.skip("the web assets are not built")
    assert "Bitstream Vera" in (FONTS / "LICENSE.txt").read_text()
