"""Part 8: how long an import and bulk retargets take, until every worker answers by them, while scans come in."""

import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from bench.load import Load, scanned
from bench.numbers import median, percentile
from bench.plan import DESTINATION, Plan, Say
from bench.processes import BenchError, Child
from bench.running import Installation
from bench.tables import Bar, Outcome, Table, count, millis, short
from bench.workers import connected
from codes.alphabet import CROCKFORD

SCANNED: Final = 1_000  # codes that scans are of, beside those that are imported and retargeted
RATE: Final = 200
SAMPLES: Final = 10  # of the codes of a bulk change, asked of every worker again and again
LOOK_EVERY_S: Final = 0.1
IMPORT_WITHIN_S: Final = 600.0
LIVE_WITHIN_S: Final = 30.0
SETTLE_S: Final = 4.0  # what is copied elsewhere afterwards is no part of the next figure
NEW, SAME = "import, all new", "import, all there already"


@dataclass(frozen=True, slots=True)
class Retarget:
    dry_run_s: float
    answered_s: float
    live_s: float  # after the answer


@dataclass(slots=True)
class Found:
    """With one number of workers, over all rounds; what scans waited for by what went on meanwhile."""

    imports: dict[str, list[float]] = field(default_factory=dict)
    retargets: dict[int, list[Retarget]] = field(default_factory=dict)
    loads: dict[str, list[Load]] = field(default_factory=dict)


def measure(plan: Plan, folder: Path, say: Say) -> Outcome:
    found = {workers: _measure(plan, folder / f"workers-{workers}", workers, say) for workers in plan.worker_counts}
    return Outcome((_imports(plan, found), _retargets(plan, found), _scans(plan, found)), _bars(plan, found))


def _measure(plan: Plan, folder: Path, workers: int, say: Say) -> Found:
    installation, found = Installation(folder, SCANNED, geo=plan.geo), Found()
    with installation.served(workers) as child:
        time.sleep(SETTLE_S)
        for number in range(plan.rounds):
            chosen = _new_codes(plan, number)
            say(f"{workers} workers, round {number + 1} of {plan.rounds}: importing {plan.import_rows:,} rows twice")
            for name, verdict in ((NEW, "new"), (SAME, "same")):
                with scanned(installation, RATE) as load:
                    took = _import(installation, _file(chosen), verdict)
                found.imports.setdefault(name, []).append(took)
                found.loads.setdefault(name, []).append(load)
                time.sleep(SETTLE_S)
            for size in plan.bulk_counts:
                say(f"{workers} workers, round {number + 1} of {plan.rounds}: retargeting {size:,} codes")
                codes = [code for tag, tagged in chosen.items() for code in tagged if tag == _tag(number, size)]
                with scanned(installation, RATE) as load:
                    retarget = _retarget(installation, child, workers, _tag(number, size), codes)
                found.retargets.setdefault(size, []).append(retarget)
                found.loads.setdefault(f"{size:,} codes retargeted", []).append(load)
                time.sleep(SETTLE_S)
    return found


def _new_codes(plan: Plan, number: int) -> dict[str, list[str]]:
    """By the one tag they have. Random ones, as they are generated: in order they would be kinder to the indexes."""
    random = Random(number)
    codes = ["".join(random.choices(CROCKFORD, k=10)) for _ in range(plan.import_rows)]
    found, start = {}, 0
    for size in plan.bulk_counts:
        found[_tag(number, size)] = codes[start : start + size]
        start += size
    return {**found, _tag(number, 0): codes[start:]}


def _tag(number: int, size: int) -> str:
    return f"round-{number}-{size}"


def _file(codes: Mapping[str, Sequence[str]]) -> bytes:
    lines = (f"{code},{DESTINATION}{code},Poster {code},{tag}\n" for tag, tagged in codes.items() for code in tagged)
    return "".join(("code,destination,name,tags\n", *lines)).encode()


def _import(installation: Installation, file: bytes, verdict: str) -> float:
    """Seconds from sending the file until the last row is committed."""
    rows = file.count(b"\n") - 1
    with closing(installation.api()) as api:
        start = time.perf_counter()
        task = api.post("/imports", file, dry_run=False)
        while task["state"] in ("waiting", "running"):
            if time.perf_counter() - start > IMPORT_WITHIN_S:
                raise BenchError(f"{rows:,} rows are not imported within {IMPORT_WITHIN_S:.0f} s")
            time.sleep(LOOK_EVERY_S)
            task = api.get(f"/imports/{task['id']}")
        took = time.perf_counter() - start
    if task["state"] != "done" or task[verdict] != rows:
        raise BenchError(f"an import of {rows:,} rows ended as {task['state']}, {task[verdict]:,} of them {verdict}")
    return took


def _retarget(installation: Installation, served: Child, workers: int, tag: str, codes: Sequence[str]) -> Retarget:
    destination = f"https://shop.example.com/{tag}"
    paths = [f"/{code}" for code in codes[:: max(len(codes) // SAMPLES, 1)]]
    with closing(installation.api()) as api:
        asked = {"tag": tag, "destination": destination}
        start = time.perf_counter()
        shown = api.post("/bulk", asked)
        dry_run_s = time.perf_counter() - start
        with connected(served, installation.public_port, workers) as asking:
            if asking.all_lead_to(paths[:1], destination):
                raise BenchError("a dry run has retargeted codes")
            start = time.perf_counter()
            made = api.post("/bulk", {**asked, "dry_run": False, "digest": shown["digest"]})
            answered_s = time.perf_counter() - start
            asking.wait_until_all_lead_to(paths, destination, LIVE_WITHIN_S)
            live_s = time.perf_counter() - start - answered_s
    if made["changed"] != len(codes):
        raise BenchError(f"{made['changed']:,} of {len(codes):,} codes were retargeted")
    return Retarget(dry_run_s, answered_s, live_s)


def _imports(plan: Plan, found: Mapping[int, Found]) -> Table:
    rows = tuple(
        (f"{name}, {_workers(workers)}", _seconds(took), count(plan.import_rows / median(took)), _seconds([max(took)]))
        for workers, entry in found.items()
        for name, took in entry.imports.items()
    )
    notes = (
        f"{plan.import_rows:,} rows of code, destination, name and tag through the API: from sending the file until its last "
        f"row is committed, {RATE} scans a second meanwhile; destination checks take note of new codes at the same time, as "
        f"by default. Medians of {plan.rounds} rounds; each brings other rows, and the database grows from round to round.",
    )
    return Table("Import", ("", "whole import", "rows per second", "slowest round"), rows, notes)


def _retargets(plan: Plan, found: Mapping[int, Found]) -> Table:
    rows = tuple(
        (
            f"{size:,} codes, {_workers(workers)}",
            _seconds(one.dry_run_s for one in took),
            _seconds(one.answered_s for one in took),
            _seconds(one.live_s for one in took),
            _seconds([max(one.live_s for one in took)]),
        )
        for workers, entry in found.items()
        for size, took in entry.retargets.items()
    )
    notes = (
        f"All codes of one tag, through the API, {RATE} scans a second meanwhile; medians of {plan.rounds} rounds. `live`: "
        f"from that answer until every worker leads {SAMPLES} codes spread over all of them to the new destination, on the "
        "public port.",
    )
    return Table("Bulk retargets", ("", "dry run", "committed and answered", "live", "slowest live"), rows, notes)


def _scans(plan: Plan, found: Mapping[int, Found]) -> Table:
    rows = []
    for workers, entry in found.items():
        for name, loads in entry.loads.items():
            waits = _waits(loads)
            shown = (millis(percentile(waits, percent) / 1e6) for percent in (50, 99, 100)) if waits else ("-",) * 3
            failed = sum(load.failed for load in loads)
            rows.append((f"{name}, {_workers(workers)}", count(len(waits)), *shown, count(failed)))
    notes = (
        f"{RATE} scans a second of {SCANNED:,} other codes, every second one on a connection of its own. A wait counts from "
        "the moment a scan was due. Client, bench and Waymark share the machine's cores, unpinned.",
    )
    return Table("Scans meanwhile", ("", "answers", "p50", "p99", "longest", "failed"), tuple(rows), notes)


def _bars(plan: Plan, found: Mapping[int, Found]) -> tuple[Bar, ...]:
    """The slowest number of workers counts."""
    bars = []
    if plan.import_rows == 100_000:
        imported = max(median(entry.imports[NEW]) for entry in found.values())
        bars.append(Bar("100,000 rows imported", 20, 10, imported, " s", False))
    if 1_000 in plan.bulk_counts:
        took_all = [entry.retargets[1_000] for entry in found.values()]
        answered = max(median(one.answered_s for one in took) for took in took_all)
        live = max(median(one.live_s for one in took) for took in took_all)
        bars.append(Bar("1,000 codes retargeted", 2, 1, answered, " s", False))
        bars.append(Bar("1,000 codes retargeted: live on every worker", 1, 0.5, live, " s", False))
    return tuple(bars)


def _waits(loads: Iterable[Load]) -> list[int]:
    return [wait for load in loads for wait in load.waits_us]


def _seconds(values: Iterable[float]) -> str:
    return f"{short(median(values))} s"


def _workers(number: int) -> str:
    return f"{number} worker" + "s" * (number > 1)
