"""What a print batch holds: codes taken out until it is printed, label sheets of it, with a logo, that mark it printed."""

import base64
import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from codes.batches import BatchChange, codes_in_batch, create_batch, get_batch, update_batch
from codes.decode import QrError
from codes.errors import Conflict, NotFound
from codes.logos import MAX_LOGO_BYTES, read_logo
from codes.sheet_check import check_sheets
from codes.sheet_pdf import sheets_pdf
from codes.sheets import Label, SheetError, SheetOrder, make_sheets, placed_labels
from codes.stocks import STOCKS
from database.engine import Database
from database.schema import audit
from tests.conftest import AddCode, both_databases, config_in, local_owner, running_app
from tests.running import IPHONE, Running
from tests.symbols import read_symbols
from tests.test_pages import Person
from tests.test_symbols import picture
from waymark.config import Config

API = "/api/v1"
MAY = BatchChange("May", date(2026, 5, 1), 500, codes=("one", "two", "three"))
L7160 = STOCKS["avery-l7160"]


# Taking codes out


@pytest.mark.anyio
@both_databases
async def test_codes_are_taken_out_until_the_batch_is_printed(db: Database, add_code: AddCode) -> None:
    for slug in ("one", "two", "three", "other"):
        await add_code(slug=slug)
    batch = await create_batch(db, MAY, who="ops")
    assert not batch.printed

    async def members() -> list[str]:
        async with db.reading() as connection:
            return [code.code for code in await codes_in_batch(connection, batch.id)]

    assert (await update_batch(db, batch.id, BatchChange(taken_out=("TWO",)), who="ops")).codes == 2
    assert await members() == ["one", "three"]
    with pytest.raises(NotFound, match=r"'other' of w\.example is not in"):
        await update_batch(db, batch.id, BatchChange(taken_out=("one", "other")), who="ops")
    assert await members() == ["one", "three"]  # all or none
    async with db.reading() as connection:
        again = BatchChange("June", date(2026, 6, 1), 1, codes=("two",))
        subjects = [row.subject for row in await connection.execute(select(audit.c.subject).where(TAKEN))]
    assert subjects == ["May: w.example/two"]
    assert (await create_batch(db, again, who="ops")).codes == 1

    await update_batch(db, batch.id, BatchChange(printed=True), who="ops")
    with pytest.raises(Conflict, match=r"'May' is locked as printed.*unlock it first"):
        await update_batch(db, batch.id, BatchChange(taken_out=("one",)), who="ops")
    assert await members() == ["one", "three"]
    assert (await update_batch(db, batch.id, BatchChange(codes=("other",)), who="ops")).codes == 3
    await update_batch(db, batch.id, BatchChange(printed=False, taken_out=("one",)), who="ops")
    assert await members() == ["three", "other"]
    async with db.reading() as connection:
        assert not (await get_batch(connection, batch.id)).printed


TAKEN = audit.c.action == "batch.take-out"


def made(client: TestClient, *slugs: str, name: str = "May") -> int:
    for slug in slugs:
        client.post(f"{API}/codes", json={"destination": "https://example.com/", "slug": slug})
    body = {"name": name, "printed_on": "2026-05-01", "quantity": 10, "codes": list(slugs)}
    return int(client.post(f"{API}/batches", json=body).json()["id"])


def test_taking_out_over_the_api(client: TestClient) -> None:
    number = made(client, "door", "wall")
    path = f"{API}/batches/{number}"
    assert client.patch(path, json={"take_out": ["door"]}).json()["codes"] == 1
    assert client.get(f"{API}/codes/door").json()["printed"]  # a print may hang somewhere
    assert client.patch(path, json={"take_out": ["door"]}).status_code == 404
    assert client.patch(path, json={"printed": True}).json()["printed"] is True
    refused = client.patch(path, json={"take_out": ["wall"]})
    assert refused.status_code == 409
    assert "locked as printed" in refused.json()["detail"]
    assert [member["code"] for member in client.get(path).json()["members"]] == ["wall"]
    assert client.patch(path, json={"printed": False, "take_out": ["wall"]}).json()["codes"] == 0


# Sheets of a batch


def ordered(client: TestClient, **body: Any) -> Any:
    return client.post(f"{API}/sheets", json={"batch": "may", "stock": "avery-l7160", **body})


def test_sheets_of_a_batch_mark_it_printed_only_when_asked_and_made(client: TestClient) -> None:
    path = f"{API}/batches/{made(client, 'door', 'wall')}"
    sheet = ordered(client).json()
    assert (sheet["state"], sheet["total"], sheet["marks_batch"]) == ("done", 2, None)
    assert client.get(path).json()["printed"] is False
    broken = base64.b64encode(b"no picture").decode()
    for refused in ({"logo": broken}, {"error": "l", "logo": encoded_logo()}, {"logo_percent": 20}, {"size_mm": 100}):
        assert ordered(client, mark_printed=True, **refused).status_code == 422, refused
    assert client.get(path).json()["printed"] is False
    assert ordered(client, mark_printed=True).json()["marks_batch"] is not None
    assert client.get(path).json()["printed"] is True
    assert ordered(client, batch="nothing").status_code == 404
    alone = client.post(f"{API}/sheets", json={"codes": ["door"], "stock": "avery-l7160", "mark_printed": True})
    assert alone.status_code == 422


def encoded_logo(data: bytes | None = None) -> str:
    return base64.b64encode(picture() if data is None else data).decode()


def test_a_sheet_with_a_logo_over_the_api(client: TestClient) -> None:
    made(client, "door", "wall")
    sheet = ordered(client, logo=encoded_logo(), logo_percent=20, copies=2).json()
    assert sheet["state"] == "done", sheet
    document = client.get(f"{API}/sheets/{sheet['id']}/file").content
    assert document.count(b"/Subtype /Image") == 1  # however many labels there are
    assert len(codes_on(document)) == 4
    too_large = base64.b64encode(b"\x89PNG" + bytes(MAX_LOGO_BYTES)).decode()
    assert ordered(client, logo=too_large).status_code == 422


def codes_on(document: bytes) -> list[str]:
    with pypdfium2.PdfDocument(document) as pdf:
        image = pdf[0].render(scale=4).to_pil().convert("L")
    return [found.text for found in read_symbols(image)]


@pytest.mark.parametrize("error", ["m", "q", "h"])
def test_every_label_with_a_logo_reads_with_correction_to_spare(error: str) -> None:
    order = SheetOrder(L7160, error=error, logo=read_logo(picture()))
    labels = [Label("https://w.example/MENU", "Menu"), Label("https://w.example/AbC", legacy=True)]
    assert sorted(codes_on(make_sheets(order, labels))) == ["https://W.EXAMPLE/MENU", "https://w.example/AbC"]


def test_a_logo_that_hides_too_much_is_held_back() -> None:
    logo = read_logo(picture())
    asked: list[dict[str, Any]] = [{"error": "l"}, {"logo_percent": 21}, {"error": "h", "logo_percent": 31}]
    for refused in asked:
        order = SheetOrder(L7160, logo=logo, **refused)
        with pytest.raises(SheetError):
            make_sheets(order, [Label("https://w.example/MENU")])
    with pytest.raises(SheetError, match="no logo"):
        SheetOrder(L7160, logo_percent=10)
    order = SheetOrder(L7160, error="h", logo=logo)
    [placed] = placed_labels(order, [Label("https://w.example/MENU")])
    large = replace(placed, covered=11)  # still reads, by all of the error correction
    with pytest.raises(QrError, match=r"held back.*Choose a smaller logo"):
        check_sheets(sheets_pdf(order, [large], lambda: None), [large], lambda _done: None)


def test_the_calibration_page_over_the_api(client: TestClient) -> None:
    answer = client.get(f"{API}/sheets/calibration", params={"stock": "avery-l7160", "nudge_x_mm": 1.5})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.content.startswith(b"%PDF-")
    asked: list[dict[str, str]] = [{"stock": "avery-1"}, {"stock": "avery-l7160", "nudge_y_mm": "99"}]
    for wrong in asked:
        assert client.get(f"{API}/sheets/calibration", params=wrong).status_code == 422


# Pages


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return config_in(tmp_path_factory.mktemp("print_batches") / "data")


@pytest.fixture(scope="module")
def browser(installation: Config) -> Iterator[TestClient]:
    with running_app(installation) as running:
        yield running


def test_the_batch_page_takes_out_marks_and_unlocks(browser: TestClient, installation: Config) -> None:
    browser.headers.update(local_owner(installation))
    number = made(browser, "door", "wall", name="Page")
    del browser.headers["Authorization"]
    editor = Person(browser, installation, "editor")
    path = f"/batches/{number}"
    assert "Take out<span" in editor.get(path).text
    assert editor.send(f"{path}/take-out", code="door", domain="w.example").status_code == 303
    page = editor.get(path).text
    assert "/codes/door" not in page
    assert "/codes/wall" in page
    assert "/labels?by=batch&amp;which=Page" in page
    assert editor.send(f"{path}/printed", printed="1").status_code == 303
    page = editor.get(path).text
    assert "Locked as printed" in page
    assert "Take out<span" not in page
    refused = editor.send(f"{path}/take-out", code="wall", domain="w.example")  # as from a page opened before
    assert refused.status_code == 409
    assert "locked as printed" in refused.text
    assert editor.send(f"{path}/printed", printed="").status_code == 303
    assert "Take out<span" in editor.get(path).text
    browser.cookies.clear()
    assert "Take out<span" not in Person(browser, installation, "viewer").get(path).text
    browser.cookies.clear()


def test_the_label_page_prints_a_batch_with_a_logo_and_marks_it(browser: TestClient, installation: Config) -> None:
    browser.cookies.clear()
    browser.headers.update(local_owner(installation))
    number = made(browser, "table", name="Labels")
    del browser.headers["Authorization"]
    editor = Person(browser, installation, "editor")
    page = editor.get("/labels", params={"by": "batch", "which": "Labels"}).text
    assert '<option value="batch" selected>' in page
    fields = {"by": "batch", "which": "Labels", "stock": "avery-l7160", "copies": "3", "start_cell": "1"}
    upload = {"logo": ("logo.png", io.BytesIO(picture()), "image/png")}
    data = {"csrf": editor.csrf, **fields, "do": "preview"}
    shown = browser.post("/labels", data=data, files=upload)
    assert shown.status_code == 200, shown.text
    assert "data:image/png;base64," in shown.text
    kept = shown.text.split('name="kept_logo" value="')[1].split('"')[0]
    assert kept
    marked = {**fields, "kept_logo": kept, "mark_printed": "1"}
    refused = editor.send("/labels", **{**marked, "by": "codes", "which": "table"})
    assert refused.status_code == 422
    assert "Only a print batch can be marked" in refused.text
    assert "Locked as printed" not in editor.get(f"/batches/{number}").text
    assert editor.send("/labels", **marked).status_code == 303
    assert "Locked as printed" in editor.get(f"/batches/{number}").text
    browser.cookies.clear()


# Command line and public port


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
def test_a_batch_from_the_command_line_to_scanned_labels(tmp_path: Path) -> None:
    logo, sheet = tmp_path / "logo.png", tmp_path / "may.pdf"
    logo.write_bytes(picture())
    with Running(tmp_path) as running:
        for slug in ("door", "wall"):
            running.cli("code", "add", f"https://example.com/{slug}", "--slug", slug)
        running.cli("batch", "add", "May", "--quantity", "10", "--code", "door", "--code", "wall")
        assert running.cli_json("batch", "remove", "May", "door")["codes"] == 1
        making = ("sheet", "make", "--stock", "avery-l7160", "--output", str(sheet))
        running.cli(*making, "--tag", "x", "--mark-printed", code=2)
        said = running.cli(*making, "--batch", "May", "--logo", str(logo), "--error", "h", "--mark-printed")
        assert "May is marked printed" in said
        running.cli("batch", "remove", "May", "wall", code=4)
        [text] = codes_on(sheet.read_bytes())
        answer = running.scan("/" + text.rpartition("/")[2], User_Agent=IPHONE)
        assert (answer.status, answer.headers["location"]) == (302, "https://example.com/wall")
        running.cli("batch", "update", "May", "--not-printed")
        assert running.cli_json("batch", "remove", "May", "wall")["codes"] == 0
