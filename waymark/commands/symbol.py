"""`waymark code qr`, `static`, `advise`: symbols to print or to look at, and how large they have to be."""

import base64
import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from waymark.commands.code import CodeName, DomainName, address
from waymark.output import CommandError, ExitCode
from waymark.session import Session

Form = Literal["svg", "png", "pdf", "eps", "zpl", "terminal"]
FileForm = Literal["svg", "png", "pdf", "eps", "zpl"]
Level = Annotated[Literal["l", "m", "q", "h"], typer.Option(help="Least error correction: 7, 15, 25 or 30 %.")]
Output = Annotated[Path | None, typer.Option(metavar="FILE", help="Write it there.")]
Dark = Annotated[str | None, typer.Option(metavar="#RRGGBB", help="Colour of the modules.")]
Light = Annotated[str | None, typer.Option(metavar="#RRGGBB", help="Colour of the background.")]
SizeMm = Annotated[float | None, typer.Option(metavar="MM", help="Edge in print, quiet zone included.")]
Dpi = Annotated[int | None, typer.Option(metavar="DPI", help="Resolution of a PNG or label printer; with --size-mm.")]
Caption = Annotated[bool, typer.Option("--caption", help="Write the link below.")]
LogoFile = Annotated[Path | None, typer.Option(metavar="FILE", help="Picture for the middle: PNG, JPEG, WebP or GIF.")]
LogoPercent = Annotated[
    int | None, typer.Option(metavar="PERCENT", help="The logo's share of the width: up to 20 at m, 25 at q, 30 at h.")
]

FILE_FORMS: Final = ("svg", "png", "pdf", "eps", "zpl")
TEXT_FORMS: Final = ("svg", "eps", "zpl", "terminal")
NOT_IN_TERMINALS: Final = {
    "size_mm": "a terminal's cells are as large as its letters",
    "dpi": "a terminal's cells are as large as its letters",
    "logo": "a terminal draws half blocks, not pictures",
    "logo_percent": "a terminal draws half blocks, not pictures",
}
METRES: Final = {"": 1.0, "m": 1.0, "cm": 0.01, "mm": 0.001, "ft": 0.3048, "in": 0.0254}
_DISTANCE = re.compile(r"(\d+(?:[.,]\d+)?)\s*([a-z]*)")


def qr(
    session: Session,
    code: CodeName,
    form: Annotated[
        Form | None, typer.Option("--format", help="Else by the ending of FILE; else terminal, or svg in a pipe.")
    ] = None,
    output: Output = None,
    dark: Dark = None,
    light: Light = None,
    error: Level = "m",
    size_mm: SizeMm = None,
    dpi: Dpi = None,
    caption: Caption = False,
    logo: LogoFile = None,
    logo_percent: LogoPercent = None,
    domain: DomainName = None,
) -> None:
    """Show the QR code of CODE, or write it to a file."""
    chosen = form or form_for(session, output)
    path, parameters = address(code, domain)
    style = {"dark": dark, "light": light, "error": error, "size_mm": size_mm, "dpi": dpi, "logo_percent": logo_percent}
    style |= {"caption": caption or None, "logo": picture_of(logo)}
    if chosen == "terminal":
        _refuse_style(session, style, output)
        found = session.client.get(path, parameters)
        image = terminal_symbol(session, found, error, output, style).encode()
    else:
        found = session.client.get(path, parameters)
        body = {"format": chosen, **{name: value for name, value in style.items() if value is not None}}
        image = session.client.send_for_bytes("POST", f"{path}/qr", body, parameters)
    hand_out(session, image, {"code": found["code"], "short_url": found["short_url"], "format": chosen}, output)


def static(
    session: Session,
    target: Annotated[str, typer.Argument(metavar="TARGET", help="What the symbol itself shall hold.")],
    form: Annotated[FileForm | None, typer.Option("--format", help="Else by the ending of FILE; else svg.")] = None,
    output: Output = None,
    dark: Dark = None,
    light: Light = None,
    error: Level = "m",
    size_mm: SizeMm = None,
    dpi: Dpi = None,
    caption: Caption = False,
    logo: LogoFile = None,
    logo_percent: LogoPercent = None,
) -> None:
    """Draw a QR code that holds TARGET itself. It can never be changed, and its scans are not counted."""
    chosen = form or form_for(session, output, otherwise="svg")
    style = {"dark": dark, "light": light, "error": error, "size_mm": size_mm, "dpi": dpi, "logo_percent": logo_percent}
    style |= {"caption": caption or None, "logo": picture_of(logo)}
    body = {"target": target, "format": chosen, **{name: value for name, value in style.items() if value is not None}}
    made = session.client.send("POST", "/qr/static", body)
    session.out.warning(made["warning"])
    facts = {"target": made["target"], "format": chosen}
    hand_out(session, base64.b64decode(made["content"]), facts, output)


def advise(
    session: Session,
    distance: Annotated[str, typer.Option(metavar="DISTANCE", help="From where it is scanned: 30cm, 2m, 6ft.")],
    code: Annotated[
        str | None, typer.Argument(metavar="[CODE]", help="Which code; else one as Waymark generates them.")
    ] = None,
    error: Level = "m",
    dpi: Annotated[int | None, typer.Option(metavar="DPI", help="The printer's, to count whole dots.")] = None,
    domain: DomainName = None,
) -> None:
    """Say how large a code has to be printed to be scanned from a distance."""
    asked: dict[str, Any] = {"distance_m": metres(distance), "error": error, "dpi": dpi}
    if code is not None:
        path, parameters = address(code, domain)
        found = session.client.get(path, parameters)
        asked |= {"code": found["code"], "domain": found["domain"]}
    advice = session.client.get("/qr/advice", asked)
    dots = f", {advice['module_dots']} dots of the printer" if advice["module_dots"] else ""
    fields = {
        "from": f"{advice['distance_m']:g} m",
        "at least": f"{advice['size_mm']:g} mm wide, quiet zone included (the symbol alone {advice['symbol_mm']:g} mm)",
        "module": f"{advice['module_mm']:g} mm{dots}; {advice['modules']} in a row",
        "for": advice["short_url"],
    }
    session.out.record(advice, fields)


def metres(text: str) -> float:
    found = _DISTANCE.fullmatch(text.strip().lower())
    if not found or found[2] not in METRES:
        raise CommandError(f"{text!r} is no distance. Write it like 30cm, 2m or 6ft.", ExitCode.USAGE)
    return round(float(found[1].replace(",", ".")) * METRES[found[2]], 4)


def picture_of(path: Path | None) -> str | None:
    if path is None:
        return None
    try:
        return base64.b64encode(path.read_bytes()).decode("ascii")
    except OSError as error:
        raise CommandError(f"the logo {path} cannot be read: {error.strerror}.", ExitCode.USAGE) from None


def form_for(session: Session, output: Path | None, otherwise: str | None = None) -> str:
    if output is None or str(output) == "-":
        return otherwise or ("terminal" if session.out.on_terminal else "svg")
    ending = output.suffix.lower().removeprefix(".")
    if ending not in FILE_FORMS:
        raise CommandError(
            f"the ending of {output} names no QR format. Use .{', .'.join(FILE_FORMS[:-1])} or .{FILE_FORMS[-1]}, or say"
            " which with --format.",
            ExitCode.USAGE,
        )
    return ending


def _refuse_style(session: Session, style: dict[str, Any], output: Path | None) -> None:
    """What a terminal cannot show. The link always stands below, so --caption changes nothing."""
    for name, why in NOT_IN_TERMINALS.items():
        if style[name] is not None:
            raise CommandError(
                f"--{name.replace('_', '-')} is for files: {why}. Add --output FILE.svg, .png or .pdf.", ExitCode.USAGE
            )
    if not _in_colour(session, output) and (style["dark"] or style["light"]):
        why = "NO_COLOR is set" if os.environ.get("NO_COLOR") else "this is written to no terminal"
        raise CommandError(
            f"--dark and --light need a terminal with colours, and {why}. Leave them out, or write a file: --output FILE.svg.",
            ExitCode.USAGE,
        )


def _in_colour(session: Session, output: Path | None) -> bool:
    """Without colour it only reads right on a dark background: NO_COLOR and plain files get that form."""
    return session.out.on_terminal and output is None and not os.environ.get("NO_COLOR")


def terminal_symbol(
    session: Session, code: dict[str, Any], error: str, output: Path | None, style: dict[str, Any]
) -> str:
    from codes.qr import QrError, terminal

    colours = {name: style[name] for name in ("dark", "light") if style[name]}
    colour = _in_colour(session, output)
    try:
        drawn = terminal(code["short_url"], legacy=code.get("legacy", False), error=error, colour=colour, **colours)
    except QrError as problem:
        raise CommandError(str(problem)) from None
    return f"{drawn}{code['short_url']}\n"


def hand_out(session: Session, image: bytes, facts: dict[str, Any], output: Path | None) -> None:
    if output is not None and str(output) != "-":
        try:
            output.write_bytes(image)
        except OSError as error:
            raise CommandError(f"{output} cannot be written: {error.strerror}. Choose another --output.") from None
        session.out.text(
            {**facts, "file": str(output), "bytes": len(image)},
            f"{output}  {facts.get('short_url') or facts.get('target') or facts['reference']}",
        )
    elif session.out.as_json:
        is_text = facts["format"] in TEXT_FORMS
        content = image.decode() if is_text else base64.b64encode(image).decode("ascii")
        session.out.document({**facts, "encoding": "text" if is_text else "base64", "content": content})
    elif facts["format"] in ("png", "pdf") and sys.stdout.isatty():
        raise CommandError(
            f"a {facts['format']} is no text for a terminal. Add --output FILE, or leave --format out to see the code here.",
            ExitCode.USAGE,
        )
    else:
        sys.stdout.buffer.write(image)
