"""`waymark kind`: the kinds of jobs there are, and the stages they go through."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from waymark.output import Column, CommandError, ExitCode
from waymark.session import Session, command, if_match

app = typer.Typer(no_args_is_help=True, help="See and change the stages that jobs go through.")

IfVersion = Annotated[
    str | None, typer.Option("--if-version", metavar="TEXT", help="Only if it still is as `show --json` said.")
]
KindName = Annotated[str, typer.Argument(metavar="KIND", help="repair, order, parcel, ticket, brief, or one of yours.")]


@command(app, "list")
def list_kinds(session: Session) -> None:
    """List the kinds of jobs."""
    found = session.client.get("/kinds")
    columns = [Column("Kind"), Column("Name", narrow="cut"), Column("Stages", narrow="fold"), Column("Keeps (days)")]
    rows = [
        (
            kind["kind"],
            kind["name"],
            [stage["key"] for stage in kind["stages"]],
            f"{kind['keep_done_days']} done, {kind['keep_idle_days']} idle",
        )
        for kind in found["kinds"]
    ]
    session.out.table(found, columns, rows, empty="There are no kinds.")


@command(app, "show")
def show(session: Session, kind: KindName) -> None:
    """Show the stages of KIND. With --json it is what `waymark kind set` takes."""
    _show(session, session.client.get(address(kind)))


@command(app, "set")
def set_kind(
    session: Session,
    kind: KindName,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="JSON with name and stages, as `show --json` prints it; - reads it."),
    ] = None,
    keep_done: Annotated[int | None, typer.Option(metavar="DAYS", help="Pages stay so long after completion.")] = None,
    keep_idle: Annotated[int | None, typer.Option(metavar="DAYS", help="And so long after the last change.")] = None,
    if_version: IfVersion = None,
) -> None:
    """Change a kind, or make one of your own."""
    if file is None and keep_done is None and keep_idle is None:
        raise CommandError("name a FILE with the stages, or say --keep-done or --keep-idle.", ExitCode.USAGE)
    given = session.client.get(address(kind)) if file is None else _read(file)
    fields = ("name", "stages", "keep_done_days", "keep_idle_days")
    unknown = sorted(set(given) - {*fields, "kind", "built_in", "changed", "version"})
    if unknown:
        raise CommandError(f"a kind has no {unknown[0]!r}; it has {', '.join(fields)}.", ExitCode.USAGE)
    body = {name: given[name] for name in fields if name in given}
    body |= {} if keep_done is None else {"keep_done_days": keep_done}
    body |= {} if keep_idle is None else {"keep_idle_days": keep_idle}
    read = given["version"] if file is None else None  # what was read just now is what is changed
    headers = if_match(if_version or read)
    _show(session, session.client.send("PUT", address(kind), body, headers=headers))


@command(app, "reset")
def reset(session: Session, kind: KindName, if_version: IfVersion = None) -> None:
    """Bring a built-in kind back as it came; take away one of your own."""
    session.client.send("DELETE", address(kind), headers=if_match(if_version))
    session.out.text({"reset": kind}, f"{kind} is reset.")


def address(kind: str) -> str:
    if not kind or "/" in kind or kind in (".", ".."):
        raise CommandError(f"{kind!r} is no kind of job.", ExitCode.USAGE)
    return f"/kinds/{quote(kind, safe='')}"


def _show(session: Session, kind: dict[str, Any]) -> None:
    columns = [
        Column("Stage"),
        Column("Name"),
        Column("Customers read", narrow="cut"),
        Column("Phase"),
        Column("Hours", right=True),
        Column("Optional"),
    ]
    rows = [
        (
            stage["key"],
            stage["name"],
            stage["public"].get("en") or next(iter(stage["public"].values())),
            stage["phase"],
            stage["hours"],
            "yes" if stage.get("optional") else "",
        )
        for stage in kind["stages"]
    ]
    session.out.table(kind, columns, rows, empty="It has no stages.")


def _read(file: Path) -> dict[str, Any]:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8-sig")
        given = json.loads(text)
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.", ExitCode.USAGE) from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} is not valid JSON: {error}.", ExitCode.USAGE) from None
    if not isinstance(given, dict):
        raise CommandError(f"{file} must hold one object with name and stages.", ExitCode.USAGE)
    return given
