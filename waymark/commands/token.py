"""`waymark token`: who else may use the API. The secret is shown when it is made and never again."""

from typing import Annotated, Literal
from urllib.parse import quote

import typer

from waymark.output import Column, CommandError, ExitCode, when
from waymark.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Make and revoke tokens for the API.")

TokenName = Annotated[str, typer.Argument(metavar="NAME", help="What the token is for.")]


@command(app, "add")
def add(
    session: Session,
    name: TokenName,
    role: Annotated[Literal["viewer", "editor", "owner"], typer.Option(help="What it may do.")] = "viewer",
    replace: Annotated[bool, typer.Option("--replace", help="Make a new one if the name is taken.")] = False,
) -> None:
    """Make a token and print it, this once."""
    made = session.client.send("POST", "/tokens", {"name": name, "role": role, "replace": replace})
    session.out.text(made, made["token"])
    session.out.note(
        f"The {made['role']} token {made['name']!r}. Keep it now: it cannot be shown again. "
        "Send it as `Authorization: Bearer TOKEN`, or set WAYMARK_TOKEN to it."
    )


@command(app, "list")
def list_tokens(session: Session) -> None:
    """List the tokens, without their secrets."""
    found = session.client.get("/tokens")
    columns = [
        Column("Name", narrow="fold"),
        Column("Role"),
        Column("Made"),
        Column("By", narrow="cut"),
        Column("Last used"),
    ]
    rows = [
        (
            entry["name"],
            entry["role"],
            when(entry["created_at"]),
            entry["created_by"],
            when(entry["last_used_at"]) or "never",
        )
        for entry in found["tokens"]
    ]
    session.out.table(found, columns, rows, empty="There is no token yet. Make one: `waymark token add NAME`")


@command(app, "revoke")
def revoke(session: Session, name: TokenName) -> None:
    """Make a token useless, at once."""
    if not name.strip() or "/" in name:
        raise CommandError(f"there is no token named {name!r}: `waymark token list` shows them.", ExitCode.NOT_FOUND)
    session.client.send("DELETE", f"/tokens/{quote(name, safe='')}")
    session.out.text({"name": name.strip().lower(), "revoked": True}, f"revoked {name.strip().lower()}")
