"""`waymark sheet`: label sheets as PDF, their stock, and the page that shows whether a printer hits the labels."""

import time
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from waymark.commands.symbol import Dark, Level, LogoFile, LogoPercent, picture_of
from waymark.output import Column, CommandError, ExitCode
from waymark.session import Session, command

app = typer.Typer(no_args_is_help=True, help="Print codes on label sheets and rolls.")

StockName = Annotated[str, typer.Option("--stock", metavar="STOCK", help="`waymark sheet stocks` lists them.")]
NudgeX = Annotated[float, typer.Option(metavar="MM", help="Move everything to the right (negative: to the left).")]
NudgeY = Annotated[float, typer.Option(metavar="MM", help="Move everything down (negative: up).")]

ASK_EVERY_S: Final = 0.5
MAKE_WITHIN_S: Final = 120.0
MEASURES: Final = ("width_mm", "height_mm", "columns", "rows", "label_width_mm", "label_height_mm")
MORE_MEASURES: Final = ("left_mm", "top_mm", "pitch_x_mm", "pitch_y_mm", "margin_x_mm", "margin_y_mm")


@command(app, "make")
def make(
    session: Session,
    output: Annotated[Path, typer.Option(metavar="FILE.pdf", help="Write the PDF there.")],
    codes: Annotated[list[str] | None, typer.Argument(metavar="[CODE]...", help="Which codes, in this order.")] = None,
    tag: Annotated[str | None, typer.Option(metavar="TEXT", help="All codes with this tag instead.")] = None,
    search: Annotated[str | None, typer.Option(metavar="TEXT", help="All codes that `code list` finds.")] = None,
    batch: Annotated[str | None, typer.Option(metavar="NAME", help="All codes of this print batch.")] = None,
    stock: Annotated[
        str | None, typer.Option(metavar="STOCK", help="`waymark sheet stocks` lists them; or --geometry.")
    ] = None,
    geometry: Annotated[
        str | None,
        typer.Option(
            metavar="MEASURES",
            help="Other stock in mm: width=210,height=297,columns=3,rows=8,label-width=70,label-height=37,pitch-x=70,"
            "pitch-y=37,left=0,top=0 and margin-x, margin-y within each label.",
        ),
    ] = None,
    copies: Annotated[int, typer.Option(min=1, max=5000, help="Labels of each code.")] = 1,
    start: Annotated[int, typer.Option(min=1, help="First label to print on, row by row.")] = 1,
    nudge_x: NudgeX = 0.0,
    nudge_y: NudgeY = 0.0,
    size_mm: Annotated[float | None, typer.Option(metavar="MM", help="Edge of the code; else what fits.")] = None,
    text: Annotated[
        Literal["name_and_link", "name", "link", "none"], typer.Option(help="What stands beside or below the code.")
    ] = "name_and_link",
    error: Level = "m",
    dark: Dark = None,
    outlines: Annotated[bool, typer.Option("--outlines", help="Draw the labels' edges, for plain paper.")] = False,
    proof: Annotated[bool, typer.Option("--proof", help="Append a page that lists what is where.")] = False,
    logo: LogoFile = None,
    logo_percent: LogoPercent = None,
    mark_printed: Annotated[
        bool, typer.Option("--mark-printed", help="Then mark the batch as printed: no code can be taken out of it.")
    ] = False,
) -> None:
    """Make label sheets as PDF. Every label is read back before the file is handed out."""
    if mark_printed and batch is None:
        raise CommandError("only a print batch can be marked printed: say which with --batch.", ExitCode.USAGE)
    if geometry is None and stock is None:
        raise CommandError("say what to print on: --stock avery-l7160, or --geometry for other stock.", ExitCode.USAGE)
    body: dict[str, Any] = {
        "codes": codes or None,
        "tag": tag,
        "search": search,
        "batch": batch,
        "stock": stock,
        "geometry": _measures(geometry) if geometry else None,
        "copies": copies,
        "start_cell": start,
        "nudge_x_mm": nudge_x,
        "nudge_y_mm": nudge_y,
        "size_mm": size_mm,
        "wording": text,
        "error": error,
        "dark": dark,
        "outlines": outlines,
        "proof": proof,
        "logo": picture_of(logo),
        "logo_percent": logo_percent,
        "mark_printed": mark_printed,
    }
    asked = {name: value for name, value in body.items() if value is not None}
    made, document = made_sheets(session, "/sheets", asked)
    _write(output, document)
    marked = f", {batch} is marked printed" if mark_printed else ""
    session.out.text({**made, "path": str(output)}, f"{output}  {made['total']} labels{marked}")
    if batch is not None and not mark_printed:
        session.out.note(f"Once it is printed: `waymark batch update {batch!r} --printed`.")


@command(app, "stocks")
def stocks(session: Session) -> None:
    """List the label stock that Waymark knows."""
    found = session.client.get("/sheets/stocks")
    columns = [Column("Stock"), Column("Name", narrow="fold"), Column("Labels", right=True), Column("mm", right=True)]
    rows = [
        (entry["key"], entry["name"], entry["cells"], f"{entry['label_width_mm']:.1f} x {entry['label_height_mm']:.1f}")
        for entry in found["stocks"]
    ]
    session.out.table(found, columns, rows, empty="There is none.")


@command(app, "calibrate")
def calibrate(
    session: Session,
    stock: StockName,
    output: Annotated[Path, typer.Option(metavar="FILE.pdf", help="Write the PDF there.")],
    nudge_x: NudgeX = 0.0,
    nudge_y: NudgeY = 0.0,
) -> None:
    """Make a page to print on paper and hold against a sheet: it shows which nudge the printer needs."""
    asked = {"stock": stock, "nudge_x_mm": nudge_x, "nudge_y_mm": nudge_y}
    document = session.client.get_bytes("/sheets/calibration", asked)
    _write(output, document)
    session.out.text({"file": str(output), "stock": stock, "bytes": len(document)}, str(output))
    session.out.note("Print it at 100 %, without fitting to the page.")


def made_sheets(
    session: Session, path: str, asked: dict[str, Any], parameters: dict[str, Any] | None = None
) -> tuple[dict[str, Any], bytes]:
    """Ordered at ``path`` of the API and waited for: what it says of them, and the PDF."""
    made = session.client.send("POST", path, asked, parameters, within_s=MAKE_WITHIN_S)
    said = -1
    while made["state"] in ("waiting", "running"):
        if made["done"] != said:
            said = made["done"]
            session.out.note(f"{said} of {made['total']} labels")
        time.sleep(ASK_EVERY_S)
        made = session.client.get(f"{path}/{made['id']}")
    if made["state"] != "done":
        raise CommandError(made["problem"] or f"the sheets were {made['state']}.")
    return made, session.client.get_bytes(f"{path}/{made['id']}/file")


def _measures(text: str) -> dict[str, float]:
    """From `width=210,columns=3,...`; the API checks whether they fit together."""
    given: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        plain = name.strip().lower().replace("-", "_")
        key = plain if plain in (*MEASURES, *MORE_MEASURES) else f"{plain}_mm"
        try:
            number = float(value)
        except ValueError:
            raise CommandError(
                f"{part.strip()!r} is no measure: write name=number, such as width=210.", ExitCode.USAGE
            ) from None
        if key not in (*MEASURES, *MORE_MEASURES):
            raise CommandError(f"{name.strip()!r} is no measure of a label sheet.", ExitCode.USAGE)
        given[key] = int(number) if key in ("columns", "rows") and number == int(number) else number
    missing = [name.removesuffix("_mm").replace("_", "-") for name in MEASURES if name not in given]
    if missing:
        raise CommandError(f"the measures lack {', '.join(missing)}.", ExitCode.USAGE)
    return given


def _write(output: Path, document: bytes) -> None:
    try:
        output.write_bytes(document)
    except OSError as error:
        raise CommandError(f"{output} cannot be written: {error.strerror}. Choose another --output.") from None
