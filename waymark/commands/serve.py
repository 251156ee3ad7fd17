"""`waymark serve`: both sides of Waymark, or one of them, until Ctrl-C."""

import logging
from typing import Annotated, Literal

import typer

from waymark.session import Session


def serve(
    session: Session,
    only: Annotated[
        Literal["public", "private"] | None, typer.Option(help="Run one side alone, e.g. under its own service unit.")
    ] = None,
) -> int:
    """Run Waymark: the public side that answers scans and the private side with dashboard and API."""
    from waymark.supervisor import serve as supervise

    logging.basicConfig(format="%(asctime)s waymark %(levelname)s %(message)s", datefmt="%H:%M:%S")
    return supervise(session.config, session.config.source, only)
