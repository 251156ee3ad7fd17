"""`waymark domain`: the short domains that are answered, and where their unknown codes go."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from waymark.commands.organised import archived_in_words
from waymark.output import Column, CommandError, ExitCode
from waymark.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Short domains, each with its own place for unknown codes.")

Host = Annotated[str, typer.Argument(metavar="HOST", help="Such as go.example.")]
Target = Annotated[
    str | None, typer.Option("--not-found", metavar="URL", help="Where unknown codes go; '' for our own page.")
]


@command(app, "add")
def add(
    session: Session,
    address: Annotated[str, typer.Argument(metavar="ADDRESS", help="https://HOST, or HOST alone.")],
    not_found: Target = None,
) -> None:
    """Answer for one more domain. Its name must lead here, with a certificate."""
    made = session.client.send("POST", "/domains", {"address": address, "not_found_url": not_found or ""})
    _show(session, made)


@command(app, "list")
def list_domains(
    session: Session, everything: Annotated[bool, typer.Option("--all", help="The archived ones, too.")] = False
) -> None:
    """List the short domains, the default one first."""
    found = session.client.get("/domains", {"archived": everything})
    columns = [
        Column("Domain"),
        Column("Default"),
        Column("Codes", right=True),
        Column("Unknown codes go to", narrow="fold"),
        Column("Archived"),
    ]
    rows = [
        (
            f"{entry['scheme']}://{entry['host']}",
            "yes" if entry["is_default"] else "",
            entry["codes"],
            entry["not_found_url"],
            archived_in_words(entry),
        )
        for entry in found["domains"]
    ]
    session.out.table(found, columns, rows, empty="There is none.")


@command(app, "show")
def show(session: Session, host: Host) -> None:
    """Show one domain."""
    _show(session, session.client.get(_path(host)))


@command(app, "update")
def update(session: Session, host: Host, not_found: Target = None) -> None:
    """Send its unknown codes elsewhere."""
    if not_found is None:
        raise CommandError("say where unknown codes go: --not-found URL, or '' for our own page.", ExitCode.USAGE)
    _show(session, session.client.send("PATCH", _path(host), {"not_found_url": not_found}))


@command(app, "archive")
def archive(
    session: Session,
    host: Host,
    force: Annotated[bool, typer.Option("--force", help="Although codes on it are printed.")] = False,
    back: Annotated[bool, typer.Option("--undo", help="Bring it back.")] = False,
) -> None:
    """Stop answering all codes of a domain; they are kept, and taken."""
    _show(session, session.client.send("PATCH", _path(host), {"archived": not back, "force": force}))


def _path(host: str) -> str:
    name = host.partition("://")[2] or host
    if not name.strip("/") or "/" in name.strip("/"):
        raise CommandError(f"{host!r} is no host name.", ExitCode.USAGE)
    return f"/domains/{quote(name.strip('/'), safe='')}"


def _show(session: Session, domain: dict[str, Any]) -> None:
    fields = {
        "short domain": f"{domain['scheme']}://{domain['host']}",
        "default": "yes" if domain["is_default"] else None,
        "unknown codes": domain["not_found_url"] or "our own page",
        "codes": domain["codes"],
        "archived": archived_in_words(domain),
    }
    session.out.record(domain, fields)
