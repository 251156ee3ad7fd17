"""Which destination a scan gets and why: a pure function of route and facts, without I/O and without a clock."""

from dataclasses import dataclass

from redirector.routes import Route


@dataclass(frozen=True, slots=True)
class Decision:
    destination: str
    version: int
    rule: str | None
    variant: str | None
    why: str


def decision_for(route: Route) -> Decision:
    return Decision(route.destination, route.version, None, None, "the code's default destination")
