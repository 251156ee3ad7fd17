"""`waymark job rules` and `kind rules`: where a scan of the slip goes by how the job stands, instead of to its page."""

from pathlib import Path
from typing import Annotated, Any

import typer

from waymark.commands.code import Reason
from waymark.commands.code_rules import ClearRules, RulesFile, asked_rules, show_rules
from waymark.commands.job import ReferenceName, ShopName, address
from waymark.commands.kind import KindName
from waymark.commands.kind import address as kind_address
from waymark.output import CommandError, ExitCode
from waymark.session import Session


def rules(
    session: Session,
    reference: ReferenceName,
    file: RulesFile = None,
    clear: ClearRules = False,
    undo: Annotated[bool, typer.Option("--undo", help="Bring back those before.")] = False,
    reason: Reason = "",
    shop: ShopName = None,
) -> None:
    """Show the rules of a job's code, or put others in their place: done leads to a review page, say."""
    path, parameters = f"{address(reference)}/rules", {"shop": shop}
    body = _asked(file, reason, clear=clear, undo=undo)
    if undo:
        found = session.client.send("POST", f"{path}/undo", {"reason": reason}, parameters)
    elif body is None:
        found = session.client.get(path, parameters)
    else:
        found = session.client.send("PUT", path, body, parameters)
    show_rules(session, found, "the job's page")


def kind_rules(
    session: Session,
    kind: KindName,
    file: RulesFile = None,
    clear: ClearRules = False,
    to_all: Annotated[
        bool, typer.Option("--to-all", help="Put them on all jobs of KIND that there are, too, in place of theirs.")
    ] = False,
    undo: Annotated[
        bool, typer.Option("--undo", help="Bring back those before, also on the jobs that got them with --to-all.")
    ] = False,
    reason: Reason = "",
) -> None:
    """Show the rules that the slips of new jobs of KIND start with, or put others in their place."""
    path = f"{kind_address(kind)}/rules"
    body = _asked(file, reason, clear=clear, undo=undo)
    if body is None and to_all:
        raise CommandError("--to-all goes with --file or --clear: say which rules.", ExitCode.USAGE)
    if undo:
        found = session.client.send("POST", f"{path}/undo", {"reason": reason})
    else:
        body = body and {**body, "to_all": to_all}
        found = session.client.send("PUT", path, body) if body else session.client.get(path)
    show_rules(session, found, "the job's page")
    if to_all:
        session.out.note(f"{found['changed_jobs']} jobs were changed; `waymark job rules REFERENCE --undo` undoes one.")
    elif undo:
        session.out.note(f"{found['changed_jobs']} jobs have the rules back that they had before.")


def _asked(file: Path | None, reason: str, *, clear: bool, undo: bool) -> dict[str, Any] | None:
    body = asked_rules(file, reason, clear=clear)
    if undo and body is not None:
        raise CommandError("--undo brings rules back; give no others with it.", ExitCode.USAGE)
    return body
