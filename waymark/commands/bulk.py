"""`waymark code bulk`: many codes changed at once; shows the difference first, and does it with --yes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from waymark.commands.code_words import difference_in_words
from waymark.output import Column, CommandError, ExitCode, when
from waymark.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Change many codes at once: look first, then apply, then undo if need be.")

WITHIN_S: Final = 120.0
SHOWN: Final = 200


@command(app, "retarget")
def retarget(
    session: Session,
    tag: Annotated[str | None, typer.Option(metavar="TEXT", help="Codes with this tag.")] = None,
    campaign: Annotated[str | None, typer.Option(metavar="NAME", help="Codes of this campaign.")] = None,
    search: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Codes that `waymark code list` would find.")
    ] = None,
    code: Annotated[list[str] | None, typer.Option(metavar="CODE", help="This code; repeat it for several.")] = None,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Lines of code,destination.")] = None,
    to: Annotated[str | None, typer.Option(metavar="DESTINATION", help="Where they all point then.")] = None,
    find: Annotated[str | None, typer.Option(metavar="TEXT", help="Part of the destinations to replace.")] = None,
    replace: Annotated[str, typer.Option(metavar="TEXT", help="What comes in its place.")] = "",
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; kept in every history.")] = "",
    expect: Annotated[
        str | None, typer.Option(metavar="DIGEST", help="Only if it is exactly what was shown with this digest.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; without it nothing is changed.")] = False,
    domain: Annotated[str | None, typer.Option(metavar="HOST", help="Short domain of the codes.")] = None,
    archived: Annotated[bool, typer.Option("--archived", help="Archived codes, too; else they are left out.")] = False,
) -> int:
    """Send many codes elsewhere in one transaction. Shows what would change; --yes does it."""
    body: dict[str, Any] = {
        "tag": tag,
        "campaign": campaign,
        "search": search,
        "codes": code or None,
        "csv": _read(csv) if csv else None,
        "destination": to,
        "find": find,
        "replace": replace,
        "reason": reason,
        "domain": domain,
        "archived": archived,
        "dry_run": not yes,
        "digest": expect,
    }
    found = session.client.send("POST", "/bulk", body, within_s=WITHIN_S)
    _show(session, found)
    return ExitCode.USAGE if found["problems"] else ExitCode.OK


@command(app, "list")
def list_bulks(session: Session) -> None:
    """List the last bulk changes, the newest first."""
    found = session.client.get("/bulk")
    columns = [
        Column("No.", right=True),
        Column("When"),
        Column("Codes", right=True),
        Column("Reason", narrow="fold"),
        Column("By", narrow="cut"),
        Column("State"),
    ]
    rows = [
        (one["id"], when(one["created_at"]), one["codes"], one["reason"], one["created_by"], _state(one))
        for one in found["bulks"]
    ]
    session.out.table(found, columns, rows, empty="There was no bulk change yet.")


@command(app, "undo")
def undo(
    session: Session,
    number: Annotated[int, typer.Argument(metavar="NO.", min=1, help="As the list shows it.")],
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; kept in every history.")] = "",
) -> None:
    """Bring back what each code said before; codes changed since stay as they are."""
    undone = session.client.send("POST", f"/bulk/{number}/undo", {"reason": reason}, within_s=WITHIN_S)
    fields = {"bulk change": undone["id"], "undoes": number, "codes": undone["codes"], "left alone": undone["skipped"]}
    session.out.record(undone, fields)


def _show(session: Session, found: dict[str, Any]) -> None:
    columns = [Column("Code"), Column("Version", right=True), Column("What changes", narrow="fold")]
    rows = [
        (_named(row), row["version"], "; ".join(map(difference_in_words, row["changes"])))
        for row in found["codes"][:SHOWN]
    ]
    session.out.table(found, columns, rows, empty="Nothing would change.")
    if session.out.as_json:
        return
    if len(found["codes"]) > SHOWN:
        session.out.text(None, f"... and {len(found['codes']) - SHOWN:,} more; --json lists them all")
    for entry in found["problems"][:SHOWN]:
        session.out.warning(f"{entry['code']}: {entry['problem']}")
    for line in _about_archived(found):
        session.out.text(None, line)
    session.out.text(None, _summary(found))


def _named(row: dict[str, Any]) -> str:
    return f"{row['code']} (archived)" if row["archived"] else str(row["code"])


def _about_archived(found: dict[str, Any]) -> Iterator[str]:
    if found["archived"]:
        yield f"{found['archived']:,} of them are archived: no scan goes there until they are brought back."
    if found["left_out"]:
        yield f"{found['left_out']:,} archived codes match as well and are left out; --archived takes them along."


def _summary(found: dict[str, Any]) -> str:
    unchanged = f", {found['unchanged']:,} stay as they are" if found["unchanged"] else ""
    if found["problems"]:
        told = (
            "1 code has a problem" if len(found["problems"]) == 1 else f"{len(found['problems']):,} codes have problems"
        )
        return f"{told}: nothing can be changed until that is put right."
    codes = "1 code" if found["changed"] == 1 else f"{found['changed']:,} codes"
    if not found["dry_run"]:
        undo = f" Back again: `waymark code bulk undo {found['id']}`" if found["id"] else ""
        return f"{codes} changed{unchanged}.{undo}"
    if not found["changed"]:
        return f"Nothing would change{unchanged}." if unchanged or found["left_out"] else "No code was chosen."
    return (
        f"{codes} would change{unchanged}. Nothing is changed yet: add --yes to do it, and --expect "
        f"{found['digest']} to do exactly this."
    )


def _state(bulk: dict[str, Any]) -> str:
    if bulk["undone_by"]:
        return f"undone by {bulk['undone_by']}"
    return f"undo of {bulk['undoes']}" if bulk["undoes"] else "in force"


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8"
        raise CommandError(f"{path} cannot be read: {reason}.", ExitCode.USAGE) from None
