"""What one decision costs by number of rules, with the facts of a real user agent and place: us each, best of several."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from bench.numbers import median
from bench.tables import Table, short
from codes.rules import read_rules
from redirector.decision import decision_for
from redirector.journal import Journal
from redirector.needs import needs_of
from redirector.routes import Route
from redirector.scan_facts import Readers, Said, ScanFacts
from redirector.watched import Watched

RULE_COUNTS: Final = (1, 5, 20, 50)
DECISIONS: Final = 2_000
ROUNDS: Final = 9
BAR_US: Final = 50
_PHONE: Final = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)


def rules_of(number: int) -> list[dict[str, Any]]:
    """None of them holds but the last: each is looked at, with two conditions, the first of which holds."""
    kinds: list[dict[str, Any]] = [
        {"time": {"from": "18:00", "until": "17:59", "days": ["mon"], "zone": "Asia/Kathmandu"}},
        {"country": ["AE", "SA", "QA"]},
        {"language": ["ar", "fr"]},
        {"query": {"key": "table", "values": ["7"]}},
        {"any": [{"os": ["android"]}, {"app": ["any"]}]},
        {"dates": {"from": "2030-01-01", "until": "2030-02-01", "zone": "Europe/Berlin"}},
    ]
    rules = [
        {
            "name": f"rule {n}",
            "when": [{"device": ["mobile"]}, kinds[n % len(kinds)]],
            "to": f"https://example.com/{n}",
        }
        for n in range(number - 1)
    ]
    ways = [{"weight": 70, "to": "https://example.com/a"}, {"weight": 30, "to": "https://example.com/b"}]
    return [*rules, {"name": "split", "when": [], "split": ways}]


def table() -> Table:
    with TemporaryDirectory() as folder:
        readers = Readers(Path(folder) / "geo")
        watched = Watched(Journal(Path(folder) / "journal", "bench"), lambda: None)
        rows = []
        for number in RULE_COUNTS:
            route = Route(1, 1, "bench", False, 1, "https://example.com/", read_rules(rules_of(number), None))
            asyncio.run(readers.ready(needs_of(route)))
            rows.append((str(number), f"{short(_cost_us(_decide(route, readers, watched)))} us"))
    notes = (
        "Facts found out anew for each decision; the last of the rules holds, a split. Median of "
        f"{ROUNDS} rounds of {DECISIONS:,}; the bar is {BAR_US} us. Codes without rules are not decided at all: their "
        "answer is ready.",
    )
    return Table("Cost of a decision by number of rules", ("rules", "each decision"), tuple(rows), notes)


def _decide(route: Route, readers: Readers, watched: Watched) -> Callable[[], object]:
    at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    said = Said(_PHONE, "", "de-DE,de;q=0.9", False, "utm_source=wall", "203.0.113.0/24")

    def decide() -> object:
        facts = ScanFacts(said, 1, readers, watched, "0" * 24, ("0" * 16, None))
        return decision_for(route, facts, at)

    return decide


def _cost_us(decide: Callable[[], object]) -> float:
    rounds = []
    for _round in range(ROUNDS):
        start = time.process_time()
        for _ in range(DECISIONS):
            decide()
        rounds.append((time.process_time() - start) * 1e6 / DECISIONS)
    return median(rounds)
