"""The pages for rules, options and trying a scan: every button works without a script, and nothing typed gets lost."""

import re
from collections.abc import Iterator
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from starlette.testclient import TestClient

from codes.destinations import DestinationPolicy
from codes.rules import read_rules, written_rules
from dashboard.rule_forms import changed, drafts_of, read_drafts, rules_of
from tests.conftest import config_in, local_owner, running_app
from tests.test_pages import Person
from tests.test_rules import CONDITIONS
from waymark.config import Config

POLICY = DestinationPolicy(frozenset({"w.example"}))


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Config:
    return config_in(tmp_path_factory.mktemp("rules_pages") / "data")


@pytest.fixture(scope="module")
def browser(installation: Config) -> Iterator[TestClient]:
    with running_app(installation) as running:
        yield running


@pytest.fixture
def editor(browser: TestClient, installation: Config) -> Iterator[Person]:
    browser.cookies.clear()
    yield Person(browser, installation, "editor")
    browser.cookies.clear()


class Fields(HTMLParser):
    """What a browser would send of the first form with this action."""

    def __init__(self, action: str) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._action, self._inside, self._done = action, False, False
        self._select: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self._inside = given.get("action") == self._action and not self._done
        if not self._inside:
            return
        if tag == "select":
            self._select = given["name"]
        elif tag == "option" and self._select:
            if "selected" in given or self._select not in self.fields:
                self.fields[self._select] = given.get("value") or ""
                self._needs_text = "value" not in given
        elif tag == "input" and given.get("name") and (given.get("type") != "checkbox" or "checked" in given):
            self.fields[str(given["name"])] = given.get("value") or ""

    def handle_data(self, data: str) -> None:
        if self._inside and self._select and getattr(self, "_needs_text", False):
            self.fields[self._select] = data
            self._needs_text = False

    def handle_endtag(self, tag: str) -> None:
        if tag == "select":
            self._select = None
        if tag == "form" and self._inside:
            self._inside, self._done = False, True


def form_of(page: Any, action: str) -> dict[str, str]:
    parser = Fields(action)
    parser.feed(page.text)
    return parser.fields


def code_for(installation: Config, browser: TestClient, slug: str, **fields: Any) -> None:
    body = {"destination": "https://example.com/", "slug": slug, **fields}
    cookies = dict(browser.cookies)
    browser.cookies.clear()
    answer = browser.post("/api/v1/codes", json=body, headers=local_owner(installation))
    assert answer.status_code == 201, answer.text
    browser.cookies.update(cookies)


def saved(installation: Config, browser: TestClient, slug: str) -> Any:
    return browser.get(f"/api/v1/codes/{slug}", headers=local_owner(installation)).json()


def press(editor: Person, slug: str, page: Any, button: str, **typed: str) -> Any:
    fields = {**form_of(page, f"/codes/{slug}/rules"), **typed, "do": button}
    return editor.browser.post(f"/codes/{slug}/rules", data=fields)


@pytest.mark.parametrize(("condition", "words"), CONDITIONS, ids=[words for _given, words in CONDITIONS])
def test_every_condition_survives_the_form(
    editor: Person, installation: Config, browser: TestClient, condition: dict[str, Any], words: str
) -> None:
    slug = f"c-{abs(hash(words)) % 10**12}"
    rules = [{"name": "r", "when": [{"country": ["DE"]}, condition, {"language": ["de"]}], "to": "https://a.example/"}]
    code_for(installation, browser, slug, rules=rules)
    page = editor.get(f"/codes/{slug}/rules")
    assert page.status_code == 200
    answer = press(editor, slug, page, "save")
    assert answer.status_code == 303, re.findall(r'class="alert"[^>]*>([^<]*)', answer.text)
    assert saved(installation, browser, slug)["rules"] == rules


def test_rules_are_made_without_a_script_and_without_json(
    editor: Person, installation: Config, browser: TestClient
) -> None:
    code_for(installation, browser, "made")
    page = press(editor, "made", editor.get("/codes/made/rules"), "add-rule")
    page = press(editor, "made", page, "add-condition-0", **{"r0-name": "Dinner", "r0-new": "time"})
    page = press(editor, "made", page, "add-condition-0", **{"r0-new": "country"})
    page = press(editor, "made", page, "add-rule", **{"r0-c1-values": "AE, SA", "r0-w0-to": "https://a.example/dinner"})
    page = press(editor, "made", page, "add-way-1", **{"r1-name": "Test", "r1-w0-to": "https://a.example/a"})
    page = press(editor, "made", page, "up-1", **{"r1-w1-to": "https://a.example/b", "r1-w1-weight": "30"})
    assert "Not saved yet" in page.text
    assert saved(installation, browser, "made")["version"] == 1
    assert press(editor, "made", page, "save", **{"r1-c0-zone": "Asia/Dubai"}).status_code == 303
    assert saved(installation, browser, "made")["rules"] == [
        {
            "name": "Test",
            "when": [],
            "split": [
                {"name": "A", "weight": 50, "to": "https://a.example/a"},
                {"name": "B", "weight": 30, "to": "https://a.example/b"},
            ],
        },
        {
            "name": "Dinner",
            "when": [
                {"time": {"from": "18:00", "until": "23:00", "zone": "Asia/Dubai"}},
                {"country": ["AE", "SA"]},
            ],
            "to": "https://a.example/dinner",
        },
    ]
    page = press(editor, "made", editor.get("/codes/made/rules"), "drop-way-0-0")
    page = press(editor, "made", page, "drop-condition-1-0")
    page = press(editor, "made", page, "down-0")
    assert press(editor, "made", page, "save").status_code == 303
    [dinner, test] = saved(installation, browser, "made")["rules"]
    assert (dinner["when"], test["to"]) == ([{"country": ["AE", "SA"]}], "https://a.example/b")
    page = press(editor, "made", editor.get("/codes/made/rules"), "delete-0")
    press(editor, "made", page, "save")
    assert [rule["name"] for rule in saved(installation, browser, "made")["rules"]] == ["Test"]


def test_a_mistake_is_named_and_what_was_typed_stays(editor: Person, installation: Config, browser: TestClient) -> None:
    code_for(
        installation,
        browser,
        "wrong",
        rules=[{"name": "One", "when": [{"country": ["AE"]}], "to": "https://a.example/"}],
    )
    page = editor.get("/codes/wrong/rules")
    answer = press(editor, "wrong", page, "save", **{"r0-c0-values": "<Emirates>"})
    assert answer.status_code == 422
    assert "two-letter country codes" in unescape(answer.text)
    assert 'value="&lt;Emirates&gt;"' in answer.text
    answer = press(editor, "wrong", page, "save", **{"r0-w0-to": "javascript:alert(1)"})
    assert (answer.status_code, "Rule 1 (One)" in answer.text) == (422, True)
    answer = press(editor, "wrong", page, "json", json="{not json")
    assert (answer.status_code, "no JSON" in answer.text, "{not json" in answer.text) == (422, True, True)
    assert saved(installation, browser, "wrong")["version"] == 1


def test_somebody_elses_change_is_not_overwritten(editor: Person, installation: Config, browser: TestClient) -> None:
    code_for(installation, browser, "raced")
    page = press(editor, "raced", editor.get("/codes/raced/rules"), "add-rule")
    browser.patch("/api/v1/codes/raced", json={"destination": "https://b.example/"}, headers=local_owner(installation))
    answer = press(editor, "raced", page, "save", version="1", **{"r0-w0-to": "https://a.example/"})
    assert (answer.status_code, "somebody changed it" in answer.text) == (409, True)


def test_options_are_set_kept_and_taken_away(editor: Person, installation: Config, browser: TestClient) -> None:
    code_for(installation, browser, "opts")
    fields = form_of(editor.get("/codes/opts/rules"), "/codes/opts/options")
    typed = {
        "paused": "1", "message": "Back soon", "starts_at": "2026-12-01T09:00", "zone": "Asia/Kolkata", "max_scans": "100",
        "fallback": "https://a.example/late", "password": " pass word ", "utm_source": "wall", "scan_id": "sid",
        "remember_days": "30", "pass_query": "1",
    }  # fmt: skip
    assert editor.browser.post("/codes/opts/options", data={**fields, **typed}).status_code == 303
    expected = {
        "starts_at": "2026-12-01T03:30:00+00:00", "max_scans": 100, "fallback": "https://a.example/late",
        "paused": "Back soon", "pass_query": True, "utm": {"source": "wall"}, "scan_id": "sid", "remember_days": 30,
        "password": True,
    }  # fmt: skip
    assert saved(installation, browser, "opts")["options"] == expected
    page = editor.get("/codes/opts/rules")
    assert "argon2" not in page.text
    assert "pass word" not in page.text
    again = form_of(page, "/codes/opts/options")
    assert editor.browser.post("/codes/opts/options", data=again).status_code == 303
    assert saved(installation, browser, "opts")["options"] == expected  # nothing changed by looking and saving
    assert saved(installation, browser, "opts")["version"] == 2
    gone = {name: value for name, value in again.items() if name in ("csrf", "version", "zone")}
    assert editor.browser.post("/codes/opts/options", data=gone).status_code == 303
    assert saved(installation, browser, "opts")["options"] == {}
    bad = editor.browser.post("/codes/opts/options", data={**gone, "version": "3", "max_scans": "many"})
    assert (bad.status_code, "whole number" in bad.text) == (422, True)


def test_an_imagined_scan_is_explained(editor: Person, installation: Config, browser: TestClient) -> None:
    rules = [
        {
            "name": "Dinner",
            "when": [{"time": {"from": "18:00", "until": "23:00", "zone": "Asia/Dubai"}}],
            "to": "https://d.example/",
        }
    ]
    code_for(installation, browser, "tried", rules=rules)
    asked = {
        "device": "mobile",
        "at": "2026-11-20T17:10",
        "zone": "Asia/Dubai",
        "version": "now",
        "visitor": "returning",
    }
    page = editor.get("/codes/tried/simulate", params=asked)
    assert page.status_code == 200
    assert "does not hold: it is Fri 2026-11-20 17:10 there" in page.text
    assert '<option value="mobile" selected>' in page.text
    late = editor.get("/codes/tried/simulate", params={**asked, "at": "2026-11-20T20:10"})
    assert "https://d.example/" in late.text
    assert editor.get("/codes/tried/simulate").status_code == 200
    job = editor.get("/codes/tried/simulate", params={**asked, "job": "ready"})
    assert '<option value="ready" selected>' in job.text
    for wrong in (
        {"version": "9"},
        {"country": "Germany"},
        {"job": "finished"},
        {"at": "yesterday"},
        {"zone": "Mars/Base"},
        {"version": "old"},
        {"scans": "many"},
    ):
        assert editor.get("/codes/tried/simulate", params={**asked, **wrong}).status_code == 422
    assert browser.get("/api/v1/scans", headers=local_owner(installation)).json()["scans"] == []


@pytest.mark.parametrize("path", ["/codes/seen/rules", "/codes/seen/simulate"])
def test_who_may_only_look_sees_no_buttons(browser: TestClient, installation: Config, path: str) -> None:
    if browser.get("/api/v1/codes/seen", headers=local_owner(installation)).status_code == 404:
        code_for(installation, browser, "seen", rules=[{"name": "One", "when": [], "to": "https://a.example/"}])
    browser.cookies.clear()
    viewer = Person(browser, installation, "viewer")
    assert viewer.get(path).status_code == 200
    assert "Save the rules" not in viewer.get(path).text
    assert viewer.send("/codes/seen/rules", do="save").status_code == 403
    assert viewer.send("/codes/seen/options").status_code == 403
    browser.cookies.clear()


def test_any_order_of_buttons_leaves_drafts_that_can_be_shown() -> None:
    drafts = drafts_of([{"name": "a", "when": [], "to": "x:"}])
    for button in (
        "up-0",
        "down-0",
        "up-99999999",
        "delete-7",
        "drop-condition-0",
        "drop-way-0-0",
        "add-way",
        "-1",
        "",
        "add-rule-",
    ):
        drafts = changed(drafts, button, {})
    assert drafts[0].name == "a"
    for _ in range(60):
        drafts = changed(drafts, "add-rule", {})
    assert len(drafts) == 50
    assert read_drafts({"r1-name": "gap"}) == []


def test_groups_and_negations_come_back_the_same() -> None:
    rules = [
        {
            "name": "g",
            "when": [
                {"any": [{"country": ["AE"]}, {"not": {"language": ["ar"]}}]},
                {"any": [{"device": ["tv"]}, {"any": [{"os": ["ios"]}]}]},
                {"not": {"any": [{"country": ["AE"]}]}},
            ],
            "to": "https://a.example/",
        }
    ]
    assert read_rules(rules_of(drafts_of(rules)), POLICY) == read_rules(rules, POLICY)
    assert written_rules(read_rules(rules, POLICY)) == rules
