"""Status pages in a real browser: four languages, light and dark, small and enlarged, each looked at by axe; and the polling.

Screenshots of each state land in screenshots/ for a person to look at.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from jobs.jobs import set_photo
from jobs.languages import LANGUAGES
from jobs.photos import logo_from, photo_from
from jobs.register import Job
from tests.running import IPHONE, Running, wait_for
from tests.status_samples import ON, House, ask, in_database, path_of, picture
from tests.test_browser import AXE, SHOTS, browser

pytestmark = pytest.mark.browser
__all__ = ["browser"]  # the fixture

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"},
    "narrow": {"viewport": {"width": 320, "height": 568}, "color_scheme": "light"},
    # At 200 % a window of 640 pixels has room for half as many, each of them four.
    "enlarged": {"viewport": {"width": 320, "height": 400}, "device_scale_factor": 2, "color_scheme": "dark"},
}


@pytest.fixture(scope="module")
def waymark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(tmp_path_factory.mktemp("status")) as running:
        yield running


@pytest.fixture(scope="module")
def house(waymark: Running) -> House:
    return House(waymark.data)


@pytest.fixture(scope="module")
def jobs(waymark: Running, house: House) -> dict[str, Job]:
    """One of each kind of page; made on another thread, since playwright has an event loop on this one."""
    with ThreadPoolExecutor(1) as beside:
        return beside.submit(_fill, waymark, house).result()


def _fill(waymark: Running, house: House) -> dict[str, Job]:
    house.shop("Corner Repairs", show_note=True, show_photo=True, logo=logo_from(picture()))
    shop: dict[str, Any] = {
        "shop": "Corner Repairs",
        "item": "\u0645\u0635\u0628\u0627\u062d: Lamp, red, " + "long" * 20,
    }
    found = {
        "on-track": house.put("R-1", **shop),
        "late": house.late("R-2", public_note="Two lines\nof a note", **shop),
        "ready": house.put("R-3", **shop),
    }
    photo = photo_from(picture())
    in_database(waymark.data, lambda db: set_photo(db, "R-2", photo, ON))
    house.move("R-3", "ready")
    for tracking in ("frozen", "withdrawn"):
        shop_id = house.shop(f"Shop {tracking}")
        found[tracking] = house.put(f"S-{tracking}", shop=f"Shop {tracking}", item="Radio")
        house.track(shop_id, tracking)
    return found | {"changing": house.put("R-9", **shop)}


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_accessible_in_every_language_and_fits(
    browser: Browser, waymark: Running, jobs: dict[str, Job], look: str
) -> None:
    context = browser.new_context(**LOOKS[look], user_agent=IPHONE, bypass_csp=True)
    page = context.new_page()
    # The page with the most on it in every language; of the others each look has another one.
    languages = deque(LANGUAGES)
    languages.rotate(list(LOOKS).index(look))
    others = zip(("on-track", "ready", "frozen", "withdrawn"), languages, strict=True)
    for state, language in [*(("late", language) for language in LANGUAGES), *others]:
        page.goto(f"{waymark.short_url}{path_of(jobs[state])}?hl={language}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (state, language)
        assert page.evaluate(SMALL_BUTTONS) == [], (state, language)
        page.screenshot(path=SHOTS / f"status-{state}-{language}-{look}.png", full_page=True)
        page.add_script_tag(path=AXE)
        found = page.evaluate("axe.run({resultTypes: ['violations']})")["violations"]
        told = [(rule["id"], node["html"], node["failureSummary"]) for rule in found for node in rule["nodes"]]
        assert told == [], (state, language)
    context.close()


SMALL_BUTTONS = """[...document.querySelectorAll(".b a, .s a")]
    .filter(one => one.getBoundingClientRect().height < 48).map(one => one.outerHTML)"""


def test_an_open_page_shows_a_move_says_it_and_keeps_the_focus(
    browser: Browser, waymark: Running, house: House, jobs: dict[str, Job]
) -> None:
    context = browser.new_context(user_agent=IPHONE)
    page, asked = watched(context.new_page())
    page.goto(f"{waymark.short_url}{path_of(jobs['changing'])}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Received")
    page.get_by_role("link", name="WhatsApp").focus()
    with ThreadPoolExecutor(1) as beside:
        beside.submit(house.move, "R-9").result()
        seen = beside.submit(
            wait_for, lambda: "<h1><bdi>Being" in ask(waymark.public_port, path_of(jobs["changing"])).text, "the move"
        )
        seen.result()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # as when one comes back to the page
    expect(page.get_by_role("heading", level=1)).to_have_text("Being examined")
    expect(page.locator("#live")).to_contain_text("Being examined. On track")
    expect(page.get_by_role("link", name="WhatsApp")).to_be_focused()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_event("response", lambda answer: answer.status == 304)
    assert {(status, path.partition("?")[0]) for status, path in asked} <= {
        (200, path_of(jobs["changing"])),
        (304, path_of(jobs["changing"])),
        (200, next(path for _, path in asked if path.startswith("/-/status-"))),
        (200, f"{path_of(jobs['changing'])}/logo.png"),
    }
    assert context.cookies() == []
    context.close()


def test_without_javascript_the_page_is_whole_and_one_request(
    browser: Browser, waymark: Running, jobs: dict[str, Job]
) -> None:
    context = browser.new_context(java_script_enabled=False, user_agent=IPHONE)
    page, asked = watched(context.new_page())
    page.goto(f"{waymark.short_url}{path_of(jobs['frozen'])}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Received")
    expect(page.get_by_text("no longer updated")).to_be_visible()
    assert [status for status, _ in asked] == [200]
    context.close()


def watched(page: Page) -> tuple[Page, list[tuple[int, str]]]:
    """The page, and the status and path of each answer it gets; an error in it fails the test at its end."""
    asked: list[tuple[int, str]] = []
    page.on("response", lambda answer: asked.append((answer.status, "/" + answer.url.split("/", 3)[3])))
    page.on("pageerror", lambda error: asked.append((0, str(error))))
    page.on("console", lambda message: asked.append((0, message.text)) if message.type == "error" else None)
    return page, asked
