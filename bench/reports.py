"""Part 4: each card of the dashboard, and all of them, on stores of many scans, beside the same questions in SQLite."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from analytics.periods import Period
from analytics.reports import Filter, Reports
from analytics.store import ScanStore
from bench import plain, synthetic
from bench.numbers import median
from bench.openloop import CARDS
from bench.plan import Plan, Say
from bench.processes import BenchError
from bench.running import Installation
from bench.tables import Bar, Outcome, Table, millis
from geo.places import Places

ALL: Final = "all cards, one after the other"
AT_ONCE: Final = "all cards, asked at once"
OVER_API: Final = "all cards, one after the other, over the API"
Timings = dict[str, float]


def measure(plan: Plan, folder: Path, say: Say) -> Outcome:
    timings: dict[str, Timings] = {}
    largest = max(plan.report_scans)
    for scans in plan.report_scans:
        installation = Installation(folder / f"reports-{scans}", synthetic.CODES, geo=plan.geo)
        store = installation.data / "scans.duckdb"
        say(f"making {scans:,} scans")
        asyncio.run(synthetic.fill(store, scans))
        say(f"reports on {scans:,} scans")
        found, total = asyncio.run(ask_all(store, plan.repeats))
        found[OVER_API] = _over_api(installation, plan.repeats)
        timings[f"{scans:,} scans"] = found
        if scans == plan.plain_scans:
            say(f"the same questions in plain SQLite, {scans:,} scans")
            timings[f"plain SQLite, {scans:,} scans"] = _in_sqlite(store, folder / "plain.db", plan, total)
        if scans != largest:
            store.unlink()
    table = Table(
        "Reports", ("", *timings), tuple(_row(name, timings) for name in (*CARDS, ALL, AT_ONCE, OVER_API)), _notes(plan)
    )
    return Outcome((table,), _bars(largest, timings[f"{largest:,} scans"]))


async def ask_all(store_path: Path, repeats: int) -> tuple[Timings, dict[str, int]]:
    """Median seconds per card, after one unmeasured round; and the total, to compare answers by."""
    store = ScanStore.open(store_path)
    try:
        reports, asked = Reports(store, Places(store_path.parent / "geo")), everything()
        cards: dict[str, Callable[[], Awaitable[object]]] = {
            card: lambda card=card: getattr(reports, card)(asked)  # type: ignore[misc]
            for card in CARDS
        }

        async def one_after_the_other() -> None:
            for card in cards.values():
                await card()

        async def at_once() -> None:
            await asyncio.gather(*(card() for card in cards.values()))

        await one_after_the_other()
        questions = {**cards, ALL: one_after_the_other, AT_ONCE: at_once}
        found = {name: await _median_s(question, repeats) for name, question in questions.items()}
        return found, await reports.total(asked)
    finally:
        store.close()


def everything() -> Filter:
    return Filter(Period(synthetic.START, synthetic.END, ZoneInfo("UTC")))


async def _median_s(question: Callable[[], Awaitable[object]], repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        await question()
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def _over_api(installation: Installation, repeats: int) -> float:
    days = {"from": synthetic.START.isoformat(), "to": synthetic.END.isoformat()}
    with installation.private(), closing(installation.api()) as api:
        rounds = [sum(api.timed(f"/reports/{card}", **days) for card in CARDS) for _ in range(repeats + 1)]
    return median(rounds[1:])


def _in_sqlite(store: Path, path: Path, plan: Plan, total: Mapping[str, int]) -> Timings:
    period = {"start": int(synthetic.START.timestamp()), "end": int(synthetic.END.timestamp())}
    with plain.copied(store, path, period) as questions:
        if questions.total() != (total["scans"], total["visitors"]):
            raise BenchError(f"SQLite answers {questions.total()}, the scan store {total}: not the same question.")
        found = {}
        for card in CARDS:
            seconds = [questions.ask(card)]
            while len(seconds) < plan.repeats and sum(seconds) < plan.plain_s:
                seconds.append(questions.ask(card))
            found[card] = median(seconds)
    path.unlink()
    return {**found, ALL: sum(found.values())}


def _row(name: str, timings: Mapping[str, Timings]) -> tuple[str, ...]:
    return (name, *(millis(found[name]) if name in found else "-" for found in timings.values()))


def _notes(plan: Plan) -> tuple[str, ...]:
    return (
        f"All scans of {synthetic.DAYS} days over {synthetic.CODES} codes; only the usual filter (counted, no bots); UTC. "
        f"Medians of {plan.repeats} after one unmeasured round; two threads and 1 GB for the scan store, as by default.",
        "SQLite: the same rows and the same questions, two indexes, ANALYZE, 1 GB of cache; totals are compared. A card of it "
        f"is not asked again once it has taken {plan.plain_s:.0f} s.",
    )


def _bars(scans: int, found: Timings) -> tuple[Bar, ...]:
    """The bars are about 10 M scans; a smaller run says nothing of them."""
    if scans < 10_000_000:
        return ()
    slowest = max(CARDS, key=found.__getitem__)
    return (
        Bar(f"slowest card ({slowest}), {scans:,} scans", 150, 50, found[slowest] * 1000, " ms", False),
        Bar(f"whole overview, {scans:,} scans", 600, 200, found[AT_ONCE] * 1000, " ms", False),
    )
