"""`waymark job sync`: jobs from a file of another system, once, or every five minutes as the file changes."""

import csv
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from waymark.commands.exchange import Bar
from waymark.commands.job_rows import Line, read_columns, read_lines
from waymark.output import Column, CommandError, ExitCode
from waymark.session import Session

AT_ONCE: Final = 100
WITHIN_S: Final = 120.0
WATCH_S: Final = 300
FIRST_RETRY_S: Final = 5.0
SHOWN: Final = 50
SETTLED_S: Final = 1.0


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
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="THEIRS=OURS", help="What a column of a CSV is, such as 'Order no.=reference'; repeat it."
        ),
    ] = None,
) -> int:
    """Make and change jobs as FILE says. Columns are named like the API's fields: reference, kind, item, stage, due_at, ...

    A row may be more than a job: op (advance, back, deliver, move, delete) with an id of yours, and at, when it happened.
    Rows of one job that have neither id nor at are one row, in which the last word counts: a column at keeps every stage.
    The same file sent again moves nothing again, also after it was broken off.
    Exit code 4: rows were refused, and are in --errors; the others were taken. --watch goes on.
    """
    columns = read_columns(column or [])
    sent: frozenset[str] = frozenset()
    if not watch:
        return _send_new(session, read_lines(file, shop, columns, session.out.warning), errors, sent)[0]
    while True:
        try:
            _wait_until_settled(file)
            lines = read_lines(file, shop, columns, session.out.warning)
            _code, sent = _send_new(session, lines, errors, sent, retry=True)
        except CommandError as problem:
            session.forget_client()
            session.out.warning(f"{problem} Looking again in {every} s.")
        time.sleep(every)


def _wait_until_settled(file: Path) -> None:
    """Who writes it just now is not done while it changes: a line cut off would be another job."""
    with suppress(OSError):  # read_lines says it
        before, seen = None, file.stat()
        while before != (seen.st_size, seen.st_mtime_ns) and abs(time.time() - seen.st_mtime) < SETTLED_S:
            before = (seen.st_size, seen.st_mtime_ns)
            time.sleep(SETTLED_S)
            seen = file.stat()


def _send_new(
    session: Session, lines: Sequence[Line], errors: Path, sent: frozenset[str], *, retry: bool = False
) -> tuple[int, frozenset[str]]:
    """The exit code, and which rows need not be sent again."""
    fresh = [line for line in lines if line.key not in sent]
    if retry and not fresh:
        return ExitCode.OK, sent
    verdicts: list[dict[str, Any]] = []
    with Bar(session.out, "Sending", len(fresh)) as bar:
        for start in range(0, len(fresh), AT_ONCE):
            verdicts += _verdicts(session, fresh[start : start + AT_ONCE], retry=retry)
            bar(len(verdicts))
    refused = [(line, told) for line, told in zip(fresh, verdicts, strict=True) if told["result"] == "refused"]
    if refused:
        _write_errors(errors, refused)
    _show(session, fresh, verdicts, errors if refused else None)
    failed = {line.key for line, _ in refused}
    taken = frozenset(line.key for line in lines if line.key not in failed)
    return (ExitCode.CONFLICT if refused else ExitCode.OK), taken


def _verdicts(session: Session, lines: Sequence[Line], *, retry: bool) -> list[dict[str, Any]]:
    """In order. What has a problem is not sent."""
    whole = [line for line in lines if line.problem is None]
    told = iter(_send(session, whole, retry=retry) if whole else [])
    return [_refused(line) if line.problem else next(told) for line in lines]


def _refused(line: Line) -> dict[str, Any]:
    told = {"result": "refused", "status": 422, "seen": False, "stage": None, "status_url": None}
    return {"reference": line.row.get("reference", ""), "id": line.row.get("id"), "problem": line.problem, **told}


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
    told_lines = [
        {"line": line.number, "earlier_lines": line.earlier, **told} for line, told in zip(lines, verdicts, strict=True)
    ]
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
    if together := sum(len(line.earlier) for line in lines):
        session.out.warning(
            f"{together:,} {'row was' if together == 1 else 'rows were'} taken as one with a later row of the same job, since "
            "neither has an id or at: only the last word counts. Add a column at to keep every stage."
        )
    if session.out.as_json:
        return
    if len(verdicts) > SHOWN:
        session.out.text(None, f"... and {len(verdicts) - SHOWN:,} more; --json lists them all")
    session.out.text(None, ", ".join(f"{count:,} {word}" for word, count in counts.items()) or "nothing to do")
    if errors:
        session.out.warning(f"what was refused is in {errors}")
