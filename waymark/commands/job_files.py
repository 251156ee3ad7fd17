"""`waymark job history`, `photo` and `qr`: what a job has as a file."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from waymark.commands.job import ReferenceName, ShopName, address, show_job
from waymark.commands.shop_times import shop_times
from waymark.commands.symbol import Dpi, Form, Level, Output, SizeMm, form_for, hand_out, terminal_symbol
from waymark.output import Column, CommandError, ExitCode
from waymark.session import Session


def history(
    session: Session,
    reference: ReferenceName,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there: .csv, or .pdf for a dispute.")
    ] = None,
    shop: ShopName = None,
) -> None:
    """Show every move of the job, the time in each stage, and whether the first promise was kept."""
    if output is not None:
        _write_history(session, reference, output, shop)
        return
    found = session.client.get(f"{address(reference)}/history", {"shop": shop})
    when, of = shop_times(session), found["shop"]
    columns = [
        Column("Stage"),
        Column("Since"),
        Column("Until"),
        Column("Hours", right=True),
        Column("Opening hours", right=True),
    ]
    rows = [
        (
            stay["name"],
            when(stay["since"], of),
            when(stay["until"], of),
            f"{stay['wall_hours']:.1f}",
            f"{stay['working_hours']:.1f}",
        )
        for stay in found["stays"]
    ]
    session.out.table(found, columns, rows, empty="It has no history.")
    if not session.out.as_json:
        session.out.text(None, "")
        kept = {True: "kept", False: "not kept", None: "open"}[found["kept"]]
        promised, finished = when(found["promised_at"], of), when(found["finished_at"], of)
        fields = {"promised": promised, "finished": finished, "promise": kept}
        session.out.record(None, fields)


def photo(
    session: Session,
    reference: ReferenceName,
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", help="JPEG, PNG, WebP or GIF; any size.")] = None,
    remove: Annotated[bool, typer.Option("--remove", help="Take the photo away.")] = False,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the job's photo there.")] = None,
    shop: ShopName = None,
) -> None:
    """Give the job a photo, take it away, or fetch it. Customers see it if the shop shows photos."""
    path, parameters = f"{address(reference)}/photo", {"shop": shop}
    if (file is not None) + remove + (output is not None) != 1:
        raise CommandError("name a FILE to be the photo, or say --remove or --output FILE.", ExitCode.USAGE)
    if remove:
        show_job(session, session.client.send("DELETE", path, None, parameters))
    elif output is not None:
        _write(session, session.client.get_bytes(path, parameters), output)
    else:
        assert file is not None
        show_job(session, session.client.upload(path, _read(file), parameters, method="PUT"))


def qr(
    session: Session,
    reference: ReferenceName,
    form: Annotated[
        Form | None, typer.Option("--format", help="Else by the ending of FILE; else terminal, or svg in a pipe.")
    ] = None,
    output: Output = None,
    error: Level = "m",
    size_mm: SizeMm = None,
    dpi: Dpi = None,
    caption: Annotated[bool, typer.Option("--caption", help="Write the link below.")] = False,
    shop: ShopName = None,
) -> None:
    """Show the QR code for the job's slip, or write it to a file."""
    chosen = form or form_for(session, output)
    found = session.client.get(address(reference), {"shop": shop})
    if found["short_url"] is None:
        raise CommandError(f"{reference} has no code: tracking is off, or this token is a viewer's.", ExitCode.CONFLICT)
    if chosen == "terminal":
        plain = {"dark": None, "light": None}
        image = terminal_symbol(session, found, error, output, plain).encode()
    else:
        style = {"error": error, "size_mm": size_mm, "dpi": dpi, "caption": caption or None, "shop": shop}
        image = session.client.get_bytes(f"{address(reference)}/qr.{chosen}", style)
    facts = {"reference": found["reference"], "short_url": found["short_url"], "format": chosen}
    hand_out(session, image, facts, output)


def export(
    session: Session,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="JSON lines; - is standard output.")],
    shop: ShopName = None,
) -> None:
    """Export every job with its private fields and its history. Keep it like a backup.

    `waymark job sync FILE` makes the jobs again as they stood, with new links and without their earlier history.
    """
    _write(session, session.client.get_bytes("/jobs/export.ndjson", {"shop": shop}), file)


def _write_history(session: Session, reference: str, output: Path, shop: str | None) -> None:
    kind = output.suffix.lower().removeprefix(".")
    if kind not in ("csv", "pdf"):
        raise CommandError(f"the ending of {output} names no format; use .csv or .pdf.", ExitCode.USAGE)
    _write(session, session.client.get_bytes(f"{address(reference)}/history.{kind}", {"shop": shop}), output)


def _write(session: Session, content: bytes, output: Path) -> None:
    if str(output) == "-":
        sys.stdout.buffer.write(content)
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise CommandError(f"{output} cannot be written: {error.strerror}. Choose another --output.") from None
    session.out.text({"file": str(output), "bytes": len(content)}, f"{output}  {len(content):,} bytes")


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}.", ExitCode.USAGE) from None
