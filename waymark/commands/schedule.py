"""`waymark code schedule`: list and cancel planned changes; `waymark code retarget --at --until` makes them."""

from typing import Annotated

import typer

from waymark.commands.code import address
from waymark.commands.code_words import content_in_words, show_planned
from waymark.output import Column, when
from waymark.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Planned changes: see them, cancel them.")


@command(app, "list")
def list_planned(
    session: Session,
    code: Annotated[str | None, typer.Argument(metavar="[CODE]", help="Of this code alone.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those that are over.")] = False,
    domain: Annotated[str | None, typer.Option(metavar="HOST", help="Short domain of CODE.")] = None,
) -> None:
    """List planned changes by the time they begin."""
    path, parameters = address(code, domain) if code else ("", {})
    asked = {**parameters, "all": "true" if everything else None}
    found = session.client.get(f"{path}/schedule", asked)
    columns = [
        Column("No.", right=True),
        Column("Code"),
        Column("Begins"),
        Column("Ends"),
        Column("Change", narrow="fold"),
        Column("State"),
        Column("Note", narrow="fold"),
    ]
    rows = [
        (
            one["id"],
            one["code"],
            when(one["starts_at"]),
            when(one["ends_at"]),
            content_in_words(one["content"]),
            one["state"],
            one["problem"] or one["reason"],
        )
        for one in found["scheduled"]
    ]
    hint = "Nothing is planned. Plan a change: `waymark code retarget CODE DESTINATION --at TIME --until TIME`"
    session.out.table(found, columns, rows, empty=hint)


@command(app, "cancel")
def cancel(
    session: Session, number: Annotated[int, typer.Argument(metavar="NO.", min=1, help="As the list shows it.")]
) -> None:
    """Cancel a planned change; one that is in force stays in force."""
    show_planned(session, session.client.send("DELETE", f"/schedule/{number}"))
