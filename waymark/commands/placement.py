"""`waymark placement`: where codes hang."""

from typing import Annotated, Any

import typer

from codes.alphabet import CodeError
from codes.opening_hours import read_typed_hours, typed_hours
from waymark.commands.organised import archived_in_words, id_named
from waymark.output import Column, CommandError, ExitCode, when
from waymark.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Placements: a spot in a venue, its time zone and opening hours.")

Label = Annotated[str, typer.Argument(metavar="'VENUE / SPOT'", help="What names it.")]
Hours = Annotated[
    str | None, typer.Option(metavar="TIMES", help="Such as 'mon-fri 09:00-18:00; sat 10:00-14:00'; '' for unknown.")
]
At = Annotated[str | None, typer.Option(metavar="LAT,LON", help="Such as 52.52,13.37; '' for unknown.")]


@command(app, "add")
def add(
    session: Session,
    venue: Annotated[str, typer.Argument(metavar="VENUE", help="Such as 'Central Station'.")],
    spot: Annotated[str, typer.Argument(metavar="SPOT", help="Such as 'Platform 3'.")],
    zone: Annotated[str, typer.Option(metavar="ZONE", help="Time zone, such as Europe/Berlin.")],
    hours: Hours = None,
    at: At = None,
) -> None:
    """Create a placement."""
    body = {"venue": venue, "spot": spot, "zone": zone, **_details(hours, at)}
    _show(session, session.client.send("POST", "/placements", body))


@command(app, "list")
def list_placements(
    session: Session, everything: Annotated[bool, typer.Option("--all", help="The archived ones, too.")] = False
) -> None:
    """List the placements."""
    found = session.client.get("/placements", {"archived": everything})
    columns = [
        Column("Venue", narrow="fold"),
        Column("Spot", narrow="fold"),
        Column("Zone"),
        Column("Open", narrow="fold"),
        Column("Codes", right=True),
        Column("Archived"),
    ]
    rows = [
        (
            entry["venue"],
            entry["spot"],
            entry["zone"],
            typed_hours(entry["opening_hours"]),
            entry["codes"],
            archived_in_words(entry),
        )
        for entry in found["placements"]
    ]
    nothing = "There is no placement yet. Make one: `waymark placement add VENUE SPOT --zone ZONE`"
    session.out.table(found, columns, rows, empty=nothing)


@command(app, "show")
def show(session: Session, label: Label) -> None:
    """Show one placement."""
    _show(session, session.client.get(f"/placements/{id_named(session, 'placements', 'label', label)}"))


@command(app, "update")
def update(
    session: Session,
    label: Label,
    venue: Annotated[str | None, typer.Option(metavar="TEXT", help="Its new venue.")] = None,
    spot: Annotated[str | None, typer.Option(metavar="TEXT", help="Its new spot.")] = None,
    zone: Annotated[str | None, typer.Option(metavar="ZONE", help="Its new time zone.")] = None,
    hours: Hours = None,
    at: At = None,
) -> None:
    """Change a placement."""
    given = {"venue": venue, "spot": spot, "zone": zone}
    body = {name: value for name, value in given.items() if value is not None} | _details(hours, at)
    if not body:
        raise CommandError("nothing to change was named; `--help` lists what can be.", ExitCode.USAGE)
    path = f"/placements/{id_named(session, 'placements', 'label', label)}"
    _show(session, session.client.send("PATCH", path, body))


@command(app, "archive")
def archive(
    session: Session,
    label: Label,
    back: Annotated[bool, typer.Option("--undo", help="Bring it back.")] = False,
) -> None:
    """Take a placement out of the lists. Its codes keep it."""
    path = f"/placements/{id_named(session, 'placements', 'label', label)}"
    _show(session, session.client.send("PATCH", path, {"archived": not back}))


def _details(hours: str | None, at: str | None) -> dict[str, Any]:
    details: dict[str, Any] = {}
    if hours is not None:
        try:
            details["opening_hours"] = read_typed_hours(hours)
        except CodeError as error:
            raise CommandError(str(error), ExitCode.USAGE) from None
    if at is not None:
        try:
            latitude, longitude = (float(part) for part in at.split(",")) if at.strip() else (None, None)
        except ValueError:
            raise CommandError(f"{at!r} is no pair of coordinates; write 52.52,13.37.", ExitCode.USAGE) from None
        details |= {"latitude": latitude, "longitude": longitude}
    return details


def _show(session: Session, placement: dict[str, Any]) -> None:
    located = placement["latitude"] is not None
    fields = {
        "placement": placement["label"],
        "time zone": placement["zone"],
        "open": typed_hours(placement["opening_hours"]),
        "at": f"{placement['latitude']},{placement['longitude']}" if located else None,
        "codes": placement["codes"],
        "created": f"{when(placement['created_at'])} by {placement['created_by']}",
        "archived": archived_in_words(placement),
    }
    session.out.record(placement, fields)
