"""Scans at a steady rate beside something else, from a client in a process of its own, until that is done."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from bench import client
from bench.numbers import latencies_us
from bench.processes import ROOT, BenchError, clean_environment
from bench.running import Installation

LONGEST_S: Final = 180
LEAD_S: Final = 1.0  # of scans alone


@dataclass(slots=True)
class Load:
    """Of the scans that were due meanwhile; complete after the end."""

    waits_us: list[int] = field(default_factory=list)
    failed: int = 0


@contextmanager
def scanned(installation: Installation, rate: int) -> Iterator[Load]:
    """Scans are under way inside; what was due before or afterwards is left out of the figures."""
    numbers = (installation.public_port, rate, LONGEST_S, installation.codes)
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.client", *map(str, numbers)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
        env=clean_environment(),
        start_new_session=True,
    )
    load = Load()
    try:
        assert process.stderr is not None
        first = process.stderr.readline().decode().strip()
        if first != client.UNDER_WAY:
            raise BenchError(f"the client failed: {first} {process.stderr.read().decode()[-500:]}")
        time.sleep(LEAD_S)
        begun = time.monotonic()
        yield load
        ended = time.monotonic()
        process.send_signal(signal.SIGTERM)
        said, complaint = process.communicate(timeout=60)
        if process.returncode:
            raise BenchError(f"the client failed: {complaint.decode()[-500:]}")
    finally:
        process.kill()
        process.wait()
    tally = json.loads(said)
    every = latencies_us(tally["due"], tally["done"])
    due_at = [tally["started_at"] + due for due in tally["due"]]
    load.waits_us = [wait for wait, due in zip(every, due_at, strict=True) if begun <= due <= ended]
    load.failed = tally["failed"]
