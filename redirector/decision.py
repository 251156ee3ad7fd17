"""Which destination a scan gets and why: a pure function of route, facts and time, without I/O and without a clock."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, Literal, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from codes.conditions import AnyOf, Condition, Dates, Fact, Not, OneOf, Query, ScanCount, TimeOfDay, VisitorIs
from codes.options import NO_OPTIONS, Options
from codes.parameters import with_parameters
from codes.rules import Rule, Variant
from redirector.routes import Route

Failures = tuple[Condition | None, ...]
Page = Literal["paused", "early", "ended", "used-up", "password"]
LET_THROUGH_UNCOUNTED: Final = "password"  # why the record of a password's entry is not counted: its page was


class Facts(Protocol):
    """What is known of one scan. Asked only when a rule needs it; None is unknown, and then no condition on it holds."""

    @property
    def query(self) -> Mapping[str, str]: ...

    @property
    def query_string(self) -> str: ...

    @property
    def scan_id(self) -> str | None:
        """Of the record that this scan will be."""

    @property
    def unlocked(self) -> bool:
        """The code's password was given with this request."""

    def find(self, fact: Fact) -> str | None:
        """Lower case."""

    def returning(self) -> bool | None: ...

    def count(self) -> int | None:
        """Scans of this code before this one."""

    def sticky_key(self) -> str | None:
        """The same for all scans of one visitor within the window; None for who must not be recognised."""

    def chance(self) -> float:
        """From 0 to under 1, for who has no sticky key."""


class Step(NamedTuple):
    """One line of the trace: a rule that was looked at, and the first condition that did not hold."""

    rule: str
    held: bool
    failed: Condition | None


@dataclass(frozen=True, slots=True)
class Decision:
    destination: str | None  # None: ``page`` is shown
    version: int
    rule: str | None
    variant: str | None
    page: Page | None = None
    rules: tuple[Rule, ...] = ()  # all of the route's
    failed: tuple[Condition | None, ...] = ()  # of those looked at, the first condition that did not hold

    @property
    def trace(self) -> tuple[Step, ...]:
        looked_at = zip(self.rules, self.failed, strict=False)
        return tuple(Step(rule.name, failed is None, failed) for rule, failed in looked_at)


def is_own_rule(rule: str | None) -> bool:
    """The program's own, such as "-paused": then a scan was not let through to where the code leads."""
    return rule is not None and rule.startswith("-")


def plain_decision(route: Route) -> Decision:
    """For a route without rules and with plain options: the same for every scan."""
    return Decision(with_parameters(route.destination, route.options), route.version, None, None)


def decision_for(route: Route, facts: Facts, at: datetime) -> Decision:
    """``at`` is aware. A page's name, with "-" in front, stands as its rule, and so does a fallback's reason."""
    options = route.options or NO_OPTIONS
    if options.paused is not None:
        return Decision(None, route.version, "-paused", None, "paused")
    closed = _closed(options, facts, at)
    if closed is not None and options.fallback:
        return _sent(route, options.fallback, facts, f"-{closed}", None, ())
    if closed is not None:
        return Decision(None, route.version, f"-{closed}", None, closed)
    if options.password_hash and not facts.unlocked:
        return Decision(None, route.version, "-password", None, "password")
    failures: list[Condition | None] = []
    for rule in route.rules:
        for condition in rule.conditions:
            if not _HOLDS[type(condition)](condition, facts, at):
                failures.append(condition)
                break
        else:
            failures.append(None)
            variant = variant_of(rule, route.code_id, facts)
            return _sent(route, variant.destination, facts, rule.name, variant.name, tuple(failures))
    return _sent(route, route.destination, facts, None, None, tuple(failures))


def holds(condition: Condition, facts: Facts, at: datetime) -> bool | None:
    """None is unknown: neither a condition nor its opposite holds on a fact that is missing."""
    return _HOLDS[type(condition)](condition, facts, at)


def variant_of(rule: Rule, code_id: int, facts: Facts) -> Variant:
    """By weight; the same one for a visitor within the window, whatever worker answers."""
    if len(rule.variants) == 1:
        return rule.variants[0]
    total = sum(variant.weight for variant in rule.variants)
    key = facts.sticky_key()
    if key is None:
        point = int(facts.chance() * total)
    else:
        digest = blake2b(f"{code_id}\n{rule.name}\n{key}".encode(), digest_size=8).digest()
        point = int.from_bytes(digest) * total >> 64
    for variant in rule.variants:
        point -= variant.weight
        if point < 0:
            return variant
    return rule.variants[-1]


def _closed(options: Options, facts: Facts, at: datetime) -> Page | None:
    if options.starts_at is not None and at < options.starts_at:
        return "early"
    if options.ends_at is not None and at >= options.ends_at:
        return "ended"
    if options.max_scans is not None and (facts.count() or 0) >= options.max_scans:
        return "used-up"
    return None


def _sent(
    route: Route, destination: str, facts: Facts, rule: str | None, variant: str | None, failed: Failures
) -> Decision:
    final = with_parameters(destination, route.options, facts.query_string, facts.scan_id)
    return Decision(final, route.version, rule, variant, None, route.rules, failed)


def _one_of(condition: OneOf, facts: Facts, _at: datetime) -> bool | None:
    known = facts.find(condition.fact)
    if known is None:
        return None
    if known in condition.values:
        return True
    compare = _COMPARISONS.get(condition.fact)
    return compare is not None and compare(known, condition.values)


def _is_language(known: str, values: tuple[str, ...]) -> bool:
    return any(known == value or known.startswith(f"{value}-") for value in values)


def _is_referrer(known: str, values: tuple[str, ...]) -> bool:
    return any(known == value or known.endswith(f".{value}") for value in values)


def _is_app(known: str, values: tuple[str, ...]) -> bool:
    return known != "" and ("any" in values or known in values)


def _time(span: TimeOfDay, _facts: Facts, at: datetime) -> bool:
    minute, day = _wall_clock(span.zone, at)
    if span.start < span.until:
        return span.start <= minute < span.until and day in span.days
    if minute >= span.start:
        return day in span.days
    return minute < span.until and (day - 1) % 7 in span.days


def _dates(condition: Dates, _facts: Facts, at: datetime) -> bool:
    start, until = condition.start, condition.until
    return (start is None or at >= start) and (until is None or at < until)


def _visitor(condition: VisitorIs, facts: Facts, _at: datetime) -> bool | None:
    known = facts.returning()
    return None if known is None else known == condition.returning


def _count(condition: ScanCount, facts: Facts, _at: datetime) -> bool | None:
    count = facts.count()
    return None if count is None else count >= condition.least and (condition.below is None or count < condition.below)


def _query(condition: Query, facts: Facts, _at: datetime) -> bool:
    value = facts.query.get(condition.key)
    return value is not None and (not condition.values or value in condition.values)


def _any_of(condition: AnyOf, facts: Facts, at: datetime) -> bool | None:
    found: bool | None = False
    for member in condition.conditions:
        held = _HOLDS[type(member)](member, facts, at)
        if held:
            return True
        if held is None:
            found = None
    return found


def _not(condition: Not, facts: Facts, at: datetime) -> bool | None:
    known = holds(condition.condition, facts, at)
    return None if known is None else not known


# A table and no match statement: fifty rules are looked through in a third of the time.
_HOLDS: Final[dict[type, Callable[[Any, Facts, datetime], bool | None]]] = {
    OneOf: _one_of,
    TimeOfDay: _time,
    Dates: _dates,
    VisitorIs: _visitor,
    ScanCount: _count,
    Query: _query,
    AnyOf: _any_of,
    Not: _not,
}
_COMPARISONS: Final[dict[Fact, Callable[[str, tuple[str, ...]], bool]]] = {
    "language": _is_language,
    "referrer": _is_referrer,
    "app": _is_app,
}


@lru_cache(maxsize=600)
def _wall_clock(zone: str, at: datetime) -> tuple[int, int]:
    """(minute of the day, weekday) there; several rules of a code ask for the same."""
    local = at.astimezone(_zone(zone))
    return local.hour * 60 + local.minute, local.weekday()


@lru_cache(maxsize=600)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
