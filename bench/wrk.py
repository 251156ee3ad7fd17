"""The load generator of the closed loops: calls wrk as a phone would ask, and reads what it prints."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.machine import find_program
from bench.plan import HOST
from bench.processes import BenchError, clean_environment, load_cores

PHONE: Final = {
    "Host": HOST,
    "User-Agent": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/26.1 Mobile/15E148 Safari/604.1",
    "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "Accept-Language": "de-DE,de;q=0.9",
    "Accept-Encoding": "gzip, deflate",
    "Sec-Fetch-Dest": "document",
    "Sec-Fetch-Mode": "navigate",
    "Sec-Fetch-Site": "none",
    "Priority": "u=0, i",
}
_UNITS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


@dataclass(frozen=True, slots=True)
class Load:
    """What one run of wrk saw: answers it has read whole, seconds."""

    answered: int
    seconds: float
    p50_s: float
    p99_s: float
    refused: int  # answers that were no redirect
    errors: int  # connections that failed or timed out

    @property
    def per_s(self) -> float:
        return self.answered / self.seconds


def load(url: str, seconds: int, connections: int, *, keep_alive: bool, script: Path | None = None) -> Load:
    path = find_program("wrk")
    if path is None:
        raise BenchError("wrk is not installed (Debian: apt-get install wrk); closed loops need it.")
    cores = load_cores()
    pinned = ["taskset", "-c", ",".join(map(str, sorted(cores)))] if cores and find_program("taskset") else []
    headers = PHONE if keep_alive else {**PHONE, "Connection": "close"}
    command = [*pinned, path, "-t1", f"-c{connections}", f"-d{seconds}s", "--latency"]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    if script is not None:
        command += ["-s", str(script)]
    done = subprocess.run(
        [*command, url], capture_output=True, text=True, timeout=seconds + 30, check=False, env=clean_environment()
    )
    if done.returncode:
        raise BenchError(f"wrk failed: {done.stderr.strip() or done.stdout.strip()}")
    return parse(done.stdout)


def parse(text: str) -> Load:
    total = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m),", text)
    if total is None:
        raise BenchError(f"wrk's answer cannot be read: {text[:300]!r}")
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text)
    refused = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return Load(
        answered=int(total[1]),
        seconds=float(total[2]) * _UNITS[total[3]],
        p50_s=_latency(text, 50),
        p99_s=_latency(text, 99),
        refused=int(refused[1]) if refused else 0,
        errors=sum(map(int, errors.groups())) if errors else 0,
    )


def _latency(text: str, percent: int) -> float:
    found = re.search(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s|m)$", text, re.MULTILINE)
    return float(found[1]) * _UNITS[found[2]] if found else float("nan")
