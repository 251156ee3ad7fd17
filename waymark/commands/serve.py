"""`waymark serve`: both sides of Waymark, or one of them, until Ctrl-C."""

import logging
from dataclasses import replace
from typing import Annotated, Literal

import typer

from waymark.session import Session


def serve(
    session: Session,
    only: Annotated[
        Literal["public", "private"] | None, typer.Option(help="Run one side alone, e.g. under its own service unit.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, max=64, help="Processes answering scans, instead of `workers` in config.toml.")
    ] = None,
) -> int:
    """Run Waymark: the public side that answers scans and the private side with dashboard and API."""
    from waymark.supervisor import serve as supervise

    logging.basicConfig(format="%(asctime)s waymark %(levelname)s %(message)s", datefmt="%H:%M:%S")
    config = session.config
    if workers is not None:
        config = replace(config, public=replace(config.public, workers=workers))
    return supervise(config, config.source, only)
