"""Running codes from the pages, by keyboard alone: planned changes, trying a scan, importing, print batches, bulk changes.

Each page on the way is looked at by axe, in light, dark and phone width.
"""

import csv
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import httpx2
import pytest
from playwright.sync_api import Browser, Locator, Page, StorageState, expect

from tests import test_browser as shared
from tests.running import IPHONE, Running, wait_for
from tests.test_symbols import picture

pytestmark = pytest.mark.browser

browser = shared.browser
signed_in = shared.signed_in
DUBAI = ZoneInfo("Asia/Dubai")
RULES = [
    {
        "name": "Friday evening",
        "when": [
            {"time": {"from": "18:00", "until": "23:00", "days": ["fri"], "zone": "Asia/Dubai"}},
            {"os": ["ios"]},
            {"city": ["Dubai"]},
            {"visitor": "returning"},
        ],
        "to": "https://example.com/welcome-back",
    }
]


@pytest.fixture(scope="module")
def waymark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(tmp_path_factory.mktemp("browser_ops")) as running:
        yield running


@pytest.fixture
def page(browser: Browser, signed_in: StorageState) -> Iterator[Page]:
    context = browser.new_context(storage_state=signed_in, timezone_id="UTC", reduced_motion="reduce")
    page = shared.watched(context, expected_errors=("409", "422"))
    page.on("filechooser", lambda _chooser: None)  # so that choosers are caught from the first one on
    yield page
    context.close()


# Planned changes


@pytest.mark.slow
@pytest.mark.ci
def test_a_planned_change_comes_and_goes_by_itself(page: Page, waymark: Running) -> None:
    waymark.cli("code", "add", "https://example.com/usual", "--slug", "planned")
    wait_for(lambda: location(waymark, "/planned") == "https://example.com/usual", "the new code")
    page.goto(f"{waymark.dashboard_url}/codes/planned/history")
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    plan(page, "https://example.com/tomorrow", tomorrow, None)
    expect(plans(page).filter(has_text="https://example.com/tomorrow")).to_contain_text("Planned")
    press(page, page.get_by_role("button", name=re.compile("^Cancel")))
    expect(plans(page).first).to_contain_text("Cancelled")

    soon = (datetime.now(UTC) + timedelta(seconds=75)).replace(second=0)
    plan(page, "https://example.com/evening", None, soon)
    running = plans(page).filter(has_text="https://example.com/evening")
    expect(running).to_be_visible()
    wait_for(lambda: shown_after_reload(page, running, "In force"), "the plan in force")
    wait_for(lambda: location(waymark, "/planned") == "https://example.com/evening", "the planned destination")
    expect(page.locator(".versions > li")).to_have_count(2)
    every_look(page, "history-planned")
    wait_for(lambda: location(waymark, "/planned") == "https://example.com/usual", "the end of the plan", 150)
    wait_for(lambda: shown_after_reload(page, running, "Done"), "the plan done")
    expect(running.get_by_role("button")).to_have_count(0)
    expect(page.locator(".versions > li.current")).to_contain_text("https://example.com/usual")


def test_a_plan_that_cannot_be_is_refused_beside_its_field(page: Page, waymark: Running) -> None:
    waymark.cli("code", "add", "https://example.com/usual", "--slug", "unplanned")
    page.goto(f"{waymark.dashboard_url}/codes/unplanned/history")
    later = datetime.now(UTC) + timedelta(days=2)
    plan(page, "https://example.com/never", later, later - timedelta(days=1))
    expect(page.get_by_label("Destination then")).to_have_value("https://example.com/never")  # nothing typed is lost
    expect(field(page, "Until")).to_have_attribute("aria-invalid", "true")
    every_look(page, "history-refused")


def plan(page: Page, destination: str, start: datetime | None, end: datetime | None) -> None:
    if not page.get_by_label("Destination then").is_visible():
        press(page, page.locator("summary", has_text="Plan a change"))
    write(page, page.get_by_label("Destination then"), destination)
    if start:
        write_moment(page, field(page, "From"), start)
    if end:
        write_moment(page, page.get_by_label("Until"), end)
    write(page, page.get_by_label("Time zone"), "UTC")
    press(page, page.get_by_role("button", name="Plan it"))


def shown_after_reload(page: Page, part: Locator, words: str) -> bool:
    page.reload()
    return words in part.inner_text()


def plans(page: Page) -> Locator:
    return page.locator("section[aria-labelledby=planned-title] .plans > li")


# Trying a scan


def test_what_a_returning_iphone_in_dubai_would_have_got_last_friday(page: Page, waymark: Running) -> None:
    waymark.cli("code", "add", "https://example.com/menu", "--slug", "dubai")
    change(waymark, "dubai", rules=RULES)
    change(waymark, "dubai", rules=[], destination="https://example.com/new-menu")
    now = datetime.now(DUBAI)
    friday = (now - timedelta(days=(now.weekday() - 4) % 7 or 7)).replace(hour=20, minute=10)
    page.goto(f"{waymark.dashboard_url}/codes/dubai/simulate")

    def ask(version: str) -> Locator:
        choose(page, page.get_by_label("Device"), "mobile")
        write(page, field(page, "System"), "ios")
        choose(page, page.get_by_label("Visitor"), "returning")
        write(page, field(page, "Country"), "AE")
        write(page, field(page, "City"), "Dubai")
        write_moment(page, field(page, "When"), friday)
        choose(page, page.get_by_label("Time zone"), "Asia/Dubai")
        write(page, page.get_by_label("Version"), version)
        press(page, page.get_by_role("button", name="Try it"))
        return page.locator("section[aria-labelledby=result-title]")

    result = ask("2")
    expect(result.get_by_role("heading")).to_have_text("https://example.com/welcome-back")
    expect(result).to_contain_text("Version 2")
    expect(result).to_contain_text("rule Friday evening")
    expect(result).to_contain_text(friday.strftime("Fri %Y-%m-%d 20:10 in Asia/Dubai (16:10 UTC)"))
    trace = result.locator(".trace li")
    expect(trace.filter(has_text="yes")).not_to_have_count(0)
    every_look(page, "simulate-result")
    expect(field(page, "When")).to_have_value(friday.strftime("%Y-%m-%dT20:10"))  # as it was asked

    result = ask("now")
    expect(result.get_by_role("heading")).to_have_text("https://example.com/new-menu")
    result = ask("1")
    expect(result.get_by_role("heading")).to_have_text("https://example.com/menu")
    result = ask("9")
    expect(page.get_by_role("alert")).to_contain_text("version 9")
    assert waymark.get("/codes/dubai")["version"] == 3
    assert not waymark.all_scans(code="dubai")  # nothing was counted


def test_the_trace_says_which_condition_did_not_hold(page: Page, waymark: Running) -> None:
    waymark.cli("code", "add", "https://example.com/menu", "--slug", "first-time")
    change(waymark, "first-time", rules=RULES)
    page.goto(f"{waymark.dashboard_url}/codes/first-time/simulate")
    write(page, field(page, "System"), "ios")
    write(page, field(page, "City"), "Dubai")
    choose(page, page.get_by_label("Visitor"), "first time")
    write_moment(page, field(page, "When"), datetime(2026, 11, 20, 20, 10, tzinfo=DUBAI))  # a Friday
    choose(page, page.get_by_label("Time zone"), "Asia/Dubai")
    press(page, page.get_by_role("button", name="Try it"))
    result = page.locator("section[aria-labelledby=result-title]")
    expect(result.get_by_role("heading")).to_have_text("https://example.com/menu")
    expect(result.locator(".trace li", has_text="Friday evening")).to_contain_text("no")
    expect(result.locator(".trace")).to_contain_text("the visitor is here for the first time")


# Import


def test_an_import_with_errors_is_previewed_run_and_its_errors_handed_back(
    page: Page, waymark: Running, tmp_path: Path
) -> None:
    waymark.cli("code", "add", "https://example.com/mine", "--slug", "taken")
    rows = [
        ("Short Code", "Long URL"),
        ("spring-1", "https://example.com/1"),
        ("spring-2", "https://example.com/2"),
        ("bad-1", "javascript:alert(1)"),
        ("taken", "https://example.com/theirs"),
        ("bad-2", ""),
    ]
    path = tmp_path / "old links.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    page.goto(f"{waymark.dashboard_url}/exchange")
    focus(page, page.get_by_label("File"))
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(path)
    press(page, page.get_by_role("button", name="Look through it"))

    expect(page.get_by_role("status")).to_contain_text("nothing is imported yet", timeout=30_000)
    expect(page.get_by_role("status")).to_contain_text("2 new, 0 there already, 1 in conflict, 2 invalid")
    expect(page.get_by_text("read as shlink: code from 'Short Code', destination from 'Long URL'")).to_be_visible()
    verdicts = page.locator("section[aria-labelledby=shown-title] tbody tr")
    expect(verdicts).to_have_count(5)
    for row, verdict in zip(("spring-1", "spring-2", "bad-1", "taken", "bad-2"), VERDICTS, strict=True):
        expect(verdicts.filter(has_text=row)).to_contain_text(verdict)
    expect(verdicts.filter(has_text="bad-1")).to_contain_text("javascript")
    assert waymark.get("/codes", search="spring-1")["total"] == 0
    every_look(page, "exchange-preview")

    press(page, page.get_by_role("button", name="Import 2 codes"))
    expect(page.get_by_role("status")).to_contain_text("Imported: 2 new", timeout=30_000)
    focus(page, page.get_by_role("link", name="errors.csv"))
    with page.expect_download() as download:
        page.keyboard.press("Enter")
    with Path(download.value.path()).open(newline="") as file:
        head, *bad = csv.reader(file)
    assert head == [*rows[0], "line", "verdict", "why"]
    assert [(line[0], line[2], line[3]) for line in bad] == [
        ("bad-1", "4", "invalid"),
        ("taken", "5", "conflict"),
        ("bad-2", "6", "invalid"),
    ]
    wait_for(lambda: location(waymark, "/spring-1") == "https://example.com/1", "the imported code")
    assert location(waymark, "/taken") == "https://example.com/mine"
    every_look(page, "exchange-done")


VERDICTS = ("new", "new", "invalid", "conflict", "invalid")


# Print batches and bulk changes


def test_a_batch_gives_codes_back_until_its_labels_mark_it_printed(
    page: Page, waymark: Running, tmp_path: Path
) -> None:
    for slug in ("door", "wall"):
        waymark.cli("code", "add", f"https://example.com/{slug}", "--slug", slug)
    waymark.cli("batch", "add", "May", "--quantity", "10", "--code", "door", "--code", "wall")
    logo = tmp_path / "logo.png"
    logo.write_bytes(picture())
    page.goto(f"{waymark.dashboard_url}/batches")
    press(page, page.get_by_role("link", name="May"))
    press(page, page.get_by_role("button", name="Take out door"))
    expect(page.locator(".members > li")).to_have_count(1)
    every_look(page, "batch")

    press(page, page.get_by_role("link", name="Print labels"))
    expect(page.get_by_label("Which codes")).to_have_value("batch")
    expect(page.get_by_label("Codes, tag, batch or words")).to_have_value("May")
    press(page, page.locator("summary", has_text="Logo in the middle"))
    focus(page, page.get_by_label("Picture"))
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(logo)
    press(page, page.get_by_role("button", name="Preview the first sheet"))
    expect(page.get_by_alt_text("The first sheet as it will be printed")).to_be_visible()
    expect(page.get_by_text("The logo chosen before is used.")).to_be_visible()
    marking = page.get_by_label(re.compile("Then mark the print batch as printed"))
    expect(marking).not_to_be_checked()  # nothing is locked unless somebody says so
    every_look(page, "labels-logo")
    press(page, marking, "Space")
    press(page, page.get_by_role("button", name="Make the PDF"))
    expect(page.get_by_text("ready", exact=True)).to_be_visible(timeout=60_000)

    page.goto(f"{waymark.dashboard_url}/batches")
    press(page, page.get_by_role("link", name="May"))
    expect(page.get_by_text("Locked as printed")).to_be_visible()
    expect(page.get_by_role("button", name="Take out wall")).to_have_count(0)
    every_look(page, "batch-printed")
    press(page, page.get_by_role("button", name="Unlock"))
    expect(page.get_by_role("button", name="Take out wall")).to_be_visible()


def test_a_bulk_change_says_which_codes_are_archived(page: Page, waymark: Running) -> None:
    for slug in ("live", "gone"):
        waymark.cli("code", "add", "https://example.com/old", "--slug", f"bulk-{slug}", "--tag", "autumn")
    waymark.cli("code", "archive", "bulk-gone")
    page.goto(f"{waymark.dashboard_url}/bulk")

    def show(*, archived: bool) -> Locator:
        write(page, page.get_by_label("Tag, campaign or search words"), "autumn")
        tick = page.get_by_label("Archived codes, too")
        if archived:
            press(page, tick, "Space")
        write(page, page.get_by_label("New destination"), "https://example.com/new")
        press(page, page.get_by_role("button", name="Show what would change"))
        return page.locator("section[aria-labelledby=preview-title]")

    preview = show(archived=False)
    expect(preview.get_by_role("heading")).to_have_text("1 code would change")
    expect(preview).to_contain_text("1 archived code matches as well and is left out")
    preview = show(archived=True)
    expect(preview.get_by_role("heading")).to_have_text("2 codes would change")
    expect(preview).to_contain_text("1 of them is archived: no scan goes there until it is brought back")
    expect(preview.locator("tr", has_text="bulk-gone")).to_contain_text("archived")
    every_look(page, "bulk-archived")
    press(page, page.get_by_role("button", name="Change 2 codes"))
    expect(page.get_by_text("2 codes changed")).to_be_visible()
    wait_for(lambda: location(waymark, "/bulk-live") == "https://example.com/new", "the bulk change")
    assert waymark.get("/codes/bulk-gone")["destination"] == "https://example.com/new"


def test_the_same_code_on_two_domains_is_run_from_its_own_pages(page: Page, waymark: Running) -> None:
    waymark.cli("domain", "add", "https://go.example")
    for domain in (f"localhost:{waymark.public_port}", "go.example"):
        waymark.cli("code", "add", f"https://example.com/{domain[:2]}", "--slug", "both", "--domain", domain)
    page.goto(f"{waymark.dashboard_url}/codes?q=both")
    press(page, page.locator("tr", has_text="on go.example").get_by_role("link"))
    press(page, page.locator("summary", has_text="Point it somewhere else"))
    write(page, page.get_by_label("New destination"), "https://example.com/changed")
    press(page, page.get_by_role("button", name="Retarget"))
    expect(page.locator(".destination")).to_contain_text("https://example.com/changed")
    every_look(page, "code-other-domain")
    wait_for(lambda: location(waymark, "/both", "go.example") == "https://example.com/changed", "the change")
    assert location(waymark, "/both") == "https://example.com/lo"


def field(page: Page, label: str) -> Locator:
    """By the first words of its label: "optional" may follow them."""
    return page.get_by_label(re.compile(f"^{label}( optional)?$"))


# Keyboard


def focus(page: Page, target: Locator) -> None:
    """By the Tab key, as somebody without a mouse gets there."""
    expect(target).to_be_visible()
    for _ in range(150):
        if target.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the Tab key does not lead to {target}")


def press(page: Page, target: Locator, key: str = "Enter") -> None:
    focus(page, target)
    page.keyboard.press(key)


def write(page: Page, target: Locator, text: str) -> None:
    focus(page, target)
    page.keyboard.press("Control+A")
    page.keyboard.type(text)
    expect(target).to_have_value(text)


def choose(page: Page, target: Locator, words: str) -> None:
    """A choice by its first letters, as a list takes them."""
    focus(page, target)
    page.keyboard.type(words)
    expect(target.locator("option:checked")).to_have_text(words)


def write_moment(page: Page, target: Locator, moment: datetime) -> None:
    """Into the parts of a date-and-time field, as Chromium has them in English."""
    focus(page, target)
    page.keyboard.type(moment.strftime("%m%d%Y"))
    page.keyboard.press("ArrowRight")
    page.keyboard.type(moment.strftime("%I%M%p"))
    expect(target).to_have_value(moment.strftime("%Y-%m-%dT%H:%M"))


def every_look(page: Page, name: str) -> None:
    """The page as it stands, in each look; axe finds nothing in any of them."""
    size = page.viewport_size
    assert size is not None
    for look, options in shared.LOOKS.items():
        page.emulate_media(color_scheme=options["color_scheme"], reduced_motion="reduce")
        page.set_viewport_size(options["viewport"])
        shared.look_at(page, f"{name}-{look}")
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(size)


def change(waymark: Running, code: str, **fields: object) -> None:
    headers = {"Authorization": f"Bearer {(waymark.data / 'owner.token').read_text()}"}
    url = f"http://127.0.0.1:{waymark.private_port}/api/v1/codes/{code}"
    answer = httpx2.patch(url, json=fields, headers=headers, trust_env=False, verify=False, timeout=30)
    assert answer.status_code == 200, answer.text


def location(waymark: Running, path: str, host: str = "") -> str | None:
    more = {"Host": host} if host else {}
    return waymark.scan(path, User_Agent=IPHONE, **more).headers.get("Location")
