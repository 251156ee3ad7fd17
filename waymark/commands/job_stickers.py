"""`waymark job stickers`: sheets of stickers for the jobs named, or for all that a search finds."""

from typing import Annotated, Any

import typer

from waymark.commands.job import AtStage, LateOnly, OfKind, OpenOnly, Search, ShopName
from waymark.commands.job_messages import SlipFile, hand_out_slip
from waymark.commands.sheet import made_sheets
from waymark.output import CommandError, ExitCode
from waymark.session import Session


def stickers(
    session: Session,
    references: Annotated[
        list[str] | None, typer.Argument(metavar="[REFERENCE]...", help="The shop's own numbers.")
    ] = None,
    search: Search = "",
    kind: OfKind = "",
    stage: AtStage = None,
    open_only: OpenOnly = False,
    late: LateOnly = False,
    output: SlipFile = None,
    stock: Annotated[
        str, typer.Option(metavar="NAME", help="Label stock: `waymark sheet stocks` lists it.")
    ] = "avery-l7160",
    copies: Annotated[int, typer.Option(metavar="N", min=1, max=1000, help="Of each job.")] = 1,
    start_cell: Annotated[int, typer.Option(metavar="N", min=1, help="The first label to print on.")] = 1,
    outlines: Annotated[bool, typer.Option("--outlines", help="Draw the labels' edges, for plain paper.")] = False,
    shop: ShopName = None,
) -> None:
    """Make sheets of stickers (PDF), each with a job's QR code, reference and link, for those named or all found."""
    found: dict[str, Any] = {"search": search, "kind": kind, "stage": stage, "open": open_only, "late": late}
    narrowed = {name: value for name, value in found.items() if value}
    if bool(references) == bool(narrowed):
        raise CommandError("name jobs, or find them with --search, --kind, --stage, --open or --late.", ExitCode.USAGE)
    body = {"stock": stock, "copies": copies, "start_cell": start_cell, "outlines": outlines, **narrowed}
    asked = {**body, "references": references} if references else body
    made, document = made_sheets(session, "/sticker-sheets", asked, {"shop": shop})
    hand_out_slip(
        session,
        document,
        ", ".join(references or []) or f"{made['total']} sticker{'' if made['total'] == 1 else 's'}",
        "pdf",
        output,
    )
