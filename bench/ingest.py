"""Part 3: from the journal into the scan store, scans per second, enrichment included; and the enrichment alone."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Final

import orjson

from analytics.enrich import Enricher
from bench import people
from bench.plan import HOST, Plan, Say
from bench.processes import Child, server_cores, wait_for
from bench.running import Installation
from bench.tables import Bar, Outcome, Table, count, short
from geo.places import Places
from redirector.agents import AgentReader
from redirector.journal import segment_name
from redirector.records import Scan, parse_line, scan_line

CODES: Final = 200
DISTINCT_SHARE: Final = 20  # one scan in 20 is enough for user agents that all differ: each costs a full reading
PAUSE_S: Final = 0.02


def measure(plan: Plan, folder: Path, say: Say) -> Outcome:
    say(f"making {plan.ingest_scans:,} scans")
    now_us = time.time_ns() // 1000
    made = list(people.scans(plan.ingest_scans, range(1, CODES + 1), start_us=now_us, seed=1, host=HOST))
    lines = b"".join(map(scan_line, made))
    agents = len({scan.user_agent for scan in made})
    rows = []
    bars = []
    for name, cores in (("one core", server_cores()), ("all cores", None)):
        installation = Installation(folder / name.replace(" ", "-"), CODES, geo=plan.geo)
        say(f"ingesting on {name}")
        with installation.private(cores) as child:
            for number, cache in enumerate(("cold", "warm"), start=1):
                scans_s, cpu_s = _ingest(installation, child, lines, plan.ingest_scans, number)
                rows.append((f"{name}, {cache} cache", count(scans_s), count(plan.ingest_scans / cpu_s)))
                if name == "one core":
                    bars.append(Bar(f"ingest incl. enrichment, one core, {cache} cache", 20_000, 60_000, scans_s, "/s"))
    notes = (
        f"{plan.ingest_scans:,} scans of {agents:,} different user agents, written as a journal segment while the private "
        "side waits; the time until the store has them all. `cold`: the enrichment process has seen none of them; `warm`: the "
        "same people once more. Per CPU-second of private process and enrichment process together.",
        _places_note(plan),
    )
    pipeline = Table("Ingest", ("", "scans per second", "per CPU-second"), tuple(rows), notes)
    say("enriching in this process")
    return Outcome((pipeline, _enrichment_table(made, plan, folder)), tuple(bars))


def _ingest(installation: Installation, child: Child, lines: bytes, scans: int, number: int) -> tuple[float, float]:
    """Scans per second and CPU-seconds from the moment the segment is there until its last scan is stored."""
    path = installation.journal / segment_name("bench", 1_000_000_000_000, number)
    path.parent.mkdir(exist_ok=True)
    unfinished = path.with_suffix(".tmp")
    unfinished.write_bytes(lines)
    with closing(installation.api()) as api:
        # A first answer has come when the enrichment process waits for work, and no longer starts.
        wait_for(lambda: len(child.tree()) > 1 and _is_idle(child), "ingestion waits for work", child=child)
        cpu_s, start = child.cpu_s(), time.perf_counter()
        unfinished.replace(path)
        while api.get("/status")["scans"] < scans * number:
            time.sleep(PAUSE_S)
        seconds = time.perf_counter() - start
    return scans / seconds, max(child.cpu_s() - cpu_s, 0.01)


def _is_idle(child: Child) -> bool:
    before = child.cpu_s()
    time.sleep(0.3)
    return child.cpu_s() - before < 0.05


def _enrichment_table(made: Sequence[Scan], plan: Plan, folder: Path) -> Table:
    lines = [scan_line(scan) for scan in made]
    agents, places = AgentReader(), Places(plan.geo or folder / "no-geo")
    enricher = Enricher(agents, places)
    rows = [_timed("read a journal line", parse_line, lines)]
    misses = agents.misses
    rows.append(_timed("enrich, cold cache", enricher.to_row, made))
    missed = agents.misses - misses
    rows.append(_timed("enrich, warm cache", enricher.to_row, made))
    rows.append(_timed("write a row for the store", orjson.dumps, [enricher.to_row(scan) for scan in made]))
    each_new = [
        replace(scan, user_agent=f"{scan.user_agent} Build/{number}")
        for number, scan in enumerate(made[::DISTINCT_SHARE])
    ]
    rows.append(_timed("enrich, no user agent seen before", enricher.to_row, each_new))
    notes = (
        f"In one process, without journal and store. In the cold pass {missed:,} of {len(made):,} user agents had to be read "
        f"({agents.engine} engine).",
    )
    return Table("Enrichment alone", ("", "per second", "each"), tuple(rows), notes)


def _timed(name: str, step: Callable[..., object], items: Iterable[object]) -> tuple[str, ...]:
    entries = list(items)
    start = time.perf_counter()
    for entry in entries:
        step(entry)
    seconds = time.perf_counter() - start
    return name, count(len(entries) / seconds), f"{short(seconds / len(entries) * 1e6)} us"


def _places_note(plan: Plan) -> str:
    if plan.geo is None or not any(plan.geo.glob("*.mmdb")):
        return "Without a place database (`waymark geo update` gets one): looking up places is NOT in these figures."
    names = sorted({path.name.partition("-")[0] for path in plan.geo.glob("*.mmdb")})
    return f"With place databases: {', '.join(names)}."
