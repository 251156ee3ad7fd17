"""The dashboard in a real browser: set up, create, see a scan arrive, retarget, undo; every page looked at by axe.

Screenshots of each page (light, dark, phone width) land in screenshots/ for a person to look at.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, StorageState, expect, sync_playwright

from tests.running import INSTAGRAM, IPHONE, Running

pytestmark = pytest.mark.browser

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
ROOT = Path(__file__).parent.parent
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
SHOTS = ROOT / "screenshots"
PASSWORD = "five calm green hills"
PAGES = {
    "overview": "/",
    "overview-90-days": "/?range=90d",
    "codes": "/codes",
    "code": "/codes/demo-bar-london?range=90d",
    "history": "/codes/demo-bar-london/history",
    "bulk": "/bulk",
    "code-new": "/codes/new",
    "symbol": "/codes/demo-bar-london/qr",
    "static-code": "/static-code",
    "labels": "/labels?by=codes&which=demo-bar-london",
    "rules": "/codes/demo-bar-london/rules",
    "simulate": "/codes/demo-bar-london/simulate",
    "code-organise": "/codes/demo-bar-london/organise",
    "campaigns": "/campaigns",
    "placements": "/placements",
    "batches": "/batches",
    "domains": "/domains",
    "exchange": "/exchange",
    "stickers": "/stickers",
    "job-times": "/job-times",
    "kinds": "/kinds",
    "events": "/events",
    "tokens": "/tokens",
    "places": "/places",
    "api": "/docs",
    "missing": "/codes/nothing-here",
}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "light", "reduced_motion": "reduce"},
    "dark": {"viewport": {"width": 1280, "height": 900}, "color_scheme": "dark", "reduced_motion": "reduce"},
    "phone": {"viewport": {"width": 360, "height": 780}, "color_scheme": "light", "reduced_motion": "reduce"},
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        reason = "no browser at /usr/bin/chromium: install Debian's package chromium"
        if os.environ.get("WAYMARK_REQUIRE_ALL") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def waymark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp("browser"), '[proxy]\ntrusted = ["127.0.0.1"]\n')
    running.cli("geo", "update", "npm")
    with running:
        yield running


@pytest.fixture(scope="module")
def signed_in(browser: Browser, waymark: Running) -> StorageState:
    """The browser state of the owner, who was set up through the printed one-time link."""
    link = re.search(r"http://\S+/setup/\S+", waymark.log.read_text())
    assert link is not None
    context = browser.new_context()
    page = watched(context)
    page.goto(link.group())
    page.get_by_label("Your name").fill("Owner")
    page.get_by_label("E-mail").fill("owner@example.org")
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_label("Password again").fill(PASSWORD)
    page.get_by_role("button", name="Create the owner account").click()
    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
    expect(page.get_by_role("heading", name="No codes yet")).to_be_visible()
    page.goto(link.group())
    expect(page.get_by_role("heading", name="This address is used up")).to_be_visible()
    state = context.storage_state()
    context.close()
    return state


def test_create_a_code_see_a_scan_arrive_retarget_and_undo(
    browser: Browser, waymark: Running, signed_in: StorageState
) -> None:
    context = browser.new_context(storage_state=signed_in)
    page = watched(context)
    page.goto(f"{waymark.dashboard_url}/codes/new")
    page.get_by_label("Destination").fill("javascript:alert(1)")
    page.get_by_label("Name").fill("First poster")
    page.get_by_label("Own code").fill("first")
    page.get_by_role("button", name="Create the code").click()
    expect(page.get_by_label("Destination")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Name")).to_have_value("First poster")

    page.get_by_label("Destination").fill("https://example.com/first")
    page.get_by_role("button", name="Create the code").click()
    expect(page.get_by_role("heading", name="First poster", exact=True)).to_be_visible()
    expect(page.get_by_text("Connected", exact=True)).to_be_visible()
    row = page.locator("[data-live-rows] .scan")
    expect(row).to_have_count(0)
    waymark.scan("/FIRST", User_Agent=INSTAGRAM, X_Forwarded_For="203.0.113.7")
    expect(row).to_have_count(1)
    expect(row.first).to_contain_text("Instagram")

    page.get_by_text("Point it somewhere else").click()
    page.get_by_label("New destination").fill("https://example.org/second")
    page.get_by_label("Reason").fill("evening menu")
    page.get_by_role("button", name="Retarget").click()
    expect(page.locator(".destination")).to_contain_text("https://example.org/second")
    expect(page.locator(".history")).to_contain_text("evening menu")
    page.get_by_role("button", name="Undo version 2").click()
    expect(page.locator(".destination")).to_contain_text("https://example.com/first")
    expect(page.locator(".history tbody tr")).to_have_count(3)
    context.close()


def test_labels_are_previewed_and_a_large_sheet_becomes_ready_before_ones_eyes(
    browser: Browser, waymark: Running, signed_in: StorageState
) -> None:
    waymark.cli("code", "add", "https://example.com/labels", "--slug", "on-labels", "--name", "Menü")
    context = browser.new_context(storage_state=signed_in)
    page = watched(context)
    page.goto(f"{waymark.dashboard_url}/codes/on-labels")
    page.get_by_role("link", name="Print labels").click()
    page.get_by_label("Labels of each code").fill("300")
    page.get_by_role("button", name="Preview the first sheet").click()
    expect(page.get_by_alt_text("The first sheet as it will be printed")).to_be_visible()
    page.get_by_role("button", name="Make the PDF").click()
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_text("ready", exact=True)).to_be_visible(timeout=60_000)  # without loading the page again
    with page.expect_download() as download:
        page.get_by_role("link", name="PDF of sheet").click()
    assert download.value.path().read_bytes().startswith(b"%PDF-")
    page.goto(f"{waymark.dashboard_url}/codes/on-labels/qr")
    page.get_by_label("Scanned from, in m").fill("3")
    page.get_by_label("Write the link below").check()
    page.get_by_role("button", name="Show it").click()
    expect(page.get_by_text("print it at least 396 mm wide")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as ZPL").click()
    assert download.value.path().read_bytes().startswith(b"^XA")
    context.close()


def test_signing_out_and_in_again(browser: Browser, waymark: Running, signed_in: StorageState) -> None:
    assert signed_in["cookies"]
    context = browser.new_context()
    page = watched(context)
    page.goto(f"{waymark.dashboard_url}/codes?q=first")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.get_by_label("E-mail").fill("owner@example.org")
    page.get_by_label("Password").fill("not the password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_text("do not fit together")).to_be_visible()
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(r"/codes\?q=first$"))
    context.clear_cookies()
    page.goto(f"{waymark.dashboard_url}/tokens")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    context.close()


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_full_of_data_is_accessible_in_every_look(
    browser: Browser, waymark: Running, signed_in: StorageState, look: str
) -> None:
    fill(waymark)
    context = browser.new_context(storage_state=signed_in, **LOOKS[look])
    page = watched(context)
    for name, path in PAGES.items():
        page.goto(waymark.dashboard_url + path)
        page.wait_for_load_state("load")
        look_at(page, f"{name}-{look}")
    context.close()


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("language", ["en", "ar"])
def test_the_short_domains_own_pages_are_accessible(
    browser: Browser, waymark: Running, look: str, language: str
) -> None:
    context = browser.new_context(locale=language, **LOOKS[look])
    page = watched(context, expected_errors=("404",))
    for name, path in {"entry": "/", "unknown": "/nothing-here"}.items():
        page.goto(waymark.short_url + path)
        expect(page.locator("html")).to_have_attribute("dir", "rtl" if language == "ar" else "ltr")
        look_at(page, f"public-{name}-{language}-{look}")
    context.close()


def watched(context: BrowserContext, expected_errors: tuple[str, ...] = ("401", "404", "410", "422")) -> Page:
    """A page on which any script error or broken content security policy fails the test."""
    page = context.new_page()

    def on_console(message: Any) -> None:
        expected = any(f"status of {status}" in message.text for status in expected_errors)
        assert message.type != "error" or expected, message.text

    def on_error(error: Any) -> None:
        raise AssertionError(str(error))

    page.on("console", on_console)
    page.on("pageerror", on_error)
    return page


def look_at(page: Page, name: str) -> None:
    SHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)
    width = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
    assert width[0] <= width[1], f"{name} scrolls sideways: {width}"
    page.evaluate(AXE.read_text(encoding="utf-8"))
    violations = page.evaluate("axe.run().then(found => found.violations)")
    seen = [(v["id"], v["help"], [node["target"] for node in v["nodes"]][:3]) for v in violations]
    assert seen == [], f"{name}: {seen}"


def fill(waymark: Running) -> None:
    """Once: a quarter of a year of demo scans, one real scan, and a token."""
    if waymark.get("/codes", search="demo")["total"]:
        return
    waymark.cli("demo", "add")
    waymark.cli("token", "add", "till")
    waymark.scan("/demo-bar-london", User_Agent=IPHONE, X_Forwarded_For="203.0.113.8")
