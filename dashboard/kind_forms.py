"""Kinds of jobs as the fields of a form and back: their stages in order, which buttons change them, what is wrong. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from jobs.languages import LANGUAGES
from jobs.workflows import (
    MAX_HOURS,
    MAX_KEEP_DAYS,
    MAX_NAME,
    MAX_STAGES,
    MIN_STAGES,
    Phase,
    Workflow,
    WorkflowError,
    read_stage,
    read_workflow,
    suggested_key,
)

Fields = Mapping[str, str]
PHASES: Final[dict[Phase, str]] = {
    "waiting": "Waiting",
    "working": "Being worked on",
    "ready": "Ready for the customer",
    "done": "Finished",
}
KEPT: Final = ("name", "keep_done_days", "keep_idle_days")
STAGE_FIELDS: Final = ("key", "name", "phase", "hours", "optional", *LANGUAGES)
MAX_FIELDS: Final = (MAX_STAGES + 1) * len(STAGE_FIELDS)
# In place of what is wrong already, so that what else is wrong of a stage is found, too.
_HARMLESS: Final[dict[str, Any]] = {"key": "x", "name": "x", "phase": "working", "hours": None}


@dataclass(slots=True)
class KindDraft:
    """``kept`` by the names of KEPT, each stage by those of STAGE_FIELDS; a stage that is new has no key yet."""

    kept: dict[str, str]
    stages: list[dict[str, str]]

    @property
    def values(self) -> dict[str, str]:
        """As the form has them: name, s0-name, s0-en ..."""
        stages = {f"s{place}-{name}": text for place, stage in enumerate(self.stages) for name, text in stage.items()}
        return {**self.kept, **stages}


def draft_of(workflow: Workflow) -> KindDraft:
    stages = [
        {
            "key": stage.key,
            "name": stage.name,
            "phase": stage.phase,
            "hours": "" if stage.hours is None else f"{stage.hours:g}",
            "optional": "1" if stage.optional else "",
            **{language: stage.public.get(language, "") for language in LANGUAGES},
        }
        for stage in workflow.stages
    ]
    return KindDraft({name: str(getattr(workflow, name)) for name in KEPT}, stages)


def read_draft(fields: Fields) -> KindDraft:
    stages: list[dict[str, str]] = []
    while (at := f"s{len(stages)}-") + "name" in fields and len(stages) <= MAX_STAGES:
        stages.append({name: fields.get(at + name, "") for name in STAGE_FIELDS})
    return KindDraft({name: fields.get(name, "") for name in KEPT}, stages)


def changed(draft: KindDraft, button: str) -> str:
    """After a button such as "up-2", "add-0" (behind that one) or "remove-1"; the field or button to go on with."""
    verb, _, typed = button.partition("-")
    stages = draft.stages
    place = int(typed) if typed.isdecimal() and len(typed) < 4 else len(stages)
    if place >= len(stages):
        return ""
    match verb:
        case "up" if place:
            stages.insert(place - 1, stages.pop(place))
            return f"up-{place - 1}" if place > 1 else "down-0"
        case "down" if place + 1 < len(stages):
            stages.insert(place + 1, stages.pop(place))
            return f"down-{place + 1}" if place + 2 < len(stages) else f"up-{place + 1}"
        case "add" if len(stages) < MAX_STAGES:
            stages.insert(place + 1, dict.fromkeys(STAGE_FIELDS, "") | {"phase": "working"})
            return f"s{place + 1}-name"
        case "remove" if len(stages) > MIN_STAGES:
            del stages[place]
            return f"s{min(place, len(stages) - 1)}-name"
    return ""


def read_kind(kind: str, draft: KindDraft, first_language: str) -> tuple[Workflow | None, dict[str, str]]:
    """The kind, or else what is wrong, by field. New stages get keys that read like their names."""
    stages = [_written(stage) for stage in draft.stages]
    taken = {stage["key"] for stage in stages}
    for stage in stages:
        if not stage["key"]:
            stage["key"] = suggested_key(stage["name"], taken)
            taken.add(stage["key"])
    errors: dict[str, str] = {}
    for place, stage in enumerate(stages):
        errors |= _wrong_in(stage, place, first_language)
    name, done_days, idle_days = (draft.kept[name] for name in KEPT)
    try:
        return read_workflow(kind, name, stages, _whole(done_days), _whole(idle_days), first_language), {}
    except WorkflowError as error:
        field, words = _told(error, first_language, len(stages) - 1)
        return None, {field: words, **errors}


def estimate_words(draft: KindDraft) -> str:
    """What becomes of the hours."""
    total: float = 0
    for stage in draft.stages:
        if stage["phase"] in ("ready", "done"):
            break
        if stage["optional"]:
            continue
        hours = _hours(stage["hours"])
        if not isinstance(hours, int | float):
            which = f"“{stage['name']}”" if stage["name"].strip() else "a stage without a name"
            return f"No date is estimated for new jobs: {which} has no working hours. You can still promise one."
        total += hours
    return (
        f"A new job is expected to be ready after {total:,.6g} working hours, opening hours and closed days respected."
    )


def _written(stage: Fields) -> dict[str, Any]:
    """As jobs.workflows reads it; what is no number stays a text, which it refuses."""
    return {
        **{name: stage[name].strip() for name in ("key", "name", "phase")},
        "hours": _hours(stage["hours"]),
        "optional": bool(stage["optional"]),
        "public": {language: stage[language].strip() for language in LANGUAGES},
    }


def _hours(typed: str) -> float | str | None:
    try:
        hours = float(typed.strip().replace(",", ".")) if typed.strip() else None
    except ValueError:
        return typed
    if hours is None:
        return None
    if not 0 <= hours <= MAX_HOURS:
        return typed
    return int(hours) if hours.is_integer() else hours


def _whole(typed: str) -> Any:
    return int(typed) if typed.strip().isdecimal() and len(typed) < 10 else typed


def _wrong_in(stage: dict[str, Any], place: int, first_language: str) -> dict[str, str]:
    errors: dict[str, str] = {}
    mended = {**stage, "public": dict(stage["public"])}
    for _ in STAGE_FIELDS:
        try:
            read_stage(mended, place, first_language)
        except WorkflowError as error:
            field, words = _told(error, first_language)
            errors.setdefault(field, words)
            (mended["public"] if error.part in LANGUAGES else mended)[error.part] = _HARMLESS.get(error.part, "x")
        else:
            break
    return errors


def _told(error: WorkflowError, first_language: str, last: int = -1) -> tuple[str, str]:
    """(field, words): the error's own words are for JSON."""
    if error.place is None:
        return error.part, {
            "name": f"A kind has a name of 1 to {MAX_NAME} characters.",
            "keep_done_days": f"A whole number of days from 1 to {MAX_KEEP_DAYS:,}.",
            "keep_idle_days": f"A whole number of days from 1 to {MAX_KEEP_DAYS:,}.",
        }.get(error.part, str(error))
    if error.part == "phase" and error.place == last:
        words = "Jobs end at the last stage: it is “Finished” and never skipped."
    elif error.part == "phase" and error.place == 0:
        words = "Jobs begin at the first stage: it is not “Finished” and never skipped."
    elif error.part == "phase":
        words = "Only the last stage is “Finished”, except one that most jobs skip."
    elif error.part == first_language:
        words = f"What customers read, in up to {MAX_NAME} characters: your shop's own language is needed."
    else:
        words = {
            "name": f"A stage has a name of 1 to {MAX_NAME} characters.",
            "hours": f"A number from 0 to {MAX_HOURS:,}, such as 8 or 0.5; empty when nobody can say.",
            **dict.fromkeys(LANGUAGES, f"At most {MAX_NAME} characters."),
        }.get(error.part, str(error))
    part = "name" if error.part in ("", "key", "public") else error.part
    return f"s{error.place}-{part}", words
