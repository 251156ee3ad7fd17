"""`waymark demo`: a believable quarter of a year to look at, marked and removable."""

import sys
from typing import Annotated, Final

import typer

from waymark.output import CommandError, ExitCode
from waymark.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Fill the charts with made-up scans, and take them away again.")

WITHIN_S: Final = 300.0


@command(app, "add")
def add(session: Session) -> None:
    """Add demo codes with scans of the last three months; they are marked as demo everywhere."""
    made = session.client.send("POST", "/demo", within_s=WITHIN_S)
    session.out.record(made, made)
    session.out.note("The scans appear while they are read in. Remove it all with `waymark demo remove`.")


@command(app, "remove")
def remove(
    session: Session,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Remove every demo code and demo scan; real ones stay."""
    if not yes:
        _confirm(session)
    removed = session.client.send("DELETE", "/demo", within_s=WITHIN_S)
    session.out.record(removed, removed)


def _confirm(session: Session) -> None:
    if session.out.as_json or not sys.stdin.isatty():
        raise CommandError("this removes all demo codes and scans: add --yes to say you mean it.", ExitCode.USAGE)
    if not typer.confirm("Remove all demo codes and their scans?", err=True):
        raise CommandError("nothing was removed.")
