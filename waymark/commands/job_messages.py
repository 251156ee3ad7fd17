"""`waymark job message` and `slip`: what to send to a job's customer, and what to print for it."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from waymark.commands.job import ReferenceName, ShopName, address
from waymark.commands.symbol import hand_out
from waymark.output import CommandError, ExitCode, clean
from waymark.session import Session

Event = Literal["created", "moved", "estimated", "ready", "late", "delivered"]
Channel = Literal["sms", "whatsapp", "email"]
Language = Literal["en", "es", "fr", "ar"]
SlipForm = Literal["pdf", "zpl", "escpos"]
SlipFile = Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there.")]
PAPER_DOTS = {"58": 384, "80": 576}


def message(
    session: Session,
    reference: ReferenceName,
    event: Annotated[Event | None, typer.Option(help="What to tell; else what there is to tell now.")] = None,
    channel: Annotated[Channel | None, typer.Option(help="Only this one.")] = None,
    language: Annotated[Language | None, typer.Option(help="Else the job's, or the shop's.")] = None,
    shop: ShopName = None,
) -> None:
    """Write the message to the job's customer, with a link that opens it ready to be sent. Waymark sends nothing itself."""
    asked = {"event": event, "channel": channel, "language": language, "shop": shop}
    found = session.client.get(f"{address(reference)}/messages", asked)
    blocks = [_block(one) for one in found["messages"]]
    session.out.text(found, "\n\n".join(blocks))


def slip(
    session: Session,
    reference: ReferenceName,
    form: Annotated[
        SlipForm | None,
        typer.Option("--format", help="Else by the ending of FILE; else pdf. escpos: receipt printers."),
    ] = None,
    output: SlipFile = None,
    wording: Annotated[
        Literal["all", "reference", "link"], typer.Option(help="Beside the link: shop and reference, or less.")
    ] = "all",
    width_mm: Annotated[float | None, typer.Option(metavar="MM", help="Of pdf (80) and zpl (57).")] = None,
    height_mm: Annotated[float | None, typer.Option(metavar="MM", help="Of pdf (30) and zpl (32).")] = None,
    dpi: Annotated[Literal["203", "300"], typer.Option(help="Of a ZPL printer.")] = "203",
    paper: Annotated[Literal["58", "80"], typer.Option(help="Of an ESC/POS printer, in mm.")] = "80",
    feed_lines: Annotated[int, typer.Option(metavar="N", min=0, max=20, help="ESC/POS: lines after it.")] = 3,
    cut: Annotated[bool, typer.Option("--cut", help="ESC/POS: cut the paper then.")] = False,
    shop: ShopName = None,
) -> None:
    """Make the slip of the job: its QR code with shop, reference and link, for a receipt or a small label."""
    chosen = form or _form_for(output)
    asked = {
        "wording": wording,
        "width_mm": width_mm,
        "height_mm": height_mm,
        "dpi": dpi,
        "paper_dots": PAPER_DOTS[paper],
        "feed_lines": feed_lines,
        "cut": cut,
        "shop": shop,
    }
    made = session.client.get_bytes(f"{address(reference)}/slip.{chosen}", asked)
    hand_out_slip(session, made, reference, chosen, output)


def sms_words(sms: dict[str, Any]) -> str:
    count, left = sms["segments"], sms["left"]
    words = f"{count} text message{'' if count == 1 else 's'}, {sms['characters']} characters, {left} left ({sms['encoding']}"
    return f"{words}, because of {clean(' '.join(sms['forcing'][:10]))})" if sms["forcing"] else f"{words})"


def _block(message: dict[str, Any]) -> str:
    head = f"{message['channel']} to {clean(message['to']) or 'whom you choose'}"
    lines = [f"{head}: {sms_words(message['sms'])}" if message["sms"] else head]
    if message["problem"]:
        lines.append(f"! {clean(message['problem'])}")
    if message["subject"]:
        lines.append(f"Subject: {clean(message['subject'])}")
    lines += [f"  {clean(line)}".rstrip() for line in message["text"].splitlines()]
    return "\n".join([*lines, message["href"]] if message["href"] else lines)


def _form_for(output: Path | None) -> str:
    if output is None or str(output) == "-":
        return "pdf"
    ending = output.suffix.lower().removeprefix(".")
    if ending not in ("pdf", "zpl"):
        raise CommandError(f"the ending of {output} names no slip. Use .pdf or .zpl, or say --format.", ExitCode.USAGE)
    return ending


def hand_out_slip(session: Session, made: bytes, reference: str, form: str, output: Path | None) -> None:
    if form != "zpl" and output is None and session.out.on_terminal:
        raise CommandError(
            f"a slip as {form} is no text for a terminal. Add --output FILE.",
            ExitCode.USAGE,
        )
    hand_out(session, made, {"reference": reference, "format": form}, output)
