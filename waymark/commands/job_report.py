"""`waymark job report` and `events`: how long jobs take, and what happened to them."""

from typing import Annotated

import typer

from waymark.commands.shop_times import shop_times
from waymark.output import Column
from waymark.session import Session


def report(
    session: Session,
    kind: Annotated[str, typer.Option(metavar="KIND", help="Only of this kind.")] = "",
    start: Annotated[str | None, typer.Option("--from", metavar="TIME", help="Else the last 90 days.")] = None,
    to: Annotated[str | None, typer.Option(metavar="TIME", help="A date includes that whole day.")] = None,
    zone: Annotated[str, typer.Option(metavar="NAME", help="Time zone, such as Europe/Berlin.")] = "UTC",
    shop: Annotated[str | None, typer.Option(metavar="NAME", help="All shops when left out.")] = None,
) -> None:
    """Show how long jobs stay in each stage, and how many were ready as promised at first."""
    asked = {"kind": kind, "from": start, "to": to, "tz": zone, "shop": shop}
    found = session.client.get("/reports/stages", asked)
    columns = [
        Column("Kind"),
        Column("Stage"),
        Column("Stays", right=True),
        Column("Half within (h)", right=True),
        Column("9 of 10 within", right=True),
        Column("In opening hours", right=True),
        Column("9 of 10 within", right=True),
    ]
    hours = ("median_hours", "p90_hours", "median_working_hours", "p90_working_hours")
    rows = [
        (one["name"], stage["name"], stage["stays"], *(f"{stage[name]:.1f}" for name in hours))
        for one in found["kinds"]
        for stage in one["stages"]
    ]
    session.out.table(found, columns, rows, empty="No job moved in that time.")
    if session.out.as_json:
        return
    for one in found["kinds"]:
        share = "" if one["kept_share"] is None else f" ({one['kept_share']:.0%})"
        promised = (
            f"{one['kept']:,} of {one['promised']:,} promises kept{share}" if one["promised"] else "none promised"
        )
        session.out.text(None, f"{one['name']}: {one['finished']:,} finished, {promised}")
    if found["partial"]:
        session.out.warning("there were too many jobs; only the newest were looked at. Choose a shorter time.")


def events(
    session: Session,
    after: Annotated[int, typer.Option(metavar="N", min=0, help="Only those after this number.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most, oldest first.")] = 100,
    event: Annotated[str | None, typer.Option(metavar="NAME", help="Only these, such as job.delivered.")] = None,
    shop: Annotated[str | None, typer.Option(metavar="NAME", help="Only of this shop's jobs.")] = None,
    job: Annotated[str | None, typer.Option(metavar="REFERENCE", help="Only of this job.")] = None,
) -> None:
    """List what happened to jobs, as other systems are told it: nothing private. Kept for 90 days."""
    asked = {"after": after, "limit": limit, "event": event, "shop": shop, "reference": job}
    found = session.client.get("/events", asked)
    columns = [
        Column("No.", right=True),
        Column("When"),
        Column("Event"),
        Column("Reference"),
        Column("Stage"),
        Column("Shop"),
    ]
    when = shop_times(session)
    rows = [
        (
            one["id"],
            when(one["at"], one["job"]["shop"]),
            one["event"],
            one["job"]["reference"],
            one["job"].get("stage"),
            one["job"]["shop"],
        )
        for one in found["events"]
    ]
    narrowed = event or shop or job
    nothing = "No event matches. `waymark job events` alone lists them all." if narrowed else "Nothing happened since."
    session.out.table(found, columns, rows, empty=nothing)
