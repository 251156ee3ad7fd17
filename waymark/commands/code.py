"""`waymark code`: create, list, read, retarget, undo, and the QR symbol, all over the API."""

import base64
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote, urlsplit

import typer

from waymark.output import Column, CommandError, ExitCode, when
from waymark.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Create codes, see where they point, send them elsewhere.")

CodeName = Annotated[str, typer.Argument(metavar="CODE", help="The code as printed, or its whole short URL.")]
Destination = Annotated[str, typer.Argument(metavar="DESTINATION", help="Where a scan is sent, such as https://...")]
DomainName = Annotated[str | None, typer.Option(metavar="HOST", help="Short domain; the default one when left out.")]
Reason = Annotated[str, typer.Option(metavar="TEXT", help="Why; kept in the history.")]
Form = Literal["svg", "png", "pdf", "eps", "terminal"]

FILE_FORMS: Final = ("svg", "png", "pdf", "eps")


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
) -> None:
    """Create a code that points to DESTINATION."""
    body: dict[str, Any] = {"destination": destination, "name": name, "tags": tag or []}
    body |= {key: value for key, value in (("slug", slug), ("domain", domain)) if value is not None}
    made = session.client.send("POST", "/codes", body)
    _show(session, made)
    session.out.note(f"Its QR code: `waymark code qr {made['code']}`")


@command(app, "list")
def list_codes(
    session: Session,
    search: Annotated[str, typer.Option(metavar="TEXT", help="In code, name, tags and destination.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=500, help="How many at most, newest first.")] = 50,
) -> None:
    """List the codes, newest first."""
    page = session.client.get("/codes", {"search": search, "limit": limit})
    columns = [
        Column("Code"),
        Column("Name", narrow="cut"),
        Column("Destination", narrow="cut"),
        Column("Tags", narrow="cut"),
        Column("Version", right=True),
        Column("Changed"),
    ]
    rows = [
        (
            entry["code"],
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
    _show(session, _get(session, *_address(code, domain)))


@command(app, "retarget")
def retarget(
    session: Session,
    code: CodeName,
    destination: Destination,
    reason: Reason = "",
    domain: DomainName = None,
) -> None:
    """Send the scans of CODE to DESTINATION from now on."""
    path, parameters = _address(code, domain)
    changed = session.client.send("PATCH", path, {"destination": destination, "reason": reason}, parameters)
    _show(session, changed)
    session.out.note(f"Back again: `waymark code undo {changed['code']}`")


@command(app, "history")
def history(session: Session, code: CodeName, domain: DomainName = None) -> None:
    """List where CODE has pointed, the version in force first."""
    path, parameters = _address(code, domain)
    found = session.client.get(f"{path}/versions", parameters)
    columns = [
        Column("Version", right=True),
        Column("Since"),
        Column("Destination", narrow="fold"),
        Column("Change", narrow="fold"),
        Column("By", narrow="cut"),
    ]
    rows = [
        (
            version["version"],
            when(version["created_at"]),
            version["destination"],
            _change(version),
            version["created_by"],
        )
        for version in found["versions"]
    ]
    session.out.table(found, columns, rows, empty="It has no versions.")


@command(app, "undo")
def undo(session: Session, code: CodeName, reason: Reason = "", domain: DomainName = None) -> None:
    """Bring back the destination before the current one."""
    path, parameters = _address(code, domain)
    _show(session, session.client.send("POST", f"{path}/undo", {"reason": reason}, parameters))


@command(app, "qr")
def qr(
    session: Session,
    code: CodeName,
    form: Annotated[
        Form | None, typer.Option("--format", help="Else by the ending of FILE; else terminal, or svg in a pipe.")
    ] = None,
    output: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it there.")] = None,
    dark: Annotated[str | None, typer.Option(metavar="#RRGGBB", help="Colour of the modules.")] = None,
    light: Annotated[str | None, typer.Option(metavar="#RRGGBB", help="Colour of the background.")] = None,
    error: Annotated[
        Literal["l", "m", "q", "h"], typer.Option(help="Least error correction: 7, 15, 25 or 30 %.")
    ] = "m",
    size_mm: Annotated[float | None, typer.Option(metavar="MM", help="Edge in print, quiet zone included.")] = None,
    domain: DomainName = None,
) -> None:
    """Show the QR code of CODE, or write it to a file."""
    chosen = form or _form_for(session, output)
    path, parameters = _address(code, domain)
    if chosen == "terminal":
        _refuse_style(dark, light, size_mm)
        found = _get(session, path, parameters)
        image = _terminal_symbol(session, found, error, output).encode()
    else:
        found = _get(session, path, parameters)
        style = {"dark": dark, "light": light, "error": error, "size_mm": size_mm}
        image = session.client.get_bytes(f"{path}/qr.{chosen}", {**parameters, **style})
    _hand_out(session, image, {"code": found["code"], "short_url": found["short_url"], "format": chosen}, output)


def _address(text: str, domain: str | None) -> tuple[str, dict[str, str | None]]:
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


def _show(session: Session, code: dict[str, Any]) -> None:
    fields = {
        "short URL": code["short_url"],
        "destination": code["destination"],
        "code": code["code"],
        "name": code["name"],
        "tags": code["tags"],
        "version": code["version"],
        "created": f"{when(code['created_at'])} by {code['created_by']}",
        "changed": when(code["updated_at"]) if code["updated_at"] != code["created_at"] else None,
        "printed": "yes" if code["printed"] else None,
        "demo": "yes" if code["demo"] else None,
    }
    session.out.record(code, fields)


def _change(version: dict[str, Any]) -> str:
    restores = f" (back to {version['restores']})" if version["restores"] else ""
    reason = f": {version['reason']}" if version["reason"] else ""
    return f"{version['action']}{restores}{reason}"


def _form_for(session: Session, output: Path | None) -> str:
    if output is None or str(output) == "-":
        return "terminal" if session.out.on_terminal else "svg"
    ending = output.suffix.lower().removeprefix(".")
    if ending not in FILE_FORMS:
        raise CommandError(
            f"the ending of {output} names no QR format. Use .svg, .png, .pdf or .eps, or say which with --format.",
            ExitCode.USAGE,
        )
    return ending


def _refuse_style(dark: str | None, light: str | None, size_mm: float | None) -> None:
    for option, value in (("--dark", dark), ("--light", light), ("--size-mm", size_mm)):
        if value is not None:
            raise CommandError(
                f"{option} is for files; a terminal has its own colours and sizes. Add --output FILE.", ExitCode.USAGE
            )


def _terminal_symbol(session: Session, code: dict[str, Any], error: str, output: Path | None) -> str:
    from codes.qr import QrError, terminal

    # Without colour it only reads right on a dark background: NO_COLOR and plain files get that form.
    colour = session.out.on_terminal and output is None and not os.environ.get("NO_COLOR")
    try:
        drawn = terminal(code["short_url"], legacy=code.get("legacy", False), error=error, colour=colour)
    except QrError as problem:
        raise CommandError(str(problem)) from None
    return f"{drawn}{code['short_url']}\n"


def _hand_out(session: Session, image: bytes, facts: dict[str, Any], output: Path | None) -> None:
    if output is not None and str(output) != "-":
        try:
            output.write_bytes(image)
        except OSError as error:
            raise CommandError(f"{output} cannot be written: {error.strerror}. Choose another --output.") from None
        session.out.text({**facts, "file": str(output), "bytes": len(image)}, f"{output}  {facts['short_url']}")
    elif session.out.as_json:
        is_text = facts["format"] in ("svg", "eps", "terminal")
        content = image.decode() if is_text else base64.b64encode(image).decode("ascii")
        session.out.document({**facts, "encoding": "text" if is_text else "base64", "content": content})
    elif facts["format"] in ("png", "pdf") and sys.stdout.isatty():
        raise CommandError(
            f"a {facts['format']} is no text for a terminal. Add --output FILE, or leave --format out to see the code here.",
            ExitCode.USAGE,
        )
    else:
        sys.stdout.buffer.write(image)
