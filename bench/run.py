"""A run of the bench: the chosen parts one after the other in a folder that is removed, and the file that tells of them."""

import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Final

from bench import backlog, changes, cost, ingest, openloop, pages, redirect, reports, start
from bench.machine import host_kind, interpreter_build, machine_table
from bench.plan import PLANS, Plan, Say, Scale
from bench.processes import BenchError
from bench.tables import Bar, Outcome, Table, bars_table

PARTS: Final[dict[str, Callable[[Plan, Path, Say], Outcome]]] = {
    "redirect": redirect.measure,
    "openloop": openloop.measure,
    "ingest": ingest.measure,
    "reports": reports.measure,
    "start": start.measure,
    "cost": cost.measure,
    "backlog": backlog.measure,
    "changes": changes.measure,
    "pages": pages.measure,
}
RESULTS: Final = Path(__file__).parent / "results"
NEEDED_BYTES: Final = 5_000_000_000  # of disk for a full run, at its fullest moment


@dataclass(frozen=True, slots=True)
class Asked:
    """What a caller wants; None: as the scale has it."""

    parts: tuple[str, ...] = ()
    scale: Scale = "full"
    seconds: int | None = None
    rounds: int | None = None
    geo: Path | None = None
    out: Path | None = None
    hour: bool = False

    def plan(self) -> Plan:
        plan = PLANS[self.scale]
        geo = self.geo if self.geo and self.geo.is_dir() else None
        seconds, rounds = self.seconds or plan.seconds, self.rounds or plan.rounds
        return replace(plan, seconds=seconds, rounds=rounds, geo=geo, hour=self.hour)

    def names(self) -> tuple[str, ...]:
        return self.parts or tuple(PARTS)

    def command(self) -> str:
        """With which somebody else gets the same table."""
        options = [f"--scale {self.scale}"] if self.scale != "full" else []
        options += [f"--{name} {value}" for name in ("seconds", "rounds") if (value := getattr(self, name))]
        options += ["--hour"] if self.hour else []
        return " ".join(["python -m bench", *self.parts, *options])

    def result_file(self, today: datetime) -> Path:
        if self.out is not None:
            return self.out
        marks = [*([self.scale] if self.scale != "full" else []), *self.parts]
        name = "-".join([today.date().isoformat(), host_kind(), *marks])
        # In a checkout the results have their folder; an installed package is no place to write to.
        return (RESULTS if RESULTS.is_dir() else Path.cwd()) / f"{name}.md"


@dataclass(frozen=True, slots=True)
class Result:
    text: str
    file: Path
    failed: tuple[str, ...]  # parts that could not be measured


def run(asked: Asked, say: Say) -> Result:
    """Raises BenchError before anything is started when this machine cannot run it at all."""
    _check(asked)
    before = signal.signal(signal.SIGTERM, _leave)
    try:
        with tempfile.TemporaryDirectory(prefix="waymark-bench-") as name:
            return _run(asked, Path(name), say)
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(asked: Asked, folder: Path, say: Say) -> Result:
    plan, began = asked.plan(), time.monotonic()
    machine = machine_table(folder)
    tables: list[Table] = []
    bars: list[Bar] = []
    failed = []
    for name in asked.names():
        work = folder / name
        work.mkdir()
        try:
            outcome = PARTS[name](plan, work, lambda text, name=name: say(f"{name}: {text}"))  # type: ignore[misc]
        except BenchError as error:
            say(f"{name}: {error}")
            tables.append(Table(f"{name.capitalize()}: not measured", ("why",), ((str(error).splitlines()[0],),)))
            failed.append(name)
        else:
            tables.extend(outcome.tables)
            bars.extend(outcome.bars)
        shutil.rmtree(work)
    today = datetime.now(UTC)
    shown = [machine, *([bars_table(bars)] if bars else []), *tables]
    text = _text(asked, today, time.monotonic() - began, shown)
    file = asked.result_file(today)
    file.write_text(text, encoding="utf-8")
    return Result(text, file, tuple(failed))


def _text(asked: Asked, today: datetime, seconds: float, tables: Sequence[Table]) -> str:
    head = (
        f"# Waymark on {host_kind()}, {today.date().isoformat()}\n\n"
        f"`{asked.command()}`, {seconds / 60:.1f} minutes. Ratios compare within a round of this one run; absolute figures are "
        "this machine's. What each part does: [docs/bench.md](../../docs/bench.md).\n"
    )
    if not interpreter_build().startswith("profile-optimised"):
        head += (
            "\nThe settings of this interpreter's build name no profile optimisation, which distributions may still have done; "
            "without it a fifth to a third is lost. The bars are meant for an optimised one.\n"
        )
    return "\n".join([head, *(table.markdown() for table in tables)])


def _check(asked: Asked) -> None:
    if not sys.platform.startswith("linux"):
        raise BenchError("the bench reads processes through /proc and pins them to cores: it needs Linux.")
    unknown = [name for name in asked.parts if name not in PARTS]
    if unknown:
        raise BenchError(f"there is no part {unknown[0]!r}; the parts are {', '.join(PARTS)}.")
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if asked.scale == "full" and free < NEEDED_BYTES:
        raise BenchError(
            f"{tempfile.gettempdir()} has {free / 1e9:.1f} GB free, a full run needs {NEEDED_BYTES / 1e9:.0f}. "
            "Set TMPDIR to a folder on a larger disk, or use --scale small."
        )


def _leave(_signal: int, _frame: FrameType | None) -> None:
    """As Ctrl-C: everything that was started is ended on the way out."""
    raise KeyboardInterrupt
