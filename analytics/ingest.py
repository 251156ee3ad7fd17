"""The ingest loop: asks the enrichment process for the next batch, commits it with its mark, tells the live feed."""

import asyncio
import logging
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from analytics.frames import receive_frame, send_frame
from analytics.store import ScanStore

log = logging.getLogger(__name__)

MAX_LINES: Final = 20_000
RESTART_AFTER_S: Final = 0.5

OnRows = Callable[[list[dict[str, Any]]], None]


@dataclass(slots=True)
class IngestState:
    """What a person may ask about ingestion; read by health pages and metrics."""

    scans: int = 0
    batches: int = 0
    restarts: int = 0
    problem: str | None = None


class Ingest:
    """The marks are in the store alone: whoever dies, reading goes on at the last committed line."""

    def __init__(self, store: ScanStore, journal: Path, geo: Path, *, keep_prefix: bool, on_rows: OnRows) -> None:
        self.state = IngestState()
        self.paused = asyncio.Lock()  # held by whoever must not see a batch arrive, e.g. while rows are removed
        self._store = store
        self._journal = journal
        self._geo = geo
        self._keep_prefix = keep_prefix
        self._on_rows = on_rows
        self._process: asyncio.subprocess.Process | None = None

    async def run(self) -> None:
        """Until cancelled. A dead child or a refusing store is tried again; nothing is skipped."""
        while True:
            try:
                await self._start_child()
                while True:
                    await self._step()
            except (EOFError, BrokenPipeError, ConnectionError):
                self.state.problem = "the enrichment process ended; it is started again"
            except (duckdb.Error, OSError) as error:
                self.state.problem = f"the scan store refused a batch: {str(error).splitlines()[0]}"
            finally:
                await self.stop_child()
            self.state.restarts += 1
            log.error("ingest: %s", self.state.problem)
            await asyncio.sleep(RESTART_AFTER_S)

    async def stop_child(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        with suppress(ProcessLookupError):
            process.kill()  # it holds nothing that is not in journal or store
        await process.wait()

    async def _start_child(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "analytics.enricher",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=16 * 1024 * 1024,
        )
        assert self._process.stdin is not None
        settings = {
            "journal": str(self._journal),
            "batch_file": str(self._store.batch_file),
            "geo": str(self._geo),
            "keep_prefix": self._keep_prefix,
            "max_lines": MAX_LINES,
        }
        await send_frame(self._process.stdin, settings)

    async def _step(self) -> None:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        async with self.paused:
            marks, finished = await self._store.marks()
            await send_frame(process.stdin, {"marks": marks, "finished": sorted(finished)})
            batch = await receive_frame(process.stdout)
            if batch:
                await self._store.append(batch)
        self.state.problem = None
        if batch:
            self.state.scans += batch["scans"]
            self.state.batches += 1
            if batch["corrupt"] or batch["torn_bytes"]:
                lines, torn = len(batch["corrupt"]), batch["torn_bytes"]
                log.warning("journal %s: %d corrupt lines set aside, %d torn bytes", batch["segment"], lines, torn)
            self._on_rows(batch["latest"])
