"""`waymark code`: create, list, read, retarget, undo, roll back, and the QR symbol, all over the API."""

from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

import typer

from waymark.commands.code_words import (
    check_in_words,
    difference_in_words,
    planned_in_words,
    planned_times,
    show_planned,
)
from waymark.output import Column, CommandError, ExitCode, when
from waymark.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Create codes, see where they point, send them elsewhere.")

CodeName = Annotated[str, typer.Argument(metavar="CODE", help="The code as printed, or its whole short URL.")]
Destination = Annotated[str, typer.Argument(metavar="DESTINATION", help="Where a scan is sent, such as https://...")]
DomainName = Annotated[str | None, typer.Option(metavar="HOST", help="Short domain; the default one when left out.")]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why; kept in the history.")]


@command(app, "add")
def add(
    session: Session,
    destination: Destination,
    slug: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Own spelling (a-z, 0-9, hyphen); else one is generated.")
    ] = None,
    name: Annotated[str, typer.Option(metavar="TEXT", help="What people here call it.")] = "",
    tag: Annotated[list[str] | None, typer.Option(metavar="TEXT", help="Repeat it for several tags.")] = None,
    domain: DomainName = None,
    campaign: Annotated[str | None, typer.Option(metavar="NAME", help="What it is printed for.")] = None,
    placement: Annotated[str | None, typer.Option(metavar="'VENUE / SPOT'", help="Where it hangs.")] = None,
) -> None:
    """Create a code that points to DESTINATION."""
    body: dict[str, Any] = {"destination": destination, "name": name, "tags": tag or []}
    given = {"slug": slug, "domain": domain, "campaign": campaign, "placement": placement}
    body |= {key: value for key, value in given.items() if value is not None}
    made = session.client.send("POST", "/codes", body)
    show_code(session, made)
    session.out.note(f"Its QR code: `waymark code qr {made['code']}`")


@command(app, "list")
def list_codes(
    session: Session,
    search: Annotated[str, typer.Option(metavar="TEXT", help="In code, name, tags and destination.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most, newest first.")] = 50,
    campaign: Annotated[str, typer.Option(metavar="NAME", help="Only those of this campaign.")] = "",
    placement: Annotated[str, typer.Option(metavar="PLACE", help="Only those of this venue, or 'venue / spot'.")] = "",
    archived: Annotated[bool, typer.Option("--archived", help="Those that were archived.")] = False,
) -> None:
    """List the codes, newest first."""
    narrowed = [f'{name}:"{text}"' for name, text in (("campaign", campaign), ("placement", placement)) if text]
    search = " ".join([search, *narrowed, *(["is:archived"] if archived else [])]).strip()
    page = session.client.get("/codes", {"search": search, "limit": limit})
    columns = [
        Column("Code"),
        Column("Name", narrow="cut"),
        Column("Destination", narrow="cut"),
        Column("Tags", narrow="cut"),
        Column("Version", right=True),
        Column("Changed"),
    ]
    several = len({entry["domain"] for entry in page["codes"]}) > 1
    rows = [
        (
            entry["short_url"] if several else entry["code"],
            entry["name"],
            entry["destination"],
            entry["tags"],
            entry["version"],
            when(entry["updated_at"])[:10],
        )
        for entry in page["codes"]
    ]
    nothing = (
        "No code matches." if search else "There is no code yet. Create one: `waymark code add https://example.com`"
    )
    session.out.table(page, columns, rows, empty=nothing)
    if len(rows) < page["total"]:
        session.out.note(f"{len(rows)} of {page['total']}; --limit shows more, --search finds some.")


@command(app, "show")
def show(session: Session, code: CodeName, domain: DomainName = None) -> None:
    """Show one code: where it points, since when, by whom."""
    path, parameters = address(code, domain)
    found = _get(session, path, parameters)
    checked = session.client.get(f"{path}/check", parameters)
    planned = session.client.get(f"{path}/schedule", parameters)["scheduled"]
    more = {"check": check_in_words(checked), "planned": [planned_in_words(one) for one in planned]}
    show_code(session, {**found, "check": checked, "scheduled": planned}, more)


@command(app, "retarget")
def retarget(
    session: Session,
    code: CodeName,
    destination: Destination,
    reason: Reason = "",
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="Not now but then, such as 2026-12-24T18:00; local time.")
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="When what is in force before comes back.")] = None,
    zone: Annotated[str | None, typer.Option(metavar="NAME", help="Zone of the times, such as Europe/Berlin.")] = None,
    domain: DomainName = None,
) -> None:
    """Send the scans of CODE to DESTINATION from now on, or at a time to come."""
    path, parameters = address(code, domain)
    if at or until:
        body = {"destination": destination, "reason": reason, **planned_times(at, until, zone)}
        show_planned(session, session.client.send("POST", f"{path}/schedule", body, parameters))
        return
    changed = session.client.send("PATCH", path, {"destination": destination, "reason": reason}, parameters)
    show_code(session, changed)
    session.out.note(f"Back again: `waymark code undo {changed['code']}`")


@command(app, "history")
def history(session: Session, code: CodeName, domain: DomainName = None) -> None:
    """List the versions of CODE with what each changed, the one in force first."""
    path, parameters = address(code, domain)
    found = session.client.get(f"{path}/versions", parameters)
    columns = [
        Column("Version", right=True),
        Column("Since"),
        Column("Change", narrow="fold"),
        Column("What changed", narrow="fold"),
        Column("By", narrow="cut"),
    ]
    rows = [
        (
            version["version"],
            when(version["created_at"]),
            _change(version),
            "; ".join(map(difference_in_words, version["changes"])),
            version["created_by"],
        )
        for version in found["versions"]
    ]
    session.out.table(found, columns, rows, empty="It has no versions.")


@command(app, "undo")
def undo(session: Session, code: CodeName, reason: Reason = "", domain: DomainName = None) -> None:
    """Bring back the destination before the current one."""
    path, parameters = address(code, domain)
    show_code(session, session.client.send("POST", f"{path}/undo", {"reason": reason}, parameters))


@command(app, "rollback")
def rollback(
    session: Session,
    code: CodeName,
    version: Annotated[int, typer.Argument(metavar="VERSION", min=1, help="Its number in `waymark code history`.")],
    reason: Reason = "",
    domain: DomainName = None,
) -> None:
    """Bring back any earlier version of CODE, as a new one."""
    path, parameters = address(code, domain)
    body = {"version": version, "reason": reason}
    show_code(session, session.client.send("POST", f"{path}/rollback", body, parameters))


@command(app, "guard")
def guard(
    session: Session,
    code: CodeName,
    what: Annotated[
        Literal["off", "alert", "fallback"],
        typer.Argument(help="After three failures: alert, or also fall back to the last version that answers."),
    ],
    domain: DomainName = None,
) -> None:
    """Say what happens when the destination of CODE does not answer."""
    path, parameters = address(code, domain)
    show_code(session, session.client.send("PATCH", path, {"guard": what}, parameters))


@command(app, "check")
def check(session: Session, code: CodeName, domain: DomainName = None) -> int:
    """Look whether the destination of CODE answers; exit code 1 when it does not."""
    path, parameters = address(code, domain)
    found = session.client.send("POST", f"{path}/check", None, parameters)
    session.out.record(found, {"code": found["code"], "destination": check_in_words(found)})
    return 1 if found["state"] in ("failing", "alert") else 0


def address(text: str, domain: str | None) -> tuple[str, dict[str, str | None]]:
    """Path and parameters of a code; a whole short URL names its domain too."""
    given = text
    if "://" in text:
        try:
            parts = urlsplit(text)
        except ValueError:
            parts = urlsplit("")
        text, domain = parts.path.strip("/"), domain or parts.netloc
    if not text or "/" in text or text in (".", ".."):
        raise CommandError(f"{given!r} is no code: write it as it is printed, such as SPRING-26.", ExitCode.USAGE)
    return f"/codes/{quote(text, safe='')}", {"domain": domain}


def _get(session: Session, path: str, parameters: dict[str, str | None]) -> dict[str, Any]:
    found: dict[str, Any] = session.client.get(path, parameters)
    return found


def show_code(session: Session, code: dict[str, Any], more: dict[str, Any] | None = None) -> None:
    fields = {
        "short URL": code["short_url"],
        "destination": code["destination"],
        "rules": [rule["name"] for rule in code["rules"]],
        "options": list(code["options"]),
        "code": code["code"],
        "name": code["name"],
        "tags": code["tags"],
        "version": code["version"],
        "created": f"{when(code['created_at'])} by {code['created_by']}",
        "changed": when(code["updated_at"]) if code["updated_at"] != code["created_at"] else None,
        "campaign": code["campaign"],
        "placement": code["placement"],
        "printed": "yes" if code["printed"] else None,
        "archived": when(code["archived_at"]),
        "demo": "yes" if code["demo"] else None,
        "guard": code["guard"] if code["guard"] != "alert" else None,
        **(more or {}),
    }
    session.out.record(code, fields)


def _change(version: dict[str, Any]) -> str:
    restores = f" (back to {version['restores']})" if version["restores"] else ""
    reason = f": {version['reason']}" if version["reason"] else ""
    return f"{version['action']}{restores}{reason}"
