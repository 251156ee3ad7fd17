"""`waymark job sync`: jobs from a file of another system, once, or every five minutes as the file changes."""

import csv
import io
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from waymark.commands.exchange import Bar
from waymark.output import Column, CommandError, ExitCode
from waymark.session import Session

AT_ONCE: Final = 100
WITHIN_S: Final = 120.0
WATCH_S: Final = 300
FIRST_RETRY_S: Final = 5.0
SHOWN: Final = 50
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """``number``: of the file, or of the entry in a JSON list; both begin at 1."""

    number: int
    row: Row

    @property
    def key(self) -> str:
        return json.dumps(self.row, sort_keys=True, default=str)


def sync(
    session: Session,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="CSV with a line of titles, JSON lines, or a JSON list.")
    ],
    watch: Annotated[bool, typer.Option("--watch", help="Go on: look every five minutes, send what changed.")] = False,
    every: Annotated[int, typer.Option(metavar="SECONDS", min=1, help="With --watch: how often.")] = WATCH_S,
    errors: Annotated[Path, typer.Option(metavar="FILE", help="Where rows go that are not taken.")] = Path(
        "errors.csv"
    ),
    shop: Annotated[str | None, typer.Option(metavar="NAME", help="For rows that name none.")] = None,
) -> int:
    """Make and change jobs as FILE says. Columns are named like the API's fields: reference, kind, item, stage, due_at, ...

    A row may be more than a job: op (advance, back, deliver, move, delete) with an id of yours, and at, when it happened.
    """
    sent: frozenset[str] = frozenset()
    if not watch:
        return _one_pass(session, file, errors, shop, sent)[0]
    while True:
        try:
            _code, sent = _one_pass(session, file, errors, shop, sent, retry=True)
        except CommandError as problem:
            session.forget_client()
            session.out.warning(f"{problem} Looking again in {every} s.")
        time.sleep(every)


def _one_pass(
    session: Session, file: Path, errors: Path, shop: str | None, sent: frozenset[str], *, retry: bool = False
) -> tuple[int, frozenset[str]]:
    """The exit code, and which rows need not be sent again."""
    lines = read_lines(file, shop)
    fresh = [line for line in lines if line.key not in sent]
    if retry and not fresh:
        return ExitCode.OK, sent
    verdicts: list[dict[str, Any]] = []
    with Bar(session.out, "Sending", len(fresh)) as bar:
        for start in range(0, len(fresh), AT_ONCE):
            verdicts += _send(session, fresh[start : start + AT_ONCE], retry=retry)
            bar(len(verdicts))
    refused = [(line, told) for line, told in zip(fresh, verdicts, strict=True) if told["result"] == "refused"]
    if refused:
        _write_errors(errors, refused)
    _show(session, fresh, verdicts, errors if refused else None)
    failed = {line.key for line, _ in refused}
    taken = frozenset(line.key for line in lines if line.key not in failed)
    return (ExitCode.CONFLICT if refused and len(refused) == len(fresh) else ExitCode.OK), taken


def _send(session: Session, lines: Sequence[Line], *, retry: bool) -> list[dict[str, Any]]:
    entries = [{"op": "put", **line.row} for line in lines]
    wait_s = FIRST_RETRY_S
    while True:
        try:
            answer = session.client.send("POST", "/jobs/batch", {"entries": entries}, within_s=WITHIN_S)
        except CommandError as problem:
            if not retry or problem.exit_code != ExitCode.UNREACHABLE:
                raise
            session.out.warning(f"{problem} Trying again in {wait_s:g} s.")
        else:
            return list(answer["verdicts"])
        time.sleep(wait_s)
        wait_s = min(wait_s * 2, WATCH_S)


def read_lines(file: Path, shop: str | None) -> list[Line]:
    """By the file's ending; CSV and JSON lines may come under any. Raises CommandError."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.", ExitCode.USAGE) from None
    except UnicodeDecodeError:
        raise CommandError(f"{file} is not in UTF-8. Save it so, and try again.", ExitCode.USAGE) from None
    lines = _from_json(file, text) if text.lstrip()[:1] in ("{", "[") else _from_csv(file, text)
    return [
        Line(line.number, {"shop": shop, **line.row} if shop and not line.row.get("shop") else line.row)
        for line in lines
    ]


def _from_json(file: Path, text: str) -> list[Line]:
    try:
        if text.lstrip().startswith("["):
            numbered = list(enumerate(json.loads(text), 1))
        else:
            numbered = [(n, json.loads(line)) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    except json.JSONDecodeError as error:
        raise CommandError(f"{file} is not valid JSON, at line {error.lineno}: {error.msg}.", ExitCode.USAGE) from None
    if any(not isinstance(row, dict) for _, row in numbered):
        raise CommandError(f"{file} must hold objects, one for each job.", ExitCode.USAGE)
    return [Line(number, row) for number, row in numbered]


def _from_csv(file: Path, text: str) -> list[Line]:
    """An empty cell says nothing: what the job has stays."""
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    titles = [title.strip() for title in reader.fieldnames or ()]
    if "reference" not in titles:
        raise CommandError(
            f"{file} needs a line of titles with reference in it, such as reference,item.", ExitCode.USAGE
        )
    reader.fieldnames = titles
    return [
        Line(
            reader.line_num,
            {name: cell for name, cell in row.items() if name and isinstance(cell, str) and cell.strip()},
        )
        for row in reader
        if any(row.values())
    ]


def _write_errors(errors: Path, refused: Sequence[tuple[Line, Mapping[str, Any]]]) -> None:
    try:
        with errors.open("w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out)
            writer.writerow(("line", "reference", "problem"))
            writer.writerows((line.number, told["reference"], told["problem"]) for line, told in refused)
    except OSError as error:
        raise CommandError(f"{errors} cannot be written: {error.strerror}. Choose another --errors.") from None


def _show(session: Session, lines: Sequence[Line], verdicts: Sequence[dict[str, Any]], errors: Path | None) -> None:
    counts: dict[str, int] = {}
    for told in verdicts:
        word = "seen before" if told["seen"] else told["result"]
        counts[word] = counts.get(word, 0) + 1
    told_lines = [{"line": line.number, **told} for line, told in zip(lines, verdicts, strict=True)]
    document = {"rows": len(lines), "counts": counts, "errors": str(errors) if errors else None, "verdicts": told_lines}
    columns = [
        Column("Line", right=True),
        Column("Reference"),
        Column("Verdict"),
        Column("Stage"),
        Column("Status page"),
        Column("Why", narrow="fold"),
    ]
    rows = [
        (told["line"], told["reference"], told["result"], told["stage"], told["status_url"], told["problem"])
        for told in sorted(told_lines, key=lambda told: told["result"] != "refused")[:SHOWN]
    ]
    session.out.table(document, columns, rows, empty="The file has no rows.")
    if session.out.as_json:
        return
    if len(verdicts) > SHOWN:
        session.out.text(None, f"... and {len(verdicts) - SHOWN:,} more; --json lists them all")
    session.out.text(None, ", ".join(f"{count:,} {word}" for word, count in counts.items()) or "nothing to do")
    if errors:
        session.out.warning(f"what was refused is in {errors}")
