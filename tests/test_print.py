"""Printing through the real thing: command line and API of a running Waymark, a restart amid a large sheet, the pages."""

import base64
import io
import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import pypdfium2
import pytest
from PIL import Image
from starlette.testclient import TestClient

from codes.qr import STATIC_WARNING
from codes.sheets import MAX_LABELS
from dashboard.labels import AT_ONCE
from dashboard.show import find_assets
from tests.conftest import config_in, local_owner, running_app
from tests.running import IPHONE, Running, wait_for
from tests.symbols import read_symbols
from tests.test_qr import printed
from tests.test_symbols import picture

API = "/api/v1"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(tmp_path_factory.mktemp("print")) as service:
        service.cli(
            "code", "add", "https://example.com/menu", "--slug", "menu", "--name", "Café Größe", "--tag", "tables"
        )
        service.cli("code", "add", "https://example.com/bar", "--slug", "bar", "--tag", "tables")
        yield service


def read(image: Image.Image) -> list[str]:
    return [found.text for found in read_symbols(image.convert("L"))]


def read_pages(path: Path) -> list[list[str]]:
    with pypdfium2.PdfDocument(path) as document:
        return [sorted(read(page.render(scale=4).to_pil())) for page in document]


def short(running: Running, code: str) -> str:
    return f"http://LOCALHOST:{running.public_port}/{code.upper()}"


# Command line


def test_a_styled_symbol_leads_where_the_code_leads(running: Running, tmp_path: Path) -> None:
    logo = tmp_path / "logo.png"
    logo.write_bytes(picture())
    output = tmp_path / "menu.png"
    said = running.cli(
        "code", "qr", "menu", "--output", str(output), "--size-mm", "40", "--dpi", "300", "--caption", "--logo", str(logo),
        "--error", "h", "--dark", "#102060",
    )  # fmt: skip
    assert said.startswith(str(output))
    image = Image.open(output)
    assert image.height > image.width
    assert image.width / image.info["dpi"][0] * 25.4 == pytest.approx(40, abs=0.1)
    [text] = read(image)
    assert text == short(running, "menu")
    answer = running.scan("/" + text.rpartition("/")[2], User_Agent=IPHONE)
    assert (answer.status, answer.headers["location"]) == (302, "https://example.com/menu")


def test_zpl_from_the_command_line(running: Running, tmp_path: Path) -> None:
    output = tmp_path / "menu.zpl"
    running.cli("code", "qr", "menu", "--output", str(output), "--size-mm", "25", "--caption")
    assert read(printed(output.read_bytes())) == [short(running, "menu")]


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--logo", "nothing.png"], "cannot be read"),
        (["--dpi", "300"], "without a size"),
        (["--logo-percent", "31"], "logo_percent"),
        (["--size-mm", "9"], "size_mm"),
    ],
)
def test_looks_that_cannot_be_used_end_with_a_sentence(running: Running, words: list[str], reason: str) -> None:
    with pytest.raises(AssertionError, match=reason):
        running.cli("code", "qr", "menu", "--format", "svg", *words)
    running.cli("code", "qr", "menu", "--format", "svg", *words, code=2)


def test_a_static_code_comes_with_its_warning(running: Running, tmp_path: Path) -> None:
    output = tmp_path / "static.png"
    running.cli("code", "static", "https://example.com/menu.pdf", "--output", str(output))
    assert read(Image.open(output)) == ["https://example.com/menu.pdf"]
    made = running.cli_json("code", "static", "https://example.com/menu.pdf", "--format", "svg")
    assert made["content"].startswith("<svg")
    running.cli("code", "static", "javascript:alert(1)", code=2)


def test_advice_on_the_command_line(running: Running) -> None:
    assert running.cli_json("code", "advise", "--distance", "2m")["size_mm"] == 264
    assert running.cli_json("code", "advise", "menu", "--distance", "200cm")["size_mm"] == 264
    assert running.cli_json("code", "advise", "--distance", "1ft", "--dpi", "203")["module_dots"] == 10
    for distance in ("far", "2 miles", "0m"):
        running.cli("code", "advise", "--distance", distance, code=2)
    running.cli("code", "advise", "nothing", "--distance", "2m", code=3)


def test_sheets_from_the_command_line(running: Running, tmp_path: Path) -> None:
    output = tmp_path / "sheets.pdf"
    made = running.cli_json(
        "sheet", "make", "--tag", "tables", "--stock", "avery-l7160", "--copies", "11", "--start", "20", "--proof",
        "--output", str(output),
    )  # fmt: skip
    assert (made["state"], made["total"], made["done"]) == ("done", 22, 22)
    menu, bar = short(running, "menu"), short(running, "bar")
    assert read_pages(output) == [[menu] * 2, sorted([menu] * 9 + [bar] * 11), []]
    running.cli("sheet", "make", "bar", "menu", "--stock", "dymo-99012", "--output", str(output))
    assert read_pages(output) == [[bar], [menu]]


def test_own_measures_and_calibration(running: Running, tmp_path: Path) -> None:
    output = tmp_path / "own.pdf"
    measures = "width=100,height=150,columns=1,rows=2,label-width=90,label-height=70,pitch-y=72,left=5,top=3"
    running.cli("sheet", "make", "menu", "--copies", "3", "--geometry", measures, "--output", str(output))
    assert read_pages(output) == [[short(running, "menu")] * 2, [short(running, "menu")]]
    running.cli("sheet", "calibrate", "--stock", "avery-5163", "--nudge-x", "-1", "--output", str(output))
    with pypdfium2.PdfDocument(output) as document:
        assert "-1 mm right" in document[0].get_textpage().get_text_range()
    keys = [stock["key"] for stock in running.cli_json("sheet", "stocks")["stocks"]]
    assert {"avery-5160", "avery-5163", "avery-l7160", "avery-l4732", "dymo-99010"} <= set(keys)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["menu"], 2),  # on what?
        (["menu", "--stock", "avery-1"], 2),
        (["nothing", "--stock", "avery-l7160"], 2),
        (["--stock", "avery-l7160"], 2),  # which?
        (["menu", "--tag", "tables", "--stock", "avery-l7160"], 2),  # which of the two?
        (["--tag", "nobody-has-it", "--stock", "avery-l7160"], 2),
        (["menu", "--stock", "avery-l7160", "--start", "22"], 2),
        (["menu", "--stock", "avery-l7160", "--size-mm", "60"], 2),
        (["menu", "--geometry", "width=210"], 2),
        (["menu", "--geometry", "width=wide"], 2),
        (["menu", "--geometry", "colour=3"], 2),
        (["menu", "--stock", "avery-l7160", "--copies", str(MAX_LABELS + 1)], 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_sheets_that_cannot_be_made(running: Running, tmp_path: Path, words: list[str], code: int) -> None:
    output = tmp_path / "none.pdf"
    running.cli("sheet", "make", *words, "--output", str(output), code=code)
    assert not output.exists()


# Large sheets


def ask(running: Running, method: str, path: str, body: Any = None) -> httpx2.Response:
    headers = {"Authorization": f"Bearer {(running.data / 'owner.token').read_text()}"}
    url = f"http://127.0.0.1:{running.private_port}{API}{path}"
    return httpx2.request(method, url, json=body, headers=headers, trust_env=False, verify=False, timeout=60)


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
def test_a_large_sheet_is_made_in_the_background_and_survives_a_killed_process(running: Running) -> None:
    labels = 8 * AT_ONCE
    answer = ask(running, "POST", "/sheets", {"codes": ["menu"], "copies": labels, "stock": "avery-l4732"})
    assert answer.status_code == 201
    made = answer.json()
    assert made["state"] in ("waiting", "running")
    assert made["file"] is None
    path = f"/sheets/{made['id']}"
    wait_for(lambda: 0 < running.get(path)["done"] < labels, "it is under way")
    assert ask(running, "GET", f"{path}/file").status_code == 404
    running.kill("waymark.private")

    def finished() -> Any:
        with suppress(httpx2.HTTPError, AssertionError):
            found = running.get(path)
            return found if found["state"] == "done" else None
        return None

    done = wait_for(finished, "the sheet after the restart", 120)
    assert (done["done"], done["total"]) == (labels, labels)
    document = ask(running, "GET", f"{path}/file").content
    with pypdfium2.PdfDocument(document) as pdf:
        assert len(pdf) == labels // 80
        assert read(pdf[len(pdf) - 1].render(scale=4).to_pil()) == [short(running, "menu")] * 80
    assert ask(running, "DELETE", path).status_code == 204
    assert ask(running, "GET", path).status_code == 404
    assert list((running.data / "sheets").glob(f"{made['id']}.*")) == []


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
def test_a_large_sheet_can_be_cancelled(running: Running) -> None:
    body = {"codes": ["menu"], "copies": 4000, "stock": "avery-l4732"}
    made = ask(running, "POST", "/sheets", body).json()
    path = f"/sheets/{made['id']}"
    wait_for(lambda: running.get(path)["state"] == "running", "it has begun")
    assert ask(running, "DELETE", path).status_code == 204
    assert running.get(path)["state"] == "cancelled"
    after = ask(running, "POST", "/sheets", {"codes": ["menu"], "copies": AT_ONCE + 1, "stock": "avery-l7160"}).json()
    wait_for(lambda: running.get(f"/sheets/{after['id']}")["state"] == "done", "the next one", 60)
    assert ask(running, "GET", f"{path}/file").status_code == 404


# API


def test_the_api_takes_a_logo_and_refuses_what_is_none(running: Running) -> None:
    logo = base64.b64encode(picture()).decode()
    answer = ask(running, "POST", "/codes/menu/qr", {"format": "png", "error": "q", "logo": logo})
    assert read(Image.open(io.BytesIO(answer.content))) == [short(running, "menu")]
    for bad in ("%%%", base64.b64encode(b"<svg/>").decode(), "A" * 700_000):
        refused = ask(running, "POST", "/codes/menu/qr", {"logo": bad})
        assert refused.status_code == 422, refused.text
    assert "error correction L" in ask(running, "POST", "/codes/menu/qr", {"logo": logo, "error": "l"}).text


def test_static_over_the_api_carries_the_warning(running: Running) -> None:
    made = ask(running, "POST", "/qr/static", {"target": " https://EXAMPLE.com:443/x ", "format": "png"}).json()
    assert made["warning"] == STATIC_WARNING
    assert "never be changed" in made["warning"]
    assert "not counted" in made["warning"]
    assert (
        read(Image.open(io.BytesIO(base64.b64decode(made["content"])))) == [made["target"]] == ["https://example.com/x"]
    )


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"codes": ["menu"]},
        {"stock": "avery-l7160"},
        {"codes": [], "stock": "avery-l7160"},
        {"codes": ["menu"], "search": "menu", "stock": "avery-l7160"},
        {"codes": ["menu"], "stock": "avery-l7160", "geometry": {"width_mm": 1}},
        {"codes": ["menu"], "geometry": {"width_mm": 100, "height_mm": 100, "columns": 2, "rows": 1, "label_width_mm": 60,
                                         "label_height_mm": 60, "pitch_x_mm": 20}},
        {"codes": ["menu"], "stock": "avery-l7160", "nudge_x_mm": 99},
        {"codes": ["menu"], "stock": "avery-l7160", "wording": "poem"},
        {"codes": ["menu"], "stock": "avery-l7160", "dark": "#eeeeee"},
        {"codes": ["menu"], "stock": "avery-l7160", "fonts": "/etc"},
        {"codes": ["menu", "nothing"], "stock": "avery-l7160"},
    ],
    ids=str,
)  # fmt: skip
def test_orders_the_api_refuses(running: Running, body: dict[str, Any]) -> None:
    answer = ask(running, "POST", "/sheets", body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["detail"]


def test_a_preview_is_the_first_sheet(running: Running) -> None:
    body = {"tag": "tables", "copies": 50, "stock": "avery-l7160", "start_cell": 15, "proof": True}
    answer = ask(running, "POST", "/sheets/preview", body)
    with pypdfium2.PdfDocument(answer.content) as document:
        assert len(document) == 1
        assert len(read(document[0].render(scale=4).to_pil())) == 7


# Pages


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, str]]:
    if find_assets() is None:
        pytest.skip("the web assets are not built: npm ci && npm run build")
    config = config_in(tmp_path_factory.mktemp("pages") / "data")
    with running_app(config) as app:
        local = local_owner(config)
        app.headers["Accept"] = "text/html"
        app.post(
            f"{API}/codes",
            json={"destination": "https://example.com/", "slug": "spring", "name": "Frühling"},
            headers=local,
        )
        link = app.post(f"{API}/owner/link", headers=local).json()["url"].partition("8081")[2]
        token = csrf_in(app.get(link).text)
        person = {
            "name": "Ed",
            "email": "ed@example.org",
            "password": "five calm hills",
            "password_again": "five calm hills",
        }
        assert app.post(link, data={"csrf": token, **person}).status_code == 303
        yield app, csrf_in(app.get("/labels").text)


def csrf_in(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found
    return found[1]


def alert_in(page: str) -> str:
    found = re.search(r'<p class="alert" role="alert">(.*?)</p>', page)
    return found[1] if found else ""


SHEET = {"by": "codes", "which": "spring", "stock": "avery-5163", "copies": "3", "start_cell": "2"}


def test_labels_are_previewed_made_and_downloaded(editor: tuple[TestClient, str]) -> None:
    app, csrf = editor
    page = app.post("/labels", data={"csrf": csrf, "do": "preview", **SHEET}).text
    picture = base64.b64decode(re.search(r'src="data:image/png;base64,([^"]+)"', page)[1])  # type: ignore[index]
    assert Image.open(io.BytesIO(picture)).height == pytest.approx(900, abs=1)
    assert 'value="spring"' in page, "what was typed is still there"
    made = app.post("/labels", data={"csrf": csrf, "do": "make", **SHEET})
    assert (made.status_code, made.headers["location"]) == (303, "/labels#made")
    listed = app.get("/labels").text
    assert ">ready<" in listed
    path = re.search(r'href="(/api/v1/sheets/\d+/file)"', listed)[1]  # type: ignore[index]
    document = app.get(path)
    assert document.headers["content-type"] == "application/pdf"
    with pypdfium2.PdfDocument(document.content) as pdf:
        assert read(pdf[0].render(scale=3).to_pil()) == ["https://W.EXAMPLE/SPRING"] * 3
    number = path.split("/")[-2]
    assert app.post(f"/labels/{number}/end", data={"csrf": csrf}).status_code == 303
    assert path not in app.get("/labels").text


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"which": ""}, "Say which codes"),
        ({"which": "nothing"}, "no such code"),
        ({"by": "tag", "which": "nobody"}, "nothing to print"),
        ({"start_cell": "99"}, "no number 99"),
        ({"copies": "many"}, "Copies"),
        ({"size_mm": "90"}, "does not fit"),
        ({"stock": "custom", "width_mm": "10"}, "Sheet height|Columns"),
        ({"stock": "avery-1"}, "no label stock"),
    ],
    ids=str,
)
def test_a_label_form_comes_back_with_the_reason(
    editor: tuple[TestClient, str], changes: dict[str, str], reason: str
) -> None:
    app, csrf = editor
    for action in ("make", "preview"):
        answer = app.post("/labels", data={"csrf": csrf, "do": action, **SHEET, **changes})
        assert answer.status_code == 422
        assert re.search(reason, alert_in(answer.text)), alert_in(answer.text)


def test_a_calibration_page_from_the_form(editor: tuple[TestClient, str]) -> None:
    app, csrf = editor
    answer = app.post("/labels", data={"csrf": csrf, "do": "calibration", "stock": "avery-l7160", "nudge_x_mm": "2"})
    assert answer.headers["content-type"] == "application/pdf"
    with pypdfium2.PdfDocument(answer.content) as document:
        assert "+2 mm right" in document[0].get_textpage().get_text_range()


def test_a_symbol_is_styled_step_by_step_with_its_logo_kept(editor: tuple[TestClient, str]) -> None:
    app, csrf = editor
    fields = {"csrf": csrf, "error": "h", "caption": "1", "distance": "2", "size_mm": "40", "dark": "#102060"}
    logo = {"logo": ("logo.png", picture(), "image/png")}
    page = app.post("/codes/spring/qr", data={**fields, "do": "preview"}, files=logo).text
    assert "at least 296 mm wide" in page
    assert "data:image/svg+xml;base64," in page
    kept = re.search(r'name="kept_logo" value="([^"]+)"', page)[1]  # type: ignore[index]
    nothing = {"logo": ("", b"", "application/octet-stream")}
    for kind in ("svg", "png", "pdf", "eps"):
        file = app.post("/codes/spring/qr", data={**fields, "do": kind, "kept_logo": kept}, files=nothing)
        assert file.status_code == 200
        assert file.headers["content-disposition"] == f'attachment; filename="spring.{kind}"'
    with_logo = app.post("/codes/spring/qr", data={**fields, "do": "svg", "kept_logo": kept}, files=nothing).content
    dropped = {**fields, "do": "svg", "kept_logo": kept, "drop_logo": "1"}
    assert b"<image" in with_logo
    assert b"<image" not in app.post("/codes/spring/qr", data=dropped, files=nothing).content


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dark": "#eeeeee"}, "luminance"),
        ({"size_mm": "wide"}, "no number"),
        ({"size_mm": "3"}, "outside"),
        ({"dpi": "300"}, "without a size"),
        ({"distance": "9999"}, "advised"),
        ({"do": "exe"}, "no QR format"),
        ({"kept_logo": "%%%"}, "base64"),
        ({"error": "x"}, "level"),
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/codes/spring/qr", "/static-code"])
def test_a_look_that_cannot_be_used_comes_back_with_the_reason(
    editor: tuple[TestClient, str], path: str, changes: dict[str, str], reason: str
) -> None:
    app, csrf = editor
    if path == "/static-code" and "distance" in changes:
        return
    data = {"csrf": csrf, "do": "preview", "target": "https://example.com/", **changes}
    answer = app.post(path, data=data, files={"logo": ("", b"", "application/octet-stream")})
    assert answer.status_code == 422
    assert re.search(reason, alert_in(answer.text)), alert_in(answer.text)


def test_the_static_page_warns_and_refuses_bad_targets(editor: tuple[TestClient, str]) -> None:
    app, csrf = editor
    assert "never be changed" in app.get("/static-code").text
    nothing = {"logo": ("", b"", "application/octet-stream")}
    refused = app.post("/static-code", data={"csrf": csrf, "do": "preview", "target": "javascript:x"}, files=nothing)
    assert "never allowed" in alert_in(refused.text)
    file = app.post("/static-code", data={"csrf": csrf, "do": "png", "target": "https://example.com/a"}, files=nothing)
    assert read(Image.open(io.BytesIO(file.content))) == ["https://example.com/a"]


@pytest.mark.parametrize("path", ["/labels", "/labels/1/end", "/codes/spring/qr", "/static-code"])
def test_a_form_without_the_sessions_token_makes_nothing(editor: tuple[TestClient, str], path: str) -> None:
    app, _csrf = editor
    before = json.dumps(app.get(f"{API}/sheets").json())
    answer = app.post(path, data={"csrf": "x" * 32, "do": "make", **SHEET})
    assert answer.status_code == 403
    assert json.dumps(app.get(f"{API}/sheets").json()) == before
