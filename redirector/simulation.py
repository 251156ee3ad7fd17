"""What a scan that somebody imagines would have got, and why, in words. Pure: it records and counts nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from codes.conditions import (
    DAYS,
    AnyOf,
    Condition,
    Dates,
    Fact,
    Not,
    OneOf,
    Query,
    ScanCount,
    TimeOfDay,
    VisitorIs,
    condition_in_words,
)
from codes.options import NO_OPTIONS
from codes.rules import Rule, rule_in_words
from redirector.decision import Decision, decision_for, holds
from redirector.routes import Route

SCAN_ID: Final = "0" * 24  # stands where a scan's id would


@dataclass(frozen=True, slots=True)
class Imagined:
    """Facts of a scan that nobody made; whatever is not in ``known`` is unknown. ``draw`` decides splits, 0 to under 1."""

    known: Mapping[Fact, str] = field(default_factory=dict)  # lower case
    query: Mapping[str, str] = field(default_factory=dict)
    query_string: str = ""
    is_returning: bool | None = None
    scans: int | None = None
    unlocked: bool = False
    draw: float = 0.0
    scan_id: str | None = SCAN_ID

    def find(self, fact: Fact) -> str | None:
        return self.known.get(fact)

    def returning(self) -> bool | None:
        return self.is_returning

    def count(self) -> int | None:
        return self.scans

    def sticky_key(self) -> str | None:
        return None

    def chance(self) -> float:
        return self.draw


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at: a rule, or an option such as a pause. ``held`` says whether it decided."""

    what: str
    held: bool
    why: str


@dataclass(frozen=True, slots=True)
class Simulation:
    decision: Decision
    lines: tuple[Line, ...]


def simulate(route: Route, facts: Imagined, at: datetime) -> Simulation:
    """``at`` is aware."""
    decision = decision_for(route, facts, at)
    rules = {rule.name: rule for rule in route.rules}
    lines = [*_option_lines(route, decision, facts, at)]
    lines += [_rule_line(rules[step.rule], step.failed, decision, facts, at) for step in decision.trace]
    if decision.rule is None:
        why = "no rule held" if route.rules else "the code has no rules"
        lines.append(Line("destination", True, f"{why}: the code's own destination"))
    return Simulation(decision, tuple(lines))


def reason_in_words(condition: Condition, facts: Imagined, at: datetime) -> str:
    """What is the case where a condition asks: "it is Fri 17:10 there"."""
    match condition:
        case TimeOfDay(zone) | Dates(zone):
            local = at.astimezone(ZoneInfo(zone))
            return f"it is {DAYS[local.weekday()].capitalize()} {local:%Y-%m-%d %H:%M} there"
        case OneOf(fact):
            known = facts.find(fact)
            if known is None:
                return f"the {fact} is not known"
            if fact == "app" and not known:
                return "it is no in-app browser"
            return f"the {fact} is {known.upper() if fact == 'country' else known}"
        case VisitorIs():
            known_visitor = facts.returning()
            if known_visitor is None:
                return "whether the visitor was here before is not known"
            return "the visitor was here before" if known_visitor else "the visitor is here for the first time"
        case ScanCount():
            count = facts.count()
            return (
                "the number of scans is not known" if count is None else f"there were {count:,} scans before this one"
            )
        case Query(key, _):
            value = facts.query.get(key)
            return f"the link has no ?{key}" if value is None else f"the link has ?{key}={value}"
        case AnyOf(members):
            return "; ".join(dict.fromkeys(reason_in_words(member, facts, at) for member in members))
        case Not(inner):
            return reason_in_words(inner, facts, at)


def _rule_line(rule: Rule, failed: Condition | None, decision: Decision, facts: Imagined, at: datetime) -> Line:
    if failed is not None:
        unknown = " cannot be told" if holds(failed, facts, at) is None else " does not hold"
        return Line(
            f"rule {rule.name}", False, f"{condition_in_words(failed)}{unknown}: {reason_in_words(failed, facts, at)}"
        )
    why = f"{rule_in_words(rule)}: " + ("; ".join(_reasons(rule, facts, at)) or "every scan")
    if decision.variant is not None:
        total = sum(variant.weight for variant in rule.variants)
        weight = next(variant.weight for variant in rule.variants if variant.name == decision.variant)
        why += f"; the split draws {decision.variant}, which {weight / total:.0%} get"
    return Line(f"rule {rule.name}", True, why)


def _reasons(rule: Rule, facts: Imagined, at: datetime) -> list[str]:
    return list(dict.fromkeys(reason_in_words(condition, facts, at) for condition in rule.conditions))


def _option_lines(route: Route, decision: Decision, facts: Imagined, at: datetime) -> list[Line]:
    options = route.options or NO_OPTIONS
    ending = "to the fallback" if decision.page is None else "a page says so"
    match decision.rule:
        case "-paused":
            return [Line("pause", True, "the code is paused: a page says so")]
        case "-early":
            return [Line("start", True, f"it starts at {_utc(options.starts_at)}, it is {_utc(at)}: {ending}")]
        case "-ended":
            return [Line("end", True, f"it ended at {_utc(options.ends_at)}, it is {_utc(at)}: {ending}")]
        case "-used-up":
            return [
                Line("limit", True, f"{options.max_scans:,} scans are allowed, {facts.count():,} were there: {ending}")
            ]
        case "-password":
            return [Line("password", True, "a page asks for the password first")]
        case _:
            return [Line("password", False, "it was given")] if options.password_hash else []


def _utc(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at else "no time"
