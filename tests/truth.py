"""What loss tests judge by: an open-loop client that keeps its own list of acknowledged scans, and the store's own rows."""

import asyncio
import contextlib
import os
import random
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, cast

import duckdb
import pytest
import uvloop

from tests.running import IPHONE, Running, wait_for

TICK_S = 0.005
ANSWER_WITHIN_S = 30.0
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


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk or freezing files needs root")


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """A disk of its own at this folder; gone afterwards whatever happens."""
    folder.mkdir(parents=True, exist_ok=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=700", "none", str(folder)],
        capture_output=True,
        text=True,
    )
    if mounted.returncode:
        pytest.skip(f"this machine lets nobody mount a disk: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Not one byte is left on the disk that holds this folder."""
    ballast = folder / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"\0" * 4096)
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def frozen(folder: Path) -> Iterator[None]:
    """Neither the files in this folder nor the folder itself can be changed, not even by who has them open."""
    froze = subprocess.run(["chattr", "-R", "+i", str(folder)], capture_output=True, text=True)
    try:
        if froze.returncode:
            pytest.skip(f"files cannot be frozen on this file system: {froze.stderr.splitlines()[0]}")
        yield
    finally:
        subprocess.run(["chattr", "-R", "-i", str(folder)], capture_output=True)


def random_pause(generator: random.Random, least_s: float, most_s: float) -> None:
    threading.Event().wait(generator.uniform(least_s, most_s))


_CLOCK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long days(void) {
    char text[16] = {0};
    int fd = open(getenv("SHIFTED_CLOCK"), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t got = read(fd, text, sizeof text - 1);
    close(fd);
    return got > 0 ? atol(text) : 0;
}

int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, at);
    if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE) at->tv_sec += 86400 * days();
    return result;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    struct timespec now;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &now);
    at->tv_sec = now.tv_sec;
    at->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""


class ShiftedClock:
    """The wall clock of every process started from now on: ``jump`` moves it by days, in the running ones too."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        compiler = shutil.which("gcc") or shutil.which("cc")
        if compiler is None:
            pytest.skip("shifting the clock of real processes needs a C compiler")
        source, library = folder / "clock.c", folder / "clock.so"
        self._days = folder / "days"
        self.jump(0)
        source.write_text(_CLOCK)
        subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", str(library), str(source), "-ldl"], check=True)
        monkeypatch.setenv("LD_PRELOAD", str(library))
        monkeypatch.setenv("SHIFTED_CLOCK", str(self._days))

    def jump(self, days: int) -> None:
        fresh = self._days.with_suffix(".new")
        fresh.write_text(str(days))
        fresh.replace(self._days)
