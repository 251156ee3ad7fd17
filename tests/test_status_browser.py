"""Status pages in a real browser: four languages, light and dark, small and enlarged, each looked at by axe; and the polling.

Screenshots of each state land in screenshots/ for a person to look at.
"""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from jobs.jobs import delete_job, set_photo
from jobs.languages import LANGUAGES
from jobs.photos import logo_from, photo_from
from jobs.register import Job
from jobs.status_html import ended_html, preview_html, status_html
from jobs.texts import PSEUDO, texts_for
from jobs.workflows import read_workflow
from redirector import pages
from tests.running import IPHONE, Running, wait_for
from tests.status_samples import ON, House, ask, in_database, path_of, picture
from tests.test_browser import AXE, SHOTS, browser
from tests.test_status import MONDAY, SHOP, job, seen

pytestmark = pytest.mark.browser
__all__ = ["browser"]  # the fixture

ACCENTED = str.maketrans("adeikntpry", "\u00e5\u00f0\u00e9\u00ee\u0137\u00f1\u0163\u00fe\u0155\u00fd")
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
    in_database(waymark.data, lambda db: set_photo(db, "R-2", photo, ON, "Corner Repairs"))
    house.move("R-3", "ready", "Corner Repairs")
    for tracking in ("frozen", "withdrawn"):
        shop_id = house.shop(f"Shop {tracking}")
        found[tracking] = house.put(f"S-{tracking}", shop=f"Shop {tracking}", item="Radio")
        house.track(shop_id, tracking)
    return found | {"changing": house.put("R-9", **shop), "deleted": house.put("R-10", **shop)}


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


# Whatever is not somebody's own word, a date, or a language's own name comes from the catalogues; there, it is bracketed.
UNTRANSLATED = """[
    ...[...document.querySelectorAll("body *")].flatMap(one => [...one.childNodes])
        .filter(node => node.nodeType == 3 && !node.parentElement.closest("bdi, time, nav, code, style, script"))
        .map(node => node.data),
    ...[...document.querySelectorAll("[alt], [aria-label], [title]")]
        .flatMap(one => ["alt", "aria-label", "title"].map(name => one.getAttribute(name) || "")),
    document.title,
].filter(text => /[A-Za-z]/.test(text.replace(/(Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day|March/g, "")))"""
CLIPPED = """[...document.querySelectorAll("body *")]
    .filter(one => getComputedStyle(one).display != "inline" && !one.closest("svg, .v, input"))
    .filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.outerHTML.slice(0, 200))"""
HALVED = """[...document.querySelectorAll(".b span, .s a span, h1, h2, button")]
    .filter(one => { const range = document.createRange(), text = one.firstChild; if (text?.nodeType != 3) return false
        return text.data.split(" ").some((word, place, words) => { const at = words.slice(0, place).join(" ").length + !!place
            range.setStart(text, at); range.setEnd(text, at + word.length)
            return word.length < 13 && range.getClientRects().length > 1 }) }).map(one => one.outerHTML)"""


@pytest.mark.parametrize("direction", ["ltr", "rtl"])
def test_texts_that_are_longer_have_room_and_none_is_left_out(browser: Browser, direction: str) -> None:
    """In a language that is nobody's: each text of the catalogues 40 % longer, accented and in brackets."""
    context = browser.new_context(viewport={"width": 320, "height": 568}, device_scale_factor=2)
    page = context.new_page()
    for name, html in longer_pages().items():
        page.set_content(html)
        page.evaluate("direction => { document.documentElement.dir = direction }", direction)
        assert page.evaluate(UNTRANSLATED) == [], name
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        assert page.evaluate(CLIPPED) == [], name
        assert direction == "rtl" or page.evaluate(HALVED) == [], name  # brackets swap sides there
        page.screenshot(path=SHOTS / f"status-longer-{name}-{direction}.png", full_page=True)
    context.close()


def longer_pages() -> dict[str, str]:
    texts = texts_for(PSEUDO)
    stages = [
        {"key": key, "name": key, "public": {"en": f"[{key.translate(ACCENTED)} {key.translate(ACCENTED)}]"}, **rest}
        for key, rest in (
            ("intake", {"phase": "waiting", "hours": 4}),
            ("repair", {"phase": "working", "hours": 8}),
            ("ready", {"phase": "ready"}),
            ("done", {"phase": "done"}),
        )
    ]
    hours = {"mon": [["09:00", "12:00"], ["13:00", "18:00"]], "sat": [["10:00", "14:00"]]}
    holidays = ({"from": "2026-03-04", "until": "2026-03-04"}, {"from": "2026-03-05", "until": "2026-03-06"})
    shop = replace(SHOP, opening_hours=hours, holidays=holidays, show_note=True, show_photo=True, has_logo=True)
    shop = replace(shop, name="\u00de\u00f8 42", whatsapp="+49 30 2", email="1@2.example", address="3")
    kind = read_workflow("own", "own", stages)
    found = {
        name: status_html(source, seen(source, after_h), texts, MONDAY + timedelta(hours=after_h))[0]
        for name, source, after_h in (
            ("late", job(["intake", "repair"], eta_h=2, shop=shop, workflow=kind), 30),
            ("in-doubt", job(["intake", "repair"], eta_h=9, shop=shop, workflow=kind), 1.5),
            ("estimated", job(["intake"], eta_h=99, shop=shop, workflow=kind, is_promised=False), 1),
            ("ready", job(["intake", "ready"], shop=shop, workflow=kind), 12),
            ("done", job(["intake", "done"], shop=shop, workflow=kind), 12),
            ("frozen", job(["intake"], shop=shop, workflow=kind, frozen_at=MONDAY), 12),
        )
    }
    found |= {f"ended-{expired}": ended_html(shop, texts, MONDAY, expired=expired) for expired in (True, False)}
    return found | {
        "card": preview_html(shop, texts),
        "entry": pages.entry_page(PSEUDO),
        "unknown": pages.unknown_page(PSEUDO, "12345"),
        "limited": pages.limited_page(PSEUDO, "12345"),
        "away": pages.away_page(PSEUDO),
    }


def test_an_open_page_of_a_job_that_is_deleted_goes(
    browser: Browser, waymark: Running, house: House, jobs: dict[str, Job]
) -> None:
    context = browser.new_context(user_agent=IPHONE)
    page = context.new_page()
    page.goto(f"{waymark.short_url}{path_of(jobs['deleted'])}?hl=en")
    expect(page.get_by_role("heading", level=1)).to_have_text("Received")
    with ThreadPoolExecutor(1) as beside:
        beside.submit(in_database, waymark.data, lambda db: delete_job(db, "R-10", ON, "Corner Repairs")).result()
    wait_for(lambda: ask(waymark.public_port, path_of(jobs["deleted"])).status == 404, "the page to be gone")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # as when one comes back to the page
    expect(page.get_by_role("heading", level=1)).to_have_text("We don't know this code")
    assert "Bicycle" not in page.content()
    context.close()


POLLS = """(() => { const real = window.fetch; window.polls = []; window.open_polls = 0
    window.fetch = async (...asked) => { window.polls.push(Date.now()); window.open_polls++
        try { return await real(...asked) } finally { window.open_polls-- } } })()"""
STEP_S = 5


def test_a_page_asks_every_15_s_then_less_and_less_often_and_never_unseen(
    browser: Browser, waymark: Running, jobs: dict[str, Job]
) -> None:
    context = browser.new_context(user_agent=IPHONE)
    page = context.new_page()
    page.clock.install()
    page.add_init_script(POLLS)
    page.goto(f"{waymark.short_url}{path_of(jobs['on-track'])}")

    def let_pass(seconds: int) -> list[int]:
        for _ in range(0, seconds, STEP_S):
            page.clock.run_for(STEP_S * 1000)
            wait_for(lambda: page.evaluate("!window.open_polls"), "the answer")
        return [round(at / 1000) for at in page.evaluate("polls")]

    asked = let_pass(1200)
    waits = [later - earlier for earlier, later in pairwise(asked)]
    assert all(15 <= wait <= 15 + STEP_S for wait in waits[:20]), waits
    assert all(later >= earlier - STEP_S for earlier, later in pairwise(waits[20:])), waits
    assert waits[-1] in range(120, 120 + STEP_S + 1), waits
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert len(let_pass(300)) == len(asked)
    page.evaluate("Object.defineProperty(document, 'hidden', {value: false, configurable: true})")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    assert len(let_pass(60)) in range(len(asked) + 3, len(asked) + 6)  # at once, and every 15 s again
    context.close()


def test_on_paper_there_is_the_status_and_nothing_to_tap(
    browser: Browser, waymark: Running, jobs: dict[str, Job]
) -> None:
    context = browser.new_context(user_agent=IPHONE)
    page = context.new_page()
    page.goto(f"{waymark.short_url}{path_of(jobs['late'])}?hl=en")
    page.emulate_media(media="print")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_text("We are sorry")).to_be_visible()
    expect(page.get_by_text("+49 30 1234567")).to_be_visible()
    assert page.evaluate("[...document.querySelectorAll('a')].filter(one => one.checkVisibility()).length") == 0
    context.close()


def test_an_open_page_shows_a_move_says_it_and_keeps_the_focus(
    browser: Browser, waymark: Running, house: House, jobs: dict[str, Job]
) -> None:
    context = browser.new_context(user_agent=IPHONE)
    page, asked = watched(context.new_page())
    page.goto(f"{waymark.short_url}{path_of(jobs['changing'])}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Received")
    page.get_by_role("link", name="WhatsApp").focus()
    with ThreadPoolExecutor(1) as beside:
        beside.submit(house.move, "R-9", shop="Corner Repairs").result()
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
