"""Programs that tests start and kill for real: ``python -m tests.children NAME FOLDER ...``."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from redirector.journal import Journal
from redirector.records import scan_line
from redirector.visitors import Visitors
from tests.scan_samples import micros, scan

ROOT = Path(__file__).parents[1]


@contextmanager
def child(name: str, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    """Killed at the end, if it has not been already."""
    command = [sys.executable, "-m", "tests.children", name, *map(str, arguments)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def acknowledge(number: int) -> None:
    os.write(1, f"{number}\n".encode())


async def write_journal(folder: str, first: str) -> None:
    """Scans without end, each acknowledged once ``append_scan`` has returned; small segments, so that it rotates."""
    journal = Journal(Path(folder), "public-0", segment_bytes=20_000)
    journal.open()
    timed = asyncio.create_task(journal.run())
    for number in count(int(first)):
        journal.append_scan(scan_line(scan(number)))
        acknowledge(number)
        if number % 100 == 0:
            await asyncio.sleep(0)
    await timed


async def ingest(folder: str) -> None:
    """Ingests without end; acknowledges each commit with the number of scans since the start."""
    from analytics.ingest import Ingest  # slow to import, and not for the others
    from analytics.store import ScanStore

    data = Path(folder)
    store = ScanStore.open(data / "scans.duckdb")
    reader = Ingest(store, data / "journal", data / "geo", keep_prefix=False, on_rows=lambda _rows: None)

    async def report() -> None:
        known = -1
        while True:
            if reader.state.scans != known:
                known = reader.state.scans
                acknowledge(known)
            await asyncio.sleep(0.005)

    await asyncio.gather(reader.run(), report())


async def visitor_id(salts: str, at: str) -> None:
    """Says who the visitor on a phone is to a worker that starts now."""
    now = datetime.fromisoformat(at)
    visitors = Visitors(Path(salts))
    visitors.refresh(now)
    sys.stdout.write(visitors.visitor_id("203.0.113.9", "Mozilla/5.0 (iPhone)", micros(now)))


if __name__ == "__main__":
    programs: dict[str, Callable[..., Coroutine[Any, Any, None]]] = {
        "write_journal": write_journal,
        "ingest": ingest,
        "visitor_id": visitor_id,
    }
    asyncio.run(programs[sys.argv[1]](*sys.argv[2:]))
