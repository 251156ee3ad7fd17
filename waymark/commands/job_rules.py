"""`waymark job rules`: where a scan of the slip goes by how the job stands, instead of to its page."""

from pathlib import Path
from typing import Annotated

import typer

from waymark.commands.code import Reason
from waymark.commands.code_rules import asked_rules, show_rules
from waymark.commands.job import ReferenceName, ShopName, address
from waymark.session import Session


def rules(
    session: Session,
    reference: ReferenceName,
    file: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON list of all its rules; - reads it here.")
    ] = None,
    clear: Annotated[bool, typer.Option("--clear", help="Take all rules away.")] = False,
    reason: Reason = "",
    shop: ShopName = None,
) -> None:
    """Show the rules of a job's code, or put others in their place: done leads to a review page, say."""
    path, parameters = f"{address(reference)}/rules", {"shop": shop}
    body = asked_rules(file, reason, clear=clear)
    found = session.client.get(path, parameters) if body is None else session.client.send("PUT", path, body, parameters)
    show_rules(session, found, "the job's page")
