"""Part 5: from the start of a public worker to its first redirects, and its memory, with few and with very many codes."""

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.numbers import median
from bench.plan import Plan, Say
from bench.processes import BenchError, Child, server_cores
from bench.running import Installation, code_name
from bench.tables import Bar, Outcome, Table, megabytes, short

NEWEST: Final = "first redirect, newest code"
ANY: Final = "first redirect, any code"
READY: Final = "ready"
ASK_EVERY_S: Final = 0.002
WITHIN_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Start:
    seconds: Mapping[str, float]
    memory: int


def measure(plan: Plan, folder: Path, say: Say) -> Outcome:
    rows = []
    bars: tuple[Bar, ...] = ()
    for codes in plan.code_counts:
        say(f"making {codes:,} codes")
        installation = Installation(folder / f"start-{codes}", codes, geo=plan.geo)
        for source in ("database", "snapshot"):
            if source == "snapshot":
                installation.write_snapshot()
            say(f"starting with {codes:,} codes, from the {source}")
            starts = [_start(installation) for _ in range(max(plan.rounds, 2))]
            rows.append((f"{codes:,} codes, from the {source}", *_cells(starts)))
            if codes == 1_000_000 and source == "snapshot":
                bars = _bars(starts)
    notes = (
        "One worker, from the start of its process. Requests are repeated every 2 ms, each on a connection of its own, until "
        "they are answered with a redirect; `ready` is /-/ready, which wants every code in memory. "
        f"Medians of {max(plan.rounds, 2)} starts; files in the page cache. Memory is the worker's, after it is ready.",
        "`database`: without a route snapshot, as after the loss of that file; `snapshot`: as in everyday life.",
    )
    table = Table("Start and memory", ("", NEWEST, ANY, READY, "memory"), tuple(rows), notes)
    return Outcome((table,), bars)


def _start(installation: Installation) -> Start:
    asked = {
        NEWEST: (f"/{code_name(installation.codes)}", 302),
        ANY: (f"/{code_name(random.randint(1, installation.codes))}", 302),
        READY: ("/-/ready", 200),
    }
    start = time.monotonic()
    with installation.public_starting(server_cores()) as child:
        seconds = _first_answers(installation, child, asked, start)
        return Start(seconds, child.memory())


def _first_answers(
    installation: Installation, child: Child, asked: Mapping[str, tuple[str, int]], start: float
) -> dict[str, float]:
    found: dict[str, float] = {}
    while len(found) < len(asked):
        for name in asked.keys() - found.keys():
            path, wanted = asked[name]
            if installation.status_of(path) == wanted:
                found[name] = time.monotonic() - start
        if child.ended() or time.monotonic() - start > WITHIN_S:
            raise BenchError(f"the public side does not start; it said:\n{child.said()}")
        time.sleep(ASK_EVERY_S)
    return found


def _cells(starts: list[Start]) -> tuple[str, ...]:
    seconds = (median(start.seconds[name] for start in starts) for name in (NEWEST, ANY, READY))
    return (*(f"{short(value)} s" for value in seconds), megabytes(median(start.memory for start in starts)))


def _bars(starts: list[Start]) -> tuple[Bar, ...]:
    first = median(start.seconds[ANY] for start in starts)
    memory = median(start.memory for start in starts) / 1_000_000
    return (
        Bar("1 M codes: start -> first redirect", 2.0, 0.5, first, " s", False),
        Bar("1 M codes: memory per public worker", 1_000, 300, memory, " MB", False),
    )
