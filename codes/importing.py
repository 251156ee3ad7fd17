"""The file of an import: read line by line, from any line on, as records. Knows no database."""

import csv
import io
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from codes.alphabet import fold
from codes.importers import Format, FormatError, column_key, format_named, record_from, spelled
from codes.records import RecordError, from_line

DELIMITERS: Final = (",", ";", "\t")
MAX_FIELD: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class SourceRow:
    """``line`` is where it begins in the file. Either a record, or the reason why there is none."""

    line: int
    cells: tuple[str, ...]
    record: dict[str, Any] | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class Source:
    """``titles`` are of the columns; JSON lines have the one column of the line itself. ``alike`` are lookup keys that
    several codes of a domain share: these keep their exact spelling.
    """

    path: Path
    format: str
    titles: tuple[str, ...]
    delimiter: str
    rows: int
    alike: frozenset[tuple[str, str]]

    @property
    def is_ours(self) -> bool:
        return self.format == "waymark"


def open_source(path: Path, format_name: str) -> Source:
    """Reads it once. Raises FormatError when it is not UTF-8, has no columns, or none that are known."""
    csv.field_size_limit(MAX_FIELD)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.readline()
            if head.lstrip().startswith("{"):
                titles: tuple[str, ...] = ("record",)
                chosen, delimiter = "waymark", ""
            else:
                delimiter = max(DELIMITERS, key=head.count)
                titles = tuple(next(csv.reader(io.StringIO(head), delimiter=delimiter), ()))
                chosen = format_named(format_name, titles).name
        source = Source(path, chosen, titles, delimiter, 0, frozenset())
        seen: Counter[tuple[str, str]] = Counter()
        rows = 0
        for domain, code in _spellings(source):
            rows += 1
            seen[domain, fold(code)] += not source.is_ours
    except UnicodeDecodeError as error:
        raise FormatError(f"the file is not UTF-8 (byte {error.start}). Save it as UTF-8 and try again.") from None
    except csv.Error as error:
        raise FormatError(f"the file is no CSV: {error}.") from None
    alike = frozenset(key for key, count in seen.items() if count > 1)
    return Source(path, source.format, titles, delimiter, rows, alike)


def read_rows(source: Source, skip: int = 0) -> Iterator[SourceRow]:
    """In order, without the first ``skip``; empty lines are no rows."""
    with source.path.open(encoding="utf-8-sig", newline="") as file:
        rows = _json_rows(file) if not source.delimiter else _csv_rows(file, source)
        for number, row in enumerate(rows):
            if number >= skip:
                yield row


def _spellings(source: Source) -> Iterator[tuple[str, str]]:
    """Domain and code of every row that ``read_rows`` reads, at half the price."""
    if source.is_ours:
        yield from (("", "") for _row in read_rows(source))
        return
    chosen = format_named(source.format, source.titles)
    keys = [column_key(title) for title in source.titles]
    with source.path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=source.delimiter)
        next(reader, None)
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield spelled(dict(zip(keys, cells, strict=False)), chosen)


def _json_rows(file: io.TextIOWrapper) -> Iterator[SourceRow]:
    for line, text in enumerate(file, 1):
        if not text.strip():
            continue
        try:
            yield SourceRow(line, (text.rstrip("\r\n"),), from_line(text), None)
        except RecordError as error:
            yield SourceRow(line, (text.rstrip("\r\n"),), None, str(error))


def _csv_rows(file: io.TextIOWrapper, source: Source) -> Iterator[SourceRow]:
    chosen = Format("waymark", "", ()) if source.is_ours else format_named(source.format, source.titles)
    keys = [column_key(title) for title in source.titles]
    reader = csv.reader(file, delimiter=source.delimiter)
    next(reader, None)
    line = reader.line_num + 1
    for cells in reader:
        at, line = line, reader.line_num + 1
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(keys):
            yield SourceRow(at, tuple(cells), None, f"it has {len(cells)} cells; there are {len(keys)} columns")
            continue
        row = {key: value for key, value in zip(keys, cells, strict=False) if value}
        try:
            yield SourceRow(at, tuple(cells), record_from(row, chosen), None)
        except RecordError as error:
            yield SourceRow(at, tuple(cells), None, str(error))
