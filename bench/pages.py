"""Part 9: status pages of jobs at a steady rate, next to redirects of the same worker. An open loop, as part 2."""

import asyncio
import gzip
import http.client
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from bench.load import scanned
from bench.numbers import latencies_us, percentile
from bench.openloop import drive
from bench.plan import HOST, Plan, Say
from bench.processes import BenchError
from bench.running import Installation
from bench.tables import Bar, Outcome, Table, count, millis
from database.engine import Database, sqlite_url
from jobs.jobs import JobFields, Occasion, put_job

CODES: Final = 1_000
SCANS_A_SECOND: Final = 200
FIRST_S: Final = 5
STAGES: Final = ("intake", "diagnosis", "repair", "ready")


def measure(plan: Plan, folder: Path, say: Say) -> Outcome:
    installation = Installation(folder / "pages", CODES)
    say(f"making {plan.jobs:,} jobs")
    paths = folder / "paths"
    paths.write_text("\n".join(asyncio.run(_make_jobs(installation, plan.jobs))))
    with installation.served():
        sizes = _sizes(installation, paths.read_text().split()[:200])
        say(f"{plan.open_loop_rate:,} pages a second for {plan.open_loop_s} s, {SCANS_A_SECOND} scans a second beside")
        time.sleep(2)
        with scanned(installation, SCANS_A_SECOND) as load:
            tally = drive(installation, plan.open_loop_rate, plan.open_loop_s, paths)
    first_s = min(FIRST_S, plan.open_loop_s / 2)
    first, pages = _split(tally, first_s)
    rows = tuple(
        (name, count(len(found)), *(millis(percentile(found, p) / 1e6) for p in (50, 99, 99.9, 100)), failed)
        for name, found, failed in (
            (f"status pages, first {first_s:g} s", first, ""),
            ("status pages, after that", pages, str(tally["failed"])),
            ("redirects", load.waits_us, str(load.failed)),
        )
    )
    notes = (
        f"{plan.open_loop_rate:,} pages a second of {plan.jobs:,} jobs in all stages, half on connections of their own, each "
        f"{min(sizes):,} to {max(sizes):,} bytes of gzip. Latency counts from when a request was due.",
        f"In the first {first_s:g} s nearly every page is one that nobody has looked at since the start, and is made.",
        "Client, worker, and the private side that takes in what is journaled share the machine's cores, unpinned.",
    )
    table = Table("Status pages", ("", "answers", "p50", "p99", "p99.9", "longest", "failed"), rows, notes)
    bars = (
        Bar(f"status pages at {plan.open_loop_rate:,}/s: p99", 8.0, 4.0, percentile(pages, 99) / 1000, " ms", False),
        Bar("status page, compressed", 6.0, 3.0, max(sizes) / 1000, " KB", False),
    )
    return Outcome((table,), bars)


def _split(tally: dict[str, Any], first_s: float) -> tuple[list[int], list[int]]:
    """Microseconds of what was due in the first seconds, and of the rest."""
    parts: tuple[list[tuple[float, float]], list[tuple[float, float]]] = ([], [])
    for due, done in zip(tally["due"], tally["done"], strict=True):
        parts[due >= first_s].append((due, done))
    first, rest = (latencies_us(*zip(*part, strict=True)) for part in parts)
    return first, rest


async def _make_jobs(installation: Installation, jobs: int) -> list[str]:
    """The paths of their pages. Every fourth is late, and each has been where a job of its stage has been."""
    database = await Database.open(sqlite_url(installation.data / "waymark.db"))
    now, paths = datetime.now(UTC), []
    try:
        for number in range(jobs):
            due = now + timedelta(days=-1 if number % 4 == 0 else 3)
            made, _ = await put_job(
                database, f"R-{number}", JobFields(item=f"Bicycle {number}", due_at=due), Occasion("bench")
            )
            if number % 4:
                stage = STAGES[number % 4]
                made, _ = await put_job(database, f"R-{number}", JobFields(stage=stage), Occasion("bench"))
            paths.append(f"/j/{made.token}")
    finally:
        await database.close()
    return paths


def _sizes(installation: Installation, paths: list[str]) -> list[int]:
    """Of what is sent, in bytes."""
    found = []
    with closing(http.client.HTTPConnection("127.0.0.1", installation.public_port, timeout=10)) as connection:
        for path in paths:
            connection.request("GET", path, headers={"Host": HOST, "Accept-Encoding": "gzip"})
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200 or b"<h1" not in gzip.decompress(body):
                raise BenchError(f"{path} is answered with {answer.status} and no page.")
            found.append(len(body))
    return found
