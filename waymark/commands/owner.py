"""`waymark owner`: the way in for whoever can read the data folder, with the service running or stopped."""

import asyncio
from typing import Any

import typer

from waymark.config import Config
from waymark.output import CommandError
from waymark.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Get into the dashboard when nobody can.")


@command(app, "reset")
def reset(session: Session) -> None:
    """Print a one-time link that creates the first owner, or sets the owner's password anew."""
    from waymark.client import Unreachable
    from waymark.lock import data_lock

    config = session.config
    try:
        link = session.local_client.send("POST", "/owner/link")
    except Unreachable as stopped:
        if not config.data_dir.is_dir():
            raise CommandError(
                f"there is no data folder {config.data_dir} yet, so nobody to let in. `waymark serve` makes it and prints "
                "the link for the first owner."
            ) from stopped
        with data_lock(config.data_dir):
            link = asyncio.run(_new_link(config))
        session.out.note("Waymark is not running; the link works once it is: `waymark serve`")
    session.out.text(link, link["url"])
    what = "creates the first owner" if link["purpose"] == "setup" else "sets the owner's password anew"
    session.out.note(f"It {what}, works once, and for one hour. Links made earlier are dead.")


async def _new_link(config: Config) -> dict[str, Any]:
    """The caller holds the data folder's lock."""
    from dashboard.accounts import LINK_LIFE, Accounts
    from database.engine import Database, DatabaseError
    from database.migrate import migrate
    from waymark.wiring import database_url

    try:
        database = await Database.open(database_url(config))
    except DatabaseError as error:
        raise CommandError(str(error)) from None
    try:
        await migrate(database)
        token, purpose = await Accounts(database).create_owner_link()
    finally:
        await database.close()
    url = f"{config.dashboard_url}/setup/{token}"
    return {"url": url, "purpose": purpose, "expires_in_s": int(LINK_LIFE.total_seconds())}
