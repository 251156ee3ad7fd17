"""Kinds of jobs and message templates in a real browser: by keyboard alone, with and without scripts, seen by axe."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, StorageState, expect

from tests.running import Running
from tests.test_browser import LOOKS, browser, look_at, signed_in, watched

pytestmark = pytest.mark.browser
__all__ = ["browser", "signed_in"]  # fixtures


@pytest.fixture(scope="module")
def waymark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("settings")
    rules = [{"name": "Done", "when": [{"job": ["done"]}, {"country": ["AE"]}], "to": "https://example.com/review"}]
    (folder / "rules.json").write_text(json.dumps(rules))
    with Running(folder) as running:
        running.cli("job", "add", "A-1")
        running.cli("kind", "rules", "order", "--file", str(folder / "rules.json"))
        yield running


def test_a_kind_is_made_and_its_stages_changed_by_keyboard_alone(
    browser: Browser, waymark: Running, signed_in: StorageState
) -> None:
    page = watched(browser.new_context(storage_state=signed_in, **LOOKS["light"]))
    page.goto(f"{waymark.dashboard_url}/kinds")
    page.get_by_label("Name").focus()
    page.keyboard.type("Watch repair")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Watch repair", exact=True)).to_be_visible()

    diagnosis = page.get_by_role("group", name="Stage 2, Diagnosis")
    diagnosis.locator("summary").press("Enter")
    diagnosis.get_by_label("English").focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("On the bench")
    expect(page.locator("#trail")).to_contain_text("On the bench")  # before anything is saved
    expect(diagnosis.locator("summary")).to_contain_text("“On the bench”")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Saved.")

    page.get_by_role("button", name="Move Diagnosis down").press("Enter")
    expect(page.get_by_role("group", name="Stage 3, Diagnosis")).to_be_visible()
    expect(page.get_by_role("button", name="Move Diagnosis down")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("group", name="Stage 4, Diagnosis")).to_be_visible()
    page.get_by_role("button", name="Add a stage before the last one").press("Enter")
    added = page.get_by_role("group", name="Stage 8, new stage")
    expect(added.get_by_label("Name for staff")).to_be_focused()
    page.keyboard.type("Wrapping")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("1 thing to put right")
    added = page.get_by_role("group", name="Stage 8, Wrapping")
    expect(added.get_by_label("English")).to_be_focused()
    look_at(page, "kind-wrong-light")
    page.keyboard.type("Being wrapped")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Saved.")
    stages = waymark.get("/kinds/watch-repair")["stages"]
    assert [stage["key"] for stage in stages][1:4] == ["approval", "parts", "diagnosis"]
    assert (stages[3]["public"]["en"], stages[7]["key"]) == ("On the bench", "wrapping")


def test_a_message_is_counted_while_it_is_written(browser: Browser, waymark: Running, signed_in: StorageState) -> None:
    page = watched(browser.new_context(storage_state=signed_in, **LOOKS["light"]))
    page.goto(f"{waymark.dashboard_url}/shops/1/templates")
    page.get_by_role("link", name="Received, Text message, English: Built in").press("Enter")
    text = page.get_by_label("Message", exact=True)
    text.focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("Hello ")
    page.get_by_role("button", name="{item} insert").press("Enter")
    expect(text).to_have_value("Hello {item}")
    expect(text).to_be_focused()
    expect(page.locator("#preview")).to_have_text("Hello Bicycle")
    expect(page.locator("#length")).to_contain_text("13 characters, 1 SMS (GSM-7)")
    page.keyboard.type(" ✓" * 30)
    expect(page.locator("#length")).to_contain_text("73 characters, 2 SMS (UCS-2)")
    expect(page.locator("#length")).to_contain_text("Because of ✓")
    page.keyboard.type("{stag}")
    expect(page.locator("#preview")).to_contain_text("did you mean {stage}?")
    page.get_by_role("button", name="Save").press("Enter")
    expect(text).to_have_attribute("aria-invalid", "true")
    expect(text).to_be_focused()
    look_at(page, "template-wrong-light")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("{item} is here")
    page.get_by_role("button", name="Save").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Saved.")
    page.get_by_role("link", name="Back to the built-in text").press("Enter")
    page.get_by_role("button", name="Go back to the built-in text").press("Enter")
    expect(text).to_have_value("{shop}: Thank you, we have received: {item}. Expected: {eta}. {tracking}")


def test_rules_of_a_kind_are_shown_while_they_are_written_and_undone_by_keyboard_alone(
    browser: Browser, waymark: Running, signed_in: StorageState
) -> None:
    page = watched(browser.new_context(storage_state=signed_in, **LOOKS["light"]))
    page.goto(f"{waymark.dashboard_url}/kinds/repair")
    page.get_by_role("link", name="Where slips lead").press("Enter")
    page.get_by_role("button", name="When it is done").press("Enter")
    expect(page.get_by_label("Then to")).to_be_focused()
    page.keyboard.type("https://example.com/review")
    expect(page.locator("#ways")).to_contain_text("https://example.com/review")  # before anything is saved
    page.get_by_role("checkbox", name="Also give them to the jobs there are: 1 open job").press("Space")
    page.get_by_role("button", name="Save the rules").last.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("1 job got them, too.")
    assert waymark.cli_json("job", "rules", "A-1")[0]["to"] == "https://example.com/review"
    look_at(page, "kind-rules-saved-light")
    page.get_by_role("button", name="Undo").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Undone")
    assert waymark.cli_json("job", "rules", "A-1") == waymark.cli_json("kind", "rules", "repair") == []


def test_it_all_works_without_scripts(browser: Browser, waymark: Running, signed_in: StorageState) -> None:
    context = browser.new_context(storage_state=signed_in, java_script_enabled=False, **LOOKS["phone"])
    page = context.new_page()
    page.goto(f"{waymark.dashboard_url}/kinds/parcel")
    page.get_by_role("button", name="Add a stage before the last one").click()
    added = page.get_by_role("group", name="Stage 8, new stage")
    added.get_by_label("Name for staff").fill("At the door")
    added.get_by_label("English").fill("At your door")
    page.locator(".save-bar").get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Saved.")
    page.goto(f"{waymark.dashboard_url}/jobs/A-1")
    page.get_by_role("link", name="rules of this job").click()
    page.get_by_role("button", name="When it is ready").click()
    page.get_by_label("Then to").fill("https://example.com/pick-up")
    page.get_by_role("button", name="Show where it leads").click()
    expect(page.locator("#ways")).to_contain_text("https://example.com/pick-up")
    page.get_by_role("button", name="Save the rules").last.click()
    expect(page.get_by_role("status")).to_contain_text("Saved.")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("status")).to_contain_text("Undone")
    page.goto(f"{waymark.dashboard_url}/jobs/A-1")
    page.get_by_role("link", name="Events of this job").click()
    page.get_by_text("What is told").first.click()
    expect(page.get_by_role("region", name="as JSON")).to_contain_text('"reference": "A-1"')
    page.goto(f"{waymark.dashboard_url}/shops/1/templates/late/sms/en")
    page.get_by_label("Message", exact=True).fill("Sorry! {eta}")
    page.get_by_role("button", name="Show the preview").click()
    expect(page.locator("#preview")).to_contain_text("Sorry! ")
    expect(page.locator("#length")).to_contain_text("1 SMS (GSM-7)")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status")).to_contain_text("Saved.")
    context.close()


@pytest.mark.parametrize("look", LOOKS)
def test_every_page_is_accessible_in_every_look(
    browser: Browser, waymark: Running, signed_in: StorageState, look: str
) -> None:
    context = browser.new_context(storage_state=signed_in, **LOOKS[look])
    page = watched(context)
    pages = {
        "kind": "/kinds/repair",
        "kind-reset": "/kinds/brief/reset",
        "kind-rules": "/kinds/order/rules",
        "job-rules": "/jobs/A-1/rules",
        "job-events": "/events?reference=A-1",
        "templates": "/shops/1/templates",
        "template": "/shops/1/templates/ready/sms/ar",
        "template-mail": "/shops/1/templates/ready/email/en",
        "template-reset": "/shops/1/templates/ready/sms/ar/reset",
    }
    for name, path in pages.items():
        page.goto(waymark.dashboard_url + path)
        for summary in page.locator(".stage summary").all():
            summary.click()
        look_at(page, f"{name}-{look}")
    context.close()
