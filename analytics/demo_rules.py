"""What the demo's rules decide of its scans, by the same function as for real ones. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final

from analytics.demo_plan import VENUES, Venue
from codes.conditions import Fact
from codes.rules import read_rules
from redirector.decision import decision_for
from redirector.routes import Route

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
Decided = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class _KnownVisitor:
    """Demo rules ask for the time and who it is, for nothing else."""

    visitor: str
    query: Mapping[str, str]
    query_string: str = ""
    scan_id: str | None = None
    unlocked: bool = False

    def find(self, fact: Fact) -> str | None:
        return None

    def returning(self) -> bool | None:
        return None

    def count(self) -> int | None:
        return None

    def sticky_key(self) -> str | None:
        return self.visitor or None

    def chance(self) -> float:
        return 0.5


def decided(venue: Venue, version: int, at_us: int, visitor: str, query: Mapping[str, str] | None) -> Decided:
    """Rule and variant. The rules came with the last version."""
    if not venue.rules or version <= len(venue.retargets):
        return None, None
    at = _EPOCH + timedelta(microseconds=at_us)
    decision = decision_for(_route(venue.slug), _KnownVisitor(visitor, query or {}), at)
    return decision.rule, decision.variant


@cache
def _route(slug: str) -> Route:
    """Under a number of its own: what is drawn must not depend on how the codes are numbered."""
    venue = next(venue for venue in VENUES if venue.slug == slug)
    return Route(0, 0, slug, False, 1, venue.destination, read_rules(venue.rules, None))
