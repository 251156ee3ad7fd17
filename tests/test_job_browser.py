"""The shop's pages in a real browser: a job from its form over the stages, a phone of staff scanning its slip; seen by axe."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, StorageState, expect

from tests.running import Running, wait_for
from tests.test_browser import LOOKS, browser, look_at, signed_in, watched

pytestmark = pytest.mark.browser
__all__ = ["browser", "signed_in"]  # fixtures


@pytest.fixture(scope="module")
def waymark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(tmp_path_factory.mktemp("jobs")) as running:
        running.cli("job", "add", "A-1", "--item", "Very long " * 15, "--due", "2026-01-05T10:00")
        running.cli("job", "add", "A-2", "--stage", "ready")
        running.cli("job", "add", "A-3", "--kind", "ticket")
        yield running


def test_a_job_from_its_form_over_the_stages_and_back_by_keyboard_and_tap(
    browser: Browser,
    waymark: Running,
    signed_in: StorageState,
) -> None:
    page = watched(browser.new_context(storage_state=signed_in, **LOOKS["phone"]))
    page.goto(f"{waymark.dashboard_url}/jobs")
    page.locator("summary", has_text="New job").press("Enter")
    page.get_by_label("Reference").fill("B-1")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Intake")).to_be_visible()
    page.get_by_role("button", name="Next Diagnosis").click()
    expect(page.get_by_role("status")).to_contain_text("Moved to Diagnosis.")
    page.get_by_role("button", name="Back to Intake").click()
    expect(page.get_by_role("heading", name="Intake")).to_be_visible()
    page.get_by_text("Another stage, or with a reason").click()
    page.get_by_label("Stage", exact=True).select_option("quality")
    page.get_by_label("Reason").fill("Nothing was wrong")
    page.get_by_role("button", name="Move it").click()
    expect(page.get_by_role("heading", name="Quality check")).to_be_visible()
    expect(page.get_by_text("Nothing was wrong")).to_be_visible()


def test_ticked_jobs_get_stickers_by_keyboard(
    browser: Browser,
    waymark: Running,
    signed_in: StorageState,
) -> None:
    page = watched(browser.new_context(storage_state=signed_in, **LOOKS["phone"]))
    page.goto(f"{waymark.dashboard_url}/jobs?kind=repair")
    for reference in ("A-1", "A-2"):
        page.locator(".board").get_by_label(f"Choose {reference}").press("Space")
    page.get_by_role("button", name="Stickers for ticked").press("Enter")
    expect(page.get_by_role("heading", name="For 2 jobs")).to_be_visible()
    page.get_by_role("button", name="Make the PDF").click()
    expect(page.locator("#made").get_by_text("ready", exact=True)).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="PDF of sheet").click()
    assert download.value.path().read_bytes().startswith(b"%PDF")


def test_a_phone_of_staff_scans_a_slip_and_sees_the_job(
    browser: Browser,
    waymark: Running,
    signed_in: StorageState,
) -> None:
    token = waymark.get("/jobs/A-1")["token"]
    wait_for(lambda: waymark.scan(f"/j/{token}").status == 200, "the page on the public side")
    page = watched(browser.new_context(storage_state=signed_in, **LOOKS["phone"]))
    page.goto(f"{waymark.short_url}/{token}")
    assert page.url.startswith(f"{waymark.short_url}/j/")
    page.goto(f"{waymark.dashboard_url}/staff")
    page.get_by_role("button", name="This phone belongs to staff").click()
    expect(page.get_by_text("This phone belongs to staff now.")).to_be_visible()
    page.goto(f"{waymark.short_url}/{token}")
    expect(page).to_have_url(f"{waymark.dashboard_url}/jobs/A-1")
    expect(page.get_by_role("button", name="Next Diagnosis")).to_be_visible()
    page.goto(f"{waymark.dashboard_url}/staff")
    page.get_by_role("button", name="It does not (any more)").click()
    expect(page.get_by_text("sees what customers see again")).to_be_visible()
    page.goto(f"{waymark.short_url}/{token}")
    assert page.url.startswith(f"{waymark.short_url}/j/")


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_accessible_in_every_look(
    browser: Browser,
    waymark: Running,
    signed_in: StorageState,
    look: str,
) -> None:
    context = browser.new_context(storage_state=signed_in, **LOOKS[look])
    page = watched(context)
    shop = waymark.get("/shops")["shops"][0]["id"]
    pages = {
        "jobs": "/jobs",
        "jobs-done": "/jobs?show=done",
        "jobs-list": "/jobs?show=list",
        "jobs-stage": "/jobs?kind=repair&stage=intake",
        "stickers": "/stickers?all=1",
        "job": "/jobs/A-1",
        "job-moved": "/jobs/A-2?moved=1",
        "job-delete": "/jobs/A-1/delete",
        "shops": "/shops",
        "shop": f"/shops/{shop}",
        "shop-freeze": f"/shops/{shop}/tracking/frozen",
        "shop-wipe": f"/shops/{shop}/wipe",
        "staff": "/staff",
    }
    for name, path in pages.items():
        page.goto(waymark.dashboard_url + path)
        page.wait_for_load_state("load")
        look_at(page, f"{name}-{look}")
    context.close()
