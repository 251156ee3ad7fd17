"""Part 2: what a scan waits for when everything else is busy, too. An open loop: latency counts from when it was due."""

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bench import synthetic
from bench.numbers import latencies_us, median, percentile
from bench.plan import Plan, Say
from bench.processes import ROOT, BenchError, clean_environment
from bench.running import Installation
from bench.tables import Bar, Outcome, Table, count, millis, short

CARDS: Final = ("timeseries", "summary", "devices", "hours", "regions", "referrers", "networks", "versions", "codes")
SETTLE_S: Final = 3.0  # what a start costs is measured elsewhere


@dataclass(slots=True)
class Asker:
    """Asks for one report after the other, without a pause, until told to stop."""

    installation: Installation
    seconds: list[float] = field(default_factory=list)
    problem: str | None = None
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        period = {"from": synthetic.START.date().isoformat(), "to": synthetic.END.date().isoformat()}
        try:
            with closing(self.installation.api()) as api:
                while not self.stop.is_set():
                    for card in CARDS:
                        self.seconds.append(api.timed(f"/reports/{card}", **period))
                        if self.stop.is_set():
                            return
        except (BenchError, OSError) as error:
            self.problem = str(error)


def measure(plan: Plan, folder: Path, say: Say) -> Outcome:
    installation = Installation(folder / "open", synthetic.CODES, geo=plan.geo)
    already = plan.report_scans[0]
    say(f"filling a scan store with {already:,} scans")
    asyncio.run(synthetic.fill(installation.data / "scans.duckdb", already))
    with installation.served():
        time.sleep(SETTLE_S)
        asker = Asker(installation)
        thread = threading.Thread(target=asker.run, daemon=True)
        thread.start()
        say(f"{plan.open_loop_rate:,} scans a second for {plan.open_loop_s} s, reports asked all the time")
        try:
            tally = drive(installation, plan.open_loop_rate, plan.open_loop_s)
        finally:
            asker.stop.set()
            thread.join(60)
        if asker.problem:
            raise BenchError(f"a report failed meanwhile: {asker.problem}")
        ended = time.monotonic()
        journaled = installation.journaled()
        accounting = installation.recount(journaled, already)
        caught_up_s = time.monotonic() - ended
    return _outcome(plan, tally, asker.seconds, accounting, caught_up_s, already)


def drive(installation: Installation, rate: int, seconds: int, paths: Path | None = None) -> dict[str, Any]:
    """One run of the client, in a process of its own. ``paths`` is a file of what it asks for instead of codes."""
    numbers = (installation.public_port, rate, seconds, installation.codes)
    more = ["--paths", str(paths)] if paths else []
    done = subprocess.run(
        [sys.executable, "-m", "bench.client", *map(str, numbers), *more],
        capture_output=True,
        cwd=ROOT,
        env=clean_environment(),
        timeout=seconds + 60,
        check=False,
    )
    if done.returncode:
        raise BenchError(f"the open-loop client failed: {done.stderr.decode()[-500:]}")
    tally: dict[str, Any] = json.loads(done.stdout)
    return tally


def _outcome(
    plan: Plan,
    tally: dict[str, Any],
    report_s: Sequence[float],
    accounting: dict[str, Any],
    caught_up_s: float,
    already: int,
) -> Outcome:
    every = latencies_us(tally["due"], tally["done"])
    own = [value for value, is_own in zip(every, tally["own"], strict=True) if is_own]
    kept = [value for value, is_own in zip(every, tally["own"], strict=True) if not is_own]
    late, answering = latencies_us(tally["due"], tally["sent"]), latencies_us(tally["sent"], tally["done"])
    rows = (
        _row("all", every),
        _row("connection per scan", own),
        _row("keep-alive", kept),
        _row("of which before it was sent", late),
        _row("of which from sent to answered", answering),
    )
    found = sum(run["found"] for run in accounting["runs"])
    answered = len(every)
    exact = accounting["exact"] and found == answered + tally["failed"]
    notes = (
        f"{plan.open_loop_rate:,} scans a second for {plan.open_loop_s} s, every second one on a connection of its own; "
        f"{tally['failed']} failed. Latency counts from the moment a request was due (no coordinated omission), connecting "
        "included. What passes before a request is sent is connecting, and the client waiting for its turn on a core.",
        f"Meanwhile {len(report_s)} reports were asked over the API, one after the other, on a store of {already:,} scans: "
        f"median {millis(median(report_s))}, p99 {millis(percentile(report_s, 99))}.",
        f"Answered {count(answered)}, recorded {count(found)}: {'exact' if exact else 'NOT EXACT'}. "
        f"All stored {short(caught_up_s)} s after the last answer (rounded up by the recount's own look).",
        "Client, both sides, enrichment and reports share the machine's cores, unpinned.",
    )
    table = Table("Open loop", ("", "answers", "p50", "p99", "p99.9", "longest"), rows, notes)
    bars = (
        Bar(f"{plan.open_loop_rate:,} scans/s, busy: p50", 1.0, 0.3, percentile(every, 50) / 1000, " ms", False),
        Bar(f"{plan.open_loop_rate:,} scans/s, busy: p99", 5.0, 2.0, percentile(every, 99) / 1000, " ms", False),
    )
    return Outcome((table,), bars)


def _row(name: str, values: Sequence[int]) -> tuple[str, ...]:
    if not values:
        return (name, "0", "-", "-", "-", "-")
    return (name, count(len(values)), *(millis(percentile(values, p) / 1e6) for p in (50, 99, 99.9, 100)))
