"""The pages of kinds: stages added, moved, renamed and removed without a script; nothing typed is lost; who may what."""

import html
import re
from collections.abc import Iterator

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from dashboard.kind_forms import changed, draft_of, estimate_words, read_draft, read_kind
from jobs.workflows import BUILT_IN
from tests.conftest import running_app
from tests.test_pages import (  # noqa: F401  fixtures of signed-in people
    BROWSER,
    Person,
    browser,
    editor,
    hidden,
    installation,
    owner,
    viewer,
    web_build,
)
from waymark.config import Config


@pytest.fixture(scope="module")
def running(installation: Config) -> Iterator[TestClient]:  # noqa: F811
    """An app of its own: these tests change kinds."""
    with running_app(installation) as app:
        app.headers.update(BROWSER)
        yield app


def fields_in(page: str) -> dict[str, str]:
    """The form of a kind as a browser would send it, untouched."""
    form = re.search(r"<form[^>]*data-draft.*?</form>", page, re.DOTALL)
    assert form is not None, page[:2000]
    found: dict[str, str] = {}
    for tag in re.findall(r"<input[^>]*>", form[0]):
        given = dict(re.findall(r'([a-z-]+)="([^"]*)"', tag))
        if given.get("type") != "checkbox" or "checked" in tag:
            found[given["name"]] = html.unescape(given.get("value", ""))
    for name, options in re.findall(r'<select[^>]*name="([^"]+)".*?>(.*?)</select>', form[0], re.DOTALL):
        chosen = re.search(r'value="([^"]+)" selected', options)
        found[name] = chosen[1] if chosen else ""
    return found


def typed(page: Response) -> dict[str, str]:
    return {name: value for name, value in fields_in(page.text).items() if name != "csrf"}


def names(fields: dict[str, str]) -> list[str]:
    return [fields[f"s{n}-name"] for n in range(40) if f"s{n}-name" in fields]


def made(person: Person, name: str, like: str = "ticket") -> str:
    answer = person.send("/kinds", name=name, like=like)
    assert answer.status_code == 303, answer.text
    return str(answer.headers["location"])


@pytest.mark.parametrize("workflow", BUILT_IN.values(), ids=list(BUILT_IN))
def test_a_form_that_nobody_touches_changes_nothing(workflow: object) -> None:
    kind = next(found for found in BUILT_IN.values() if found is workflow)
    read, errors = read_kind(kind.kind, read_draft(draft_of(kind).values), "en")
    assert (read, errors) == (kind, {})
    assert read is not None
    assert read.version == kind.version


@pytest.mark.parametrize(
    ("button", "order", "focus"),
    [
        ("up-1", [1, 0, 2, 3, 4, 5], "down-0"),
        ("up-2", [0, 2, 1, 3, 4, 5], "up-1"),
        ("up-0", [0, 1, 2, 3, 4, 5], ""),
        ("down-0", [1, 0, 2, 3, 4, 5], "down-1"),
        ("down-4", [0, 1, 2, 3, 5, 4], "up-5"),
        ("down-5", [0, 1, 2, 3, 4, 5], ""),
        ("remove-1", [0, 2, 3, 4, 5], "s1-name"),
        ("remove-5", [0, 1, 2, 3, 4], "s4-name"),
        ("remove-6", [0, 1, 2, 3, 4, 5], ""),
        ("add-0", [0, None, 1, 2, 3, 4, 5], "s1-name"),
        ("look", [0, 1, 2, 3, 4, 5], ""),
        ("up-x", [0, 1, 2, 3, 4, 5], ""),
        ("explode-1", [0, 1, 2, 3, 4, 5], ""),
    ],
)
def test_a_button_changes_the_order_and_the_keyboard_goes_on_there(
    button: str, order: list[int | None], focus: str
) -> None:
    draft = draft_of(BUILT_IN["ticket"])
    keys = [stage["key"] for stage in draft.stages]
    assert changed(draft, button) == focus
    assert [stage["key"] for stage in draft.stages] == ["" if place is None else keys[place] for place in order]


def test_two_stages_stay_and_there_are_thirty_at_most() -> None:
    draft = draft_of(BUILT_IN["ticket"])
    for _ in range(9):
        changed(draft, "remove-0")
    assert len(draft.stages) == 2
    for _ in range(40):
        changed(draft, "add-0")
    assert len(draft.stages) == 30


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("name", "", "A kind has a name"),
        ("name", "x" * 81, "A kind has a name"),
        ("keep_done_days", "0", "from 1 to 3,650"),
        ("keep_idle_days", "soon", "from 1 to 3,650"),
        ("s0-name", " ", "A stage has a name"),
        ("s1-hours", "many", "such as 8 or 0.5"),
        ("s1-hours", "-1", "such as 8 or 0.5"),
        ("s1-hours", "nan", "such as 8 or 0.5"),
        ("s1-hours", "inf", "such as 8 or 0.5"),
        ("s1-hours", "9e307", "such as 8 or 0.5"),
        ("s2-fr", "", "shop's own language is needed"),
        ("s2-es", "x" * 81, "At most 80"),
        ("s0-phase", "done", "Jobs begin at the first stage"),
        ("s0-optional", "1", "Jobs begin at the first stage"),
        ("s5-phase", "ready", "Jobs end at the last stage"),
        ("s2-phase", "done", "Only the last stage"),
        ("s2-phase", "nowhere", "last stage"),
    ],
)
def test_what_is_wrong_is_said_beside_the_field(field: str, text: str, words: str) -> None:
    fields = {**draft_of(BUILT_IN["ticket"]).values, field: text}
    read, errors = read_kind("ticket", read_draft(fields), "fr")
    assert read is None
    [(beside, said)] = errors.items()
    assert (beside, words in said) == (field.replace("-optional", "-phase"), True), errors


def test_everything_that_is_wrong_is_said_at_once() -> None:
    wrong = {"s0-name": "", "s0-en": "", "s0-hours": "x", "s3-ar": "x" * 90, "keep_done_days": ""}
    read, errors = read_kind("ticket", read_draft({**draft_of(BUILT_IN["ticket"]).values, **wrong}), "en")
    assert (read, set(errors)) == (None, set(wrong))


def test_new_stages_get_keys_of_their_own_and_old_ones_keep_theirs() -> None:
    draft = draft_of(BUILT_IN["ticket"])
    for name in ("Réparation", "Réparation", "تصليح", "Closed"):
        changed(draft, "add-0")
        draft.stages[1] |= {"name": name, "en": name}
    draft.stages[0]["name"] = "Called something else"
    read, errors = read_kind("ticket", draft, "en")
    assert read is not None, errors
    kept = [stage.key for stage in BUILT_IN["ticket"].stages]
    assert [stage.key for stage in read.stages] == [
        kept[0], "closed-2", "in-work", "reparation", "reparation-2", *kept[1:]
    ]  # fmt: skip


def test_the_hours_are_added_up_to_where_nothing_is_left_to_do() -> None:
    draft = draft_of(BUILT_IN["repair"])
    assert "after 22 working hours" in estimate_words(draft)
    draft.stages[0]["hours"] = "1,5"
    assert "after 19.5 working hours" in estimate_words(draft)
    draft.stages[1]["hours"] = ""
    assert "“Diagnosis” has no working hours" in estimate_words(draft)


def test_a_stage_is_added_renamed_moved_and_removed_and_only_saving_keeps_it(editor: Person) -> None:  # noqa: F811
    path = made(editor, "Watch repair", "ticket")
    fields = typed(editor.get(path))
    before = names(fields)
    grown = editor.send(path, **fields, do="add-1")
    assert (grown.status_code, "Not saved yet." in grown.text) == (200, True)
    fields = typed(grown) | {"s2-name": "Polishing", "s2-en": "Being polished", "s2-hours": "2.5", "name": "Watches"}
    assert re.search(r'id="f-s2-name"[^>]*autofocus', grown.text)
    fields = typed(editor.send(path, **fields, do="up-2")) | {"s0-name": "Brought in"}
    assert names(fields) == ["Brought in", "Polishing", before[1], *before[2:]]
    fields = typed(editor.send(path, **fields, do="remove-2"))
    assert names(typed(editor.get(path))) == before
    saved = editor.send(path, **fields, do="save")
    assert (saved.status_code, saved.headers["location"]) == (303, f"{path}?saved=1")
    kept = editor.get(f"/api/v1{path}").json()
    assert (kept["name"], [stage["name"] for stage in kept["stages"]]) == (
        "Watches", ["Brought in", "Polishing", *before[2:]]
    )  # fmt: skip
    assert kept["stages"][0]["key"] == BUILT_IN["ticket"].first.key
    assert kept["stages"][1] | {"public": None} == {
        "key": "polishing", "name": "Polishing", "phase": "working", "hours": 2.5, "public": None
    }  # fmt: skip
    assert "Saved." in editor.get(saved.headers["location"]).text


def test_a_refused_form_says_where_and_keeps_all_that_was_typed(editor: Person) -> None:  # noqa: F811
    path = made(editor, "Refused", "repair")
    wrong = {"s1-hours": "a day", "s2-en": "", "s3-fr": "Pièces <b>attendues</b>", "keep_idle_days": "30"}
    fields = typed(editor.get(path)) | wrong
    refused = editor.send(path, **fields, do="save")
    assert refused.status_code == 422
    assert typed(refused) == fields
    for field in ("s1-hours", "s2-en"):
        assert re.search(rf'id="f-{field}"[^>]*aria-invalid="true"[^>]*aria-describedby="f-{field}-error', refused.text)
    assert "2 things to put right" in refused.text
    assert "<b>" not in refused.text
    assert editor.get(f"/api/v1{path}").json()["keep_idle_days"] == 90
    fields = typed(refused) | {"s1-hours": "8", "s2-en": "Waiting"}
    assert editor.send(path, **fields, do="save").status_code == 303
    assert editor.get(f"/api/v1{path}").json()["stages"][3]["public"]["fr"] == "Pièces <b>attendues</b>"


def test_a_change_by_somebody_else_is_not_lost_unseen(editor: Person) -> None:  # noqa: F811
    path = made(editor, "Shared")
    mine = typed(editor.get(path)) | {"keep_done_days": "10"}
    assert editor.send(path, **(mine | {"keep_done_days": "20"}), do="save").status_code == 303
    between = editor.send(path, **mine, do="down-0")
    assert editor.send(path, **typed(between), do="save").status_code == 409
    wrong = editor.send(path, **(mine | {"keep_done_days": "soon"}), do="save")
    assert editor.send(path, **(typed(wrong) | {"keep_done_days": "10"}), do="save").status_code == 409
    refused = editor.send(path, **mine, do="save")
    assert (refused.status_code, "somebody else" in refused.text.lower()) == (409, True)
    assert editor.get(f"/api/v1{path}").json()["keep_done_days"] == 20
    assert editor.send(path, **typed(refused), do="save").status_code == 303
    assert editor.get(f"/api/v1{path}").json()["keep_done_days"] == 10


def test_a_stage_at_which_jobs_stand_cannot_be_removed(editor: Person) -> None:  # noqa: F811
    path = made(editor, "Standing", "ticket")
    kind = path.rpartition("/")[2]
    assert editor.send("/jobs", reference="S-1", kind=kind).status_code == 303
    page = editor.get(path)
    assert "1 job is here" in page.text
    assert ('value="remove-0"' in page.text, 'value="remove-1"' in page.text) == (False, True)
    fields = typed(editor.send(path, **typed(page), do="remove-0"))
    refused = editor.send(path, **fields, do="save")
    assert (refused.status_code, "Jobs stand at stages that would go" in refused.text) == (409, True)
    assert names(typed(refused)) == names(fields)
    page = editor.get(path)
    assert f'href="{path}/reset"' not in page.text
    refused = editor.send(f"{path}/reset")
    assert (refused.status_code, "1 job is of the kind" in refused.text) == (409, True)
    assert editor.send("/jobs/S-1/delete").status_code == 303
    assert f'href="{path}/reset"' in editor.get(path).text
    assert editor.send(f"{path}/reset").headers["location"] == "/kinds"
    assert editor.get(path).status_code == 404


def test_a_changed_kind_that_came_with_waymark_goes_back_to_how_it_came(editor: Person) -> None:  # noqa: F811
    fields = typed(editor.get("/kinds/parcel")) | {"s0-name": "Announced"}
    assert "/kinds/parcel/reset" not in editor.get("/kinds/parcel").text
    assert editor.send("/kinds/parcel", **fields, do="save").status_code == 303
    assert "built in, changed by you" in editor.get("/kinds").text
    assert "/kinds/parcel/reset" in editor.get("/kinds/parcel").text
    asked = editor.get("/kinds/parcel/reset")
    assert BUILT_IN["parcel"].first.name in asked.text
    assert editor.get("/api/v1/kinds/parcel").json()["changed"] is True
    assert editor.send("/kinds/parcel/reset").status_code == 303
    assert editor.get("/api/v1/kinds/parcel").json()["changed"] is False


@pytest.mark.parametrize("name", ["", " ", "x" * 81, "Repair", "rEPAIR", "a\x00b"])
def test_a_kind_needs_a_name_that_no_other_has(editor: Person, name: str) -> None:  # noqa: F811
    refused = editor.send("/kinds", name=name, like="order")
    assert (refused.status_code, 'id="f-name-error"' in refused.text) == (422, True)
    assert 'value="order" selected' in refused.text


def test_kinds_whose_names_have_no_latin_letters_stay_apart(editor: Person) -> None:  # noqa: F811
    assert (made(editor, "تصليح"), made(editor, "修理")) == ("/kinds/own", "/kinds/own-2")


def test_a_viewer_reads_and_changes_nothing(viewer: Person) -> None:  # noqa: F811
    assert 'action="/kinds"' not in viewer.get("/kinds").text
    page = viewer.get("/kinds/repair")
    assert (page.status_code, 'name="do"' in page.text, "Being examined" in page.text) == (200, False, True)
    for path in ("/kinds", "/kinds/repair", "/kinds/repair/reset"):
        assert viewer.send(path, name="x", do="save").status_code == 403
    assert viewer.get("/kinds/repair/reset").status_code == 403
    assert viewer.get("/kinds/nothing").status_code == 404
