"""Part 6: what a redirect costs with more codes, a decision with more rules, and an overview with more scans stored."""

import asyncio
from pathlib import Path
from typing import Final

from bench import decisions, synthetic
from bench.numbers import median
from bench.plan import Plan, Say
from bench.redirect import sample
from bench.reports import ALL, ask_all
from bench.running import Installation
from bench.servers import Waymark
from bench.tables import Outcome, Table, count, millis, short

# Every code as likely as any other: worse for caches than life, where few codes have most scans.
_SCRIPT: Final = """\
math.randomseed(7)
local codes = {codes}
function request()
  return wrk.format(nil, string.format("/c%07d", math.random(1, codes)))
end
"""


def measure(plan: Plan, folder: Path, say: Say) -> Outcome:
    return Outcome((_by_codes(plan, folder, say), decisions.table(), _by_stored(plan, folder, say)))


def _by_codes(plan: Plan, folder: Path, say: Say) -> Table:
    installations = {codes: Installation(folder / f"cost-{codes}", codes, geo=plan.geo) for codes in plan.code_counts}
    rates: dict[int, list[float]] = {codes: [] for codes in installations}
    for installation in installations.values():
        installation.write_snapshot()
    for number in range(plan.rounds):
        for codes, installation in installations.items():
            say(f"round {number + 1} of {plan.rounds}: redirects among {codes:,} codes")
            script = folder / f"codes-{codes}.lua"
            script.write_text(_SCRIPT.format(codes=codes))
            server = Waymark(f"{codes:,} codes", installation)
            rates[codes].append(sample(server, "keep-alive", plan, script).per_cpu_s)
    rows = tuple(
        (f"{codes:,}", count(median(found)), f"{1e6 / median(found):.1f} us") for codes, found in rates.items()
    )
    notes = ("Process mode, keep-alive, a random code in each request.",)
    return Table("Cost by number of codes", ("codes", "redirects per CPU-second", "each"), rows, notes)


def _by_stored(plan: Plan, folder: Path, say: Say) -> Table:
    rows = []
    for scans in plan.stored_counts:
        say(f"all reports on {scans:,} scans")
        path = folder / f"stored-{scans}" / "scans.duckdb"
        path.parent.mkdir()
        asyncio.run(synthetic.fill(path, scans))
        found, _total = asyncio.run(ask_all(path, plan.repeats))
        size = path.stat().st_size
        rows.append((f"{scans:,}", millis(found[ALL]), f"{short(size / scans)} bytes"))
        path.unlink()
    columns = ("scans stored", "all cards, one after the other", "disk per scan")
    return Table("Cost by scans stored", columns, tuple(rows))
