"""`waymark shop`: what customers see of a shop, tracking on and off, wiping its tracking data."""

import shlex
import time
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from codes.alphabet import CodeError
from codes.opening_hours import read_typed_hours, typed_hours
from jobs.working_time import read_typed_holidays, typed_holidays
from waymark.commands.exchange import Bar
from waymark.output import Column, CommandError, ExitCode, when
from waymark.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Say what customers see of your shop, and switch tracking on and off.")

POLL_S: Final = 0.2
OPEN: Final = ("waiting", "running")
ShopChoice = Annotated[
    str | None, typer.Argument(metavar="[SHOP]", help="Its name or number; the default shop when left out.")
]
Text = typer.Option(metavar="TEXT")


@command(app, "list")
def list_shops(session: Session) -> None:
    """List the shops, the default one first."""
    found = session.client.get("/shops")
    columns = [
        Column("No.", right=True),
        Column("Name", narrow="cut"),
        Column("Default"),
        Column("Tracking"),
        Column("Jobs", right=True),
        Column("Zone"),
        Column("Languages"),
    ]
    rows = [
        (
            shop["id"],
            shop["name"],
            "yes" if shop["is_default"] else "",
            shop["tracking"],
            shop["jobs"],
            shop["zone"],
            shop["languages"],
        )
        for shop in found["shops"]
    ]
    session.out.table(found, columns, rows, empty="There is no shop yet.")


@command(app, "show")
def show(session: Session, shop: ShopChoice = None) -> None:
    """Show one shop."""
    _show(session, find_shop(session, shop))


@command(app, "add")
def add(session: Session, name: Annotated[str, typer.Argument(metavar="NAME", help="As customers know it.")]) -> None:
    """Add a shop; jobs go there with --shop NAME."""
    _show(session, session.client.send("POST", "/shops", {"name": name}))


@command(app, "update")
def update(
    session: Session,
    shop: ShopChoice = None,
    name: Annotated[str | None, typer.Option(metavar="TEXT", help="As customers know it.")] = None,
    phone: Annotated[str | None, Text] = None,
    whatsapp: Annotated[str | None, typer.Option(metavar="TEXT", help="With its country code: +49 ...")] = None,
    email: Annotated[str | None, Text] = None,
    address: Annotated[str | None, Text] = None,
    country: Annotated[str | None, typer.Option(metavar="XX", help="For telephone numbers without +.")] = None,
    zone: Annotated[str | None, typer.Option(metavar="NAME", help="Such as Europe/Berlin.")] = None,
    hours: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="'mon-fri 09:00-18:00; sat 10:00-14:00'; empty: estimates count every hour."),
    ] = None,
    holidays: Annotated[
        str | None, typer.Option(metavar="TEXT", help="'2026-12-24 to 2026-12-26 Christmas; 2027-01-01'; empty: none.")
    ] = None,
    languages: Annotated[str | None, typer.Option(metavar="LIST", help="The shop's own first: en,es,fr,ar.")] = None,
    show_note: Annotated[bool | None, typer.Option("--show-note/--hide-note", help="Customers see notes.")] = None,
    show_photo: Annotated[bool | None, typer.Option("--show-photo/--hide-photo", help="Customers see photos.")] = None,
    looks_per_call: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="So many looks stand for one call saved, in the estimate.")
    ] = None,
    logo: Annotated[Path | None, typer.Option(metavar="FILE", help="PNG, JPEG, WebP or GIF.")] = None,
) -> None:
    """Change what customers see of the shop; it is on every page within a second."""
    given: dict[str, Any] = {
        "name": name,
        "phone": phone,
        "whatsapp": whatsapp,
        "email": email,
        "address": address,
        "country": country,
        "zone": zone,
        "holidays": None if holidays is None else read_typed_holidays(holidays),
        "languages": None if languages is None else [part.strip() for part in languages.split(",") if part.strip()],
        "show_note": show_note,
        "show_photo": show_photo,
        "looks_per_call": looks_per_call,
    }
    body = {key: value for key, value in given.items() if value is not None}
    if hours is not None:
        body["opening_hours"] = _hours(hours)
    found = find_shop(session, shop)
    if body or logo is None:
        found = session.client.send("PATCH", f"/shops/{found['id']}", body)
    if logo is not None:
        found = session.client.upload(f"/shops/{found['id']}/logo", _read(logo), method="PUT")
    _show(session, found)


@command(app, "tracking")
def tracking(
    session: Session,
    state: Annotated[
        Literal["on", "frozen", "withdrawn"],
        typer.Argument(help="frozen: links stay readable, dated, without news; withdrawn: only the contact is left."),
    ],
    shop: ShopChoice = None,
) -> None:
    """Switch tracking on, freeze it, or withdraw all links. Switched on, every job gets its code."""
    number = find_shop(session, shop)["id"]
    found = session.client.send("POST", f"/shops/{number}/tracking", {"tracking": state})
    _show(session, _followed(session, found, "Giving codes"))


@command(app, "wipe")
def wipe(
    session: Session,
    shop: ShopChoice = None,
    confirm: Annotated[
        str | None, typer.Option(metavar="NAME", help="The shop's whole name: do it. Else it is counted only.")
    ] = None,
) -> None:
    """Delete all tracking data of the shop: jobs, pages, histories, scans. `waymark job export FILE` keeps a copy first."""
    number = find_shop(session, shop)["id"]
    found = session.client.send("POST", f"/shops/{number}/wipe", {"confirm": confirm})
    if found["begun"]:
        work = _followed(session, session.client.get(f"/shops/{number}"), "Wiping")["work"]
        found = {**found, "work": work}
    name = shlex.quote(found["shop"])
    fields = {
        "shop": found["shop"],
        "jobs deleted" if found["begun"] else "jobs that would go": found["jobs"],
        "expired links": found["expired_links"],
    }
    if not found["begun"]:
        fields |= {
            "done so far": "nothing: it was only counted",
            "keep a copy first": f"waymark job export jobs.ndjson --shop {name}",
            "then wipe it": f"waymark shop wipe {name} --confirm {name}",
        }
    session.out.record(found, fields)


def find_shop(session: Session, shop: str | None) -> dict[str, Any]:
    found: list[dict[str, Any]] = session.client.get("/shops")["shops"]
    for one in found:
        if one["is_default"] if shop is None else shop in (one["name"], str(one["id"])):
            return one
    names = ", ".join(repr(one["name"]) for one in found)
    raise CommandError(f"there is no shop {shop!r}; there are {names}.", ExitCode.NOT_FOUND)


def _followed(session: Session, shop: dict[str, Any], what: str) -> dict[str, Any]:
    """Until the longer work is done; a bar on a terminal."""
    if not shop["work"] or shop["work"]["state"] not in OPEN:
        return shop
    with Bar(session.out, what, shop["work"]["total"]) as bar:
        while shop["work"]["state"] in OPEN:
            time.sleep(POLL_S)
            shop = session.client.get(f"/shops/{shop['id']}")
            bar(shop["work"]["done"])
    if shop["work"]["state"] != "done":
        raise CommandError(f"it did not end: {shop['work']['problem'] or shop['work']['state']}")
    return shop


def _show(session: Session, shop: dict[str, Any]) -> None:
    fields = {
        "shop": f"{shop['name']} ({shop['id']})",
        "default": "yes" if shop["is_default"] else None,
        "phone": shop["phone"],
        "whatsapp": shop["whatsapp"],
        "email": shop["email"],
        "address": shop["address"],
        "country": shop["country"],
        "zone": shop["zone"],
        "hours": _shown_hours(shop["opening_hours"]),
        "holidays": "; ".join(typed_holidays(shop["holidays"])),
        "languages": shop["languages"],
        "logo": "yes" if shop["has_logo"] else None,
        "customers see": [
            word for word, shown in (("notes", shop["show_note"]), ("photos", shop["show_photo"])) if shown
        ],
        "looks per call": shop["looks_per_call"],
        "tracking": f"{shop['tracking']}, since {when(shop['tracking_at'], shop['zone'])}",
        "jobs": shop["jobs"],
        "without a code": shop["without_code"] or None,
    }
    session.out.record(shop, fields)


def _shown_hours(hours: Any) -> str:
    return (
        "none set: estimates count every hour, day and night" if hours is None else typed_hours(hours) or "never open"
    )


def _hours(text: str) -> Any:
    try:
        return read_typed_hours(text)
    except CodeError as error:
        raise CommandError(f"--hours: {error}", ExitCode.USAGE) from None


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.", ExitCode.USAGE) from None
