"""Pages of the rules of kinds and of jobs: every button without a script, the preview, undo, who may what."""

from datetime import UTC, datetime
from typing import Any

import pytest
from httpx2 import Response

from codes.rules import read_rules
from dashboard.job_rules_pages import ways_of
from tests.test_kind_pages import running  # noqa: F401
from tests.test_pages import (  # noqa: F401  fixtures of signed-in people
    Person,
    browser,
    editor,
    installation,
    viewer,
    web_build,
)
from tests.test_rules_pages import form_of
from waymark.config import Config

REVIEW: dict[str, Any] = {"name": "Done", "when": [{"job": ["done"]}], "to": "https://example.com/review"}
PICK_UP: dict[str, Any] = {"name": "Ready", "when": [{"job": ["ready"]}], "to": "https://example.com/pick-up"}


def press(person: Person, path: str, page: Response, button: str, **typed: str) -> Response:
    fields = form_of(page, path) | typed
    return person.browser.post(path, data={**fields, "do": button})


def rules_at(person: Person, path: str) -> Any:
    return person.get(f"/api/v1{path}").json()["rules"]


def put(person: Person, path: str, rules: list[dict[str, Any]], **more: Any) -> None:
    body, headers = {"rules": rules, **more}, {"X-CSRF-Token": person.csrf}
    assert person.browser.put(f"/api/v1{path}", json=body, headers=headers).status_code == 200


def make(person: Person, reference: str, kind: str) -> None:
    assert person.send("/jobs", reference=reference, kind=kind).status_code == 303


def test_rules_of_a_kind_are_made_looked_at_saved_and_undone(editor: Person) -> None:  # noqa: F811
    path = "/kinds/ticket/rules"
    make(editor, "T-1", "ticket")
    page = editor.get(path)
    assert ("No rules" in page.text, "Undo the last change" in page.text) == (True, False)
    page = press(editor, path, page, "add-rule-ready")
    page = press(editor, path, page, "add-rule-done", **{"r0-w0-to": PICK_UP["to"]})
    assert ("Not saved yet." in page.text, "no address yet" in page.text) == (True, True)
    page = press(editor, path, page, "look", **{"r1-w0-to": REVIEW["to"]})
    assert PICK_UP["to"] in page.text.partition('id="ways"')[2]
    assert rules_at(editor, path) == []
    saved = press(editor, path, page, "save")
    assert (saved.status_code, saved.headers["location"]) == (303, f"{path}?saved=0")
    assert rules_at(editor, path) == [PICK_UP, REVIEW]
    assert rules_at(editor, "/jobs/T-1/rules") == []
    page = editor.get(saved.headers["location"])
    assert "Saved. New jobs of this kind start with them." in page.text
    undone = editor.browser.post(f"{path}/undo", data=form_of(page, f"{path}/undo"))
    assert undone.status_code == 303
    assert rules_at(editor, path) == []
    page = editor.get(undone.headers["location"])
    assert ("Undone" in page.text, "Undo the last change" in page.text) == (True, False)
    assert editor.send(f"{path}/undo", version="none").status_code == 409


def test_jobs_there_are_get_them_when_that_is_ticked_and_one_undo_takes_it_back(editor: Person) -> None:  # noqa: F811
    path = "/kinds/order/rules"
    for reference in ("O-1", "O-2", "O-3"):
        make(editor, reference, "order")
    put(editor, "/jobs/O-2/rules", [PICK_UP])
    page = press(editor, path, editor.get(path), "add-rule-done", to_all="1")
    assert "the jobs there are: 3 open jobs" in page.text
    saved = press(editor, path, page, "save", **{"r0-w0-to": REVIEW["to"]})
    assert "3 jobs got them, too." in editor.get(saved.headers["location"]).text
    assert [rules_at(editor, f"/jobs/O-{n}/rules") for n in (1, 2, 3)] == [[REVIEW]] * 3
    put(editor, "/jobs/O-3/rules", [])
    undone = editor.browser.post(f"{path}/undo", data=form_of(editor.get(path), f"{path}/undo"))
    assert "also on 2 jobs" in editor.get(undone.headers["location"]).text
    assert [rules_at(editor, f"/jobs/O-{n}/rules") for n in (1, 2, 3)] == [[], [PICK_UP], []]
    assert rules_at(editor, path) == []


@pytest.mark.parametrize("path", ["/kinds/brief/rules", "/jobs/B-1/rules"])
def test_a_mistake_is_named_and_a_change_by_somebody_else_is_not_lost_unseen(editor: Person, path: str) -> None:  # noqa: F811
    if editor.get("/api/v1/jobs/B-1").status_code == 404:
        make(editor, "B-1", "brief")
    page = press(editor, path, editor.get(path), "add-rule-done")
    wrong = press(editor, path, page, "save", **{"r0-w0-to": "javascript:alert(1)"})
    assert (wrong.status_code, "Rule 1 (Done)" in wrong.text, "javascript:alert(1)" in wrong.text) == (422, True, True)
    assert press(editor, path, page, "json", json="{no json").status_code == 422
    put(editor, path, [PICK_UP])
    looked_at = press(editor, path, wrong, "look", **{"r0-w0-to": REVIEW["to"]})
    refused = press(editor, path, looked_at, "save")
    assert (refused.status_code, "somebody has changed" in refused.text.lower()) == (409, True)
    assert rules_at(editor, path) == [PICK_UP]
    assert editor.send(f"{path}/undo", version="1").status_code == 409
    assert press(editor, path, refused, "save").status_code == 303
    assert rules_at(editor, path) == [REVIEW]


def test_a_jobs_own_rules_go_back_step_by_step(editor: Person) -> None:  # noqa: F811
    make(editor, "2026/17", "repair")
    path = "/jobs/2026%2F17/rules"
    assert f'href="{path}"' in editor.get("/jobs/2026%2F17").text
    put(editor, path, [PICK_UP])
    put(editor, path, [REVIEW])
    for left in ([PICK_UP], []):
        undone = editor.browser.post(f"{path}/undo", data=form_of(editor.get(path), f"{path}/undo"))
        assert undone.headers["location"] == f"{path}?undone=0"
        assert rules_at(editor, path) == left
    assert "Undo the last change" not in editor.get(path).text


def test_what_a_slip_shows_is_told_for_each_state_of_the_job() -> None:
    split = {"name": "Review", "when": [{"job": ["done"]}], "split": [
        {"name": "A", "weight": 70, "to": "https://a.example/"}, {"name": "B", "weight": 30, "to": "https://b.example/"}
    ]}  # fmt: skip
    abroad = {"name": "Abroad", "when": [{"country": ["AE"]}], "to": "https://c.example/"}
    ways = ways_of(read_rules([abroad, PICK_UP, split], None), datetime.now(UTC))
    assert [(way.state, way.rule, way.addresses) for way in ways] == [
        ("In progress", "", ()),
        ("Ready", "Ready", (PICK_UP["to"],)),
        ("Done", "Review", ("A (70): https://a.example/", "B (30): https://b.example/")),
        ("Late", "", ()),
    ]


def test_a_viewer_sees_those_of_kinds_and_changes_nothing(editor: Person, installation: Config) -> None:  # noqa: F811
    make(editor, "V-1", "repair")
    looking = Person(editor.browser, installation, "viewer")
    page = looking.get("/kinds/repair/rules")
    assert (page.status_code, "Save the rules" in page.text) == (200, False)
    assert looking.get("/jobs/V-1/rules").status_code == 403
    for path in ("/kinds/repair/rules", "/kinds/repair/rules/undo", "/jobs/V-1/rules", "/jobs/V-1/rules/undo"):
        assert looking.send(path, do="save", version="none").status_code == 403
    assert looking.get("/kinds/nothing/rules").status_code == 404
