"""Jobs from the command line and through the real processes: the first one, files, tokens that never show, erasing."""

import gzip
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import httpx2
import pytest

from analytics.erasing import LINGER
from tests.running import IPHONE, Running, wait_for
from tests.test_cli import on_terminal


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(tmp_path_factory.mktemp("jobs")) as process:
        yield process


def owner(running: Running) -> dict[str, str]:
    return {"Authorization": f"Bearer {(running.data / 'owner.token').read_text()}"}


def ask(running: Running, method: str, path: str, body: Any = None) -> httpx2.Response:
    url = f"http://127.0.0.1:{running.private_port}{path}"
    return httpx2.request(method, url, json=body, headers=owner(running), trust_env=False, verify=False, timeout=60)


@contextmanager
def signed_in(running: Running) -> Iterator[httpx2.Client]:
    """A browser with the first owner's session."""
    with httpx2.Client(base_url=running.dashboard_url, trust_env=False, verify=False, timeout=30) as browser:
        path = "/" + ask(running, "POST", "/api/v1/owner/link").json()["url"].split("/", 3)[3]
        [csrf] = re.findall(r'name="csrf" value="([^"]+)"', browser.get(path).text)
        words = {"password": "correct horse battery", "password_again": "correct horse battery"}
        form = {"csrf": csrf, "name": "Olga", "email": "olga@example.org", **words}
        assert browser.post(path, data=form).status_code == 303
        yield browser


def scans_of(running: Running, token: str) -> int:
    """Scans it once, and waits until that is stored."""
    before = len(running.all_scans())
    assert running.scan(f"/{token}", User_Agent=IPHONE).status in (302, 303, 307)
    wait_for(lambda: len(running.all_scans()) > before, "the scan in the list")
    return len(running.all_scans())


def test_the_first_job_is_tracked_with_nothing_set_up(running: Running) -> None:
    told = running.cli("job", "add", "R-1", "--item", "Bicycle", "--customer-name", "A. N. Other")
    [link] = re.findall(r"http://localhost:\d+/j/[0-9A-Z]{16}", told)
    assert link.startswith(running.short_url)
    assert running.cli_json("job", "show", "R-1")["status_url"] == link
    assert "R-1" in running.cli("job", "list", "--open")
    assert running.cli_json("job", "advance", "R-1")["stage"] == "diagnosis"
    assert running.cli_json("job", "back", "R-1", "--reason", "a slip")["stage"] == "intake"
    assert running.cli_json("job", "move", "R-1", "ready")["phase"] == "ready"
    running.cli("job", "advance", "R-1", "--if-revision", "1", code=4)
    assert running.cli_json("job", "deliver", "R-1")["completed_at"]
    assert [stay["stage"] for stay in running.cli_json("job", "history", "R-1")["stays"]][-1] == "picked-up"
    running.cli("job", "advance", "R-1", code=2)
    running.cli("job", "delete", "R-1", code=2)  # asks, and nobody is there
    running.cli("job", "delete", "R-1", "--yes")
    running.cli("job", "show", "R-1", code=3)


def test_a_number_with_a_slash_is_typed_as_it_stands_on_the_slip(running: Running, tmp_path: Path) -> None:
    assert running.cli_json("job", "add", "RE-2026/1042", "--item", "Bicycle")["reference"] == "RE-2026/1042"
    assert running.cli_json("job", "advance", "RE-2026/1042", "--if-revision", "1")["reference"] == "RE-2026/1042"
    assert running.cli_json("job", "message", "RE-2026/1042")["reference"] == "RE-2026/1042"
    running.cli("job", "qr", "RE-2026/1042", "--output", str(tmp_path / "qr.svg"))
    running.cli("job", "add", "RE-2026/1042", "--new", "--item", "Another", code=4)
    assert running.cli_json("job", "show", "RE-2026/1042")["item"] == "Bicycle"
    rows = "reference,item\nRE-2026/1042,Red bicycle\nRE-2026/1043,Clock\nRE-2026%2F1043,Another\n"
    (tmp_path / "jobs.csv").write_text(rows)
    verdicts = running.cli_json("job", "sync", str(tmp_path / "jobs.csv"))["verdicts"]
    assert [told["result"] for told in verdicts] == ["changed", "created", "created"]
    assert running.cli_json("job", "show", "RE-2026%2F1043")["item"] == "Another"
    for reference in ("RE-2026/1042", "RE-2026/1043", "RE-2026%2F1043"):
        running.cli("job", "delete", reference, "--yes")
    running.cli("job", "show", "..", code=2)


def test_what_comes_next_is_said_as_it_can_be_pasted(running: Running) -> None:
    _code, shown = on_terminal(running, "job", "add", "R 1", columns=200, NO_COLOR="1")
    assert "`waymark job qr 'R 1'`" in shown
    assert f"Customers read localhost:{running.public_port} as the shop's name" in shown
    running.cli("job", "delete", "R 1", "--yes")


def test_how_long_jobs_take_and_what_happened_to_them(running: Running) -> None:
    asked = ("job", "report", "--kind", "brief")
    assert running.cli_json(*asked)["kinds"] == []
    running.cli("job", "add", "T-1", "--kind", "brief", "--due", "2099-12-24")
    running.cli("job", "deliver", "T-1")
    assert "1 finished, 1 of 1 promises kept (100%)" in running.cli(*asked)
    assert running.cli_json(*asked)["kinds"][0]["finished"] == 1
    events = running.cli_json("job", "events")
    assert [one["event"] for one in events["events"] if one["job"]["reference"] == "T-1"] == [
        "job.created",
        "job.delivered",
    ]
    assert "T-1" in running.cli("job", "events")
    assert running.cli_json("job", "events", "--after", str(events["next"]))["events"] == []
    running.cli("job", "delete", "T-1", "--yes")


def test_other_opening_hours_give_open_jobs_new_estimates(running: Running) -> None:
    """Not where a date was promised, nor where it is late: the customer reads so there, and of the new date."""
    shop = ask(running, "POST", "/api/v1/shops", {"name": "Clockwork", "zone": "Europe/Berlin"}).json()["id"]
    promised = {"due_at": "2099-12-24T10:00:00+01:00"}
    made = {
        reference: ask(running, "PUT", f"/api/v1/jobs/{reference}?shop=Clockwork", body).json()
        for reference, body in (("H-1", {}), ("H-2", promised), ("H-3", {}), ("H-4", {"stage": "ready"}))
    }
    with closing(sqlite3.connect(running.data / "waymark.db", timeout=10)) as database:
        database.execute("UPDATE jobs SET eta_at = '2026-01-05 10:00:00.000000' WHERE reference = 'H-3'")
        database.commit()

    def eta(reference: str) -> Any:
        return running.get(f"/jobs/{reference}", shop="Clockwork")["eta_at"]

    url = f"http://127.0.0.1:{running.public_port}/j/{made['H-1']['token'].lower()}"

    def sequence() -> int:
        return int(httpx2.get(f"{url}/calendar.ics", trust_env=False).text.partition("SEQUENCE:")[2].splitlines()[0])

    before, told = {reference: eta(reference) for reference in made}, sequence()
    mondays = {"opening_hours": {"mon": [["10:00", "12:00"]]}}
    assert ask(running, "PATCH", f"/api/v1/shops/{shop}", mondays).status_code == 200
    wait_for(lambda: eta("H-1") != before["H-1"], "a new estimate")
    changed = datetime.fromisoformat(eta("H-1")).astimezone(ZoneInfo("Europe/Berlin"))
    assert (changed.weekday(), 10 <= changed.hour <= 12) == (0, True)
    wait_for(lambda: sequence() > told, "the entry of calendars moved")
    wait_for(lambda: "Estimated: <bdi>Monday" in httpx2.get(url, trust_env=False).text, "the new date on its page")
    assert "On track" in httpx2.get(url, trust_env=False).text
    ask(running, "PATCH", f"/api/v1/shops/{shop}", {"opening_hours": None})
    wait_for(lambda: eta("H-1") == before["H-1"], "the estimate of before")
    assert {reference: eta(reference) for reference in made} == before
    assert running.get("/jobs/H-1", shop="Clockwork")["revision"] == made["H-1"]["revision"]
    moves = running.get("/jobs/H-1/history", shop="Clockwork")["moves"]
    assert [(move["action"], move["reason"]) for move in moves] == [
        ("create", ""),
        *[("estimate", "opening hours changed")] * 2,
    ]
    for reference in made:
        running.cli("job", "delete", reference, "--shop", "Clockwork", "--yes")


def test_other_working_hours_of_a_kind_give_its_open_jobs_new_estimates(running: Running, tmp_path: Path) -> None:
    made = ask(running, "PUT", "/api/v1/jobs/K-1", {"kind": "brief"}).json()
    url = f"http://127.0.0.1:{running.public_port}/j/{made['token'].lower()}"
    read = running.cli_json("kind", "show", "brief")
    read["stages"][0]["hours"] += 24 * 365
    (tmp_path / "brief.json").write_text(json.dumps(read))
    running.cli("kind", "set", "brief", str(tmp_path / "brief.json"))
    later = wait_for(
        lambda: eta if (eta := running.get("/jobs/K-1")["eta_at"]) != made["eta_at"] else None, "a new estimate"
    )
    assert datetime.fromisoformat(later).year > datetime.fromisoformat(made["eta_at"]).year
    wait_for(lambda: later[:4] in httpx2.get(url, trust_env=False).text, "the new date on its page")
    running.cli("kind", "reset", "brief")
    wait_for(lambda: running.get("/jobs/K-1")["eta_at"] == made["eta_at"], "the estimate of before")
    running.cli("job", "delete", "K-1", "--yes")


def test_files_of_a_job(running: Running, tmp_path: Path) -> None:
    running.cli("job", "add", "F-1")
    running.cli("job", "qr", "F-1", "--output", str(tmp_path / "slip.png"), "--size-mm", "30")
    assert running.cli_json("job", "photo", "F-1", str(tmp_path / "slip.png"))["has_photo"]
    running.cli("job", "photo", "F-1", "--output", str(tmp_path / "photo.jpg"))
    assert (tmp_path / "photo.jpg").read_bytes().startswith(b"\xff\xd8")
    assert not running.cli_json("job", "photo", "F-1", "--remove")["has_photo"]
    running.cli("job", "photo", "F-1", code=2)
    running.cli("job", "history", "F-1", "--output", str(tmp_path / "history.csv"))
    assert (tmp_path / "history.csv").read_text("utf-8-sig").startswith("reference,")
    assert running.cli_json("job", "qr", "F-1", "--format", "svg")["content"].startswith("<svg")
    running.cli("job", "export", str(tmp_path / "jobs.ndjson"))
    assert '"F-1"' in (tmp_path / "jobs.ndjson").read_text()
    before = running.cli_json("job", "show", "F-1")
    running.cli("job", "delete", "F-1", "--yes")
    (tmp_path / "one.ndjson").write_text(
        next(line for line in (tmp_path / "jobs.ndjson").read_text().splitlines() if '"F-1"' in line)
    )
    assert running.cli_json("job", "sync", str(tmp_path / "one.ndjson"), "--errors", str(tmp_path / "errors.csv"))[
        "counts"
    ] == {"created": 1}
    after = running.cli_json("job", "show", "F-1")
    assert [after[name] for name in ("item", "stage", "stage_at", "shop")] == [
        before[name] for name in ("item", "stage", "stage_at", "shop")
    ]
    assert after["token"] != before["token"]


def test_a_file_of_another_system_is_taken_row_by_row(running: Running, tmp_path: Path) -> None:
    file, errors = tmp_path / "jobs.csv", tmp_path / "errors.csv"
    file.write_text("reference;item;stage\nS-1;Bicycle;\nS-2;Clock;ready\nS-3;Lamp;nowhere\n")
    told = json.loads(running.cli("job", "sync", str(file), "--errors", str(errors), "--json", code=4))
    assert told["counts"] == {"created": 2, "refused": 1}
    assert [(row["line"], row["result"]) for row in told["verdicts"]] == [
        (2, "created"),
        (3, "created"),
        (4, "refused"),
    ]
    assert "no stage 'nowhere'" in errors.read_text()
    told = json.loads(running.cli("job", "sync", str(file), "--errors", str(errors), "--json", code=4))
    assert told["counts"] == {"unchanged": 2, "refused": 1}
    file.write_text('{"reference": "S-1", "op": "advance", "id": "a"}\n{"reference": "S-1", "itm": "x"}\n')
    told = json.loads(running.cli("job", "sync", str(file), "--errors", str(errors), "--json", code=4))
    assert told["counts"] == {"moved": 1, "refused": 1}
    told = json.loads(running.cli("job", "sync", str(file), "--errors", str(errors), "--json", code=4))
    assert told["counts"] == {"seen before": 1, "refused": 1}
    file.write_text("number,item\n1,x\n")
    running.cli("job", "sync", str(file), code=2)
    file.write_text("reference,stage\nS-9,nowhere\n")
    running.cli("job", "sync", str(file), "--errors", str(errors), code=4)
    running.cli("job", "sync", str(tmp_path / "absent.csv"), code=2)


def test_a_log_of_stages_sent_again_makes_no_moves_that_never_were(running: Running, tmp_path: Path) -> None:
    file, errors = tmp_path / "log.csv", tmp_path / "errors.csv"

    def stages(reference: str) -> list[str]:
        return [move["to_stage"] for move in running.cli_json("job", "history", reference)["moves"]]

    file.write_text("reference,stage,item\nL-1,intake,Clock\nL-2,ready,\nL-1,repair,\n")
    told = running.cli_json("job", "sync", str(file))
    assert [(row["line"], row["earlier_lines"], row["result"]) for row in told["verdicts"]] == [
        (3, [], "created"),
        (4, [2], "created"),
    ]
    assert running.cli_json("job", "sync", str(file))["counts"] == {"unchanged": 2}
    assert (stages("L-1"), running.cli_json("job", "show", "L-1")["item"]) == (["repair"], "Clock")
    _code, shown = on_terminal(running, "job", "sync", str(file), columns=200, NO_COLOR="1")
    assert "1 row was taken as one with a later row of the same job" in shown

    file.write_text("op,id,reference,stage\nput,,L-3,repair\nadvance,a,L-3,\n")
    told = json.loads(running.cli("job", "sync", str(file), "--errors", str(errors), "--json", code=4))
    assert [row["result"] for row in told["verdicts"]] == ["refused", "refused"]  # there is no L-3 to advance
    assert "line 3 says what became of this job later" in errors.read_text()

    times = ("2026-03-02T09:00Z", "2026-03-02T11:00Z")
    file.write_text(f"reference,stage,at\nL-4,intake,{times[0]}\nL-4,repair,{times[1]}\n")
    for _ in range(2):
        running.cli("job", "sync", str(file))
    assert stages("L-4") == ["intake", "repair"]
    for number in (1, 2, 4):
        running.cli("job", "delete", f"L-{number}", "--yes")


def test_times_are_those_of_the_shops_clock(running: Running) -> None:
    for name, zone, short in (("Far East", "Asia/Tokyo", "JST"), ("Andes", "America/Lima", "-05")):
        running.cli("shop", "add", name)
        running.cli("shop", "update", name, "--zone", zone)
        made = running.cli("job", "add", "Z-1", "--due", "2099-12-24T18:00", "--shop", name)
        assert f"promised     2099-12-24 18:00 {short}" in made
        assert f"2099-12-24 18:00 {short}" in running.cli("job", "list", "--shop", name)
        assert f"2099-12-24 18:00 {short}" in running.cli("job", "history", "Z-1", "--shop", name)
        assert re.search(rf"\d\d:\d\d {short} .*{name}", running.cli("job", "events", "--job", "Z-1"))
        assert re.search(rf"tracking  +on, since .* {short}", running.cli("shop", "show", name))
    assert running.cli_json("job", "show", "Z-1", "--shop", "Far East")["due_at"] == "2099-12-24T09:00:00Z"
    for name in ("Far East", "Andes"):
        running.cli("job", "delete", "Z-1", "--yes", "--shop", name)


def test_what_finds_no_job_says_so(running: Running) -> None:
    _code, shown = on_terminal(running, "job", "list", "--search", "no such thing", columns=200, NO_COLOR="1")
    assert "No job matches. `waymark job list` alone shows all there are." in shown
    assert running.cli_json("job", "list", "--search", "no such thing")["jobs"] == []
    _code, shown = on_terminal(running, "job", "list", "--kind", "repiar", columns=300, NO_COLOR="1")
    assert "Did you mean repair? There are repair, order" in shown
    running.cli("job", "list", "--kind", "repiar", code=3)
    running.cli("job", "list", "--stage", "nosuch", code=2)
    running.cli("job", "report", "--kind", "repiar", code=3)
    running.cli("job", "stickers", "--stage", "nosuch", code=2)


def test_a_watched_file_is_sent_as_it_changes_and_after_an_outage(tmp_path: Path) -> None:
    file, errors, said = tmp_path / "jobs.csv", tmp_path / "errors.csv", tmp_path / "said"
    file.write_text("reference,item\nW-1,Bicycle\nW-2,Clock\n")
    with Running(tmp_path) as running:
        command = [sys.executable, "-m", "waymark.cli", "job", "sync", str(file), "--watch", "--every", "1"]
        with said.open("w") as out:
            watching = subprocess.Popen(
                [*command, "--errors", str(errors), "--config", str(running.config)],
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
            )
        try:
            wait_for(lambda: len(running.get("/jobs")["jobs"]) == 2, "the file's jobs")
            file.write_text("reference,item\nW-1,Bicycle\nW-2,Watch\n")
            wait_for(lambda: running.get("/jobs/W-2")["item"] == "Watch", "the changed row")
            assert running.get("/jobs/W-1")["revision"] == 1
            file.write_text("reference,item\nW-1,Bicycle\nW-2,Watch\nW-10")
            wait_for(lambda: errors.exists() and "the file ends within it" in errors.read_text(), "a line cut off")
            file.unlink()
            wait_for(lambda: "cannot be read" in said.read_text(), "a missing file")
            running.stop()
            file.write_text("reference,item\nW-1,Bicycle\nW-2,Watch\nW-3,Lamp\n")
            wait_for(lambda: "Trying again" in said.read_text(), "a retry")
            running.start()
            wait_for(lambda: len(running.get("/jobs")["jobs"]) == 3, "the row that came during the outage", 60)
            assert running.get("/jobs/W-3")["item"] == "Lamp"
        finally:
            watching.send_signal(signal.SIGINT)
            assert watching.wait(20) == 130, said.read_text()


def test_a_slip_leads_elsewhere_by_how_its_job_stands(running: Running, tmp_path: Path) -> None:
    token = running.cli_json("job", "add", "S-1")["token"]
    page = f"/j/{token.lower()}"
    rules = [
        {"name": "Ready", "when": [{"job": ["ready"]}], "to": "https://example.com/pick-up"},
        {"name": "Done", "when": [{"job": ["done"]}], "to": "https://example.com/review"},
    ]
    (tmp_path / "rules.json").write_text(json.dumps(rules))
    shown = running.cli("job", "rules", "S-1", "--file", str(tmp_path / "rules.json"))
    assert "job is done" in shown
    assert "the job's page" in shown
    assert [rule["name"] for rule in running.cli_json("job", "rules", "S-1")] == ["Ready", "Done"]

    def leads_to() -> str:
        return running.scan(f"/{token}", "HEAD", User_Agent=IPHONE).headers["Location"]

    assert leads_to() == page
    running.cli("job", "move", "S-1", "ready")
    wait_for(lambda: leads_to() == "https://example.com/pick-up", "the pick-up page")
    running.cli("job", "deliver", "S-1")
    wait_for(lambda: leads_to() == "https://example.com/review", "the review page")
    running.cli("job", "rules", "S-1", "--clear")
    wait_for(lambda: leads_to() == page, "its own page again")
    refused = ask(running, "PUT", "/api/v1/jobs/S-1/rules", {"rules": [{"when": [], "to": "javascript:alert(1)"}]})
    assert refused.status_code == 422
    with closing(sqlite3.connect(f"file:{running.data / 'waymark.db'}?mode=ro", uri=True)) as database:
        subjects = " ".join(row[0] for row in database.execute("SELECT subject FROM audit"))
    assert "job S-1" in subjects
    assert token not in subjects


def test_shops_and_kinds_from_the_command_line(running: Running, tmp_path: Path) -> None:
    changed = running.cli_json(
        "shop", "update", "--phone", "+49 30 1", "--hours", "mon-fri 09:00-18:00; sat 10:00-14:00"
    )
    assert (changed["phone"], changed["opening_hours"]["sat"]) == ("+49 30 1", [["10:00", "14:00"]])
    assert "none set: estimates count every hour" in running.cli("shop", "update", "--hours", "")
    assert "2026-12-24 to 2026-12-26 Christmas" in running.cli(
        "shop", "update", "--holidays", "2026-12-24 to 2026-12-26 Christmas; 2027-01-01"
    )
    running.cli("shop", "update", "--holidays", "Christmas", code=2)
    assert running.cli_json("shop", "update", "--holidays", "")["holidays"] == []
    running.cli("shop", "update", "--zone", "Europe/Nowhere", code=2)
    running.cli("shop", "show", "Elsewhere", code=3)
    running.cli("shop", "add", "Second")
    for number in range(3):
        running.cli("job", "add", f"X-{number}", "--shop", "Second")
    assert running.cli_json("shop", "tracking", "withdrawn", "Second")["tracking"] == "withdrawn"
    assert running.cli_json("job", "add", "X-9", "--shop", "Second")["token"] is None
    assert running.cli_json("shop", "tracking", "on", "Second")["without_code"] == 0
    assert running.cli_json("job", "show", "X-9", "--shop", "Second")["token"]
    counted = running.cli("shop", "wipe", "Second")
    assert "nothing: it was only counted" in counted
    assert "waymark job export jobs.ndjson --shop Second\n" in counted
    assert "waymark shop wipe Second --confirm Second\n" in counted
    assert running.cli_json("shop", "wipe", "Second")["jobs"] == 4
    running.cli("shop", "wipe", "Second", "--confirm", "second", code=4)
    assert running.cli_json("shop", "wipe", "Second", "--confirm", "Second")["work"]["state"] == "done"
    assert running.cli_json("job", "list", "--shop", "Second")["jobs"] == []
    kind = tmp_path / "kind.json"
    kind.write_text(running.cli("kind", "show", "ticket", "--json"))
    assert running.cli_json("kind", "set", "ticket", str(kind), "--keep-done", "30")["keep_done_days"] == 30
    assert running.cli_json("kind", "set", "support", str(kind))["built_in"] is False
    assert "support" in running.cli("kind", "list")
    seen = json.loads(kind.read_text())["version"]
    running.cli("kind", "set", "ticket", str(kind), "--if-version", seen, code=4)
    running.cli("kind", "reset", "ticket", "--if-version", seen, code=4)
    assert running.cli_json("kind", "show", "ticket")["keep_done_days"] == 30
    running.cli("kind", "reset", "support")
    running.cli("kind", "reset", "ticket")
    running.cli("kind", "show", "support", code=3)
    running.cli("kind", "set", "ticket", code=2)


def test_a_jobs_token_shows_nowhere_but_with_its_job(running: Running) -> None:
    token = running.cli_json("job", "add", "T-1")["token"]
    running.cli("code", "add", "https://example.com/", "--slug", "poster")
    scans_of(running, token)
    wait_for(lambda: any(scan["code"] == "job:T-1" for scan in running.all_scans()), "the job's reference in the list")
    owned = f"/api/v1/codes/{token}"
    for method, path, body in [
        ("GET", owned, None),
        ("PATCH", owned, {"destination": "https://example.com/"}),
        ("POST", f"{owned}/undo", None),
        ("GET", f"{owned}/versions", None),
        ("GET", f"{owned}/qr.svg", None),
        ("GET", f"/api/v1/scans?code={token}", None),
    ]:
        assert ask(running, method, path, body).status_code == 404, (method, path)
    shown = {
        path: ask(running, "GET", path)
        for path in (
            "/api/v1/codes?limit=500",
            "/api/v1/codes?search=T-1",
            "/api/v1/export/codes.csv",
            "/api/v1/export/codes.ndjson",
            "/api/v1/export/map/nginx",
            "/api/v1/export/map/_redirects",
            "/api/v1/scans",
            "/api/v1/reports/codes",
            "/api/v1/reports/versions",
            "/api/v1/reports/timeseries",
            "/api/v1/alerts",
            "/api/v1/status",
        )
    }
    with signed_in(running) as browser:
        shown |= {path: browser.get(path) for path in ("/", "/codes", "/codes?search=T-1")}
        assert browser.get(f"/codes/{token}").status_code == 404
        assert "job:T-1" in shown["/"].text
    assert {name: answer.status_code for name, answer in shown.items() if answer.status_code != 200} == {}
    shown["bulk"] = ask(running, "POST", "/api/v1/bulk", {"codes": [token], "destination": "https://example.com/"})
    shown["bulk search"] = ask(
        running, "POST", "/api/v1/bulk", {"search": "T-1", "destination": "https://example.com/"}
    )
    shown["sheet"] = ask(running, "POST", "/api/v1/sheets", {"search": "", "stock": "dymo-99010"})
    for name, answer in shown.items():
        if name != "bulk":  # which names what it was asked for
            assert token.lower() not in answer.text.lower(), name
    assert shown["bulk"].json()["changed"] == 0
    assert shown["bulk"].json()["problems"]
    assert shown["bulk search"].json()["changed"] == 0
    listed = shown["/api/v1/codes?limit=500"].json()
    assert [code["code"] for code in listed["codes"]] == ["poster"]
    for words in (("code", "list"), ("code", "list", "--search", "T-1")):
        assert token not in running.cli(*words)
    assert token not in running.log.read_text()


def test_a_jobs_token_does_not_show_in_the_live_feed(running: Running) -> None:
    token = running.cli_json("job", "add", "L-1")["token"]
    url = f"http://127.0.0.1:{running.private_port}/api/v1/live"
    with httpx2.stream("GET", url, headers=owner(running), trust_env=False, verify=False, timeout=30) as feed:
        lines = feed.iter_lines()
        assert next(lines)
        running.scan(f"/{token}", User_Agent=IPHONE)
        told = next(line for line in lines if line.startswith("data:"))
    assert token.lower() not in told.lower()


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
def test_what_was_scanned_of_a_deleted_job_goes_from_store_journal_and_backup(tmp_path: Path) -> None:
    with Running(tmp_path) as running:
        token = running.cli_json("job", "add", "E-1")["token"]
        kept = running.cli_json("job", "add", "E-2")["token"]
        running.cli("code", "add", "https://example.com/", "--slug", "poster")
        for path in (token, kept, "poster"):
            running.scan(f"/{path}", User_Agent=IPHONE)
            running.scan(f"/j/{path}", User_Agent=IPHONE)
        wait_for(lambda: len(running.all_scans()) >= 3, "all scans")
        count = len(running.all_scans())
        held = journal_lines(running.data)
        running.cli("job", "delete", "E-1", "--yes")
        wait_for(lambda: len(running.all_scans()) < count, "the scans to go")
        assert {scan["code"] for scan in running.all_scans()} == {"job:E-2", "poster"}
        time.sleep(LINGER.total_seconds())
        running.kill("waymark.public")  # its next run begins another segment
        wait_for(lambda: running.scan("/poster", User_Agent=IPHONE).status == 302, "the worker to be back")
        wait_for(lambda: any(b'["erased",' in line for line in journal_lines(running.data)), "the lines to go", 60)
        now = journal_lines(running.data)
        erased = [number for number, line in enumerate(now) if line.startswith(b'["erased",')]
        assert [len(line) for line in now[: len(held)]] == [len(line) for line in held]
        assert all(str(held[number]) not in map(str, now) for number in erased)
        assert any(b'["scan",' in line for line in now)
        running.back_up()
        [parquet] = running.data.glob("backups/*/scans*.parquet")
        with duckdb.connect() as reader:
            [(codes,)] = reader.execute(
                "SELECT count(DISTINCT code_id) FROM read_parquet(?)", [str(parquet)]
            ).fetchall()
        assert codes == 2


def journal_lines(data: Path) -> list[bytes]:
    found: list[bytes] = []
    for path in sorted((data / "journal").glob("public-*.jsonl*")):
        if path.name.endswith((".jsonl", ".jsonl.gz")):
            opened = gzip.open if path.suffix == ".gz" else open
            with opened(path, "rb") as file:
                found += [line for line in file if not line.startswith(b'["stats"')]
    return found


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
def test_codes_for_all_jobs_are_given_to_the_end_although_the_process_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "jobs.csv"
    file.write_text("reference\n" + "".join(f"K-{number}\n" for number in range(1500)))
    with Running(tmp_path) as running:
        running.cli("shop", "tracking", "frozen")
        assert running.cli_json("job", "sync", str(file))["counts"] == {"created": 1500}
        ask(running, "POST", "/api/v1/shops/1/tracking", {"tracking": "on"})
        running.kill("waymark.private")
        wait_for(lambda: ask_safely(running, "/api/v1/shops/1"), "the private process to be back", 60)
        wait_for(lambda: running.get("/shops/1")["without_code"] == 0, "codes for all jobs", 60)
        wait_for(lambda: running.get("/shops/1")["work"]["state"] == "done", "the end of the task")
        found: list[dict[str, Any]] = []
        cursor: str | None = None
        while not found or cursor:
            page = running.get("/jobs", limit=500, **({"cursor": cursor} if cursor else {}))
            found, cursor = [*found, *page["jobs"]], page["next"]
        assert len({job["token"] for job in found}) == len(found) == 1500


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
def test_a_file_broken_off_by_a_killed_process_is_sent_again_to_its_end(tmp_path: Path) -> None:
    file, errors = tmp_path / "jobs.ndjson", tmp_path / "errors.csv"
    rows = [{"reference": f"K-{number}", "op": op} for number in range(1500) for op in ("put", "advance")]
    file.write_text("\n".join(json.dumps({**row, "id": f"{row['op']} {row['reference']}"}) for row in rows))
    with Running(tmp_path) as running:
        command = [sys.executable, "-m", "waymark.cli", "job", "sync", str(file), "--watch", "--every", "1"]
        command += ["--errors", str(errors), "--config", str(running.config)]
        watching = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            wait_for(lambda: running.get("/jobs", limit=1)["total"], "the first jobs")
            running.kill("waymark.private")
            wait_for(lambda: ask_safely(running, "/api/v1/jobs?limit=1"), "the private process to be back", 60)
            wait_for(lambda: running.get("/jobs", limit=1)["total"] == 1500, "all jobs", 120)
        finally:
            watching.send_signal(signal.SIGINT)
            watching.wait(20)
        told = running.cli_json("job", "sync", str(file), "--errors", str(errors))
        assert told["counts"].get("refused", 0) == 0
        assert sum(told["counts"].values()) == len(rows)
        with closing(sqlite3.connect(f"file:{running.data / 'waymark.db'}?mode=ro", uri=True)) as database:
            counted = "SELECT count(*), count(DISTINCT job_id) FROM job_moves"
            assert database.execute(counted).fetchone() == (len(rows), 1500)
            assert database.execute("SELECT DISTINCT stage, revision FROM jobs").fetchall() == [("diagnosis", 2)]


def ask_safely(running: Running, path: str) -> bool:
    try:
        return ask(running, "GET", path).status_code == 200
    except httpx2.TransportError:
        return False
