"""The board of a busy shop over the real ports: pages, search, stickers, without a script; and over API and command line."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import httpx2
import pypdfium2
import pytest

from dashboard.board_views import CARDS_PER_COLUMN, PAGE_SIZE
from tests.running import Running, wait_for
from tests.symbols import read_symbols
from tests.test_job_process import ask, signed_in
from tests.test_pages import hidden, web_build  # noqa: F401

REPAIRS, TICKETS = 130, 20
STAGES = ("intake", "diagnosis", "ready")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(tmp_path_factory.mktemp("board")) as process:
        entries = [
            {
                "op": "put",
                "reference": f"R-{1000 + number}",
                "stage": STAGES[number % 3],
                "item": "Bicycle" if number % 2 else "Clock",
                "due_at": f"20{26 if number == 7 else 30}-01-{1 + number % 28:02}T12:00:00Z",
            }
            for number in range(REPAIRS)
        ]
        entries += [{"op": "put", "reference": f"T-{number}", "kind": "ticket"} for number in range(TICKETS)]
        for start in range(0, len(entries), 50):
            answer = ask(process, "POST", "/api/v1/jobs/batch", {"entries": entries[start : start + 50]})
            assert {verdict["result"] for verdict in answer.json()["verdicts"]} == {"created"}, answer.text
        yield process


@pytest.fixture(scope="module")
def member(running: Running) -> Iterator[httpx2.Client]:
    with signed_in(running) as browser:
        yield browser


def shown(page: httpx2.Response) -> list[str]:
    assert page.status_code == 200, page.text
    return re.findall(r'<a class="job-link"[^>]*><bdi>([^<]+)</bdi>', page.text)


def link(page: httpx2.Response, attribute: str) -> str:
    found = re.search(rf'<a [^>]*{attribute}[^>]*href="([^"]+)"', page.text)
    return unescape(found[1]) if found else ""


def test_the_board_shows_the_head_of_each_column_and_leads_to_the_rest(member: httpx2.Client) -> None:
    board = member.get("/jobs?kind=repair")
    assert len(shown(board)) == len(STAGES) * CARDS_PER_COLUMN
    assert f"{REPAIRS} open" in board.text
    assert shown(board)[0] == "R-1000"  # due first
    way = re.search(r'href="([^"]+)">All 44<span class="vh"> at Intake', board.text)
    assert way is not None
    intake = member.get(unescape(way[1]))
    assert (len(shown(intake)), "1 to 44 of 44" in intake.text) == (44, True)
    assert "Diagnosis 43" in intake.text


def test_every_job_is_on_exactly_one_page_of_a_list(member: httpx2.Client) -> None:
    found, path = [], "/jobs?show=list"
    while path:
        page = member.get(path)
        assert len(shown(page)) <= PAGE_SIZE
        found += shown(page)
        path = link(page, 'rel="next"')
    assert len(found) == len(set(found)) == REPAIRS + TICKETS
    assert f"{REPAIRS + 1} to {REPAIRS + TICKETS} of {REPAIRS + TICKETS}" not in page.text
    assert shown(member.get(link(page, 'rel="prev"')))[-1] == found[2 * PAGE_SIZE - 1]
    assert shown(member.get("/jobs?show=list&page=99")) == shown(page)
    assert shown(member.get("/jobs?show=list&sort=newest"))[0] == f"T-{TICKETS - 1}"


def test_late_jobs_are_counted_and_listed(running: Running, member: httpx2.Client) -> None:
    late = [job["reference"] for job in running.get("/jobs", late="true")["jobs"]]
    assert "R-1007" in late
    assert f"{len(late)} late" in member.get("/jobs").text
    assert sorted(shown(member.get("/jobs?show=late"))) == sorted(late)


def test_a_job_is_found_by_its_link_and_by_what_somebody_misreads(running: Running, member: httpx2.Client) -> None:
    job = running.get("/jobs/R-1042")
    token = job["token"]
    typed = [job["status_url"], job["short_url"], f"{token[:8]} {token[8:]}", "r 1O42", "r-l042", "1042"]
    for text in typed:
        assert shown(member.get("/jobs", params={"q": text})) == ["R-1042"], text
        assert [found["reference"] for found in running.get("/jobs", search=text)["jobs"]] == ["R-1042"], text
    assert "No job is like that" in member.get("/jobs", params={"q": token[:-1]}).text


def test_api_and_command_line_page_by_due_date(running: Running) -> None:
    first = running.get("/jobs", sort="due", limit=100)
    second = running.get("/jobs", sort="due", limit=100, cursor=first["next"])
    found = [job["reference"] for page in (first, second) for job in page["jobs"]]
    assert (len(set(found)), first["total"], second["next"]) == (REPAIRS + TICKETS, REPAIRS + TICKETS, None)
    every = running.cli_json("job", "list", "--all", "--sort", "due")
    assert [job["reference"] for job in every["jobs"]] == found
    some = running.cli_json("job", "list", "--kind", "ticket", "--limit", "5")
    assert (len(some["jobs"]), some["total"]) == (5, TICKETS)
    refused = ask(running, "GET", "/api/v1/jobs?cursor=nonsense")
    assert (refused.status_code, "`next` of the page before" in refused.text) == (422, True)


def links_on(document: bytes) -> list[str]:
    pages = [page.render(scale=4).to_pil() for page in pypdfium2.PdfDocument(document)]
    return sorted(found.text.lower() for page in pages for found in read_symbols(page))


def links_of(running: Running, **asked: str) -> list[str]:
    return sorted(job["short_url"].lower() for job in running.get("/jobs", limit=500, **asked)["jobs"])


def test_ticked_jobs_get_stickers_that_lead_to_them(running: Running, member: httpx2.Client) -> None:
    board = member.get("/jobs?kind=repair")
    boxes = re.findall(r'name="job" value="(\d+)" aria-label="Choose ([^"]+)"', board.text)
    [(first, one), (second, other)] = boxes[:2]
    page = member.get("/stickers", params={"job": [first, second], "kind": "repair"})
    assert ("For 2 jobs" in page.text, f"<bdi>{one}</bdi>, <bdi>{other}</bdi>" in page.text) == (True, True)
    form = {
        "csrf": hidden(page),
        "jobs": hidden(page, "jobs"),
        "stock": "avery-l7160",
        "start_cell": "2",
        "copies": "1",
    }
    assert member.post("/stickers", data={**form, "copies": "none"}).status_code == 422
    assert member.post("/stickers", data=form).headers["location"] == "/stickers#made"
    made = unescape(re.findall(r'href="(/api/v1/sticker-sheets/\d+/file)"', member.get("/stickers").text)[0])
    expected = sorted(running.get(f"/jobs/{reference}")["short_url"].lower() for reference in (one, other))
    assert links_on(member.get(made).content) == expected
    number = made.split("/")[-2]
    assert ask(running, "GET", f"/api/v1/sheets/{number}/file").status_code == 404  # viewers may read those
    csrf = hidden(member.get("/stickers"))
    assert member.post(f"/stickers/{number}/end", data={"csrf": csrf}).status_code == 303
    assert member.get(made).status_code == 404


def test_all_that_the_board_shows_get_stickers_in_the_background(
    running: Running, member: httpx2.Client, tmp_path: Path
) -> None:
    page = member.get("/stickers?all=1&kind=repair&q=bicycle")
    assert "For 65 jobs" in page.text
    form = {"csrf": hidden(page), "all": "1", "kind": "repair", "q": "bicycle", "stock": "avery-l7160"}
    assert member.post("/stickers", data={**form, "start_cell": "1", "copies": "1"}).status_code == 303
    [sheet] = [one for one in running.get("/sticker-sheets")["sheets"] if one["total"] == 65]
    path = f"/sticker-sheets/{sheet['id']}"
    done = wait_for(lambda: one if (one := running.get(path))["state"] == "done" else None, "the stickers", 120)
    expected = links_of(running, kind="repair", search="bicycle")
    assert len(expected) == 65
    assert links_on(member.get(done["file"]).content) == expected
    file = tmp_path / "late.pdf"
    running.cli("job", "stickers", "--late", "--output", str(file))
    assert links_on(file.read_bytes()) == links_of(running, late="true")
    assert (running.data / "stickers").stat().st_mode & 0o077 == 0
    running.cli("job", "stickers", "--output", str(file), code=2)
    running.cli("job", "stickers", "R-1000", "--open", "--output", str(file), code=2)
    assert ask(running, "POST", "/api/v1/sticker-sheets", {"kind": "brief"}).status_code == 422


def test_without_a_choice_the_stickers_page_says_how_to_make_one(member: httpx2.Client) -> None:
    assert "Tick jobs on the" in member.get("/stickers").text
    none = member.get("/stickers?all=1&q=nothing-like-this")
    assert ("No job is chosen" in none.text, 'role="alert"' in none.text) == (True, True)
    assert "For 1 job<" not in member.get("/stickers?job=999999").text


def test_stickers_go_with_the_jobs_of_a_shop_that_is_wiped(running: Running) -> None:
    shop = ask(running, "POST", "/api/v1/shops", {"name": "Closing down"}).json()["id"]
    assert ask(running, "PUT", "/api/v1/jobs/C-1?shop=Closing+down", {}).status_code == 201
    made = ask(running, "POST", "/api/v1/sticker-sheets?shop=Closing+down", {"references": ["C-1"]}).json()
    assert made["state"] == "done"
    assert list((running.data / "stickers").glob("*.pdf"))
    assert ask(running, "POST", f"/api/v1/shops/{shop}/wipe", {"confirm": "Closing down"}).json()["begun"]
    wait_for(lambda: not list((running.data / "stickers").glob("*")), "the files to go")
    gone = ask(running, "GET", made["file"])
    assert (gone.status_code, "make it again" in gone.text) == (404, True)
