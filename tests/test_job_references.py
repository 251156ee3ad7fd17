"""References as shops number their orders, with slashes and all other signs: over the API, in batches, on the pages."""

import html
import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from tests.conftest import config_in, local_owner, running_app
from tests.test_job_pages import make, move
from tests.test_pages import (  # noqa: F401  fixtures of signed-in people
    Person,
    browser,
    editor,
    hidden,
    installation,
    owner,
    running,
    web_build,
)

API = "/api/v1"
ODD = (
    *("RE-2026/1042", "a/b/c", "a//b", "/1", "1/", "a/../b", "X/advance", "X/photo", "by-code/X", "RE-2026%2F1042"),
    *("50%", "%41", "1+1", "what?", "No #7", "a&b=c;d,e", "a\\b", "Größe 9/٣", '"quoted"', "<b>/"),
)
DRAWN = ("RE-2026/1042", "50%", "Größe 9/٣")  # of which pictures are made, too


@pytest.fixture(scope="module")
def ops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    config = config_in(tmp_path_factory.mktemp("references") / "data")
    with running_app(config) as client:
        client.headers.update(local_owner(config))
        yield client


def address(reference: str, below: str = "") -> str:
    return f"{API}/jobs/{quote(reference, safe='')}{below}"


@pytest.mark.parametrize("reference", ODD)
def test_whatever_stands_on_the_slip_is_a_reference_at_every_address(ops: TestClient, reference: str) -> None:
    made = ops.put(address(reference), json={"item": "Bicycle"})
    assert (made.status_code, made.json()["reference"]) == (201, reference)
    assert ops.put(address(reference), json={}).json() == made.json()
    assert ops.post(address(reference, "/advance")).json()["stage"] == "diagnosis"
    assert ops.post(address(reference, "/move"), json={"stage": "ready"}).json()["reference"] == reference
    for below in ("", "/history", "/messages", "/rules"):
        assert ops.get(address(reference, below)).json()["reference"] == reference
    files = ("/history.csv", "/slip.zpl")
    for below in (*files, "/history.pdf", "/qr.svg", "/slip.pdf") if reference in DRAWN else files:
        answer = ops.get(address(reference, below))
        assert (answer.status_code, len(answer.content) > 100) == (200, True), below
    assert reference in ops.get(address(reference, "/history.csv")).content.decode("utf-8-sig").replace('""', '"')
    assert ops.get(address(reference, "/photo")).status_code == 404
    assert ops.put(address(reference, "/rules"), json={"rules": []}).status_code == 200
    found = ops.get(f"{API}/jobs", params={"search": reference}).json()["jobs"]
    assert reference in [job["reference"] for job in found]
    if reference in DRAWN:
        sheet = ops.post(f"{API}/sticker-sheets", json={"references": [reference]})
        assert (sheet.status_code, sheet.json()["total"]) == (201, 1)
    entries = [{"op": "advance", "id": reference, "reference": reference}, {"op": "delete", "reference": reference}]
    told = ops.post(f"{API}/jobs/batch", json={"entries": entries}).json()["verdicts"]
    assert [(one["reference"], one["result"]) for one in told] == [(reference, "moved"), (reference, "deleted")]
    assert ops.get(address(reference)).status_code == 404


def test_a_slash_and_the_letters_of_one_are_two_references(ops: TestClient) -> None:
    for path, reference in (("A%2FB", "A/B"), ("A%252FB", "A%2FB"), ("A%2fC", "A/C")):
        assert ops.put(f"{API}/jobs/{path}", json={}).json()["reference"] == reference
    assert ops.get(f"{API}/jobs/A%2FB").json()["token"] != ops.get(f"{API}/jobs/A%252FB").json()["token"]
    assert ops.post(f"{API}/jobs/A%2Fadvance").status_code == 405  # a job's own address, not the way of another


@pytest.mark.parametrize("reference", [".", "..", " R-1", "R-1 ", "a\x1fb", "a\x00b", "a\nb", "x" * 81])
def test_what_is_no_reference_is_refused_everywhere_and_told_why(ops: TestClient, reference: str) -> None:
    told = ops.post(f"{API}/jobs/batch", json={"entries": [{"op": "put", "reference": reference}]}).json()["verdicts"]
    assert [one["result"] for one in told] == ["refused"]
    assert "reference" in told[0]["problem"]
    if reference not in (".", ".."):  # which no client sends
        assert ops.put(address(reference), json={}).status_code == 422
        assert ops.get(address(reference)).status_code == 404


def test_an_address_that_a_proxy_has_decoded_says_so(ops: TestClient) -> None:
    answer = ops.put(f"{API}/jobs/RE-2027/7", json={"item": "Bicycle"})
    assert answer.status_code == 404
    assert "/api/v1/jobs/RE-2027%2F7" in answer.json()["detail"]
    assert "proxy" in answer.json()["detail"]
    assert ops.get(address("RE-2027/7")).status_code == 404


@pytest.mark.parametrize(
    ("typed", "found"),
    [("RE-2028/7711", True), ("re 2028 7711", True), ("REZO28-7711", False), ("RE-2029/7711", False)],
)
def test_a_reference_with_a_slash_is_found_as_it_is_read_aloud(ops: TestClient, typed: str, found: bool) -> None:
    assert ops.put(address("RE-2028/7711"), json={}).status_code in (200, 201)
    jobs = ops.get(f"{API}/jobs", params={"search": typed}).json()["jobs"]
    assert [job["reference"] for job in jobs] == (["RE-2028/7711"] if found else [])


@pytest.mark.parametrize("reference", ["RE-2026/1042", "RE-2026%2F1042", "50% ?/#"])
def test_pages_lead_to_each_other_and_forms_to_their_job(editor: Person, reference: str) -> None:  # noqa: F811
    path = make(editor, reference, item="Bicycle")
    assert path == f"/jobs/{quote(reference, safe='')}"
    assert f'href="{path}"' in editor.get("/jobs").text
    page = editor.get(path)
    assert (page.status_code, html.escape(reference) in page.text) == (200, True)
    move(editor, path, "diagnosis")
    revision = hidden(editor.get(path), "revision")
    edited = editor.send(f"{path}/edit", item="Red bicycle", revision=revision)
    assert (edited.status_code, edited.headers["location"]) == (303, path)
    [token] = re.findall(r"w\.example/j/([0-9A-Z]{16})", editor.get(path).text)[:1]
    scanned = editor.get(f"/jobs/by-code/{token}")
    assert (scanned.status_code, scanned.headers["location"]) == (303, path)
    for linked in re.findall(r'(?:href|src)="(/api/v1/jobs/[^"]+)"', editor.get(path).text):
        assert editor.get(html.unescape(linked)).status_code == 200, linked
    assert editor.get(f"{path}/delete").status_code == 200
    assert editor.send(f"{path}/delete").status_code == 303
    assert editor.get(path).status_code == 404


def test_who_has_to_sign_in_first_comes_back_to_that_job(browser: TestClient) -> None:  # noqa: F811
    browser.cookies.clear()
    for path in ("/jobs/RE-2026%2F1042?shop=B", "/jobs/50%25"):
        asked = browser.get(path)
        assert (asked.status_code, asked.headers["location"]) == (303, f"/login?next={quote(path, safe='')}")
