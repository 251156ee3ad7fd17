"""What must be at hand before a code's rules can be decided: most codes need nothing, some the scans before this one."""

from collections.abc import Iterator
from typing import NamedTuple

from codes.conditions import AnyOf, Condition, Not, OneOf, ScanCount, VisitorIs
from codes.options import Options
from codes.rules import Rule
from redirector.routes import Route

AGENT_FACTS = frozenset({"device", "os", "app"})
PLACE_FACTS = frozenset({"country", "region", "city", "asn"})


class Needs(NamedTuple):
    agent: bool = False  # the reader of user agents
    place: bool = False  # the place databases
    counts: bool = False  # how many scans there were
    visitors: bool = False  # who scanned before
    job: bool = False  # how the code's own job stands


NOTHING = Needs()


def needs_of(route: Route) -> Needs:
    return NOTHING if route.is_plain else needs_of_content(route.rules, route.options)


def needs_of_content(rules: tuple[Rule, ...], options: Options | None) -> Needs:
    asked = [condition for rule in rules for member in rule.conditions for condition in _simple(member)]
    facts = {condition.fact for condition in asked if isinstance(condition, OneOf)}
    return Needs(
        agent=bool(facts & AGENT_FACTS),
        place=bool(facts & PLACE_FACTS),
        counts=any(isinstance(condition, ScanCount) for condition in asked)
        or (options is not None and options.max_scans is not None),
        visitors=any(isinstance(condition, VisitorIs) for condition in asked)
        or any(len(rule.variants) > 1 for rule in rules),
        job="job" in facts,
    )


def _simple(condition: Condition) -> Iterator[Condition]:
    match condition:
        case AnyOf(members):
            for member in members:
                yield from _simple(member)
        case Not(inner):
            yield from _simple(inner)
        case _:
            yield condition
