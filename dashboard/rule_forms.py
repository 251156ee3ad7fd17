"""Rules as the fields of a form and back: what the page shows of each condition, and which buttons change the draft. Pure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from codes.conditions import DAYS, FACTS, JOB_STATES
from codes.rules import MAX_CONDITIONS, MAX_RULES, MAX_VARIANTS, RuleError

MAX_FIELDS: Final = 10_000
KINDS: Final[dict[str, str]] = {
    "time": "Time of day",
    "dates": "Dates",
    "country": "Country",
    "region": "Region",
    "city": "City",
    "device": "Device",
    "os": "System",
    "app": "In-app browser",
    "language": "Language",
    "visitor": "Visitor",
    "scans": "Number of scans",
    "query": "Parameter of the link",
    "referrer": "Referrer",
    "asn": "Network number",
    "job": "State of the job",
    "json": "As JSON",
}
HINTS: Final[dict[str, str]] = {
    "country": "Two letters each: AE, SA",
    "region": "In English, as reports show it",
    "city": "In English, as reports show it: Dubai, São Paulo",
    "device": "mobile, tablet, desktop, tv, other",
    "os": "ios, android, windows, macos, linux",
    "app": "any, or names: instagram, wechat",
    "language": "ar, pt-br",
    "referrer": "Host names: instagram.com",
    "asn": "Numbers: 5384",
}
STATE_NAMES: Final = dict(zip(JOB_STATES, ("In progress", "Ready", "Done", "Late"), strict=True))
DAY_NAMES: Final = dict(zip(DAYS, ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"), strict=True))


@dataclass(slots=True)
class ConditionDraft:
    """``alternative``: one of an "any" group with the condition before it."""

    kind: str
    values: dict[str, str] = field(default_factory=dict)
    negated: bool = False
    alternative: bool = False


@dataclass(slots=True)
class WayDraft:
    name: str
    weight: str
    to: str


@dataclass(slots=True)
class RuleDraft:
    name: str
    conditions: list[ConditionDraft]
    ways: list[WayDraft]

    @property
    def is_split(self) -> bool:
        return len(self.ways) > 1


def drafts_of(rules: Iterable[Mapping[str, Any]]) -> list[RuleDraft]:
    """From JSON as codes.rules writes it."""
    return [_draft(rule) for rule in rules]


def rules_of(drafts: Iterable[RuleDraft]) -> list[dict[str, Any]]:
    """JSON for codes.rules, which checks it. Raises RuleError for what is no JSON or no number."""
    return [_rule(draft, f"rule {number} ({draft.name})") for number, draft in enumerate(drafts, 1)]


def read_drafts(fields: Mapping[str, str]) -> list[RuleDraft]:
    """From a sent form: r0-name, r0-c1-kind, r0-c1-values, r0-w0-to ..."""
    drafts: list[RuleDraft] = []
    while (prefix := f"r{len(drafts)}-") + "name" in fields and len(drafts) <= MAX_RULES:
        conditions: list[ConditionDraft] = []
        while (at := f"{prefix}c{len(conditions)}-") + "kind" in fields and len(conditions) <= MAX_CONDITIONS:
            kind = fields[f"{at}kind"]
            values = {name.removeprefix(at): value for name, value in fields.items() if name.startswith(at)}
            negated, alternative = (values.pop(name, "") != "" for name in ("not", "or"))
            values.pop("kind")
            conditions.append(ConditionDraft(kind, values, negated, alternative))
        ways: list[WayDraft] = []
        while (at := f"{prefix}w{len(ways)}-") + "to" in fields and len(ways) <= MAX_VARIANTS:
            ways.append(WayDraft(fields.get(f"{at}name", ""), fields.get(f"{at}weight", "1"), fields[f"{at}to"]))
        drafts.append(RuleDraft(fields[f"{prefix}name"], conditions, ways or [WayDraft("", "1", "")]))
    return drafts


def changed(drafts: list[RuleDraft], button: str, fields: Mapping[str, str]) -> list[RuleDraft]:
    """After a button such as "up-2", "add-condition-0", "drop-way-1-2" or "add-rule-ready"; an unknown one changes nothing."""
    verb, numbers = _button(button)
    state = verb.removeprefix("add-rule-")
    if verb == "add-rule" and len(drafts) < MAX_RULES:
        return [*drafts, RuleDraft(_free_name(drafts), [], [WayDraft("", "1", "")])]
    if state in STATE_NAMES and len(drafts) < MAX_RULES:
        conditions = [ConditionDraft("job", {state: "1"})]
        return [*drafts, RuleDraft(_free_name(drafts, STATE_NAMES[state]), conditions, [WayDraft("", "1", "")])]
    if not numbers or numbers[0] >= len(drafts):
        return drafts
    number = numbers[0]
    draft = drafts[number]
    match verb:
        case "up" if number:
            drafts[number - 1], drafts[number] = draft, drafts[number - 1]
        case "down" if number + 1 < len(drafts):
            drafts[number + 1], drafts[number] = draft, drafts[number + 1]
        case "delete":
            del drafts[number]
        case "add-condition":
            kind = fields.get(f"r{number}-new", "country")
            draft.conditions.append(ConditionDraft(kind if kind in KINDS else "country"))
        case "drop-condition" if numbers[1] < len(draft.conditions):
            del draft.conditions[numbers[1]]
        case "add-way" if len(draft.ways) < MAX_VARIANTS:
            if not draft.is_split and not draft.ways[0].name:
                draft.ways[0].name, draft.ways[0].weight = "A", "50"
            draft.ways.append(WayDraft(chr(65 + len(draft.ways)), "50", ""))
        case "drop-way" if numbers[1] < len(draft.ways) and draft.is_split:
            del draft.ways[numbers[1]]
    return drafts


def focus_after(drafts: Sequence[RuleDraft], button: str) -> str:
    """The field that the keyboard goes on with."""
    verb, numbers = _button(button)
    if verb.startswith("add-rule"):
        place = len(drafts) - 1
        return f"r{place}-w0-to" if verb != "add-rule" else f"r{place}-name"
    place = numbers[0] + {"up": -1, "down": 1}.get(verb, 0) if numbers else -1
    return f"r{place}-name" if 0 <= place < len(drafts) else ""


def _button(text: str) -> tuple[str, list[int]]:
    words = text.split("-")
    numbers = [int(word) for word in words if word.isdecimal() and len(word) < 6]
    return "-".join(word for word in words if not word.isdecimal()), [*numbers, 10**6] if numbers else []


def _free_name(drafts: Sequence[RuleDraft], wanted: str = "") -> str:
    names = {draft.name for draft in drafts}
    if wanted and wanted not in names:
        return wanted
    return next(name for number in range(1, MAX_RULES + 2) if (name := f"Rule {number}") not in names)


def _draft(rule: Mapping[str, Any]) -> RuleDraft:
    conditions: list[ConditionDraft] = []
    for condition in rule.get("when", []):
        members = condition.get("any", [condition])
        drafts = [_condition_draft(member) for member in members]
        if "any" in condition and any(draft.kind == "json" for draft in drafts):
            drafts = [ConditionDraft("json", {"json": _json(condition)})]
        for place, draft in enumerate(drafts):
            draft.alternative = place > 0
        conditions += drafts
    if "to" in rule:
        return RuleDraft(str(rule.get("name", "")), conditions, [WayDraft("", "1", str(rule["to"]))])
    ways = [WayDraft(str(way["name"]), str(way["weight"]), str(way["to"])) for way in rule["split"]]
    return RuleDraft(str(rule.get("name", "")), conditions, ways)


def _condition_draft(condition: Mapping[str, Any]) -> ConditionDraft:
    [(name, value)] = condition.items()
    if name == "not":
        inner = _condition_draft(value)
        if inner.kind != "json" and not inner.negated:
            inner.negated = True
            return inner
    if name == "job":
        return ConditionDraft(name, dict.fromkeys(value, "1"))
    if name in FACTS:
        return ConditionDraft(name, {"values": ", ".join(map(str, value))})
    if name == "visitor":
        return ConditionDraft(name, {"values": str(value)})
    if name in ("time", "dates", "scans"):
        values = {key: str(text) for key, text in value.items() if key != "days"}
        return ConditionDraft(name, values | dict.fromkeys(value.get("days", DAYS if name == "time" else ()), "1"))
    if name == "query":
        return ConditionDraft(name, {"key": value["key"], "values": ", ".join(value.get("values", []))})
    return ConditionDraft("json", {"json": _json(condition)})


def _rule(draft: RuleDraft, where: str) -> dict[str, Any]:
    when: list[dict[str, Any]] = []
    for condition in draft.conditions:
        written = _condition(condition, where)
        if not condition.alternative or not when:
            when.append(written)
        elif "any" in when[-1]:
            when[-1]["any"].append(written)
        else:
            when[-1] = {"any": [when[-1], written]}
    rule: dict[str, Any] = {"name": draft.name.strip(), "when": when}
    if not draft.is_split:
        return {**rule, "to": draft.ways[0].to.strip()}
    ways = [
        {"name": way.name.strip(), "weight": _number(way.weight, f"{where}, weight"), "to": way.to.strip()}
        for way in draft.ways
    ]
    return {**rule, "split": ways}


def _condition(draft: ConditionDraft, where: str) -> dict[str, Any]:
    written = _positive(draft, where)
    return {"not": written} if draft.negated else written


def _positive(draft: ConditionDraft, where: str) -> dict[str, Any]:
    values = {name: text.strip() for name, text in draft.values.items() if text.strip()}
    listed = [text.strip() for text in values.get("values", "").split(",") if text.strip()]
    match draft.kind:
        case "json":
            try:
                given: dict[str, Any] = json.loads(values.get("json", ""))
            except ValueError as error:
                raise RuleError(f"{where}: this is no JSON: {error}.") from error
            return given
        case "time":
            days = [day for day in DAYS if day in values]
            times = {name: values[name] for name in ("from", "until", "zone") if name in values}
            return {"time": times if len(days) in (0, 7) else {**times, "days": days}}
        case "dates":
            return {"dates": {name: values[name] for name in ("from", "until", "zone") if name in values}}
        case "scans":
            return {"scans": {n: _number(values[n], f"{where}, scans") for n in ("from", "below") if n in values}}
        case "query":
            return {"query": {"key": values.get("key", ""), **({"values": listed} if listed else {})}}
        case "job":
            return {"job": [state for state in JOB_STATES if state in values]}
        case "visitor":
            return {"visitor": values.get("values", "")}
        case _:
            return {draft.kind: listed}


def _number(text: str, where: str) -> int:
    if not text.strip().isdecimal() or len(text.strip()) > 12:
        raise RuleError(f"{where}: give a whole number.")
    return int(text)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
