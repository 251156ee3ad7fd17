"""Stages: what comes with Waymark, what shops write themselves, and where a job goes from each."""

from typing import Any

import pytest

from codes.conditions import JOB_STATES
from jobs.languages import LANGUAGES
from jobs.workflows import (
    BUILT_IN,
    PHASES,
    Workflow,
    WorkflowError,
    read_stages,
    read_workflow,
    state_of,
    written_stages,
)

REPAIR = BUILT_IN["repair"]


def stage(key: str | None = "one", **changes: Any) -> dict[str, Any]:
    return {"key": key, "name": key, "public": {"en": key}, "phase": "working", "hours": 1} | changes


LAST = stage("end", phase="done", hours=None)


@pytest.mark.parametrize("workflow", BUILT_IN.values(), ids=list(BUILT_IN))
def test_a_built_in_workflow_can_be_used_as_it_is(workflow: Workflow) -> None:
    assert read_stages(written_stages(workflow.stages)) == workflow.stages
    assert workflow.done_stage.phase == "done"
    for each in workflow.stages:
        assert set(each.public) == set(LANGUAGES)
        # Four translations of one text: a language is not filled with another's.
        assert len(set(each.public.values())) >= 3, each.key
    assert any(not each.is_open for each in workflow.stages[:-1]), "it has a stage that is ready"


def test_there_is_a_workflow_for_every_trade() -> None:
    assert set(BUILT_IN) == {"repair", "order", "parcel", "ticket", "brief"}


def test_a_repair_advances_past_what_is_optional() -> None:
    keys = [REPAIR.first.key]
    while (following := REPAIR.next_after(keys[-1])) is not None:
        keys.append(following.key)
    assert keys == ["intake", "diagnosis", "repair", "quality", "ready", "picked-up"]
    following = REPAIR.next_after("parts")
    assert following is not None
    assert following.key == "repair"
    assert [each.key for each in REPAIR.coming("quality")] == ["ready", "picked-up"]
    assert REPAIR.coming("picked-up") == ()


def test_back_leads_to_an_optional_stage_only_when_the_job_was_there() -> None:
    before = REPAIR.before("repair")
    assert before is not None
    assert before.key == "diagnosis"
    before = REPAIR.before("repair", {"intake", "diagnosis", "parts"})
    assert before is not None
    assert before.key == "parts"
    assert REPAIR.before("intake") is None


def test_nothing_follows_a_done_stage_that_is_not_the_last() -> None:
    workflow = read_workflow("x", "X", [stage(), stage("given-up", phase="done", optional=True), LAST])
    assert workflow.next_after("given-up") is None


def test_an_unknown_stage_is_named_with_a_suggestion() -> None:
    assert REPAIR.find_stage("diagnose") is None
    with pytest.raises(WorkflowError, match=r"no stage 'diagnose'\. Did you mean 'diagnosis'"):
        REPAIR.stage("diagnose")
    with pytest.raises(WorkflowError, match="There are intake, diagnosis"):
        REPAIR.index_of("xyz")


@pytest.mark.parametrize(
    ("public", "language", "expected"),
    [
        ({"en": "Ready", "fr": "Prêt"}, "fr", "Prêt"),
        ({"en": "Ready", "fr": "Prêt"}, "ar", "Ready"),
        ({"fr": "Prêt", "es": "Listo"}, "ar", "Prêt"),
    ],
)
def test_a_missing_public_name_falls_back(public: dict[str, str], language: str, expected: str) -> None:
    first = next(iter(public))
    stages = read_stages([stage(public=public), {**LAST, "public": public}], first)
    assert stages[0].public_name(language) == expected


def test_what_rules_ask_of_a_job_is_one_of_their_states() -> None:
    states = {(phase, late): state_of(phase, late) for phase in PHASES for late in (False, True)}
    assert set(states.values()) == set(JOB_STATES)
    assert states["waiting", False] == states["working", False] == "in-progress"
    assert states["waiting", True] == states["working", True] == "late"
    assert states["ready", True] == "ready"
    assert states["done", True] == "done"


@pytest.mark.parametrize(
    ("stages", "message"),
    [
        ({}, "a list of 2 to 30"),
        ([LAST], "a list of 2 to 30"),
        ([*(stage(f"s{number}") for number in range(30)), LAST], "a list of 2 to 30"),
        (["intake", LAST], "stage 1: give an object"),
        ([stage("In Repair"), LAST], "try 'in-repair'"),
        ([stage(key=None, name="Prüfung"), LAST], "try 'prufung'"),
        ([stage("x" * 41), LAST], "1 to 40 of a-z"),
        ([stage(), stage(), LAST], "two stages have the key 'one'"),
        ([stage(colour="red"), LAST], "stage 1 has no 'colour'"),
        ([stage(), stage("two")], "the last stage, 'two'"),
        ([stage(), {**LAST, "optional": True}], "not optional"),
        ([stage(phase="done"), LAST], "first stage, 'one'"),
        ([stage(optional=True), LAST], "first stage, 'one'"),
        ([stage(), stage("two", phase="done"), LAST], "'two' is done before the last one"),
        ([stage(phase="finished"), LAST], "waiting, working, ready, done, not 'finished'"),
        ([stage(phase=["done"]), LAST], "its phase is one of"),
        ([stage(optional="yes"), LAST], "optional is true or false"),
        ([stage(name=" "), LAST], "its name is one line of 1 to 80"),
        ([stage(name="x" * 81), LAST], "its name is one line"),
        ([stage(name="a\nb"), LAST], "its name is one line"),
        ([stage(public="Ready"), LAST], "public holds what customers read"),
        ([stage(public={}), LAST], "first language, English"),
        ([stage(public={"fr": "Prêt"}), LAST], 'add "en" to public'),
        ([stage(public={"en": ""}), LAST], "first language, English"),
        ([stage(public={"en": "x", "de": "y"}), LAST], "no language 'de'; there are en, es, fr, ar"),
        ([stage(public={"en": 5}), LAST], "public text"),
        ([stage(hours=-1), LAST], "working hours from 0 to 10,000"),
        ([stage(hours=10_001), LAST], "working hours from 0 to 10,000"),
        ([stage(hours=float("nan")), LAST], "working hours from 0 to 10,000"),
        ([stage(hours=True), LAST], "working hours from 0 to 10,000"),
        ([stage(hours="8"), LAST], "working hours from 0 to 10,000"),
    ],
)
def test_stages_that_cannot_be_used(stages: object, message: str) -> None:
    with pytest.raises(WorkflowError, match=message):
        read_stages(stages, "en")


def test_stages_that_are_kept_need_a_public_text_in_any_language() -> None:
    """A shop may change its first language later."""
    french = {"fr": "Prêt"}
    assert read_stages([stage(public=french), {**LAST, "public": french}])[0].public == french
    with pytest.raises(WorkflowError, match="in one language at least"):
        read_stages([stage(public={}), LAST])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "Engraving!"}, "try 'engraving'"),
        ({"kind": ""}, "a kind is 1 to 40"),
        ({"name": ""}, "its name is one line"),
        ({"keep_done_days": 0}, "keep_done_days is a whole number"),
        ({"keep_idle_days": 3651}, "keep_idle_days is a whole number"),
        ({"keep_idle_days": True}, "keep_idle_days is a whole number"),
        ({"keep_idle_days": 1.5}, "keep_idle_days is a whole number"),
    ],
)
def test_a_kind_that_cannot_be_used(changes: dict[str, Any], message: str) -> None:
    given: dict[str, Any] = {"kind": "engraving", "name": "Engraving", "stages": [stage(), LAST]}
    assert read_workflow(**given).keep_done_days == 90
    with pytest.raises(WorkflowError, match=message):
        read_workflow(**given | changes)
