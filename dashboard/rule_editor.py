"""The editor of rules as pages of codes, jobs and kinds of jobs show it: what is typed, saved or not. Pure."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from codes.errors import Conflict
from codes.rules import Rule, RuleError, written_rules
from dashboard.periods import zone_names
from dashboard.rule_forms import (
    DAY_NAMES,
    HINTS,
    KINDS,
    STATE_NAMES,
    RuleDraft,
    changed,
    drafts_of,
    focus_after,
    read_drafts,
    rules_of,
)
from dashboard.show import sentence

SAVING = ("save", "json")


@dataclass(frozen=True, slots=True)
class RulesEditor:
    """``drafts`` and ``text`` (JSON) are what is typed, saved or not; ``action`` is where the form goes, ``version`` what it
    began with; ``otherwise`` says what scans get when no rule holds, ``first_kind`` is the condition offered first.
    """

    kinds: ClassVar[Mapping[str, str]] = KINDS
    hints: ClassVar[Mapping[str, str]] = HINTS
    days: ClassVar[Mapping[str, str]] = DAY_NAMES
    states: ClassVar[Mapping[str, str]] = STATE_NAMES
    action: str
    version: str
    otherwise: str
    drafts: tuple[RuleDraft, ...]
    text: str
    unsaved: bool
    problem: str
    focus: str
    zone: str
    first_kind: str

    @property
    def zones(self) -> tuple[str, ...]:
        return zone_names()


def editor_for(
    action: str,
    version: str,
    otherwise: str,
    rules: Sequence[Rule],
    zone: str,
    *,
    sent: Mapping[str, str] | None = None,
    error: Exception | None = None,
    first_kind: str = "country",
) -> RulesEditor:
    """Of the rules there are, or of a form that was ``sent`` with another button than "save", or refused. Only after a
    Conflict it goes on from the version there is now: who saves again has been told.
    """
    saved = written_rules(rules) or []
    fields, button = sent or {}, (sent or {}).get("do", "save")
    drafts, focus = drafts_of(saved), ""
    if sent and button != "json":
        drafts = read_drafts(fields)
    if button not in SAVING:
        drafts = changed(drafts, button, fields)
        focus = focus_after(drafts, button)
    return RulesEditor(
        action=action,
        version=version if isinstance(error, Conflict) else fields.get("version", version),
        otherwise=otherwise,
        drafts=tuple(drafts),
        text=fields.get("json", "") if button == "json" else json.dumps(saved, indent=2, ensure_ascii=False),
        unsaved=sent is not None,
        problem=sentence(error) if error else "",
        focus=focus,
        zone=zone,
        first_kind=first_kind,
    )


def is_saving(fields: Mapping[str, str]) -> bool:
    """Every button sends the whole form; the others only rearrange what is typed."""
    return fields.get("do", "save") in SAVING


def given_rules(fields: Mapping[str, str]) -> Any:
    """JSON for codes.rules, of the form or of the field that takes it as such. Raises RuleError."""
    if fields.get("do") != "json":
        return rules_of(read_drafts(fields))
    try:
        return json.loads(fields.get("json") or "[]")
    except ValueError as error:
        raise RuleError(f"this is no JSON: {error}.") from error
