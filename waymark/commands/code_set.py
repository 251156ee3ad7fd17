"""`waymark code set, archive, unarchive`: what a code is called, where it belongs, whether it is still answered."""

from typing import Annotated, Any

import typer

from waymark.commands.code import CodeName, DomainName, Reason, address, app, show_code
from waymark.output import CommandError, ExitCode
from waymark.session import Session, command

__all__ = ["app"]


@command(app, "set")
def set_code(
    session: Session,
    code: CodeName,
    name: Annotated[str | None, typer.Option(metavar="TEXT", help="What people here call it.")] = None,
    tag: Annotated[list[str] | None, typer.Option(metavar="TEXT", help="All its tags; '' takes them away.")] = None,
    campaign: Annotated[str | None, typer.Option(metavar="NAME", help="What it is printed for; '' for none.")] = None,
    placement: Annotated[str | None, typer.Option(metavar="'VENUE / SPOT'", help="'' for none.")] = None,
    printed: Annotated[bool | None, typer.Option("--printed/--not-printed", help="The lock of printed codes.")] = None,
    domain: DomainName = None,
) -> None:
    """Change name, tags, campaign, placement or the printed lock of CODE."""
    given: dict[str, Any] = {"name": name, "campaign": campaign, "placement": placement, "printed": printed}
    if tag is not None:
        given["tags"] = [text for text in tag if text]
    body = {key: value for key, value in given.items() if value is not None}
    if not body:
        raise CommandError("nothing to change was named; `waymark code set --help` lists what can be.", ExitCode.USAGE)
    path, parameters = address(code, domain)
    show_code(session, session.client.send("PATCH", path, body, parameters))


@command(app, "archive")
def archive(
    session: Session,
    code: CodeName,
    force: Annotated[bool, typer.Option("--force", help="Although it is printed.")] = False,
    reason: Reason = "",
    domain: DomainName = None,
) -> None:
    """Stop answering CODE and take it out of the lists; it is never given to anything else."""
    path, parameters = address(code, domain)
    body = {"archived": True, "force": force, "reason": reason}
    show_code(session, session.client.send("PATCH", path, body, parameters))


@command(app, "unarchive")
def unarchive(session: Session, code: CodeName, domain: DomainName = None) -> None:
    """Answer CODE again, as before."""
    path, parameters = address(code, domain)
    show_code(session, session.client.send("PATCH", path, {"archived": False}, parameters))
