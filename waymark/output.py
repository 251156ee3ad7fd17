"""What people and programs get to see: tables on a terminal, plain lines in a pipe, JSON when asked for it.

With --json, standard output holds one JSON document or nothing; an error is one JSON document on standard error.
"""

import json
import sys
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import IntEnum
from typing import Any, Final, Literal, TextIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


class ExitCode(IntEnum):
    OK = 0
    FAILURE = 1
    USAGE = 2
    NOT_FOUND = 3
    CONFLICT = 4
    UNREACHABLE = 5


class CommandError(Exception):
    """Ends a command; the message says what went wrong, why, and what to do."""

    def __init__(self, message: str, exit_code: ExitCode = ExitCode.FAILURE) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True, slots=True)
class Column:
    """``narrow`` says what a terminal without room does to it; in a pipe every column is whole."""

    title: str
    right: bool = False
    narrow: Literal["keep", "cut", "fold"] = "keep"


MIN_CELLS: Final = 8
STYLES: Final = {"ok": "green", "warn": "yellow", "fail": "bold red"}


class Output:
    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json

    @property
    def on_terminal(self) -> bool:
        return not self.as_json and sys.stdout.isatty()

    def document(self, document: Any) -> None:
        """JSON, whatever was asked for."""
        ascii_only = (sys.stdout.encoding or "").lower().replace("-", "") != "utf8"
        sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=ascii_only, default=_json_value) + "\n")

    def text(self, document: Any, text: str) -> None:
        """The text alone, unchanged, so that a script can take it."""
        if self.as_json:
            self.document(document)
        else:
            sys.stdout.write(text + "\n")

    def record(self, document: Any, fields: Mapping[str, Any]) -> None:
        """One thing: a line for each field that has a value."""
        if self.as_json:
            self.document(document)
            return
        shown = {label: clean(value) for label, value in fields.items() if value not in (None, "", [])}
        width = max(map(len, shown), default=0)
        for label, value in shown.items():
            self._write_styled([(f"{label:<{width}}  ", "dim"), (value, "")])

    def table(self, document: Any, columns: Sequence[Column], rows: Iterable[Sequence[Any]], *, empty: str) -> None:
        if self.as_json:
            self.document(document)
            return
        cells = [[clean(value) for value in row] for row in rows]
        if not cells:
            self.note(empty)
        elif self.on_terminal:
            _write_rich_table(columns, cells)
        else:
            sys.stdout.write(plain_table(columns, cells))

    def check(self, state: str, topic: str, says: str, remedy: str | None) -> None:
        self._write_styled([(f"{state:<4}  ", STYLES[state]), (f"{topic}: ", "bold"), (clean(says), "")], hang=6)
        if remedy:
            self._write_styled([("      ", ""), (clean(remedy), "cyan")], hang=6)

    def note(self, text: str) -> None:
        """A hint beside the answer, for people only; never part of what a script reads."""
        if not self.as_json and sys.stderr.isatty():
            _write_rich(sys.stderr, [(text, "dim")])

    def warning(self, text: str) -> None:
        if self.as_json:
            sys.stderr.write(json.dumps({"warning": text}) + "\n")
        else:
            _write_problem("warning", clean(text))

    def error(self, message: str, exit_code: ExitCode) -> None:
        if self.as_json:
            problem = {"code": exit_code.name.lower(), "exit_code": int(exit_code), "message": message}
            sys.stderr.write(json.dumps({"error": problem}) + "\n")
        else:
            _write_problem("error", message)

    def _write_styled(self, parts: Sequence[tuple[str, str]], hang: int = 0) -> None:
        if self.on_terminal:
            _write_rich(sys.stdout, parts, hang)
        else:
            sys.stdout.write("".join(text for text, _style in parts).rstrip() + "\n")


def clean(value: Any) -> str:
    """One line without control characters: what others typed must not move the cursor of whoever reads it."""
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else "" if value is None else str(value)
    return text if text.isascii() and text.isprintable() else "".join(map(_visible, text))


def when(moment: str | None, zone: str | None = None) -> str:
    """An ISO time of the API in ``zone``, or in this machine's when that is None or not known here."""
    if not moment:
        return ""
    try:
        local = datetime.fromisoformat(moment).astimezone(ZoneInfo(zone) if zone else None)
    except ZoneInfoNotFoundError:
        local = datetime.fromisoformat(moment).astimezone()
    return local.strftime("%Y-%m-%d %H:%M %Z")


def plain_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> str:
    """Aligned and uncut, with a line of titles."""
    widths = _natural_widths(columns, rows)
    texts = []
    for line in ([column.title for column in columns], *rows):
        padding = [" " * (width - _cells(text)) for text, width in zip(line, widths, strict=True)]
        cells = zip(columns, line, padding, strict=True)
        aligned = (space + text if column.right else text + space for column, text, space in cells)
        texts.append("  ".join(aligned).rstrip() + "\n")
    return "".join(texts)


def fitted_widths(columns: Sequence[Column], rows: Sequence[Sequence[str]], room: int) -> list[int]:
    """Widths for a terminal: what may be cut or folded shares what the other columns leave, the small ones first."""
    widths = _natural_widths(columns, rows)
    flexible = sorted((i for i, column in enumerate(columns) if column.narrow != "keep"), key=lambda i: widths[i])
    left = room - 2 * (len(columns) - 1) - sum(width for i, width in enumerate(widths) if i not in flexible)
    for done, i in enumerate(flexible):
        share = max(MIN_CELLS, left // (len(flexible) - done))
        widths[i] = min(widths[i], share)
        left -= widths[i]
    return widths


def _json_value(value: Any) -> str:
    return value.isoformat() if isinstance(value, date) else str(value)  # a datetime is a date too


def _natural_widths(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> list[int]:
    lines = [[column.title for column in columns], *rows]
    return [max(_cells(line[i]) for line in lines) for i in range(len(columns))]


def _cells(text: str) -> int:
    """Columns that a text takes on a terminal: two for a Chinese character, none for a combining mark."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def _visible(char: str) -> str:
    # The two joiners are part of how emoji and several scripts are written.
    if char.isprintable() or char in "\u200c\u200d":
        return char
    return " " if unicodedata.category(char) == "Zs" else ascii(char)[1:-1]


def _write_problem(kind: str, message: str) -> None:
    if sys.stderr.isatty():
        _write_rich(sys.stderr, [(f"{kind}: ", "bold red" if kind == "error" else "bold yellow"), (message, "")])
    else:
        sys.stderr.write(f"{kind}: {message}\n")


def _write_rich(stream: TextIO, parts: Sequence[tuple[str, str]], hang: int = 0) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    lines = Text.assemble(*parts).wrap(console, max(20, console.width - hang))
    for number, line in enumerate(lines):
        console.print(Text(" " * hang) + line if number else line, soft_wrap=True)


def _write_rich_table(columns: Sequence[Column], rows: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(file=sys.stdout, highlight=False, markup=False, emoji=False)
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for column, width in zip(columns, fitted_widths(columns, rows, console.width), strict=True):
        table.add_column(
            column.title,
            width=width,
            justify="right" if column.right else "left",
            overflow="ellipsis" if column.narrow == "cut" else "fold",
            no_wrap=column.narrow == "cut",
        )
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)
