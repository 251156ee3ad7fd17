"""Journal lines: what is written comes back the same; what is damaged is refused with ValueError and nothing else."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from redirector.records import (
    MAX_AT_US,
    MAX_CODE_ID,
    MAX_VERSION,
    Erased,
    Scan,
    Stats,
    View,
    json_items,
    json_text,
    line_of,
    parse_line,
    scan_line,
    stats_line,
    view_line,
)

LINE_TEXT = st.text(st.characters(codec="utf-8"))
VISITORS = st.one_of(st.just(""), st.integers(0, 2**64 - 1).map(lambda number: f"{number:016x}"))
SCANS = st.builds(
    Scan,
    id=LINE_TEXT,
    at_us=st.integers(0, MAX_AT_US),
    code_id=st.integers(0, MAX_CODE_ID),
    version=st.integers(0, MAX_VERSION),
    rule=st.none() | LINE_TEXT,
    variant=st.none() | LINE_TEXT,
    uncounted=st.sampled_from([None, "head", "prefetch"]),
    address=LINE_TEXT,
    user_agent=LINE_TEXT,
    referrer=LINE_TEXT,
    language=LINE_TEXT,
    query=st.dictionaries(LINE_TEXT, LINE_TEXT, max_size=3),
    gpc=st.booleans(),
    visitor=VISITORS,
    host=LINE_TEXT,
    demo=st.booleans(),
)
SCAN = Scan(
    id="01935000abcd00aa11bb22cc",
    at_us=1_795_286_401_123_456,
    code_id=7,
    version=2,
    rule=None,
    variant=None,
    uncounted=None,
    address="203.0.113.0/24",
    user_agent='Mozilla/5.0 (iPhone) "quoted" \\ and\nbroken',
    referrer="https://news.example/a",
    language="de-de",
    query={"utm_source": "poster"},
    visitor="00ff00ff00ff00ff",
    host="w.example",
)
COUNTERS = {"answered": 5, "recorded": 3, "pending": 0, "lost": {"spill_full": 2}, "not_found": 1}


@given(SCANS)
@example(SCAN)
def test_a_scan_comes_back_the_same(scan: Scan) -> None:
    line = scan_line(scan)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert parse_line(line) == scan


@given(SCANS)
@example(SCAN)
def test_a_line_joined_from_parts_is_the_same(scan: Scan) -> None:
    scan = replace(scan, id=SCAN.id, address=SCAN.address, demo=False)
    line = line_of(
        scan.id,
        scan.at_us,
        json_items(scan.code_id, scan.version, scan.rule, scan.variant),
        json_text(scan.uncounted),
        scan.address,
        json_items(scan.user_agent, scan.referrer, scan.language),
        json_text(scan.query),
        json_text(scan.gpc),
        scan.visitor,
        json_text(scan.host),
    )
    assert line == scan_line(scan)


def test_stats_come_back_the_same() -> None:
    assert parse_line(stats_line(17, COUNTERS)) == Stats(17, COUNTERS)


VIEW = View(17, 4, "preview", "00ff00ff00ff00ff")


@pytest.mark.parametrize("view", [VIEW, View(0, MAX_CODE_ID, None, "")])
def test_a_view_comes_back_the_same(view: View) -> None:
    assert parse_line(view_line(view)) == view


@pytest.mark.parametrize(
    "line", [scan_line(SCAN), stats_line(17, COUNTERS), view_line(VIEW)], ids=["scan", "stats", "view"]
)
def test_every_truncation_is_refused(line: bytes) -> None:
    for length in range(len(line) - 1):
        with pytest.raises(ValueError, match=r".+"):
            parse_line(line[:length])


@given(st.sampled_from([scan_line(SCAN), stats_line(17, COUNTERS), view_line(VIEW)]), st.data())
def test_flipped_bytes_are_refused_or_give_a_sound_record(line: bytes, data: st.DataObject) -> None:
    damaged = bytearray(line)
    for position in data.draw(st.lists(st.integers(0, len(line) - 2), min_size=1, max_size=4)):
        damaged[position] ^= data.draw(st.integers(1, 255))
    try:
        record = parse_line(bytes(damaged))
    except ValueError:
        return
    assert_sound(record)


@given(st.binary())
def test_any_bytes_are_refused_with_value_error_only(line: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_line(line)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | LINE_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(LINE_TEXT, inner, max_size=3),
    max_leaves=4,
)


@given(st.integers(2, 17), JSON_VALUES)
@example(3, True)
@example(3, -1)
@example(3, MAX_AT_US + 1)
@example(4, 2**64 - 1)
@example(5, 2**31)
@example(13, {"utm_source": 5})
@example(15, "zz")
@example(15, "+0ff00ff00ff00ff")
def test_a_field_of_another_kind_is_refused(index: int, value: Any) -> None:
    """Whatever passes can be enriched and stored: ingestion must never stand still at one line."""
    fields = orjson.loads(scan_line(SCAN))
    fields[index] = value
    try:
        record = parse_line(orjson.dumps(fields))
    except ValueError:
        return
    assert_sound(record)


def assert_sound(record: Erased | Scan | Stats | View) -> None:
    if isinstance(record, Erased):
        return
    if isinstance(record, Stats):
        lost = record.counters.get("lost", {})
        assert all(type(number) is int and number >= 0 for number in (record.at_us, *lost.values()))
        return
    if isinstance(record, View):
        assert type(record.at_us) is type(record.job_id) is int
        assert 0 <= record.at_us <= MAX_AT_US
        assert 0 <= record.job_id <= MAX_CODE_ID
        assert record.uncounted is None or isinstance(record.uncounted, str)
        assert record.visitor == "" or 0 <= int(record.visitor, 16) < 2**64
        return
    assert type(record.at_us) is type(record.code_id) is type(record.version) is int
    assert 0 <= record.at_us <= MAX_AT_US
    assert 0 <= record.code_id <= MAX_CODE_ID
    assert 0 <= record.version <= MAX_VERSION
    assert record.visitor == "" or 0 <= int(record.visitor, 16) < 2**64
    texts = (record.id, record.address, record.user_agent, record.referrer, record.language, record.host)
    assert all(isinstance(text, str) for text in (*texts, *record.query, *record.query.values()))
    assert isinstance(record.gpc, bool)
    assert isinstance(record.demo, bool)


REFUSED: list[tuple[str, Any]] = [
    ("an object", {"scan": 1}),
    ("a short array", ["scan", 1]),
    ("another format", ["scan", 2, *orjson.loads(scan_line(SCAN))[2:]]),
    ("another kind", ["leads", 1, 17, {}]),
    ("a scan with a field missing", orjson.loads(scan_line(SCAN))[:-1]),
    ("a view of no job", ["view", 1, 17, "4", None, ""]),
    ("a view by a visitor that is no id", ["view", 1, 17, 4, None, "someone"]),
    ("a view with a number as reason", ["view", 1, 17, 4, 5, ""]),
    ("stats without counters", ["stats", 1, 17, None]),
    ("stats at no time", ["stats", 1, "now", {}]),
    ("stats with a text as loss", ["stats", 1, 17, {"lost": {"spill_full": "2"}}]),
    ("stats with a list as losses", ["stats", 1, 17, {"lost": [2]}]),
    ("stats with a text as counter", ["stats", 1, 17, {"answered": "5"}]),
]


@pytest.mark.parametrize("fields", [case[1] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_is_no_known_record_is_refused(fields: Any) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_line(orjson.dumps(fields))


def test_fields_added_at_the_end_by_a_newer_version_are_left_alone() -> None:
    fields = [*orjson.loads(scan_line(SCAN)), "a later field"]
    assert parse_line(orjson.dumps(fields)) == SCAN
