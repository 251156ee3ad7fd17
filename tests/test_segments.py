"""Reading segments: whole lines only, exact offsets, corrupt lines aside, compressed ones the same."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.segments import MAX_READ_BYTES, Chunk, list_segments, next_chunk, read_chunk
from redirector.records import Stats, parse_line, scan_line, stats_line
from tests.scan_samples import scan, scan_lines, write_segment
from waymark.upkeep import compress_segments

ALL = 1_000_000


def read_all(folder: Path, max_lines: int = ALL) -> list[Chunk]:
    """What a reader that keeps its marks gets until nothing is left."""
    marks: dict[str, int] = {}
    finished: set[str] = set()
    chunks: list[Chunk] = []
    while chunk := next_chunk(folder, marks, finished, max_lines):
        chunks.append(chunk)
        marks[chunk.segment.name] = chunk.offset
        if chunk.done:
            finished.add(chunk.segment.name)
    return chunks


def ids(chunks: list[Chunk]) -> list[int]:
    return [int(scan.id, 16) for chunk in chunks for scan in chunk.scans]


def test_segments_are_listed_in_the_order_of_writing(tmp_path: Path) -> None:
    for started_ms, number in [(2, 1), (1, 2), (1, 10), (1, 1)]:
        write_segment(tmp_path, [], started_ms=started_ms, number=number)
    for foreign in ("notes.txt", "public-0.lock", "public-0.1.1.jsonl", "public-0.0000000000001.000001.jsonl.gz.tmp"):
        (tmp_path / foreign).write_text("not a segment")
    assert [(segment.started_ms, segment.number) for segment in list_segments(tmp_path)] == [
        (1, 1),
        (1, 2),
        (1, 10),
        (2, 1),
    ]


def test_only_the_latest_segment_of_a_series_is_open(tmp_path: Path) -> None:
    for series, started_ms, number in [("public-0", 1, 1), ("public-0", 2, 1), ("public-0", 2, 2), ("public-1", 1, 1)]:
        write_segment(tmp_path, [], series=series, started_ms=started_ms, number=number)
    found = {(s.series, s.started_ms, s.number): s.closed for s in list_segments(tmp_path)}
    assert found == {
        ("public-0", 1, 1): True,
        ("public-0", 2, 1): True,
        ("public-0", 2, 2): False,
        ("public-1", 1, 1): False,
    }


def test_a_line_is_read_once_it_is_whole(tmp_path: Path) -> None:
    first, second = scan_lines([1, 2])
    path = write_segment(tmp_path, [first, second[:-1]])
    chunk = next_chunk(tmp_path, {}, set(), ALL)
    assert chunk is not None
    assert ids([chunk]) == [1]
    assert chunk.offset == len(first)
    assert not chunk.done
    assert next_chunk(tmp_path, {path.name: chunk.offset}, set(), ALL) is None
    with path.open("ab") as file:
        file.write(b"\n")
    chunk = next_chunk(tmp_path, {path.name: chunk.offset}, set(), ALL)
    assert chunk is not None
    assert ids([chunk]) == [2]


def test_a_torn_tail_counts_only_when_nobody_will_finish_it(tmp_path: Path) -> None:
    first, torn = scan_lines([1, 2])
    write_segment(tmp_path, [first, torn[:50]])
    [open_chunk] = read_all(tmp_path)
    assert (open_chunk.torn_bytes, open_chunk.done) == (0, False)
    write_segment(tmp_path, scan_lines([3]), number=2)
    closed, latest = read_all(tmp_path)
    assert (ids([closed]), closed.torn_bytes, closed.done) == ([1], 50, True)
    assert (ids([latest]), latest.done) == ([3], False)


def test_an_empty_closed_segment_is_finished(tmp_path: Path) -> None:
    write_segment(tmp_path, [])
    write_segment(tmp_path, [], number=2)
    [chunk] = read_all(tmp_path)
    assert (chunk.offset, chunk.done, chunk.segment.number) == (0, True, 1)


def test_a_corrupt_line_is_set_aside_with_its_offset(tmp_path: Path) -> None:
    first, second, third = scan_lines([1, 2, 3])
    damaged = second.replace(b"203.0.113", b'203"0.113')
    with_return = b'["scan",1,\r"half"]\n'
    write_segment(tmp_path, [first, damaged, with_return, b"\n", third])
    [chunk] = read_all(tmp_path)
    assert ids([chunk]) == [1, 3]
    at = len(first)
    expected = [(at, damaged), (at + len(damaged), with_return), (at + len(damaged) + len(with_return), b"\n")]
    assert [(offset, line.rstrip(b"\n")) for offset, line in chunk.corrupt] == [
        (offset, line.rstrip(b"\n")) for offset, line in expected
    ]


def test_damage_longer_than_any_line_does_not_hold_up_what_follows(tmp_path: Path) -> None:
    """Zeros where the disk lost blocks: no line end in sight."""
    first, last = scan_lines([1, 2])
    zeros = bytes(MAX_READ_BYTES * 2 + 100)
    write_segment(tmp_path, [first, zeros, b"\n", last])
    write_segment(tmp_path, [], number=2)
    chunks = read_all(tmp_path)
    assert ids(chunks) == [1, 2]
    assert sum(len(line) for chunk in chunks for _, line in chunk.corrupt) == len(zeros)
    assert chunks[-1].done


def test_stats_know_what_was_before_them_in_the_chunk(tmp_path: Path) -> None:
    one, two, three = scan_lines([1, 2, 3])
    write_segment(
        tmp_path, [one, stats_line(5, {"answered": 1}), b"damage\n", two, stats_line(6, {"answered": 2}), three]
    )
    [chunk] = read_all(tmp_path)
    assert chunk.stats == Stats(6, {"answered": 2})
    assert (chunk.scans_before_stats, chunk.corrupt_before_stats) == (2, 1)
    assert ids([chunk]) == [1, 2, 3]


def test_series_take_turns(tmp_path: Path) -> None:
    """A busy worker's backlog must not keep another's scans unread."""
    write_segment(tmp_path, scan_lines(range(100)))
    write_segment(tmp_path, scan_lines([900]), series="public-1")
    first = next_chunk(tmp_path, {}, set(), 10)
    assert first is not None
    second = next_chunk(tmp_path, {first.segment.name: first.offset}, set(), 10, after=first.segment.series)
    assert second is not None
    assert {first.segment.series, second.segment.series} == {"public-0", "public-1"}


def test_compressed_segments_read_the_same(tmp_path: Path) -> None:
    for number in (1, 2):
        write_segment(
            tmp_path, [*scan_lines(range(number * 100, number * 100 + 50)), b"damage\n", b"torn"], number=number
        )
    write_segment(tmp_path, scan_lines([900]), number=3)
    plain = read_all(tmp_path, 7)
    finished = {chunk.segment.name for chunk in plain if chunk.done}
    assert compress_segments(tmp_path, finished) == 2
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".gz", ".gz", ".jsonl"]
    packed = read_all(tmp_path, 7)
    assert [(c.segment.name, c.offset, c.scans, c.corrupt, c.torn_bytes, c.done) for c in packed] == [
        (c.segment.name, c.offset, c.scans, c.corrupt, c.torn_bytes, c.done) for c in plain
    ]


def test_compressing_leaves_unread_segments_and_can_be_repeated(tmp_path: Path) -> None:
    path = write_segment(tmp_path, scan_lines([1]))
    assert compress_segments(tmp_path, set()) == 0
    path.with_suffix(".jsonl.gz.tmp").write_bytes(b"left over from a crash")
    assert compress_segments(tmp_path, {path.name}) == 1
    assert compress_segments(tmp_path, {path.name}) == 0
    packed = tmp_path / f"{path.name}.gz"
    assert list(tmp_path.iterdir()) == [packed]
    assert packed.stat().st_mode & 0o777 == 0o600


def test_a_crash_between_compressing_and_removing_counts_nothing_twice(tmp_path: Path) -> None:
    path = write_segment(tmp_path, scan_lines(range(5)))
    (tmp_path / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert ids(read_all(tmp_path)) == list(range(5))


def test_compressing_cuts_whole_addresses(tmp_path: Path) -> None:
    """[privacy] address = "full" keeps them only until the segment is read."""
    whole = [scan(1, address="203.0.113.9"), scan(2, address="2001:db8:1:2::9"), scan(3, address="")]
    damage = b"damage with 203.0.113.0/24\n"
    path = write_segment(tmp_path, [*map(scan_line, whole), stats_line(5, {"answered": 3}), damage, b"torn"])
    compress_segments(tmp_path, {path.name})
    [chunk] = read_all(tmp_path)
    assert [found.address for found in chunk.scans] == ["203.0.113.0/24", "2001:db8:1::/48", ""]
    assert chunk.stats == Stats(5, {"answered": 3})
    assert ([line for _, line in chunk.corrupt], chunk.torn_bytes) == ([damage.rstrip()], 4)


@pytest.mark.parametrize("damage", ["cut off", "flipped", "not gzip", "empty"])
def test_a_damaged_compressed_segment_gives_what_it_can(tmp_path: Path, damage: str) -> None:
    path = write_segment(tmp_path, scan_lines(range(5_000)))
    write_segment(tmp_path, scan_lines([9_999]), number=2)
    compress_segments(tmp_path, {path.name})
    packed = tmp_path / f"{path.name}.gz"
    data = bytearray(packed.read_bytes())
    data[len(data) // 2] ^= 0xFF
    packed.write_bytes(
        {"cut off": bytes(data[: len(data) // 2]), "flipped": bytes(data), "not gzip": b"hello", "empty": b""}[damage]
    )
    chunks = read_all(tmp_path, 1000)
    found = ids(chunks)
    assert found[-1] == 9_999
    assert chunks[-2].done
    assert set(found[:-1]) <= set(range(5_000))
    if damage == "cut off":
        assert len(found) > 1_000


LINES = st.lists(
    st.one_of(
        st.integers(0, 99).map(lambda number: scan_line(scan(number))),
        st.just(stats_line(7, {"answered": 1})),
        st.binary(max_size=30).map(lambda noise: noise.replace(b"\n", b"") + b"\n"),
    ),
    max_size=30,
)


@given(LINES, st.integers(1, 12), st.binary(max_size=10).map(lambda noise: noise.replace(b"\n", b"")), st.booleans())
@settings(max_examples=60, deadline=None)
def test_reading_in_pieces_gives_the_same_as_at_once(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], max_lines: int, torn: bytes, packed: bool
) -> None:
    folder = tmp_path_factory.mktemp("pieces")
    path = write_segment(folder, [*lines, torn])
    write_segment(folder, [], number=2)
    if packed:
        compress_segments(folder, {path.name})
    [whole] = read_all(folder)
    pieces = read_all(folder, max_lines)
    assert [scan for piece in pieces for scan in piece.scans] == whole.scans
    assert [entry for piece in pieces for entry in piece.corrupt] == whole.corrupt
    assert [piece.stats for piece in pieces if piece.stats][-1:] == ([whole.stats] if whole.stats else [])
    assert whole.offset == sum(map(len, lines))
    assert (whole.torn_bytes, whole.done) == (len(torn), True)
    assert [(piece.torn_bytes, piece.done) for piece in pieces][-1] == (len(torn), True)
    assert not any(piece.done for piece in pieces[:-1])


@given(LINES)
@settings(max_examples=30, deadline=None)
def test_offsets_are_where_the_lines_are(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    folder = tmp_path_factory.mktemp("offsets")
    data = write_segment(folder, lines).read_bytes()
    [segment] = list_segments(folder)
    offset = 0
    for line in lines:
        chunk = read_chunk(folder, segment, offset, 1)
        assert data[offset : chunk.offset] == line
        if chunk.corrupt:
            assert chunk.corrupt == [(offset, line[:-1])]
        elif chunk.scans:
            assert chunk.scans == [parse_line(line)]
        offset = chunk.offset
    assert offset == len(data)
