"""Part 4: the dashboard's cards and its overview on stores of many scans, with any filter, beside the same in SQLite."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from analytics.periods import Period
from analytics.reports import Filter, Reports
from analytics.store import ScanStore
from bench import plain, synthetic
from bench.numbers import median
from bench.openloop import CARDS
from bench.plan import Plan, Say
from bench.processes import BenchError
from bench.running import Api, Installation, code_name
from bench.tables import Bar, Outcome, Table, millis
from geo.places import Places

ALL: Final = "all cards, one after the other"
PAGE: Final = "overview page"
EVERYTHING: Final = "all 13 months"
SEVERAL: Final = "ten codes at once"
Timings = dict[str, float]


def measure(plan: Plan, folder: Path, say: Say) -> Outcome:
    timings: dict[str, Timings] = {}
    largest = max(plan.report_scans)
    for scans in plan.report_scans:
        installation = Installation(folder / f"reports-{scans}", synthetic.CODES, geo=plan.geo)
        store = installation.data / "scans.duckdb"
        made_s = _seconds(lambda: asyncio.run(synthetic.fill(store, scans)))  # noqa: B023
        say(f"made {scans:,} scans in {made_s:.0f} s")
        timings[f"{scans:,} scans"], total = asyncio.run(ask_all(store, plan.repeats))
        if scans == plan.plain_scans:
            say(f"the same questions in plain SQLite, {scans:,} scans")
            timings[f"plain SQLite, {scans:,} scans"] = _in_sqlite(store, folder / "plain.db", plan, total)
        if scans == largest:
            say(f"every filter on {scans:,} scans")
            filtered = asyncio.run(_ask_filtered(store, plan.repeats))
            say(f"over HTTP on {scans:,} scans")
            served = _over_http(installation, plan.repeats)
        store.unlink()
    table = Table("Reports", ("", *timings), tuple(_row(name, timings) for name in (*CARDS, ALL)), _notes(plan))
    columns = tuple(filtered)
    wide = Table(
        f"Reports with filters, {largest:,} scans, in process",
        ("", *columns),
        tuple(_row(card, filtered) for card in CARDS),
        (
            "Periods end at the end of the current day, so that today's scans, which have no tallies yet, are part of each.",
            f"{SEVERAL.capitalize()}: the largest ones, with a fifth of all scans, over all 13 months, asked once. Only the "
            "API can ask for several; there are no tallies for such a set, as visitors of different codes do not add up.",
        ),
    )
    http = Table(
        f"Reports over HTTP, {largest:,} scans",
        ("", *served),
        tuple(_row(name, served) for name in (*CARDS, PAGE)),
        (
            f"The private process as `waymark serve` starts it (niceness 5); medians of {plan.repeats}, whole answers read.",
        ),
    )
    return Outcome((table, wide, http), _bars(largest, filtered, served))


async def ask_all(store_path: Path, repeats: int) -> tuple[Timings, dict[str, int]]:
    """Median seconds per card, after one unmeasured round; and the total, to compare answers by."""
    store = ScanStore.open(store_path)
    try:
        reports, asked = Reports(store, Places(store_path.parent / "geo")), everything()
        found = await _cards(reports, asked, repeats)
        return {**found, ALL: sum(found.values())}, await reports.total(asked)
    finally:
        store.close()


async def _ask_filtered(store_path: Path, repeats: int) -> dict[str, Timings]:
    store = ScanStore.open(store_path)
    try:
        reports = Reports(store, Places(store_path.parent / "geo"))
        found = {name: await _cards(reports, asked, repeats) for name, asked in filters().items()}
        found[SEVERAL] = await _cards(reports, _with(everything(), code_ids=tuple(range(1, 11))), 1)
        return found
    finally:
        store.close()


async def _cards(reports: Reports, asked: Filter, repeats: int) -> Timings:
    await reports.several(asked, CARDS)
    return {card: await _median_s(lambda card=card: getattr(reports, card)(asked), repeats) for card in CARDS}  # type: ignore[misc]


def everything() -> Filter:
    return Filter(Period(synthetic.START, synthetic.END, ZoneInfo("UTC")))


def filters() -> dict[str, Filter]:
    """Every kind of filter that the dashboard has, and tags. The largest code has a twelfth of all scans."""
    start, end, half_past = synthetic.START, synthetic.END, timedelta(hours=5, minutes=30)
    days = Filter(Period(end - timedelta(days=28), end, ZoneInfo("UTC")))
    india = Filter(Period(start + timedelta(days=20) - half_past, end - half_past, ZoneInfo("Asia/Kolkata")))
    everywhere = everything()
    return {
        EVERYTHING: everywhere,
        "28 days": days,
        "today": Filter(Period(end - timedelta(days=1), end, ZoneInfo("UTC"))),
        "days of Kolkata": india,
        "bots included": _with(everywhere, bots="include"),
        "largest code": _with(everywhere, code_ids=(1,)),
        "the same, Kolkata": _with(india, code_ids=(1,)),
        "a small code": _with(everywhere, code_ids=(300,)),
        "a tag of half the codes": _with(everywhere, tag="poster"),
        "a tag of 50 codes, Kolkata": _with(india, tag="campaign-7"),
    }


def _with(asked: Filter, **changes: Any) -> Filter:
    return Filter(**{**{name: getattr(asked, name) for name in ("period", "code_ids", "tag", "bots")}, **changes})


async def _median_s(question: Callable[[], Awaitable[object]], repeats: int) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        await question()
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def _over_http(installation: Installation, repeats: int) -> dict[str, Timings]:
    first, last = synthetic.START.date().isoformat(), (synthetic.END - timedelta(days=1)).date().isoformat()
    month = (synthetic.END - timedelta(days=28)).date().isoformat()
    asked: dict[str, dict[str, str]] = {
        EVERYTHING: {"from": first, "to": last},
        "28 days": {"from": month, "to": last},
        "largest code": {"from": first, "to": last, "code": code_name(1)},
        "a small code": {"from": first, "to": last, "code": code_name(300)},
    }
    cookie = installation.sign_in()
    found: dict[str, Timings] = {}
    with installation.private(), closing(installation.api()) as api:
        for name, query in asked.items():
            rounds = [{card: api.timed(f"/reports/{card}", **query) for card in CARDS} for _ in range(repeats + 1)]
            pages = [_page_s(api, cookie, query) for _ in range(repeats + 1)]
            found[name] = {card: median([timed[card] for timed in rounds[1:]]) for card in CARDS}
            found[name][PAGE] = median(pages[1:])
    return found


def _page_s(api: Api, cookie: str, query: Mapping[str, str]) -> float:
    return _seconds(lambda: api.page("/", cookie, range="custom", **query))


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


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
        f"All scans of {synthetic.DAYS} days: {synthetic.CODES:,} codes, {synthetic.CITIES:,} cities, {synthetic.NETWORKS:,} "
        "networks, 8% bots; only the usual filter (counted, no bots); UTC. In process, with the tallies that a running Waymark "
        f"makes in the background; medians of {plan.repeats} after an unmeasured one; 2 threads and 1 GB, as by default.",
        "SQLite: the same rows and the same questions, two indexes, ANALYZE, 1 GB of cache; totals are compared. A card of it "
        f"is not asked again once it has taken {plan.plain_s:.0f} s.",
    )


def _bars(scans: int, filtered: Mapping[str, Timings], served: Mapping[str, Timings]) -> tuple[Bar, ...]:
    """The bars are about 10 M scans; a smaller run says nothing of them."""
    if scans < 10_000_000:
        return ()
    names = [name for name in filtered if name != SEVERAL]
    card, name = max(((card, name) for name in names for card in CARDS), key=lambda key: filtered[key[1]][key[0]])
    several = max(CARDS, key=filtered[SEVERAL].__getitem__)
    over_http, asked = max(((card, name) for name in served for card in CARDS), key=lambda key: served[key[1]][key[0]])
    page = max(served, key=lambda name: served[name][PAGE])
    return (
        Bar(
            f"slowest card in process ({card}, {name}), {scans:,} scans",
            150,
            50,
            filtered[name][card] * 1000,
            " ms",
            False,
        ),
        Bar(
            f"slowest card ({several}, {SEVERAL}), {scans:,} scans",
            150,
            50,
            filtered[SEVERAL][several] * 1000,
            " ms",
            False,
        ),
        Bar(
            f"slowest card over HTTP ({over_http}, {asked}), {scans:,} scans",
            150,
            50,
            served[asked][over_http] * 1000,
            " ms",
            False,
        ),
        Bar(
            f"whole overview page over HTTP ({page}), {scans:,} scans",
            600,
            200,
            served[page][PAGE] * 1000,
            " ms",
            False,
        ),
    )
