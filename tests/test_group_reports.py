"""Campaigns, placements, batches, splits and version marks, from scans at the real public port to API, pages and CLI.

What is reported is counted again from the raw list of scans.
"""

import html
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from tests.running import IPHONE, PIXEL, Running, wait_for
from tests.test_pages import PASSWORD, hidden

DESKTOP = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 Safari/537.36"
)
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
RULES: list[dict[str, Any]] = [
    {"name": "Android", "when": [{"os": ["android"]}], "to": "https://example.com/android"},
    {
        "name": "Trial",
        "when": [{"device": ["mobile"]}],
        "split": [
            {"name": "A", "weight": 1, "to": "https://example.com/a"},
            {"name": "B", "weight": 1, "to": "https://example.com/b"},
        ],
    },
]
REPORTS = (
    *("timeseries", "summary", "devices", "hours", "regions", "referrers"),
    *("networks", "versions", "rules", "variants", "codes"),
)
# slug -> campaign, placement
CODES = {
    "door": ("Spring 26", "Café / Door"),
    "bar": ("Spring 26", "Café / Bar"),
    "hall": ("Autumn", "Hall / Stage"),
    "alone": (None, None),
}
GROUPS: dict[str, tuple[dict[str, str], set[str]]] = {
    "a campaign": ({"campaign": "Spring 26"}, {"door", "bar"}),
    "a campaign in other letters": ({"campaign": "AUTUMN"}, {"hall"}),
    "a spot": ({"placement": "Café / Bar"}, {"bar"}),
    "a venue": ({"placement": "Café"}, {"door", "bar"}),
    "a print batch": ({"batch": "May"}, {"bar", "alone"}),
    "a campaign at a spot": ({"campaign": "Spring 26", "placement": "Café / Door"}, {"door"}),
    "a campaign and a code of another": ({"campaign": "Spring 26", "code": "hall"}, set()),
    "a campaign and a tag": ({"campaign": "Spring 26", "tag": "loud"}, {"bar"}),
}


def send(waymark: Running, method: str, path: str, body: Any = None, status: int = 200) -> Any:
    headers = {"Authorization": f"Bearer {(waymark.data / 'owner.token').read_text()}"}
    url = f"http://127.0.0.1:{waymark.private_port}/api/v1{path}"
    answer = httpx2.request(method, url, json=body, headers=headers, trust_env=False, verify=False, timeout=30)
    assert answer.status_code in (status, 201), answer.text
    return answer.json()


@pytest.fixture(scope="module")
def waymark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Four codes, of which one has rules; phones, computers and bots scan them."""
    with Running(tmp_path_factory.mktemp("groups")) as running:
        for name, cost in (("Spring 26", 1000), ("Autumn", None)):
            money = {"cost_minor": cost, "currency": "EUR"} if cost else {}
            send(running, "POST", "/campaigns", {"name": name, **money})
        for venue, spot in (("Café", "Door"), ("Café", "Bar"), ("Hall", "Stage")):
            send(running, "POST", "/placements", {"venue": venue, "spot": spot, "zone": "Europe/Paris"})
        for slug, (campaign, placement) in CODES.items():
            fields: dict[str, Any] = {"campaign": campaign, "placement": placement} if campaign else {}
            if slug == "bar":
                fields |= {"rules": RULES, "tags": ["loud"]}
            send(running, "POST", "/codes", {"destination": f"https://example.com/{slug}", "slug": slug, **fields})
        may = {"name": "May", "printed_on": "2026-05-01", "quantity": 10, "codes": ["bar", "alone"]}
        send(running, "POST", "/batches", {**may, "cost_minor": 300, "currency": "JPY"})
        for slug in CODES:
            wait_for(lambda slug=slug: running.scan(f"/{slug}", method="HEAD").status == 302, slug)  # type: ignore[misc]
        for slug, times in (("door", 3), ("bar", 2), ("hall", 4), ("alone", 1)):
            for agent in (IPHONE, PIXEL, DESKTOP, BOT):
                for _ in range(times):
                    running.scan(f"/{slug}", User_Agent=agent)
        arrived(running)
        yield running


def arrived(waymark: Running) -> None:
    """Every answered scan is in the store: one worker's come in the order of its answers, so the last one shows it."""
    last = uuid4().hex
    assert waymark.scan(f"/door?utm_content={last}", "HEAD").status == 302

    def is_there() -> bool:
        return any(row["query"].get("utm_content") == last for row in waymark.all_scans(code="door"))

    wait_for(is_there, "every scan in the store")


def rows_of(waymark: Running, slugs: set[str] | None) -> list[Any]:
    """Counted scans by people, from the raw list, narrowed by what was set up and not by a filter; None: all."""
    everything = waymark.all_scans(counted=True)
    return [row for row in everything if not row["bot"] and (slugs is None or row["code"] in slugs)]


def total(rows: list[Any]) -> dict[str, int]:
    return {"scans": len(rows), "visitors": len({row["visitor"] for row in rows} - {None})}


@pytest.mark.parametrize("name", GROUPS)
def test_every_report_takes_campaign_placement_and_batch(waymark: Running, name: str) -> None:
    asked, slugs = GROUPS[name]
    rows = rows_of(waymark, slugs)
    for report in REPORTS:
        assert waymark.get(f"/reports/{report}", **asked)["total"] == total(rows), report
    codes = waymark.get("/reports/codes", **asked)["codes"]
    assert {entry["code"]: entry["scans"] for entry in codes} == Counter(row["code"] for row in rows)
    points = waymark.get("/reports/timeseries", **asked)["points"]
    assert sum(point["scans"] for point in points) == len(rows)
    listed = waymark.all_scans(**asked, counted=True, bots="exclude")
    assert [scan["id"] for scan in listed] == [row["id"] for row in rows]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"campaign": "Sprang"}, "there is no campaign 'Sprang'"),
        ({"placement": "Café / Roof"}, "there is no placement 'Café / Roof'"),
        ({"placement": "Cellar"}, "there is no placement 'Cellar'"),
        ({"batch": "June"}, "there is no print batch 'June'"),
    ],
)
def test_what_is_not_there_is_said_so(waymark: Running, asked: dict[str, str], says: str) -> None:
    token = (waymark.data / "owner.token").read_text()
    for path in ("/reports/devices", "/reports/timeseries", "/scans", "/live"):
        url = f"http://127.0.0.1:{waymark.private_port}/api/v1{path}"
        headers = {"Authorization": f"Bearer {token}"}
        answer = httpx2.get(url, params=asked, headers=headers, trust_env=False, verify=False, timeout=30)
        assert answer.status_code == 404, (path, answer.text)
        assert says in answer.json()["detail"]


def test_a_campaign_and_a_batch_tell_what_a_scan_cost(waymark: Running) -> None:
    spring = total(rows_of(waymark, {"door", "bar"}))
    assert waymark.get("/reports/summary", campaign="Spring 26")["cost"] == {
        "cost_minor": 1000,
        "currency": "EUR",
        "per_scan_minor": round(1000 / spring["scans"], 4),
        "per_scan": f"{10 / spring['scans']:.4f} EUR",
        "per_visitor_minor": round(1000 / spring["visitors"], 4),
        "per_visitor": f"{10 / spring['visitors']:.2f} EUR",
    }
    assert waymark.get("/reports/summary", batch="May")["cost"]["currency"] == "JPY"
    nobody = waymark.get("/reports/summary", campaign="Spring 26", **{"from": "2020-01-01", "to": "2020-01-02"})
    assert nobody["cost"]["per_scan_minor"] is None
    for asked in ({"campaign": "Autumn"}, {"campaign": "Spring 26", "code": "door"}, {"placement": "Café"}):
        assert "cost" not in waymark.get("/reports/summary", **asked)


SPLITS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "version": lambda row: row["version"],
    "rule": lambda row: row["rule"],
    "variant": lambda row: (row["rule"], row["variant"]) if row["variant"] else (None, None),
}


@pytest.mark.parametrize("split", SPLITS)
def test_every_report_splits_and_agrees_with_the_raw_scans(waymark: Running, split: str) -> None:
    key = SPLITS[split]

    def said(part: dict[str, Any]) -> Any:
        return (part["rule"], part["variant"]) if split == "variant" else part[split]

    for asked, slugs, reports in (
        ({}, None, ("devices",)),
        ({"campaign": "Spring 26"}, {"door", "bar"}, ("summary",)),
        ({"code": "bar"}, {"bar"}, REPORTS),
    ):
        rows = rows_of(waymark, slugs)
        expected = {value: total([row for row in rows if key(row) == value]) for value in map(key, rows)}
        for report in reports:
            found = waymark.get(f"/reports/{report}", split=split, **asked)
            assert found["total"] == total(rows)
            assert {said(part): part["total"] for part in found["parts"]} == expected, report
    for part in waymark.get("/reports/devices", split=split, code="bar")["parts"]:
        own = [row["device"] for row in rows_of(waymark, {"bar"}) if key(row) == said(part)]
        assert {entry["name"]: entry["scans"] for entry in part["devices"]} == Counter(own)


def test_rules_and_variants_are_named_and_numbered(waymark: Running) -> None:
    rules = waymark.get("/reports/rules", code="bar")["rules"]
    assert {entry["label"]: entry["number"] for entry in rules} == {"Android": 1, "Trial": 2, "Default target": None}
    variants = waymark.get("/reports/variants", code="bar")["variants"]
    drawn = Counter(row["variant"] for row in rows_of(waymark, {"bar"}) if row["variant"])
    assert {entry["variant"]: entry["scans"] for entry in variants} == drawn
    assert {entry["label"] for entry in variants} <= {"Trial: A", "Trial: B"}
    parts = waymark.get("/reports/summary", code="bar", split="rule")["parts"]
    assert {part["label"]: part["number"] for part in parts}["Trial"] == 2


def test_a_code_that_changes_its_campaign_takes_its_scans_along(waymark: Running) -> None:
    """Membership is that of today."""
    send(waymark, "POST", "/campaigns", {"name": "Moved"})
    send(waymark, "POST", "/codes", {"destination": "https://example.com/", "slug": "moved", "campaign": "Moved"})
    wait_for(lambda: waymark.scan("/moved", User_Agent=IPHONE).status == 302, "the new code")
    arrived(waymark)

    def scans(campaign: str) -> int:
        return int(waymark.get("/reports/summary", campaign=campaign)["total"]["scans"])

    before = scans("Autumn")
    wait_for(lambda: scans("Moved") == 1, "its scan in its campaign")
    send(waymark, "PATCH", "/codes/moved", {"campaign": "Autumn"})
    wait_for(lambda: (scans("Moved"), scans("Autumn")) == (0, before + 1), "its scan in its new campaign")
    send(waymark, "PATCH", "/codes/moved", {"campaign": ""})
    wait_for(lambda: scans("Autumn") == before, "no campaign any more")


def test_every_kind_of_change_is_marked(waymark: Running) -> None:
    """Retarget, rules, options, undo, rollback, bulk change, planned change and its end."""
    made = {"destination": "https://example.com/1", "slug": "marked", "tags": ["marked"]}
    send(waymark, "POST", "/codes", made)
    send(waymark, "PATCH", "/codes/marked", {"destination": "https://example.com/2", "reason": "sold out"})
    send(waymark, "PATCH", "/codes/marked", {"rules": RULES})
    send(waymark, "PATCH", "/codes/marked", {"options": {"max_scans": 5}})
    send(waymark, "POST", "/codes/marked/undo")
    send(waymark, "POST", "/codes/marked/rollback", {"version": 1})
    bulk = {"tag": "marked", "destination": "https://example.com/bulk", "reason": "all at once"}
    send(waymark, "POST", "/bulk", {**bulk, "dry_run": False})
    now = datetime.now(UTC)
    plan = {"destination": "https://example.com/plan", "at": (now + timedelta(seconds=3)).isoformat()}
    send(waymark, "POST", "/codes/marked/schedule", {**plan, "until": (now + timedelta(seconds=4)).isoformat()})
    expected = ["retarget", "rules", "rules", "undo", "rollback", "bulk", "schedule", "revert"]

    def changes() -> Any:
        return waymark.get("/reports/timeseries", code="marked")["changes"]

    wait_for(lambda: changes() and changes()[-1]["action"] == "revert", "the last change marked")
    found = changes()
    assert [change["action"] for change in found] == expected
    assert [change["version"] for change in found] == list(range(2, 10))
    assert [change["restores"] for change in found] == [None, None, None, 3, 1, None, None, 7]
    assert (found[0]["reason"], found[0]["who"], found[0]["destination"]) == (
        "sold out",
        "local owner",
        "https://example.com/2",
    )
    history = send(waymark, "GET", "/codes/marked/versions")["versions"]
    assert [change["at"][:19] for change in found] == [version["created_at"][:19] for version in history[-2::-1]]


@pytest.fixture(scope="module")
def owner(waymark: Running) -> Iterator[httpx2.Client]:
    """A browser of the owner, signed in through the link of the first start."""
    link = wait_for(lambda: re.search(r"http://\S+(/setup/\S+)", waymark.log.read_text()), "the setup link")
    with httpx2.Client(
        base_url=waymark.dashboard_url, trust_env=False, verify=False, timeout=30, follow_redirects=True
    ) as browser:
        csrf = hidden(browser.get(link[1]))
        form = {"name": "Olga", "email": "olga@example.org", "password": PASSWORD, "password_again": PASSWORD}
        assert browser.post(link[1], data={"csrf": csrf, **form}).status_code == 200
        yield browser


def page(owner: httpx2.Client, path: str, **query: str) -> str:
    answer = owner.get(path, params=query, headers={"Accept": "text/html"})
    assert answer.status_code == 200, answer.text[:500]
    return html.unescape(answer.text)


def shown_total(text: str) -> int:
    found = re.search(r'<dt>Scans</dt>\s*<dd><span class="total-number"><data value="(\d+)"', text)
    assert found is not None
    return int(found[1])


def test_the_pages_of_a_campaign_a_placement_and_a_batch_show_their_scans(
    waymark: Running, owner: httpx2.Client
) -> None:
    spring = rows_of(waymark, {"door", "bar"})
    text = page(owner, "/campaigns/1")
    assert shown_total(text) == len(spring)
    assert f'<th scope="row">Cost per scan</th><td>{10 / len(spring):.4f} EUR</td>' in text
    assert f'<th scope="row">Cost per visitor</th><td>{10 / total(spring)["visitors"]:.2f} EUR</td>' in text
    assert 'href="/?campaign=Spring+26"' in text
    assert 'data-live="/api/v1/live?campaign=Spring+26"' in text
    assert 'href="/codes/door"' in text
    assert shown_total(page(owner, "/placements/2")) == len(rows_of(waymark, {"bar"}))
    assert 'href="/?placement=Caf%C3%A9"' in page(owner, "/placements/2")
    assert shown_total(page(owner, "/batches/1")) == len(rows_of(waymark, {"bar", "alone"}))
    empty = page(owner, "/campaigns/1", range="custom", **{"from": "2020-01-01", "to": "2020-01-02"})
    assert "No scans in this range" in empty


def test_the_overview_is_filtered_by_campaign_and_placement(waymark: Running, owner: httpx2.Client) -> None:
    text = page(owner, "/", campaign="Spring 26", placement="Café")
    assert shown_total(text) == len(rows_of(waymark, {"door", "bar"}))
    assert '<option value="Café / Door">' in text
    assert '<option value="Autumn">' in text
    assert "campaign Spring 26, placement Café" in text
    assert "No scans of Sprang in this range" in page(owner, "/", campaign="Sprang")
    assert "No scans of hall of Spring 26" in page(owner, "/", campaign="Spring 26", code="hall")


def test_a_codes_page_shows_variants_rules_and_each_change_in_a_list(waymark: Running, owner: httpx2.Client) -> None:
    send(waymark, "PATCH", "/codes/bar", {"destination": "https://example.com/bar2", "reason": "new menu"})
    wait_for(lambda: waymark.get("/reports/timeseries", code="bar")["changes"], "the change")
    text = page(owner, "/codes/bar")
    for card in ("Variants of Trial", "Rules"):
        assert f">{card}</h2>" in text
    assert "Rule 1: Android" in text
    assert "Default target" in text
    changes = text.split("data-chart-changes>")[1].split("</ol>")[0]
    assert "Retargeted to https://example.com/bar2" in changes
    assert "new menu" in changes
    assert "local owner" in changes
    assert "Variants" not in page(owner, "/codes/door").split("Scans of door")[1]


def test_reports_on_the_command_line(waymark: Running) -> None:
    rows = rows_of(waymark, {"bar"})
    words = ("report", "devices", "--placement", "Café / Bar", "--split", "rule")
    found = waymark.cli_json(*words)
    assert {part["label"]: part["total"]["scans"] for part in found["parts"]} == Counter(
        row["rule"] or "Default target" for row in rows
    )
    lines = [re.split(r"\s{2,}", line) for line in waymark.cli(*words).splitlines()]
    assert lines[0] == ["Rule", "Devices", "Scans", "Visitors"]
    told = {(rule, device): int(scans) for rule, device, scans, _visitors in lines[1:]}
    assert told == Counter((row["rule"] or "Default target", row["device"]) for row in rows)
    summary = waymark.cli("report", "--campaign", "Spring 26")
    assert "per scan" in summary
    days = waymark.cli("report", "timeseries", "--campaign", "Spring 26")
    assert re.search(r"^\d{4}-\d\d-\d\d +\d+ +\d+$", days, re.MULTILINE), days
    assert "bar" in waymark.cli("report", "versions", "--code", "bar")
    waymark.cli("report", "hours", code=2)
    waymark.cli("report", "--campaign", "Sprang", code=3)


@contextmanager
def live(waymark: Running, **asked: str) -> Iterator[Callable[[], list[str]]]:
    """Codes of the scans that the stream tells, as they come."""
    token, heard = (waymark.data / "owner.token").read_text(), []
    url = f"http://127.0.0.1:{waymark.private_port}/api/v1/live"
    headers = {"Authorization": f"Bearer {token}"}
    connected = threading.Event()
    with (
        httpx2.Client(trust_env=False, verify=False, timeout=60) as client,
        client.stream("GET", url, params=asked, headers=headers) as stream,
    ):

        def listen() -> None:
            with closing(stream):
                for line in stream.iter_lines():
                    connected.set()
                    if line.startswith("data: "):
                        heard.append(json.loads(line.removeprefix("data: "))["code"])
                        if heard[-1] == "door":
                            return

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        assert connected.wait(30)
        yield lambda: heard
        listener.join(30)


def test_the_live_list_follows_a_campaign(waymark: Running) -> None:
    with live(waymark, campaign="Spring 26") as heard:
        for slug in ("hall", "bar", "alone", "door"):
            waymark.scan(f"/{slug}", User_Agent=IPHONE)
        wait_for(lambda: "door" in heard(), "the last scan in the live list")
    assert heard() == ["bar", "door"]
    arrived(waymark)
