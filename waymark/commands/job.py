"""`waymark job`: jobs from receiving to handing over, over the API."""

import shlex
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

import typer

from waymark.commands.shop_times import shop_times
from waymark.output import Column, CommandError, ExitCode
from waymark.session import Session, command, if_match

app = typer.Typer(
    no_args_is_help=True, help="Track jobs: each gets a page for its customer and a QR code for the slip."
)

ReferenceName = Annotated[str, typer.Argument(metavar="REFERENCE", help="The shop's own number, such as R-1042.")]
ShopName = Annotated[str | None, typer.Option("--shop", metavar="NAME", help="The default shop when left out.")]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why; kept in the history.")]
At = Annotated[
    str | None, typer.Option(metavar="TIME", help="When it happened, with its zone: 2026-12-24T18:00+01:00.")
]
Revision = Annotated[
    int | None, typer.Option("--if-revision", metavar="N", min=1, help="Only if nobody changed it since.")
]
Search = Annotated[
    str, typer.Option(metavar="TEXT", help="In reference, item, customer's name and phone; or a job's link.")
]
OfKind = Annotated[str, typer.Option("--kind", metavar="KIND", help="Only of this kind.")]
AtStage = Annotated[list[str] | None, typer.Option("--stage", metavar="STAGE", help="Only at this stage; repeat it.")]
OpenOnly = Annotated[bool, typer.Option("--open", help="Without those that are done.")]
LateOnly = Annotated[bool, typer.Option("--late", help="Only those later than was said.")]
AT_ONCE: Final = 500  # of one question to the API
PRIVATE: Final = (
    "customer_name",
    "customer_phone",
    "customer_email",
    "customer_address",
    "price",
    "deposit",
    "serial",
    "passcode",
    "accessories",
    "internal_note",
    "technician",
)


@command(app, "add")
def add(
    session: Session,
    reference: ReferenceName,
    kind: Annotated[
        str | None, typer.Option(metavar="KIND", help="repair, order, parcel, ticket, brief, or own.")
    ] = None,
    item: Annotated[str | None, typer.Option(metavar="TEXT", help="What it is about; the customer reads it.")] = None,
    stage: Annotated[str | None, typer.Option(metavar="STAGE", help="Else the first one.")] = None,
    due: Annotated[
        str | None, typer.Option(metavar="TIME", help="Promised, such as 2026-12-24T18:00; else estimated.")
    ] = None,
    note: Annotated[str | None, typer.Option(metavar="TEXT", help="For the customer, if the shop shows notes.")] = None,
    language: Annotated[str | None, typer.Option(metavar="LANGUAGE", help="Of messages: en, es, fr, ar.")] = None,
    shop: ShopName = None,
    customer_name: Annotated[str | None, typer.Option(metavar="TEXT", help="Private, as all that follow.")] = None,
    customer_phone: Annotated[str | None, typer.Option(metavar="TEXT")] = None,
    customer_email: Annotated[str | None, typer.Option(metavar="TEXT")] = None,
    customer_address: Annotated[str | None, typer.Option(metavar="TEXT")] = None,
    price: Annotated[str | None, typer.Option(metavar="TEXT")] = None,
    deposit: Annotated[str | None, typer.Option(metavar="TEXT")] = None,
    serial: Annotated[str | None, typer.Option(metavar="TEXT")] = None,
    passcode: Annotated[str | None, typer.Option(metavar="TEXT")] = None,
    accessories: Annotated[str | None, typer.Option(metavar="TEXT")] = None,
    internal_note: Annotated[str | None, typer.Option(metavar="TEXT")] = None,
    technician: Annotated[str | None, typer.Option(metavar="TEXT")] = None,
    if_revision: Revision = None,
    new: Annotated[bool, typer.Option("--new", help="Only if there is none of that number.")] = False,
) -> None:
    """Make the job REFERENCE, or change what is given of it. It has its page and its QR code at once."""
    given = {
        "kind": kind,
        "item": item,
        "stage": stage,
        "due_at": due,
        "public_note": note,
        "language": language,
        "customer_name": customer_name,
        "customer_phone": customer_phone,
        "customer_email": customer_email,
        "customer_address": customer_address,
        "price": price,
        "deposit": deposit,
        "serial": serial,
        "passcode": passcode,
        "accessories": accessories,
        "internal_note": internal_note,
        "technician": technician,
    }
    body = {name: value for name, value in given.items() if value is not None}
    headers = if_match(if_revision) | ({"If-None-Match": "*"} if new else {})
    put = session.client.send("PUT", address(reference), body, {"shop": shop}, headers=headers)
    show_job(session, put)
    if put["status_url"]:
        typed = shlex.quote(reference)
        session.out.note(f"Next: print `waymark job qr {typed}` on the slip, then `waymark job advance {typed}`.")
        if f"//{put['shop']}/" in put["status_url"]:  # nobody has named it yet
            session.out.note(
                f"Customers read {put['shop']} as the shop's name, and dates are estimated as if it never closed: "
                "`waymark shop update --name 'Your shop' --phone ... --hours 'mon-fri 09:00-18:00'`."
            )


@command(app, "show")
def show(session: Session, reference: ReferenceName, shop: ShopName = None) -> None:
    """Show one job: where it stands, when it will be ready, whose it is."""
    show_job(session, session.client.get(address(reference), {"shop": shop}))


@command(app, "list")
def list_jobs(
    session: Session,
    search: Search = "",
    kind: OfKind = "",
    stage: AtStage = None,
    open_only: OpenOnly = False,
    late: LateOnly = False,
    sort: Annotated[Literal["newest", "due"], typer.Option(help="Which come first.")] = "newest",
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most.")] = 50,
    everything: Annotated[bool, typer.Option("--all", help="All of them, however many.")] = False,
    cursor: Annotated[str | None, typer.Option(metavar="TEXT", help="Go on there: `next` of the JSON before.")] = None,
    shop: ShopName = None,
) -> None:
    """List jobs, the newest first, or those that are due first."""
    asked = {
        "search": search,
        "kind": kind,
        "stage": stage,
        "open": open_only,
        "late": late,
        "sort": sort,
        "shop": shop,
    }
    page = session.client.get("/jobs", {**asked, "limit": AT_ONCE if everything else limit, "cursor": cursor})
    while everything and page["next"]:
        more = session.client.get("/jobs", {**asked, "limit": AT_ONCE, "cursor": page["next"]})
        page = {**more, "jobs": page["jobs"] + more["jobs"]}
    columns = [
        Column("Reference"),
        Column("Item", narrow="cut"),
        Column("Stage"),
        Column("Since"),
        Column("Expected"),
        Column("State"),
        Column("Customer", narrow="cut"),
    ]
    when = shop_times(session)
    rows = [
        (
            job["reference"],
            job["item"],
            job["stage_name"],
            when(job["stage_at"], job["shop"]),
            when(job["eta_at"], job["shop"]),
            job["state"],
            job["customer_name"],
        )
        for job in page["jobs"]
    ]
    asked_for = search or kind or stage or open_only or late or shop
    nothing = (
        "No job matches. `waymark job list` alone shows all there are."
        if asked_for
        else "There is no job yet. Make one: `waymark job add R-1`"
    )
    session.out.table(page, columns, rows, empty=nothing)
    if page["next"]:
        session.out.note(f"{len(rows)} of {page['total']}; --all shows all, or go on with --cursor {page['next']}")


def _add_step(way: str, words: str) -> None:
    def step(
        session: Session,
        reference: ReferenceName,
        at: At = None,
        reason: Reason = "",
        shop: ShopName = None,
        if_revision: Revision = None,
    ) -> None:
        _step(session, reference, way, at, reason, shop, if_revision)

    step.__doc__ = words
    command(app, way)(step)


for _way, _words in (
    ("advance", "Move the job to its next stage."),
    ("back", "Move the job one stage back."),
    ("deliver", "Move the job to its last stage."),
):
    _add_step(_way, _words)


@command(app, "move")
def move(
    session: Session,
    reference: ReferenceName,
    stage: Annotated[str, typer.Argument(metavar="STAGE", help="By key: `waymark kind show KIND` lists them.")],
    at: At = None,
    reason: Reason = "",
    shop: ShopName = None,
    if_revision: Revision = None,
) -> None:
    """Move the job to the stage named."""
    _step(session, reference, "move", at, reason, shop, if_revision, {"stage": stage})


@command(app, "delete")
def delete(
    session: Session,
    reference: ReferenceName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Without asking.")] = False,
    shop: ShopName = None,
    if_revision: Revision = None,
) -> int:
    """Delete the job with its page, its private fields, its history and its scans."""
    if not yes:
        if not session.out.on_terminal:
            raise CommandError("say --yes: a deleted job cannot be brought back.", ExitCode.USAGE)
        if not typer.confirm(f"Delete {reference} with its page, history and scans?"):
            return ExitCode.OK
    session.client.send("DELETE", address(reference), None, {"shop": shop}, headers=if_match(if_revision))
    session.out.text({"deleted": reference}, f"{reference} is deleted.")
    return ExitCode.OK


def address(reference: str) -> str:
    if not reference or reference in (".", ".."):
        raise CommandError(f"{reference!r} is no reference: write it as on the slip, such as R-1042.", ExitCode.USAGE)
    return f"/jobs/{quote(reference, safe='')}"


def show_job(session: Session, job: dict[str, Any]) -> None:
    when, shop = shop_times(session), job["shop"]
    fields = {
        "reference": job["reference"],
        "status page": job["status_url"] or "none: tracking is off, or this token is a viewer's",
        "stage": f"{job['stage_name']} ({job['stage']}), since {when(job['stage_at'], shop)}",
        "expected": when(job["eta_at"], shop),
        "promised": when(job["due_at"], shop),
        "state": job["state"],
        "next": job["next_stage"],
        "kind": job["kind"],
        "item": job["item"],
        "note": job["public_note"],
        "photo": "yes" if job["has_photo"] else None,
        "shop": shop,
        "revision": job["revision"],
        "completed": when(job["completed_at"], shop),
        **{name.replace("_", " "): job[name] for name in PRIVATE},
    }
    session.out.record(job, fields)


def _step(
    session: Session,
    reference: str,
    way: str,
    at: str | None,
    reason: str,
    shop: str | None,
    if_revision: int | None,
    more: dict[str, Any] | None = None,
) -> None:
    body = {"reason": reason, **({"at": at} if at else {}), **(more or {})}
    headers = if_match(if_revision)
    show_job(session, session.client.send("POST", f"{address(reference)}/{way}", body, {"shop": shop}, headers=headers))
