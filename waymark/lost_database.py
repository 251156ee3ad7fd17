"""When SQLite's file is deleted or replaced under the running private process: what it held is kept, nothing pretended."""

import asyncio
import logging
import os
import signal
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from database.engine import Database

log = logging.getLogger(__name__)

LOOK_S: Final = 0.25
SETTLED_S: Final = 1.0  # another file must have been there for so long: it may still be being copied


async def keep_watching(database: Database, data: Path) -> None:
    """Nothing is written meanwhile (DatabaseLostError). Another file in its place is taken up by starting anew."""
    since: float | None = None
    rescued = False
    while True:
        await asyncio.sleep(LOOK_S)
        fate = database.file_fate()
        if fate == "in place":
            since, rescued = None, False
            continue
        since = since or time.monotonic()
        if time.monotonic() - since < SETTLED_S:
            continue
        if not rescued:
            rescued = True
            await _rescue(database, data, fate)
        if fate == "replaced":
            log.critical("another control database is in place: the private side starts anew with it")
            # Closing the connections would delete a write-ahead log by its name: it may be that of the file there now.
            os.kill(os.getpid(), signal.SIGKILL)


async def _rescue(database: Database, data: Path, fate: str) -> None:
    path = data / f"waymark.db.rescued-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    try:
        await database.rescue_into(path)
    except (SQLAlchemyError, OSError) as error:
        reason = getattr(error, "orig", None) or error
        log.critical("the control database is %s, and what it held could not be kept (%s)", fate, reason)
        return
    log.critical(
        "the control database is %s while waymark runs; all it held is in %s. Nothing is changed until it is put back: "
        "stop waymark, rename that file to waymark.db and start again, unless another one shall count",
        fate,
        path,
    )
