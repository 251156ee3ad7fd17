"""The bench: its arithmetic on known data, its questions asked twice, every part with tiny numbers, nothing left running."""

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from socket import socket
from typing import Any

import pytest

from analytics.demo_agents import AGENTS
from analytics.reports import Reports
from analytics.store import ScanStore
from bench import client, people, plain, synthetic
from bench.machine import find_program
from bench.numbers import due_times, latencies_us, percentile, ratio_of_rounds, shortfall
from bench.plan import Plan
from bench.processes import ROOT, BenchError, Child
from bench.redirect import verdict_on
from bench.reports import everything
from bench.run import PARTS, Asked, run
from bench.tables import Bar, Table, bars_table
from bench.wrk import parse
from geo.places import Places
from redirector.agents import AgentReader
from waymark.cli import run as run_command

TINY = Plan(
    seconds=1,
    rounds=1,
    connections=8,
    open_loop_s=2,
    open_loop_rate=200,
    ingest_scans=2_000,
    report_scans=(5_000,),
    plain_scans=5_000,
    plain_s=0.1,
    repeats=1,
    code_counts=(100, 500),
    stored_counts=(2_000,),
    backlog_s=1,
    backlog_scans=3_000,
    import_rows=600,
    bulk_counts=(100,),
    jobs=8,
    worker_counts=(2,),
)


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([7], 50, 7),
        ([3, 1, 2], 50, 2),
        ([4, 1, 3, 2], 50, 2),
        (range(1, 101), 99, 99),
        (range(1, 101), 100, 100),
        (range(1, 1001), 99.9, 999),
        (range(1, 11), 99, 10),
        (range(1, 11), 0, 1),
    ],
)
def test_a_percentile_is_a_value_that_occurred(values: list[int], percent: float, expected: int) -> None:
    assert percentile(values, percent) == expected


def test_there_is_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="no values"):
        percentile([], 50)


def test_a_ratio_is_taken_within_its_round() -> None:
    """The second round ran on a machine half as fast: of the medians it would be 60 / 100, of each round it is a half."""
    assert ratio_of_rounds([60, 25, 50], [120, 50, 100]) == 0.5


def test_rounds_must_come_in_pairs() -> None:
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        ratio_of_rounds([1, 2], [1])


def test_the_schedule_of_an_open_loop() -> None:
    assert due_times(4, 1.5) == [0, 0.25, 0.5, 0.75, 1.0, 1.25]
    assert len(due_times(1_000, 60)) == 60_000


def test_a_stall_counts_for_all_that_wait_behind_it() -> None:
    """A server stands still for the first second. Who asks one after the other would note a single slow answer."""
    due = due_times(1_000, 2)
    done = [max(moment, 1.0) + 0.0005 for moment in due]
    latencies = latencies_us(due, done)
    assert percentile(latencies, 100) == 1_000_500
    assert percentile(latencies, 75) == pytest.approx(500_500, abs=1_000)
    assert percentile(latencies, 50) == pytest.approx(500, abs=1_000)


@pytest.mark.parametrize(
    ("measured", "bar", "higher", "expected"),
    [(90, 100, True, 0.1), (100, 100, True, 0), (200, 100, True, -1), (6, 5, False, 0.2), (4, 5, False, -0.2)],
)
def test_by_how_much_a_bar_is_missed(measured: float, bar: float, higher: bool, expected: float) -> None:
    assert shortfall(measured, bar, higher_is_better=higher) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("bar", "verdict"),
    [
        (Bar("rate", 0.45, 0.65, 0.36), "**missed by 20%**"),
        (Bar("rate", 0.45, 0.65, 0.5), "held"),
        (Bar("rate", 0.45, 0.65, 0.65), "aim reached"),
        (Bar("wait", 5, 2, 6, " ms", higher_is_better=False), "**missed by 20%**"),
        (Bar("wait", 5, 2, 3, " ms", higher_is_better=False), "held"),
        (Bar("wait", 5, 2, 1, " ms", higher_is_better=False), "aim reached"),
    ],
)
def test_a_bar_is_missed_held_or_more(bar: Bar, verdict: str) -> None:
    assert bar.verdict() == verdict
    assert bars_table([bar]).rows[0][-1] == verdict


def test_a_table_is_markdown() -> None:
    table = Table("Speed", ("", "per second"), (("ours", "1,000"),), ("one note",))
    assert table.markdown() == "### Speed\n\n|  | per second |\n|---|---:|\n| ours | 1,000 |\n\n- one note\n"


WRK = """\
Running 2s test @ http://127.0.0.1:9999/c0000001
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.61ms    1.20ms  21.52ms   89.06%
    Req/Sec    41.23k     2.31k   44.10k    75.00%
  Latency Distribution
     50%  912.00us
     75%    1.80ms
     90%    2.61ms
     99%    1.02s
  82310 requests in 2.01s, 20.41MB read
{}Requests/sec:  40950.25
Transfer/sec:     10.15MB
"""


def test_what_wrk_says_is_read() -> None:
    load = parse(WRK.format(""))
    assert (load.answered, load.seconds, load.p99_s) == (82_310, 2.01, 1.02)
    assert load.p50_s == pytest.approx(912e-6)
    assert (load.refused, load.errors) == (0, 0)
    assert load.per_s == pytest.approx(40_950.25, rel=0.001)


def test_what_went_wrong_is_read_too() -> None:
    trouble = "  Socket errors: connect 1, read 20, write 3, timeout 400\n  Non-2xx or 3xx responses: 17\n"
    load = parse(WRK.format(trouble))
    assert (load.refused, load.errors) == (17, 424)


@pytest.mark.parametrize(
    ("stored", "says"),
    [
        (1_000, "exact"),
        (1_064, "exact"),
        (999, "exact; ANSWERED AND RECORDED DIFFER"),
        (1_065, "exact; ANSWERED AND RECORDED DIFFER"),
    ],
)
def test_a_row_compares_answered_and_recorded(stored: int, says: str) -> None:
    assert verdict_on(1_000, stored, 64, "exact") == says


def test_a_server_without_a_journal_is_not_judged() -> None:
    assert verdict_on(1_000, 0, 64, None) == ""


def test_apps_come_in_many_builds_and_stay_the_same_app() -> None:
    reader = AgentReader()
    changed = 0
    for agent in AGENTS:
        rebuilt = people.with_build(agent.text, 7)
        before, after = reader.read(agent.text), reader.read(rebuilt)
        assert (after.device, after.os, after.browser, after.app) == (
            before.device,
            before.os,
            before.browser,
            before.app,
        )
        changed += rebuilt != agent.text
    assert 10 < changed < len(AGENTS) / 1.5


def test_the_people_are_the_same_for_the_same_seed() -> None:
    made = list(people.scans(300, [1, 2], start_us=1_700_000_000_000_000, seed=3, host="w.example"))
    assert made == list(people.scans(300, [1, 2], start_us=1_700_000_000_000_000, seed=3, host="w.example"))
    assert [scan.id for scan in made] == sorted({scan.id for scan in made})
    assert {scan.code_id for scan in made} == {1, 2}


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
@pytest.mark.anyio
async def test_plain_sqlite_is_asked_the_same_questions(tmp_path: Path) -> None:
    """Not only the totals, which every run compares: the lists, too."""
    path = tmp_path / "scans.duckdb"
    await synthetic.fill(path, 4_000)
    store = ScanStore.open(path)
    try:
        reports, asked = Reports(store, Places(tmp_path)), everything()
        hours, devices, regions = await reports.hours(asked), await reports.devices(asked), await reports.regions(asked)
        days, networks, versions = (
            await reports.timeseries(asked, "day"),
            await reports.networks(asked),
            await reports.versions(asked),
        )
        summary = await reports.summary(asked)
    finally:
        store.close()
    period = {"start": int(synthetic.START.timestamp()), "end": int(synthetic.END.timestamp())}
    with plain.copied(path, tmp_path / "plain.db", period) as same:

        def rows(card: str, number: int) -> list[tuple[Any, ...]]:
            return same.connection.execute(plain.CARDS[card][number], same.period).fetchall()

        assert same.total() == tuple(hours["total"].values())
        assert {(day, hour): n for day, hour, n in rows("hours", 1)} == {
            (day, hour): n for day, cells in enumerate(hours["cells"]) for hour, n in enumerate(cells) if n
        }
        assert [row[:3] for row in rows("devices", 1)] == [tuple(row.values()) for row in devices["devices"]]
        assert [row[1:] for row in rows("timeseries", 1)] == [
            (point["scans"], point["visitors"]) for point in days["points"] if point["scans"]
        ]
        countries = [(row["country"], row["scans"], row["visitors"]) for row in regions["countries"]]
        assert sorted(row[:3] for row in rows("regions", 1)) == sorted(countries)
        assert {row[0]: row[2] for row in rows("networks", 1)} == {
            row["asn"]: row["scans"] for row in networks["networks"]
        }
        assert sorted(row[2] for row in rows("versions", 1)) == sorted(row["scans"] for row in versions["versions"])
        assert [row[0] for row in rows("summary", 1)] == [summary["codes"]]
        assert [row[1] for row in rows("summary", 2)] == [row["scans"] for row in summary["bots"]["reasons"]]


class OneAnswer(asyncio.Protocol):
    """Answers everything alike, but lets its whole server stand still once, at the n-th request."""

    def __init__(self, answer: bytes, turns: Iterator[int], stalls_at: int, stall_s: float) -> None:
        self._answer, self._turns, self._stalls_at, self._stall_s = answer, turns, stalls_at, stall_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if next(self._turns) == self._stalls_at:
            time.sleep(self._stall_s)
        self._transport.write(self._answer)


@contextmanager
def slow_server(answer: bytes, stalls_at: int = 0, stall_s: float = 0.0) -> Iterator[int]:
    loop, turns = asyncio.new_event_loop(), count(1)
    with closing(socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        serving = loop.create_server(lambda: OneAnswer(answer, turns, stalls_at, stall_s), sock=listener)
        server = loop.run_until_complete(serving)
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        try:
            yield port
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            server.close()
            loop.run_until_complete(asyncio.sleep(0.05))
            loop.close()


FOUND = b"HTTP/1.1 302 Found\r\nlocation: https://example.com/\r\ncontent-length: 0\r\n\r\n"


def open_load(port: int, rate: float, seconds: float) -> client.Tally:
    with asyncio.Runner(loop_factory=client.precise_loop) as runner:
        return runner.run(client.run(port, rate, seconds, codes=5))


def test_the_client_keeps_its_schedule_while_the_server_stands_still() -> None:
    with slow_server(FOUND, stalls_at=20, stall_s=0.5) as port:
        tally = open_load(port, 200, 1)
    assert (len(tally.done), tally.failed) == (200, 0)
    assert sorted(tally.due) == due_times(200, 1)
    assert sum(tally.own) == 100
    latencies = latencies_us(tally.due, tally.done)
    assert sum(value > 100_000 for value in latencies) >= 75  # of the 100 that were due meanwhile, 80 waited this long


def test_an_answer_that_is_no_redirect_is_a_failure() -> None:
    with slow_server(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n") as port:
        tally = open_load(port, 100, 0.2)
    assert (len(tally.done), tally.failed) == (0, 20)


def test_no_server_is_a_failure_too() -> None:
    with closing(socket()) as nobody:
        nobody.bind(("127.0.0.1", 0))
        tally = open_load(nobody.getsockname()[1], 100, 0.2)
    assert (len(tally.done), tally.failed) == (0, 20)


def test_the_result_file_is_named_by_day_machine_and_what_was_left_out(tmp_path: Path) -> None:
    day = datetime(2026, 11, 21, tzinfo=UTC)
    assert Asked().result_file(day).name.startswith("2026-11-21-")
    assert Asked(("start", "cost"), "small").result_file(day).name.endswith("-small-start-cost.md")
    assert Asked(out=tmp_path / "x.md").result_file(day) == tmp_path / "x.md"
    assert Asked(("start",), "small", rounds=2).command() == "python -m bench start --scale small --rounds 2"


def test_an_unknown_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["bench", "speed"]) == 2
    assert "no part 'speed'; the parts are redirect, openloop," in capsys.readouterr().err


def test_a_part_that_cannot_be_measured_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise BenchError("wrk is not installed.")

    monkeypatch.setitem(PARTS, "start", refuse)
    result = run(Asked(("start",), "small", out=tmp_path / "result.md"), lambda _text: None)
    assert result.failed == ("start",)
    assert "wrk is not installed." in (tmp_path / "result.md").read_text()


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.parametrize("part", PARTS)
def test_every_part_runs(part: str, tmp_path: Path) -> None:
    if part in ("redirect", "cost", "backlog") and not find_program("wrk"):
        pytest.skip("wrk is not installed")
    outcome = PARTS[part](TINY, tmp_path, lambda _text: None)
    text = "\n".join(table.markdown() for table in outcome.tables)
    assert all(table.rows for table in outcome.tables)
    for trouble in ("NOT EXACT", "DIFFER", "FAILED", "nan"):
        assert trouble not in text, text
    if part == "redirect":
        assert text.count("exact, 0 lost") == 5  # two modes, two ways of connecting; no two alike
    if part == "openloop":
        assert "Answered 400, recorded 400: exact" in text
    if part == "pages":
        assert [row[-1] for row in outcome.tables[0].rows] == ["", "0", "0"]  # failed
    if part == "changes":
        [meanwhile] = [table for table in outcome.tables if table.title == "Scans meanwhile"]
        assert [row[-1] for row in meanwhile.rows] == ["0"] * 3  # failed, beside two imports and a bulk change
    assert all(bar.measured > 0 for bar in outcome.bars)


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_bench_leaves_nothing_behind(number: signal.Signals, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bench", "openloop", "--scale", "small", "--out", str(tmp_path / "result.md")]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with (tmp_path / "said").open("wb") as said:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=said, stderr=said)
    try:
        bench = Child(process.pid, None, tmp_path / "said")  # type: ignore[arg-type]
        deadline = time.monotonic() + 300
        # Supervisor, both sides, enrichment, and the client
        while len(bench.tree()) < 6 and time.monotonic() < deadline:
            time.sleep(0.1)
        started = bench.tree()[1:]
        assert len(started) == 5, bench.said()
        process.send_signal(number)
        assert process.wait(60) == 130
    finally:
        process.kill()
        process.wait()
    assert [pid for pid in started if Path(f"/proc/{pid}").exists()] == []
    assert list(tmp_path.glob("waymark-bench-*")) == []
    assert not (tmp_path / "result.md").exists()
