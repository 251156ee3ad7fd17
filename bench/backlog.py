"""Part 7: an hour of scans that nobody has read yet: what it costs meanwhile, on disk, and until all of it is read."""

import gzip
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from analytics.demo_agents import AGENTS
from bench import openloop, synthetic
from bench.numbers import latencies_us, percentile
from bench.people import BUILDS, with_build
from bench.plan import HOST, Plan, Say
from bench.processes import BenchError, Child, wait_for
from bench.redirect import verdict_on
from bench.running import Installation, code_name
from bench.tables import Bar, Outcome, Table, count, megabytes, millis, short
from bench.wrk import load

RATE: Final = 500
HOUR_S: Final = 3_600
SLICE_S: Final = 15  # of one run of the client, which keeps all it has seen; between two some tenths of a second pass
LOOK_EVERY_S: Final = 0.25
LEVEL: Final = RATE // 2  # when no more than half a second's scans wait
CAUGHT_UP_WITHIN_S: Final = 900.0
PACKED_WITHIN_S: Final = 180.0
SETTLE_S: Final = 3.0
FILL_S, FILL_CONNECTIONS = 5, 32  # of one run of wrk
DIFFERENT: Final = 5_000  # requests that the filling takes in turn

_SCRIPT: Final = """\
local requests, number = {{}}, 0
for line in io.lines("{file}") do
  local code, agent = line:match("^(%S+) (.*)$")
  requests[#requests + 1] = wrk.format("GET", "/" .. code, {{
    ["Host"] = "{host}", ["User-Agent"] = agent, ["Accept"] = "text/html", ["Accept-Language"] = "de-DE,de;q=0.9",
    ["Accept-Encoding"] = "gzip" }})
end
function request()
  number = number % #requests + 1
  return requests[number]
end
"""


@dataclass(slots=True)
class Traffic:
    """What the open-loop clients of one stretch of time saw."""

    due: list[float] = field(default_factory=list)
    done: list[float] = field(default_factory=list)
    failed: int = 0
    problem: str | None = None

    @property
    def answered(self) -> int:
        return len(self.due)

    def drive(self, installation: Installation, seconds: int, stop: threading.Event | None = None) -> None:
        while seconds > 0 and not (stop and stop.is_set()):
            slice_s = min(seconds, SLICE_S)
            tally = openloop.drive(installation, RATE, slice_s)
            self.due += tally["due"]
            self.done += tally["done"]
            self.failed += tally["failed"]
            seconds -= slice_s

    def row(self, name: str) -> tuple[str, ...]:
        values = latencies_us(self.due, self.done)
        shown = (millis(percentile(values, share) / 1e6) for share in (50, 99, 99.9, 100))
        return (name, count(self.answered), *shown, f"{self.failed} FAILED" if self.failed else "0")

    def p99_us(self) -> float:
        return percentile(latencies_us(self.due, self.done), 99)


@dataclass(frozen=True, slots=True)
class Pile:
    """What nobody has read when the private side starts."""

    scans: int
    bytes: int
    filled: int  # of the scans, by the fast filling
    open_ends: int  # requests that the end of a filling may have cut off: recorded, but nobody read the answer
    worker_grew: int


@dataclass(frozen=True, slots=True)
class CatchingUp:
    answered_after_s: float  # from the start of the private process
    seconds: float  # from then until level
    began_with: int  # scans waiting then
    ended_with: int
    stored: int  # meanwhile
    memory: int  # the most that the private process or its enrichment process held
    cpu_s: float

    @property
    def gained_per_s(self) -> float:
        """Beyond what is scanned meanwhile."""
        return (self.began_with - self.ended_with) / self.seconds


def measure(plan: Plan, folder: Path, say: Say) -> Outcome:
    installation = Installation(folder / "backlog", synthetic.CODES, geo=plan.geo)
    beside, alone, live = Traffic(), Traffic(), Traffic()
    with installation.public() as worker:
        first = 1  # the scan that `public` has asked for itself
        with installation.private():
            time.sleep(SETTLE_S)
            say(f"{RATE} scans a second for {plan.backlog_s} s, read as they come")
            beside.drive(installation, plan.backlog_s)
        pile = _pile_up(plan, installation, worker, alone, say)
        say(
            f"{pile.scans:,} scans wait in {megabytes(pile.bytes)}; starting the private side, {RATE} live scans a second"
        )
        with _going_on(live, installation) as stop:
            began = time.monotonic()
            with installation.private() as private:
                caught = _catch_up(installation, private, time.monotonic() - began)
                stop()
                say("waiting for the segments that are read to be compressed")
                packed_bytes = _packed(installation)
                sent = first + pile.filled + sum(traffic.answered for traffic in (beside, alone, live))
                open_ends = pile.open_ends + sum(traffic.failed for traffic in (beside, alone, live))
                verdict = _recount(installation, sent, open_ends)
    store_bytes = _bytes_of(installation.data, "scans.duckdb*")
    return _outcome((beside, alone, live), pile, caught, (packed_bytes, store_bytes), verdict)


def _pile_up(plan: Plan, installation: Installation, worker: Child, alone: Traffic, say: Say) -> Pile:
    read, read_bytes, memory = installation.journaled(), _bytes_of(installation.journal), worker.memory()
    seconds, wanted = (HOUR_S, 0) if plan.hour else (plan.backlog_s, plan.backlog_scans)
    say(f"{RATE} scans a second for {seconds} s, the private side stopped")
    alone.drive(installation, seconds)
    script = _script(installation.folder)
    filled = open_ends = 0
    while alone.answered + filled < wanted:
        say(f"filling: {alone.answered + filled:,} of {wanted:,} scans wait")
        done = load(
            f"http://127.0.0.1:{installation.public_port}/", FILL_S, FILL_CONNECTIONS, keep_alive=True, script=script
        )
        if done.refused or done.errors or not done.answered:
            raise BenchError(f"the filling failed: {done}")
        filled += done.answered
        open_ends += FILL_CONNECTIONS
    scans, size = installation.journaled() - read, _bytes_of(installation.journal) - read_bytes
    return Pile(scans, size, filled, open_ends, worker.memory() - memory)


def _script(folder: Path) -> Path:
    """As many different phones as the open-loop client has; one kind would be enriched from memory."""
    random = Random(1)
    requests, script = folder / "requests.txt", folder / "fill.lua"
    with requests.open("w") as file:
        for _ in range(DIFFERENT):
            agent = with_build(random.choice(AGENTS).text, random.randrange(BUILDS))
            file.write(f"{code_name(random.randint(1, synthetic.CODES))} {agent}\n")
    script.write_text(_SCRIPT.format(file=requests, host=HOST))
    return script


@contextmanager
def _going_on(live: Traffic, installation: Installation) -> Iterator[Any]:
    """Scans at the live rate in a thread, until the yielded function is called, which waits for the last answers."""
    stop = threading.Event()

    def scan() -> None:
        try:
            live.drive(installation, int(CAUGHT_UP_WITHIN_S), stop)
        except (BenchError, OSError) as error:
            live.problem = str(error)

    thread = threading.Thread(target=scan, daemon=True)

    def end() -> None:
        stop.set()
        thread.join(SLICE_S + 30)
        if live.problem:
            raise BenchError(f"the live scans failed: {live.problem}")

    thread.start()
    try:
        yield end
    finally:
        stop.set()
        thread.join(SLICE_S + 30)


def _catch_up(installation: Installation, private: Child, answered_after_s: float) -> CatchingUp:
    memory, began, cpu_s = 0, time.monotonic(), private.cpu_s()
    with closing(installation.api()) as api:
        first = now = api.get("/accounting")
        while now["waiting"]["scans"] > LEVEL:
            if time.monotonic() > began + CAUGHT_UP_WITHIN_S:
                raise BenchError(f"{now['waiting']['scans']:,} scans still wait after {CAUGHT_UP_WITHIN_S:.0f} s")
            time.sleep(LOOK_EVERY_S)
            now = api.get("/accounting")
            memory = max(memory, private.memory())
    return CatchingUp(
        answered_after_s,
        time.monotonic() - began,
        first["waiting"]["scans"],
        now["waiting"]["scans"],
        now["stored"] - first["stored"],
        memory,
        private.cpu_s() - cpu_s,
    )


def _packed(installation: Installation) -> int:
    """Bytes of the journal once only the segment being written is not compressed."""
    wait_for(lambda: _count(installation, "*.jsonl") <= 1, "the segments are compressed", PACKED_WITHIN_S)
    return _bytes_of(installation.journal)


def _recount(installation: Installation, sent: int, open_ends: int) -> str:
    """By the clients' counts, the journal's lines and the store's rows."""
    lines = _lines(installation.journal)
    accounting = installation.recount(lines)
    exact = accounting["exact"] and accounting["stored"] == accounting["ingested"] == lines
    lost = sum(sum(run["lost"].values()) for run in accounting["runs"])
    said = verdict_on(sent, lines, open_ends, f"{'exact' if exact else 'NOT EXACT'}, {lost} lost")
    return f"Answered {count(sent)}, in the journal {count(lines)}, in the store {count(accounting['stored'])}: {said}."


def _lines(journal: Path) -> int:
    found = 0
    for path in journal.glob("*.jsonl*"):
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as lines:
            found += sum(line.startswith(b'["scan"') for line in lines)
    return found


def _count(installation: Installation, pattern: str) -> int:
    return sum(1 for _ in installation.journal.glob(pattern))


def _bytes_of(folder: Path, pattern: str = "*.jsonl*") -> int:
    return sum(path.stat().st_size for path in folder.glob(pattern))


def _outcome(
    stretches: tuple[Traffic, Traffic, Traffic], pile: Pile, caught: CatchingUp, sizes: tuple[int, int], verdict: str
) -> Outcome:
    beside, alone, live = stretches
    packed_bytes, store_bytes = sizes
    hour_bytes = pile.bytes / pile.scans * RATE * HOUR_S
    latency = Table(
        "Backlog: redirects",
        (f"{RATE} scans/s", "answers", "p50", "p99", "p99.9", "longest", "failed"),
        (
            beside.row("read as they come"),
            alone.row("private side stopped"),
            live.row("private side catching up"),
        ),
        (
            "Open loop, every second scan on a connection of its own; latency counts from when it was due. Client, worker and "
            "private side share the machine's cores, unpinned.",
            f"The worker's memory grew by {megabytes(max(0, pile.worker_grew))} while {count(pile.scans)} scans piled up.",
        ),
    )
    reading = Table(
        "Backlog: disk and catching up",
        ("", ""),
        (
            ("scans waiting", count(pile.scans)),
            ("journal per scan", f"{short(pile.bytes / pile.scans)} bytes"),
            (f"journal per hour at {RATE} scans/s", megabytes(hour_bytes)),
            ("the same, read and compressed", megabytes(packed_bytes)),
            ("scan store", megabytes(store_bytes)),
            ("from the start of the private side to its first answer", f"{short(caught.answered_after_s)} s"),
            ("from then until level", f"{short(caught.seconds)} s"),
            ("stored per second meanwhile", count(caught.stored / caught.seconds)),
            ("beyond the live scans", count(caught.gained_per_s)),
            ("cores used by it", short(caught.cpu_s / caught.seconds)),
            ("memory of it, the larger of two processes", megabytes(caught.memory)),
        ),
        (verdict,),
    )
    bars = (
        Bar(f"catching up, beyond {RATE} live scans/s", 10 * RATE, 20 * RATE, caught.gained_per_s, "/s"),
        Bar("p99, private side stopped to read as they come", 1.5, 1.1, alone.p99_us() / beside.p99_us(), "", False),
        Bar("p99, private side catching up to read as they come", 2.0, 1.2, live.p99_us() / beside.p99_us(), "", False),
    )
    return Outcome((latency, reading), bars)
