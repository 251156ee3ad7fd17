"""`waymark import` and `waymark export`: codes from files of this and other services, and back."""

import sys
import time
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import typer

from waymark.output import Column, CommandError, ExitCode, Output
from waymark.session import Session

POLL_S: Final = 0.2
OPEN: Final = ("waiting", "running")
FormatName = Literal["auto", "waymark", "csv", "bitly", "dub", "shlink", "yourls", "kutt"]
ExportFormat = Literal["csv", "ndjson", "nginx", "_redirects"]


def import_codes(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="CSV or JSON lines, in UTF-8.")],
    file_format: Annotated[FormatName, typer.Option("--format", help="Else its columns say.")] = "auto",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Verdicts only; nothing is imported.")] = False,
    domain: Annotated[
        str | None, typer.Option(metavar="HOST", help="Short domain for all codes, whatever the file says.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Import without a look first.")] = False,
    errors: Annotated[Path, typer.Option(metavar="FILE", help="Where rows go that are not taken.")] = Path(
        "errors.csv"
    ),
) -> int:
    """Import codes from a file of Waymark, Bitly, Dub, Shlink, YOURLS or Kutt, or a plain CSV; old codes stay as they are."""
    if not (dry_run or yes or session.out.on_terminal):
        raise CommandError("say --yes to import, or --dry-run for the verdicts alone.", ExitCode.USAGE)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.", ExitCode.USAGE) from None
    asked = {"format": file_format, "domain": domain, "name": file.name[:200], "dry_run": not yes or dry_run}
    found = _followed(session, session.client.upload("/imports", content, asked), "Looking")
    if not (dry_run or yes):
        _preview(session, found)
        if found["new"] == 0 or not typer.confirm(f"Import {found['new']:,} codes?"):
            session.out.note("Nothing was imported.")
            return ExitCode.OK
        found = _followed(session, session.client.send("POST", f"/imports/{found['id']}/run"), "Importing")
    left = found["conflict"] + found["invalid"]
    if left:
        errors.write_bytes(session.client.get_bytes(f"/imports/{found['id']}/errors.csv"))
    _summary(session, found, errors if left else None)
    return ExitCode.CONFLICT if left and not found["new"] and not found["same"] else ExitCode.OK


def export_codes(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Write it there; - is standard output.")],
    file_format: Annotated[
        ExportFormat | None, typer.Option("--format", help="Else by the ending: .csv, .ndjson, .map, _redirects.")
    ] = None,
    domain: Annotated[str | None, typer.Option(metavar="HOST", help="Of a redirect map; else the default one.")] = None,
) -> None:
    """Export everything about codes (csv, ndjson), or a redirect map that works without Waymark (nginx, _redirects)."""
    chosen = file_format or _format_of(file)
    path = f"/export/codes.{chosen}" if chosen in ("csv", "ndjson") else f"/export/map/{chosen}"
    content = session.client.get_bytes(path, {"domain": domain} if chosen in ("nginx", "_redirects") else None)
    if str(file) == "-":
        sys.stdout.buffer.write(content)
        return
    try:
        temporary = file.with_name(f".{file.name}.part")
        temporary.touch(mode=0o600)
        temporary.write_bytes(content)
        temporary.replace(file)
    except OSError as error:
        raise CommandError(f"{file} cannot be written: {error.strerror}. Choose another one.") from None
    facts = {"file": str(file), "format": chosen, "bytes": len(content)}
    session.out.text(facts, f"{file}  {len(content):,} bytes")
    if chosen in ("csv", "ndjson"):
        session.out.note("It holds every destination, and the hashes of passwords: keep it like a backup.")


def _followed(session: Session, task: dict[str, Any], what: str) -> dict[str, Any]:
    """Until it is done; a bar on a terminal."""
    with Bar(session.out, what, task["total"]) as bar:
        while task["state"] in OPEN:
            time.sleep(POLL_S)
            task = session.client.get(f"/imports/{task['id']}")
            bar(task["done"])
    if task["state"] != "done":
        why = task["problem"] or f"it was {task['state']}"
        raise CommandError(f"import {task['id']} did not end: {why} POST /imports/{task['id']}/run goes on.")
    return task


def _preview(session: Session, found: dict[str, Any]) -> None:
    columns = [
        Column("Line", right=True),
        Column("Verdict"),
        Column("Code"),
        Column("Destination", narrow="cut"),
        Column("Why", narrow="fold"),
    ]
    rows = [(row["line"], row["verdict"], row["code"], row["destination"], row["why"]) for row in found["rows"][:20]]
    session.out.table(found, columns, rows, empty="The file has no rows.")
    session.out.note(f"Read as {found['format']}: {found['reading']}.")
    session.out.note(_counts(found))


def _summary(session: Session, found: dict[str, Any], errors: Path | None) -> None:
    fields = {
        "dry run" if found["dry_run"] else "import": f"{found['id']}, {found['format']}, {found['total']:,} rows",
        "read": found["reading"],
        "new": found["new"],
        "same": found["same"],
        "conflict": found["conflict"],
        "invalid": found["invalid"],
        "not taken": f"see {errors}" if errors else None,
    }
    session.out.record({**found, "errors": str(errors) if errors else None}, fields)


def _counts(found: dict[str, Any]) -> str:
    return ", ".join(f"{found[verdict]:,} {verdict}" for verdict in ("new", "same", "conflict", "invalid"))


def _format_of(file: Path) -> str:
    known = {".csv": "csv", ".ndjson": "ndjson", ".jsonl": "ndjson", ".map": "nginx"}
    chosen = "_redirects" if file.name == "_redirects" else known.get(file.suffix.lower())
    if chosen is None:
        raise CommandError(
            f"the ending of {file} names no format; say --format csv, ndjson, nginx or _redirects.", ExitCode.USAGE
        )
    return chosen


class Bar:
    """Told how far it is. Draws on standard error, and only where a person looks."""

    def __init__(self, out: Output, what: str, total: int) -> None:
        self._shown = not out.as_json and sys.stderr.isatty()
        self._what, self._total = what, total

    def __enter__(self) -> Self:
        if self._shown:
            from rich.console import Console
            from rich.progress import Progress

            self._progress = Progress(console=Console(stderr=True), transient=True)
            self._progress.start()
            self._task = self._progress.add_task(self._what, total=self._total or None)
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            self._progress.stop()

    def __call__(self, done: int) -> None:
        if self._shown:
            self._progress.update(self._task, completed=done)
