"""What loss tests judge by: an open-loop client that keeps its own list of acknowledged scans, and the store's own rows."""

import asyncio
import contextlib
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, cast

import duckdb
import httpx2
import uvloop

from tests.running import IPHONE, Running, wait_for

TICK_S = 0.005
ANSWER_WITHIN_S = 30.0
RECOVERY_S = 5.0  # what is promised, from the end of a fault
BUSY_MACHINE = 3  # times that; what it took is printed
CODES = {f"live-{number}": f"https://example.com/{number}" for number in range(3)}


@dataclass(slots=True)
class Ledger:
    """The client's side of the truth: ids, each sent once."""

    sent: int = 0
    acknowledged: list[str] = field(default_factory=list)  # the whole answer was read: 302 and the right Location
    wrong: list[str] = field(default_factory=list)  # any other answer
    broken: list[str] = field(default_factory=list)  # no whole answer: refused, cut off, or too late

    @property
    def outcomes(self) -> int:
        return len(self.acknowledged) + len(self.wrong) + len(self.broken)


class OpenLoop:
    """Scans at a fixed rate whether or not answers come, one connection each, from a thread and event loop of its own."""

    def __init__(self, port: int, rate: int, codes: Mapping[str, str] = CODES) -> None:
        self.ledger = Ledger()
        self._port = port
        self._rate = rate
        self._codes = list(codes.items())
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="open-loop client")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Sends no more, waits for the answers that are due."""
        self._stop.set()
        self._thread.join()

    def wait_for_more(self, scans: int) -> None:
        """Until this many more were acknowledged."""
        goal = len(self.ledger.acknowledged) + scans
        wait_for(lambda: len(self.ledger.acknowledged) >= goal, f"{scans} more acknowledged scans", 60)

    def _run(self) -> None:
        loop = uvloop.new_event_loop()
        try:
            loop.run_until_complete(self._scan_on(loop))
        finally:
            loop.close()

    async def _scan_on(self, loop: asyncio.AbstractEventLoop) -> None:
        began = loop.time()
        while not self._stop.is_set():
            due = int((loop.time() - began) * self._rate)
            while self.ledger.sent < due:
                self._send(loop)
            await asyncio.sleep(TICK_S)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_WITHIN_S):
                while self.ledger.outcomes < self.ledger.sent:
                    await asyncio.sleep(TICK_S)
        self.ledger.broken += ["unanswered"] * (self.ledger.sent - self.ledger.outcomes)

    def _send(self, loop: asyncio.AbstractEventLoop) -> None:
        self.ledger.sent += 1
        slug, location = self._codes[self.ledger.sent % len(self._codes)]
        scan = _OneScan(self.ledger, f"scan-{self.ledger.sent}", slug, location)
        loop.create_task(self._connect(loop, scan))

    async def _connect(self, loop: asyncio.AbstractEventLoop, scan: "_OneScan") -> None:
        try:
            await loop.create_connection(lambda: scan, "127.0.0.1", self._port)
        except OSError as error:
            self.ledger.broken.append(f"{scan.id}: {error}")


class _OneScan(asyncio.Protocol):
    def __init__(self, ledger: Ledger, scan_id: str, slug: str, location: str) -> None:
        self.id = scan_id
        self._ledger = ledger
        self._slug = slug
        self._location = f"\r\nlocation: {location}\r\n".encode()
        self._answer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(
            f"GET /{self._slug}?utm_content={self.id} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {IPHONE}\r\n"
            "Accept-Language: de\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if b"\r\n\r\n" not in self._answer:
            return
        if self._answer.startswith(b"HTTP/1.1 302") and self._location in self._answer.replace(
            b"Location:", b"location:"
        ):
            self._ledger.acknowledged.append(self.id)
        else:
            self._ledger.wrong.append(f"{self.id}: {self._answer[:200]!r}")
        assert self._transport is not None
        self._transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        if b"\r\n\r\n" not in self._answer:
            self._ledger.broken.append(f"{self.id}: {error}")


def add_codes(waymark: Running, codes: Mapping[str, str] = CODES) -> None:
    for slug, destination in codes.items():
        waymark.cli("code", "add", destination, "--slug", slug)
    for slug in codes:
        wait_for(lambda slug=slug: waymark.scan(f"/{slug}", method="HEAD").status == 302, f"{slug} being live")  # type: ignore[misc]


@dataclass(frozen=True, slots=True)
class Verdict:
    lost: list[str]  # acknowledged, and not in the store
    doubled: list[str]
    unknown: list[str]  # in the store, and never sent
    counted_loss: dict[str, int]
    exact: bool


def judge(waymark: Running, ledger: Ledger, what: str) -> Verdict:
    """Stops and starts once, so that everything said in the journal is taken in, stops, and reads the store's own rows."""
    assert waymark.stop() == 0
    waymark.start()

    def all_in() -> Any:
        told = waymark.get("/accounting")
        return told if told["stored"] + sum(_counted_loss(told).values()) >= len(ledger.acknowledged) else None

    with contextlib.suppress(AssertionError):  # what is missing is said below, by name
        wait_for(all_in, "everything ingested", 120)
    accounting = waymark.get("/accounting")
    assert waymark.stop() == 0
    stored = Counter(stored_ids(waymark.data))
    sent = {f"scan-{number}" for number in range(1, ledger.sent + 1)}
    verdict = Verdict(
        lost=[scan for scan in ledger.acknowledged if scan not in stored],
        doubled=[scan for scan, times in stored.items() if times > 1],
        unknown=[scan for scan in stored if scan not in sent],
        counted_loss=_counted_loss(accounting),
        exact=accounting["exact"] and accounting["stored"] == accounting["ingested"],
    )
    print(
        f"\n{what}: sent {ledger.sent}, acknowledged {len(ledger.acknowledged)}, wrong {len(ledger.wrong)}, "
        f"broken {len(ledger.broken)}, recorded {stored.total()}, acknowledged but not recorded {len(verdict.lost)}, "
        f"doubled {len(verdict.doubled)}, counted loss {verdict.counted_loss or 0}, identity exact {verdict.exact}"
    )
    return verdict


def assert_nothing_lost(waymark: Running, ledger: Ledger, what: str) -> None:
    """Every acknowledged scan is in the store exactly once, without help from counted loss."""
    verdict = judge(waymark, ledger, what)
    assert (verdict.lost, verdict.doubled, verdict.unknown, verdict.counted_loss) == ([], [], [], {})
    assert verdict.exact


def assert_all_redirected(ledger: Ledger) -> None:
    assert (ledger.wrong[:5], ledger.broken[:5]) == ([], [])
    assert len(ledger.acknowledged) == ledger.sent > 0


def recover(waymark: Running, client: OpenLoop, what: str) -> float:
    """Seconds, from now, until the public side is ready and all that was acknowledged so far is stored or counted as lost:
    by itself, with scans going on.
    """
    goal = len(client.ledger.acknowledged)
    began = time.monotonic()
    deadline_s = RECOVERY_S * BUSY_MACHINE
    wait_for(lambda: waymark.scan("/-/ready").status == 200, f"{what}: the public side ready again", deadline_s)
    ready_s = time.monotonic() - began
    wait_for(lambda: _known(waymark) >= goal, f"{what}: what was scanned meanwhile in the store", deadline_s - ready_s)
    took_s = time.monotonic() - began
    print(f"\n{what}: ready {ready_s:.1f} s after its end, everything stored after {took_s:.1f} s")
    return took_s


def _known(waymark: Running) -> int:
    """Scans whose fate the private side knows; 0 while it does not answer."""
    with contextlib.suppress(OSError, httpx2.HTTPError, AssertionError):
        told = waymark.get("/accounting")
        return int(told["stored"] + sum(_counted_loss(told).values()))
    return 0


def stored_ids(data: Path) -> list[str]:
    """From the file itself, with nothing of Waymark in between; HEAD requests of the preparations carry no id."""
    with duckdb.connect(str(data / "scans.duckdb"), read_only=True) as connection:
        rows = connection.execute(
            "SELECT json_extract_string(query, '$.utm_content') FROM scans WHERE query IS NOT NULL"
        )
        return [row[0] for row in rows.fetchall()]


def stored_days(data: Path) -> list[str]:
    with duckdb.connect(str(data / "scans.duckdb"), read_only=True) as connection:
        return [str(day) for (day,) in connection.execute("SELECT DISTINCT scanned_at::DATE FROM scans").fetchall()]


def _counted_loss(accounting: Any) -> dict[str, int]:
    total: Counter[str] = Counter()
    for run in accounting["runs"]:
        total.update(run["lost"])
    return dict(total)


def descendant(pid: int, module: str) -> int | None:
    """A process below this one, by the module it runs."""
    with contextlib.suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in map(int, (task / "children").read_text().split()):
                if module in Path(f"/proc/{child}/cmdline").read_text().split("\0"):
                    return child
                if found := descendant(child, module):
                    return found
    return None


def get_pid(waymark: Running, module: str) -> int:
    """Waits: it may just be restarting."""
    assert waymark.process is not None
    supervisor = waymark.process.pid
    return wait_for(lambda: descendant(supervisor, module), f"a running {module}")


def memory_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def served(waymark: Running, only: str) -> Iterator[int]:
    """One side under a supervisor of its own, as on two machines; the supervisor's pid."""
    log = waymark.folder / f"serve-{only}.log"
    command = [sys.executable, "-m", "waymark.cli", "serve", f"--only={only}", "--config", str(waymark.config)]
    with log.open("w") as said, subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT) as process:
        try:
            wait_for(lambda: "Ctrl-C stops it" in log.read_text(), f"the {only} side", 60)
            yield process.pid
        finally:
            process.terminate()


_HOLDER = """
import sys, time, duckdb
while True:
    try:
        held = duckdb.connect(sys.argv[1])
        break
    except duckdb.Error:
        time.sleep(0.005)
print("held", flush=True)
sys.stdin.read()
held.close()
"""


@contextmanager
def waiting_holder(store: Path) -> Iterator[Callable[[], None]]:
    """Another program that wants this store and takes it as soon as it is free, until the end; call it to wait for that."""
    command = [sys.executable, "-c", _HOLDER, str(store)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:

        def wait_until_held() -> None:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"

        try:
            yield wait_until_held
        finally:
            assert holder.stdin is not None
            holder.stdin.close()


def random_pause(generator: random.Random, least_s: float, most_s: float) -> None:
    threading.Event().wait(generator.uniform(least_s, most_s))
