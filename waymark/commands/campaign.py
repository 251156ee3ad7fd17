"""`waymark campaign`: what codes are printed for; UTM fields for their destinations, and cost."""

from typing import Annotated, Any

import typer

from waymark.commands.organised import archived_in_words, cost_in_words, cost_of, id_named
from waymark.output import Column, CommandError, ExitCode, when
from waymark.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Campaigns: UTM fields and cost for many codes.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The campaign's name.")]
Text = Annotated[str | None, typer.Option(metavar="TEXT", help="'' for none.")]
Cost = Annotated[str | None, typer.Option(metavar="AMOUNT", help="Such as '1250.00 EUR'; '' takes it away.")]
All = Annotated[bool, typer.Option("--all", help="The archived ones, too.")]


@command(app, "add")
def add(
    session: Session,
    name: Name,
    utm_source: Text = None,
    utm_medium: Text = None,
    utm_campaign: Text = None,
    utm_term: Text = None,
    utm_content: Text = None,
    cost: Cost = None,
) -> None:
    """Create a campaign; its UTM fields go to every destination that has none of its own."""
    utm = _given(source=utm_source, medium=utm_medium, campaign=utm_campaign, term=utm_term, content=utm_content)
    _show(session, session.client.send("POST", "/campaigns", {"name": name, "utm": utm, **cost_of(cost)}))


@command(app, "list")
def list_campaigns(session: Session, everything: All = False) -> None:
    """List the campaigns."""
    found = session.client.get("/campaigns", {"archived": everything})
    columns = [
        Column("Name", narrow="fold"),
        Column("UTM", narrow="fold"),
        Column("Cost", right=True),
        Column("Codes", right=True),
        Column("Archived"),
    ]
    rows = [
        (entry["name"], _utm(entry), cost_in_words(entry), entry["codes"], archived_in_words(entry))
        for entry in found["campaigns"]
    ]
    session.out.table(found, columns, rows, empty="There is no campaign yet. Make one: `waymark campaign add NAME`")


@command(app, "show")
def show(session: Session, name: Name) -> None:
    """Show one campaign."""
    _show(session, session.client.get(f"/campaigns/{id_named(session, 'campaigns', 'name', name)}"))


@command(app, "update")
def update(
    session: Session,
    name: Name,
    rename: Annotated[str | None, typer.Option(metavar="NAME", help="Its new name.")] = None,
    utm_source: Text = None,
    utm_medium: Text = None,
    utm_campaign: Text = None,
    utm_term: Text = None,
    utm_content: Text = None,
    cost: Cost = None,
) -> None:
    """Change a campaign; other UTM fields reach all its codes within a second."""
    path = f"/campaigns/{id_named(session, 'campaigns', 'name', name)}"
    utm = _given(source=utm_source, medium=utm_medium, campaign=utm_campaign, term=utm_term, content=utm_content)
    body: dict[str, Any] = {**_given(name=rename), **cost_of(cost)}
    if utm:
        body["utm"] = {**session.client.get(path)["utm"], **utm}
    if not body:
        raise CommandError("nothing to change was named; `--help` lists what can be.", ExitCode.USAGE)
    _show(session, session.client.send("PATCH", path, body))


@command(app, "archive")
def archive(
    session: Session,
    name: Name,
    back: Annotated[bool, typer.Option("--undo", help="Bring it back.")] = False,
) -> None:
    """Take a campaign out of the lists. Its codes keep it, UTM fields included."""
    path = f"/campaigns/{id_named(session, 'campaigns', 'name', name)}"
    _show(session, session.client.send("PATCH", path, {"archived": not back}))


def _given(**values: str | None) -> dict[str, str]:
    return {name: value for name, value in values.items() if value is not None}


def _utm(campaign: dict[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in campaign["utm"].items())


def _show(session: Session, campaign: dict[str, Any]) -> None:
    fields = {
        "campaign": campaign["name"],
        "UTM": _utm(campaign),
        "cost": cost_in_words(campaign),
        "codes": campaign["codes"],
        "created": f"{when(campaign['created_at'])} by {campaign['created_by']}",
        "archived": archived_in_words(campaign),
    }
    session.out.record(campaign, fields)
