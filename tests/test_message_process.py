"""Messages, templates and slips from the command line and the API of a real Waymark."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx2
import pypdfium2
import pytest

from codes import escpos, zpl
from tests.running import Running
from tests.symbols import read_symbols

CUSTOMER = "A. N. Other"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(tmp_path_factory.mktemp("messages")) as process:
        process.cli("shop", "update", "--name", "Fix It", "--country", "DE", "--zone", "Europe/Berlin")
        private = ("--customer-name", CUSTOMER, "--customer-phone", "0151 1234567", "--customer-email", "a@example.com")
        process.cli("job", "add", "R-1", "--item", "Bicycle", *private)
        yield process


def ask(running: Running, method: str, path: str, body: Any = None, role: str = "") -> httpx2.Response:
    token = tokens(running)[role] if role else (running.data / "owner.token").read_text()
    url = f"http://127.0.0.1:{running.private_port}/api/v1{path}"
    sent = {"Authorization": f"Bearer {token}"}
    return httpx2.request(method, url, json=body, headers=sent, trust_env=False, verify=False, timeout=60)


def tokens(running: Running) -> dict[str, str]:
    kept: dict[str, str] = running.__dict__.setdefault("tokens", {})
    for role in ("viewer", "editor"):
        if role not in kept:
            kept[role] = ask(running, "POST", "/tokens", {"name": f"the {role}", "role": role}).json()["token"]
    return kept


def test_the_message_to_send_is_ready_on_each_channel(running: Running) -> None:
    job = running.cli_json("job", "show", "R-1")
    told = running.cli_json("job", "message", "R-1")
    assert (told["event"], told["language"], told["link"]) == ("created", "en", job["short_url"])
    sms, whatsapp, email = told["messages"]
    assert (sms["to"], whatsapp["to"], email["to"]) == ("+491511234567", "+491511234567", "a@example.com")
    assert sms["text"].endswith(job["short_url"])
    assert sms["sms"]["encoding"] == "GSM-7"
    assert dict(parse_qsl(sms["href"].partition("?")[2])) == {"body": sms["text"]}
    assert whatsapp["href"].startswith("https://wa.me/491511234567?text=Hello%20A.%20N.%20Other%2C")
    assert email["href"].startswith("mailto:a@example.com?subject=Fix%20It%3A%20R-1%20received&body=")
    shown = running.cli("job", "message", "R-1", "--channel", "email", "--language", "fr", "--event", "ready")
    assert shown.startswith("email to a@example.com\nSubject: Fix It : R-1")
    assert f"  Bonjour {CUSTOMER},\n" in shown


def test_messages_are_for_staff(running: Running) -> None:
    refused = ask(running, "GET", "/jobs/R-1/messages", role="viewer")
    assert (refused.status_code, CUSTOMER in refused.text) == (403, False)
    assert ask(running, "GET", "/jobs/R-1/messages", role="editor").status_code == 200


def test_a_template_is_changed_and_reset(running: Running) -> None:
    name = ("created", "sms", "en")
    began = running.cli_json("shop", "template", "show", *name)
    kept = running.cli_json("shop", "template", "set", *name, "Dear {customer}, {item} is here: {tracking} \U0001f600")
    running.cli("shop", "template", "set", *name, "Other words", "--if-version", began["version"], code=4)
    running.cli("shop", "template", "reset", *name, "--if-version", began["version"], code=4)
    assert (kept["own"], kept["sms"]["encoding"], kept["sms"]["forcing"]) == (True, "UCS-2", ["\U0001f600"])
    [sms] = running.get("/jobs/R-1/messages", channel="sms")["messages"]
    assert sms["text"].startswith(f"Dear {CUSTOMER}, Bicycle is here: http://localhost")
    assert running.cli("shop", "template", "list", "--event", "created", "--channel", "sms").count("yes") == 1
    assert "because of \U0001f600" in running.cli("shop", "template", "show", *name)
    assert running.cli_json("shop", "template", "reset", *name)["text"].startswith("{shop}: Thank you")
    address = "/shops/1/templates/created/sms/en"
    assert running.get(address)["own"] is False
    assert ask(running, "DELETE", address).status_code == 404
    wrong = ask(running, "PUT", address, {"text": "{traking}"})
    assert (wrong.status_code, "did you mean {tracking}?" in wrong.json()["detail"]) == (422, True)
    assert len(running.get("/shops/1/templates")["templates"]) == 72


def test_a_draft_is_counted_as_it_is_written(running: Running) -> None:
    draft = {"text": "{shop}: {stage}", "language": "es"}
    told = ask(running, "POST", "/messages/preview", draft, role="viewer").json()
    assert told["text"] == "Fix It: Listo para recoger"
    assert told["sms"] == {"encoding": "GSM-7", "characters": 26, "segments": 1, "left": 134, "forcing": []}
    mail = ask(running, "POST", "/messages/preview", {"text": "x", "channel": "email", "subject": "{shop}"}).json()
    assert mail == {"subject": "Fix It", "text": "x", "sms": None}
    assert ask(running, "POST", "/messages/preview", {"text": "x", "shop": "nowhere"}).status_code == 404


@pytest.mark.parametrize("name", ["slip.pdf", "slip.zpl", "slip.bin"])
def test_a_slip_reads_as_the_job_s_link_and_names_no_customer(running: Running, tmp_path: Path, name: str) -> None:
    file = tmp_path / name
    form = ("--format", "escpos", "--paper", "58", "--cut") if name == "slip.bin" else ()
    running.cli("job", "slip", "R-1", "-o", str(file), *form)
    made = file.read_bytes()
    if name == "slip.pdf":
        image = pypdfium2.PdfDocument(made)[0].render(scale=4).to_pil()
        written = pypdfium2.PdfDocument(made)[0].get_textpage().get_text_range()
        assert "".join(written.split()).startswith("FixItR-1localhost")
        assert "Other" not in "".join(written.split())
        assert "pruned" not in running.log.read_text()  # what the font library does is nobody's news
    else:
        image = zpl.bitmap(made) if name == "slip.zpl" else escpos.bitmap(made)
    [found] = read_symbols(image)
    assert found.text.lower() == running.get("/jobs/R-1")["short_url"].lower()


def test_stickers_for_several_jobs(running: Running, tmp_path: Path) -> None:
    assert ask(running, "PUT", "/jobs/R-2", {"customer_name": CUSTOMER}).status_code == 201
    file = tmp_path / "stickers.pdf"
    running.cli("job", "stickers", "R-1", "R-2", "R-1", "--output", str(file))
    [page] = pypdfium2.PdfDocument(file.read_bytes())
    assert len(read_symbols(page.render(scale=4).to_pil())) == 2
    text = "".join(page.get_textpage().get_text_range().split())
    assert ("R-1" in text, "R-2" in text, "Other" in text) == (True, True, False)
    for body, status in (({"references": ["R-404"]}, 404), ({"references": ["R-1"], "stock": "nothing"}, 422)):
        assert ask(running, "POST", "/sticker-sheets", body).status_code == status


def test_what_cannot_be_had_is_said(running: Running, tmp_path: Path) -> None:
    running.cli("job", "slip", "R-404", code=3)
    running.cli("job", "slip", "R-1", "-o", str(tmp_path / "slip.svg"), code=2)
    clocks = ask(running, "POST", "/shops", {"name": "Clocks"}).json()["id"]
    ask(running, "POST", f"/shops/{clocks}/tracking", {"tracking": "withdrawn"})
    assert ask(running, "PUT", "/jobs/C-1?shop=Clocks", {}).status_code == 201
    for path in ("messages", "slip.pdf", "slip.zpl"):
        refused = ask(running, "GET", f"/jobs/C-1/{path}?shop=Clocks")
        assert (refused.status_code, "Switch it on first." in refused.text) == (409, True)
    for asked in ("slip.zpl?dpi=600", "slip.escpos?paper_dots=100", "slip.svg", "slip.pdf?width_mm=1"):
        assert ask(running, "GET", f"/jobs/R-1/{asked}").status_code == 422
