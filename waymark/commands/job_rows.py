"""Rows for `waymark job sync` from a file of another system: CSV as spreadsheets write it, JSON lines, a JSON list."""

import codecs
import csv
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from waymark.commands.job import PRIVATE
from waymark.output import CommandError, ExitCode

FIELDS: Final = (
    *("op", "reference", "id", "shop", "kind", "stage", "item", "public_note", "language", "due_at", "at", "reason"),
    *("revision", *PRIVATE),
)
TIMES: Final = ("due_at", "at")
MARKS: Final = ("id", "at", "revision")  # what has one of them moves nothing when it is sent again
LEFT_OUT: Final = "-"
ALIKE: Final = 0.8
WORKBOOK: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")  # .xlsx and .ods, .xls

_NOT_OF_NAMES: Final = re.compile(r"[^a-z0-9]+")
# With dots the day is always first; with slashes nobody knows.
_DOTTED: Final = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})\.([0-9]{4})(?:,?[ T]+([0-9]{1,2}):([0-9]{2})(?::[0-9]{2})?)?")
Row = dict[str, Any]
Warn = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Line:
    """``number``: of the file, or of the entry in a JSON list; both begin at 1. ``problem``: why it is not sent.
    ``earlier``: lines of the same job that are one with it.
    """

    number: int
    row: Row
    problem: str | None = None
    earlier: tuple[int, ...] = ()

    @property
    def op(self) -> Any:
        return self.row.get("op", "put")

    @property
    def is_marked(self) -> bool:
        return any(self.row.get(name) for name in MARKS)

    @property
    def moves(self) -> bool:
        return self.op != "put" or bool(self.row.get("stage"))

    @property
    def key(self) -> str:
        return json.dumps(self.row, sort_keys=True, default=str)


def read_lines(file: Path, shop: str | None, columns: Mapping[str, str], warn: Warn) -> list[Line]:
    """What it is, its first character says. ``columns``: our names by theirs, for CSV. Raises CommandError."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.", ExitCode.USAGE) from None
    text = _decoded(file, content, warn)
    is_json = text.lstrip()[:1] in ("{", "[")
    lines = _from_json(file, text) if is_json else _from_csv(file, text, columns, warn)
    if shop:
        lines = [line if line.row.get("shop") else replace(line, row={**line.row, "shop": shop}) for line in lines]
    return _repeatable(lines)


def read_columns(given: Sequence[str]) -> dict[str, str]:
    """From THEIRS=OURS; OURS is one of FIELDS, or - for a column that is left out. Raises CommandError."""
    found = {}
    for pair in given:
        theirs, _, ours = pair.rpartition("=")
        if not theirs.strip() or ours.strip() not in (*FIELDS, LEFT_OUT):
            raise CommandError(
                f"--column {pair!r}: write it as THEIRS=OURS, where OURS is {LEFT_OUT} or one of {', '.join(FIELDS)}.",
                ExitCode.USAGE,
            )
        found[_name_of(theirs)] = ours.strip()
    return found


def _repeatable(lines: Sequence[Line]) -> list[Line]:
    """What can be sent twice: jobs must not go through the stages of unmarked lines again, nor back to one of them."""
    jobs: dict[str, list[Line]] = {}
    for line in lines:
        if line.problem is None and line.row.get("reference"):
            named = json.dumps([line.row.get("shop"), line.row["reference"]], default=str)
            jobs.setdefault(named, []).append(line)
    told: dict[int, Line | None] = {}
    for of_job in jobs.values():
        if all(line.op == "put" and not line.is_marked for line in of_job):
            told |= {line.number: None for line in of_job} | {of_job[-1].number: _as_one(of_job)}
        else:
            told |= {line.number: _overtaken(line, of_job[place:]) for place, line in enumerate(of_job, 1)}
    found = [told.get(line.number, line) for line in lines]
    return [line for line in found if line is not None]


def _as_one(lines: Sequence[Line]) -> Line:
    """The last word on each field counts. A null says nothing, but for the promise, which it takes away."""
    row = {name: value for line in lines for name, value in line.row.items() if value is not None or name == "due_at"}
    return replace(lines[-1], row=row, earlier=tuple(line.number for line in lines[:-1]))


def _overtaken(line: Line, later: Sequence[Line]) -> Line:
    """With its problem if it would undo what a later line of the same job did."""
    ahead = next((one for one in later if one.moves or line.op == "delete"), None)
    if ahead is None or line.is_marked or not line.moves:
        return line
    return replace(
        line,
        problem=f"line {ahead.number} says what became of this job later, and this line has neither at nor id: sent "
        "again, it would undo that. Give it one of them, or leave it out.",
    )


def _decoded(file: Path, content: bytes, warn: Warn) -> str:
    if content.startswith(WORKBOOK):
        raise CommandError(f"{file} is a workbook of a spreadsheet program. Save it there as CSV.", ExitCode.USAGE)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        warn(f"{file} is not in UTF-8 and was read as Windows-1252. Save it in UTF-8 if letters are wrong.")
        return content.decode("cp1252", "replace")


def _from_json(file: Path, text: str) -> list[Line]:
    numbered: list[tuple[int, Any]] = []
    number = 1
    try:
        if text.lstrip().startswith("["):
            numbered = list(enumerate(json.loads(text), 1))
        else:
            for number, line in enumerate(text.splitlines(), 1):
                if line.strip():
                    numbered.append((number, json.loads(line)))
    except json.JSONDecodeError as error:
        at = max(number, error.lineno)
        raise CommandError(f"{file} is not valid JSON, at line {at}: {error.msg}.", ExitCode.USAGE) from None
    if any(not isinstance(row, dict) for _, row in numbered):
        raise CommandError(f"{file} must hold objects, one for each job.", ExitCode.USAGE)
    return [Line(number, _exported(row) if "moves" in row else row) for number, row in numbered]


def _exported(row: Row) -> Row:
    """What of a record of `waymark job export` a job can be made of again: as it stood, with a link of its own."""
    kept = {name: row[name] for name in FIELDS if name != "revision" and row.get(name)}
    return kept | {"at": row.get("stage_at")}


def _from_csv(file: Path, text: str, columns: Mapping[str, str], warn: Warn) -> list[Line]:
    """An empty cell says nothing: what the job has stays."""
    skipped = 0
    delimiter = max(",;\t", key=text.partition("\n")[0].count)
    if text[:4].lower() == "sep=" and text[4:5] and text[5:7].strip() == "":  # a first line for Excel alone
        delimiter, text, skipped = text[4], text.partition("\n")[2], 1
    is_whole = text.endswith(("\n", "\r"))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        names = _names(file, next(reader, []), columns, warn)
        rows = [(skipped + reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise CommandError(
            f"{file}, line {skipped + reader.line_num}: {error}. A quotation mark is open, or the file is not whole yet.",
            ExitCode.USAGE,
        ) from None
    return [
        Line(number, _row(names, cells), _problem(names, cells, is_whole=is_whole or number != rows[-1][0]))
        for number, cells in rows
    ]


def _names(file: Path, titles: Sequence[str], columns: Mapping[str, str], warn: Warn) -> list[str | None]:
    """Our name of each column; None: it is left out."""
    names: list[str | None] = []
    unknown = []
    for title in titles:
        name = _name_of(title)
        ours = columns.get(name, name)
        if alike := [] if ours in (*FIELDS, LEFT_OUT, "") else get_close_matches(ours, FIELDS, 1, ALIKE):
            raise CommandError(
                f"{file} has a column {title.strip()!r}. Is it {alike[0]}? Say --column '{title.strip()}={alike[0]}', or "
                f"'{title.strip()}={LEFT_OUT}' to leave it out.",
                ExitCode.USAGE,
            )
        if ours not in FIELDS and ours != LEFT_OUT and title.strip():
            unknown.append(title.strip())
        names.append(ours if ours in FIELDS else None)
    if twice := {name for name in names if name and names.count(name) > 1}:
        raise CommandError(f"{file} has two columns {', '.join(sorted(twice))}. Rename one.", ExitCode.USAGE)
    if "reference" not in names:
        found = f"; it has {', '.join(unknown[:20])}" if unknown else ""
        raise CommandError(
            f"{file} needs a line of titles with reference in it, such as reference,item{found}. "
            "--column THEIRS=reference says which one it is.",
            ExitCode.USAGE,
        )
    if unknown:
        warn(f"left out of {file}, since jobs have no such fields: {', '.join(unknown[:20])}.")
    return names


def _name_of(title: str) -> str:
    """Customer name, customer-name and CUSTOMER_NAME are one. What has no letters of ours stays as it is."""
    return _NOT_OF_NAMES.sub("_", title.strip().lower()).strip("_") if title.isascii() else title.strip().lower()


def _row(names: Sequence[str | None], cells: Sequence[str]) -> Row:
    said = {name: cell for name, cell in zip(names, cells, strict=False) if name and cell.strip()}
    return said | {name: _iso(said[name]) for name in TIMES if name in said}


def _problem(names: Sequence[str | None], cells: Sequence[str], *, is_whole: bool) -> str | None:
    if any(cell.strip() for cell in cells[len(names) :]):
        return f"it has {len(cells)} cells for {len(names)} titles: put quotation marks around what holds a delimiter."
    if len(cells) < len(names) and not is_whole:
        return f"the file ends within it: it has {len(cells)} cells for {len(names)} titles."
    return None


def _iso(cell: str) -> str:
    """24.12.2026 18:00 as 2026-12-24T18:00; anything else stays."""
    found = _DOTTED.fullmatch(cell.strip())
    if not found:
        return cell
    day, month, year, hour, minute = found.groups()
    return f"{year}-{month:0>2}-{day:0>2}" + (f"T{hour:0>2}:{minute}" if hour else "")
