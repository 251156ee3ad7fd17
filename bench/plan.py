"""How much a run of the bench does: two scales, and what a caller changes of them. Every load ends by count and time."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

HOST: Final = "w.example"  # named in every request, as a phone names the short domain
DESTINATION: Final = "https://shop.example.com/spring?utm_source=poster&code="  # and the code's number

Say = Callable[[str], None]
Scale = Literal["full", "small"]


@dataclass(frozen=True, slots=True)
class Plan:
    seconds: int  # of load per server, way of connecting and round
    rounds: int
    connections: int = 64
    open_loop_s: int = 60
    open_loop_rate: int = 1_000
    ingest_scans: int = 200_000
    report_scans: tuple[int, ...] = (1_000_000, 10_000_000)
    plain_scans: int = 1_000_000  # rows that plain SQLite is asked about, too
    plain_s: float = 1.0  # after which a card of plain SQLite is not asked once more
    repeats: int = 5
    code_counts: tuple[int, ...] = (1_000, 100_000, 1_000_000)
    stored_counts: tuple[int, ...] = (100_000, 1_000_000, 3_000_000)  # 10 M are asked in the reports
    backlog_s: int = 30  # of open-loop scans with and without the private side
    backlog_scans: int = 1_800_000  # an hour of 500 a second, made as fast as the worker answers
    import_rows: int = 100_000
    bulk_counts: tuple[int, ...] = (1_000, 10_000)
    jobs: int = 2_000  # whose pages are looked at
    worker_counts: tuple[int, ...] = (1, 2)
    hour: bool = False  # that hour at its own pace
    geo: Path | None = None  # a folder with place databases, as `waymark geo update` makes it


PLANS: Final[dict[Scale, Plan]] = {
    "full": Plan(seconds=4, rounds=3),
    "small": Plan(
        seconds=2,
        rounds=1,
        open_loop_s=10,
        ingest_scans=30_000,
        report_scans=(200_000,),
        plain_scans=200_000,
        plain_s=1.0,
        repeats=3,
        code_counts=(1_000, 20_000),
        stored_counts=(50_000, 200_000),
        backlog_s=10,
        backlog_scans=200_000,
        import_rows=20_000,
        bulk_counts=(1_000,),
        jobs=200,
    ),
}
