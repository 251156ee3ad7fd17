"""Part 1: redirects per CPU-second, our public worker beside others. A closed loop that saturates one core."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from bench.numbers import median, ratio_of_rounds
from bench.plan import Plan, Say
from bench.processes import server_cores
from bench.running import Installation
from bench.servers import Nginx, Server, Waymark, others
from bench.tables import Bar, Outcome, Table, count, megabytes, millis
from bench.wrk import Load, load

WARM_UP_S: Final = 1
ALL_DIFFERENT: Final = "keep-alive, no two user agents alike"
KEEP_ALIVE: Final = {"keep-alive": True, "connection per scan": False, ALL_DIFFERENT: True}
# A phone's headers as in all loads, but nothing remembered of one request helps the next.
_SCRIPT: Final = """\
local number = 0
function request()
  number = number + 1
  wrk.headers["User-Agent"] = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 " .. number
  return wrk.format()
end
"""
# Relative to nginx, of the issue: bar and aim.
BARS: Final = {"keep-alive": (0.45, 0.65), "connection per scan": (0.42, 0.60)}


@dataclass(frozen=True, slots=True)
class Sample:
    load: Load
    cpu_s: float
    memory: int
    sent: int  # answers that some client has read whole, warm-up included
    open_ends: int  # requests that a load's end may have cut off: recorded, but nobody read the answer
    run: str | None  # of our journal

    @property
    def per_cpu_s(self) -> float:
        return self.load.answered / self.cpu_s


@dataclass(slots=True)
class Series:
    server: Server
    way: str
    samples: list[Sample] = field(default_factory=list)

    def rates(self) -> list[float]:
        return [sample.per_cpu_s for sample in self.samples]


def measure(plan: Plan, folder: Path, say: Say) -> Outcome:
    ours = [
        Waymark("Waymark, process mode", Installation(folder / "process", 1, geo=plan.geo)),
        Waymark("Waymark, power mode", Installation(folder / "power", 1, durability="power", geo=plan.geo)),
    ]
    neighbours, notes = others(folder)
    servers = dict.fromkeys(KEEP_ALIVE, (*ours, *neighbours))
    servers[ALL_DIFFERENT] = (ours[0], *(server for server in neighbours if isinstance(server, Nginx)))
    script = folder / "all-different.lua"
    script.write_text(_SCRIPT)
    found = [Series(server, way) for way in KEEP_ALIVE for server in servers[way]]
    for number in range(plan.rounds):
        for series in found:
            say(f"round {number + 1} of {plan.rounds}: {series.server.name}, {series.way}")
            chosen = script if series.way == ALL_DIFFERENT else None
            series.samples.append(sample(series.server, series.way, plan, chosen))
    recorded: dict[str, int] = {}
    verdicts = {}
    for server in ours:
        say(f"counting what {server.name} has recorded")
        verdicts[server.name] = _recorded(server.installation, recorded)
    tables = tuple(_table(way, found, recorded, verdicts) for way in KEEP_ALIVE)
    return Outcome((*tables[:-1], _with_notes(tables[-1], notes)), _bars(found))


def sample(server: Server, way: str, plan: Plan, script: Path | None = None) -> Sample:
    """Every server is alone on its core: the private side and its ingestion are started afterwards, for the recount.
    They would not change the CPU-seconds of the worker, but would take wrk's core, and so change all else."""
    keep_alive = KEEP_ALIVE[way]
    with server.started() as child:
        warm = load(server.url, WARM_UP_S, plan.connections, keep_alive=keep_alive, script=script)
        before = child.cpu_s()
        hot = load(server.url, plan.seconds, plan.connections, keep_alive=keep_alive, script=script)
        cpu_s, memory = child.cpu_s() - before, child.memory()
        run = server.installation.runs()[-1] if isinstance(server, Waymark) else None
    sent = warm.answered + hot.answered + 1  # the one that said it is ready
    return Sample(hot, max(cpu_s, 0.01), memory, sent, 2 * plan.connections, run)


def _recorded(installation: Installation, recorded: dict[str, int]) -> str:
    """Fills in scans per run; says what the accounting says."""
    journaled = installation.journaled()
    with installation.private():
        accounting = installation.recount(journaled)
    recorded.update({run["run"]: run["found"] for run in accounting["runs"]})
    lost = sum(sum(run["lost"].values()) for run in accounting["runs"])
    exact = accounting["exact"] and accounting["stored"] == accounting["ingested"] == journaled
    return f"{'exact' if exact else 'NOT EXACT'}, {lost} lost"


def _table(way: str, found: Sequence[Series], recorded: dict[str, int], verdicts: dict[str, str]) -> Table:
    mine = [series for series in found if series.way == way]
    reference = next((series for series in mine if isinstance(series.server, Nginx)), None)
    columns = ("", "per CPU-second", "to nginx", "per second", "p50", "p99", "memory", "answered", "recorded", "")
    pinned = "on one core, wrk on another" if server_cores() else "with wrk on the same core"
    notes = (
        "Medians of the rounds; `to nginx` is the median of the ratios within each round. "
        f"{mine[0].samples[0].open_ends // 2} connections, each server {pinned}.",
        "`answered` is what wrk has read, warm-up and readiness check included; requests cut off by the end of a load are "
        "recorded all the same, up to one per connection.",
    )
    rows = tuple(_row(series, reference, recorded, verdicts.get(series.server.name)) for series in mine)
    return Table(f"Redirects, {way}", columns, rows, notes)


def _row(series: Series, reference: Series | None, recorded: dict[str, int], accounting: str | None) -> tuple[str, ...]:
    samples = series.samples
    sent, stored = sum(entry.sent for entry in samples), sum(recorded.get(entry.run or "", 0) for entry in samples)
    failed = sum(entry.load.errors + entry.load.refused for entry in samples)
    verdict = verdict_on(sent, stored, sum(entry.open_ends for entry in samples), accounting)
    return (
        series.server.name,
        count(median(series.rates())),
        f"{ratio_of_rounds(series.rates(), reference.rates()):.2f}" if reference else "-",
        count(median(entry.load.per_s for entry in samples)),
        millis(median(entry.load.p50_s for entry in samples)),
        millis(median(entry.load.p99_s for entry in samples)),
        megabytes(median(entry.memory for entry in samples)),
        count(sent),
        count(stored) if accounting else "-",
        "; ".join([text for text in (verdict, f"{failed} FAILED" if failed else "") if text]),
    )


def verdict_on(sent: int, stored: int, open_ends: int, accounting: str | None) -> str:
    """A scan is recorded before its answer leaves: never fewer than answered, nor more than could be under way."""
    if accounting is None:
        return ""
    plausible = sent <= stored <= sent + open_ends
    return accounting if plausible else f"{accounting}; ANSWERED AND RECORDED DIFFER"


def _bars(found: Sequence[Series]) -> tuple[Bar, ...]:
    bars = []
    for way, (bar, aim) in BARS.items():
        ours, *rest = [series for series in found if series.way == way]
        reference = next((series for series in rest if isinstance(series.server, Nginx)), None)
        if reference:
            ratio = ratio_of_rounds(ours.rates(), reference.rates())
            bars.append(Bar(f"redirects per CPU-second to nginx, {way}", bar, aim, ratio))
    return tuple(bars)


def _with_notes(table: Table, notes: Sequence[str]) -> Table:
    return Table(table.title, table.columns, table.rows, (*table.notes, *notes))
