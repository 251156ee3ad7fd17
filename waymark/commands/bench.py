"""`waymark bench`: how fast Waymark is on this machine, in a folder of its own; nothing here is touched or asked."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from waymark.output import CommandError, ExitCode
from waymark.session import Session


def bench(
    session: Session,
    part: Annotated[
        list[str] | None,
        typer.Argument(help="redirect, openloop, ingest, reports, start, cost, backlog; everything when left out."),
    ] = None,
    scale: Annotated[
        Literal["full", "small"], typer.Option(help="full: some 15 minutes and 5 GB of disk; small: 4 minutes.")
    ] = "full",
    seconds: Annotated[int | None, typer.Option(min=1, max=60, help="Of load per server and round.")] = None,
    rounds: Annotated[int | None, typer.Option(min=1, max=20, help="How often each is measured.")] = None,
    hour: Annotated[
        bool, typer.Option("--hour", help="backlog: a real hour of scans instead of an hour's worth.")
    ] = False,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Result file; else one named by day.")] = None,
) -> int:
    """Measure redirects, ingestion, reports and start-up on this machine; uses both cores fully, and loopback only."""
    from bench.processes import BenchError
    from bench.run import Asked, run

    geo = session.config.data_dir / "geo"
    asked = Asked(tuple(part or ()), scale, seconds, rounds, geo, out, hour)
    try:
        result = run(asked, _say)
    except BenchError as error:
        raise CommandError(str(error), ExitCode.USAGE) from None
    session.out.text({"file": str(result.file), "failed": list(result.failed), "text": result.text}, result.text)
    session.out.note(f"Written to {result.file}")
    return ExitCode.FAILURE if result.failed else ExitCode.OK


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
