"""`waymark batch`: what was printed when, and with which codes."""

from datetime import datetime
from typing import Annotated, Any

import typer

from waymark.commands.organised import archived_in_words, cost_in_words, cost_of, id_named
from waymark.output import Column, CommandError, ExitCode
from waymark.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Print batches: date, quantity, cost; their codes are locked as printed.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The batch's name.")]
Cost = Annotated[str | None, typer.Option(metavar="AMOUNT", help="Such as '480.00 EUR'; '' takes it away.")]
Codes = Annotated[list[str] | None, typer.Option(metavar="CODE", help="Repeat it; each gets its printed lock.")]
DomainName = Annotated[str | None, typer.Option(metavar="HOST", help="Short domain of the codes.")]
Quantity = Annotated[int, typer.Option(min=0, metavar="NUMBER", help="How many prints.")]
Day = Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="Day of printing.")]


@command(app, "add")
def add(
    session: Session,
    name: Name,
    quantity: Quantity,
    printed_on: Day = None,
    cost: Cost = None,
    note: Annotated[str, typer.Option(metavar="TEXT", help="Printer, paper, order number.")] = "",
    code: Codes = None,
    domain: DomainName = None,
) -> None:
    """Create a print batch; without --printed-on it is of today."""
    day = (printed_on.date() if printed_on else datetime.now().astimezone().date()).isoformat()
    body = {"name": name, "printed_on": day, "quantity": quantity, "note": note, "codes": code or [], "domain": domain}
    _show(session, session.client.send("POST", "/batches", {**body, **cost_of(cost)}))


@command(app, "list")
def list_batches(
    session: Session, everything: Annotated[bool, typer.Option("--all", help="The archived ones, too.")] = False
) -> None:
    """List the print batches, newest first."""
    found = session.client.get("/batches", {"archived": everything})
    columns = [
        Column("Name", narrow="fold"),
        Column("Printed"),
        Column("Quantity", right=True),
        Column("Cost", right=True),
        Column("Codes", right=True),
        Column("Archived"),
    ]
    rows = [
        (
            entry["name"],
            entry["printed_on"],
            entry["quantity"],
            cost_in_words(entry),
            entry["codes"],
            archived_in_words(entry),
        )
        for entry in found["batches"]
    ]
    session.out.table(found, columns, rows, empty="There is no print batch yet. `waymark batch add NAME` makes one.")


@command(app, "show")
def show(session: Session, name: Name) -> None:
    """Show one batch and its codes."""
    _show(session, session.client.get(f"/batches/{id_named(session, 'batches', 'name', name)}"))


@command(app, "update")
def update(
    session: Session,
    name: Name,
    rename: Annotated[str | None, typer.Option(metavar="NAME", help="Its new name.")] = None,
    quantity: Annotated[int | None, typer.Option(min=0, metavar="NUMBER", help="How many prints.")] = None,
    printed_on: Day = None,
    cost: Cost = None,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="Printer, paper, order number.")] = None,
    code: Codes = None,
    domain: DomainName = None,
    printed: Annotated[
        bool | None,
        typer.Option("--printed/--not-printed", help="Lock it: no code can be taken out of a printed batch."),
    ] = None,
) -> None:
    """Change a batch, or put more codes into it."""
    given: dict[str, Any] = {"name": rename, "quantity": quantity, "note": note, "codes": code, "printed": printed}
    given["printed_on"] = printed_on.date().isoformat() if printed_on else None
    body = {key: value for key, value in given.items() if value is not None} | cost_of(cost)
    if not body:
        raise CommandError("nothing to change was named; `--help` lists what can be.", ExitCode.USAGE)
    if domain:
        body["domain"] = domain
    path = f"/batches/{id_named(session, 'batches', 'name', name)}"
    _show(session, session.client.send("PATCH", path, body))


@command(app, "remove")
def remove(
    session: Session,
    name: Name,
    code: Annotated[list[str], typer.Argument(metavar="CODE...", help="Which codes to take out.")],
    domain: DomainName = None,
) -> None:
    """Take codes out of a batch that is not printed. Their own printed lock stays."""
    path = f"/batches/{id_named(session, 'batches', 'name', name)}"
    body: dict[str, Any] = {"take_out": code, "domain": domain}
    _show(session, session.client.send("PATCH", path, body))
    session.out.note("Their own printed lock stays; `waymark code set CODE --not-printed` takes it away.")


@command(app, "archive")
def archive(
    session: Session,
    name: Name,
    back: Annotated[bool, typer.Option("--undo", help="Bring it back.")] = False,
) -> None:
    """Take a batch out of the lists. Its codes stay locked as printed."""
    path = f"/batches/{id_named(session, 'batches', 'name', name)}"
    _show(session, session.client.send("PATCH", path, {"archived": not back}))


def _show(session: Session, batch: dict[str, Any]) -> None:
    fields = {
        "print batch": batch["name"],
        "printed": batch["printed_on"] + (", locked: no code can be taken out" if batch["printed"] else ""),
        "quantity": batch["quantity"],
        "cost": cost_in_words(batch),
        "note": batch["note"],
        "codes": [member["short_url"] for member in batch["members"]] if "members" in batch else batch["codes"],
        "archived": archived_in_words(batch),
    }
    session.out.record(batch, fields)
