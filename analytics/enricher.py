"""The enrichment process: reads the journal, writes one batch file at a time, holds no truth of its own.

Runs as ``python -m analytics.enricher`` under the private process, at lower priority, and ends with it.
"""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from analytics.enrich import Enricher, Row
from analytics.frames import read_frame, write_frame
from analytics.segments import Chunk, next_chunk
from analytics.tallies import DAY_US
from geo.places import Places
from redirector.agents import AgentReader
from redirector.records import View

POLL_S: Final = 0.02
ANSWER_WITHIN_S: Final = 0.5
REFRESH_PLACES_S: Final = 1.0
LIVE_ROWS: Final = 100
QUARANTINE_BYTES: Final = 4096  # of each corrupt line: enough to see what happened


@dataclass(slots=True)
class EnrichmentProcess:
    journal: Path
    batch_file: Path
    enricher: Enricher
    max_lines: int
    next_refresh: float = 0.0
    last_series: str = ""

    def answer(self, marks: dict[str, int], finished: set[str]) -> dict[str, Any]:
        """The next batch after these marks, or an empty answer when nothing came within half a second."""
        deadline = time.monotonic() + ANSWER_WITHIN_S
        while True:
            self._refresh_places()
            chunk = next_chunk(self.journal, marks, finished, self.max_lines, self.last_series)
            if chunk is not None:
                self.last_series = chunk.segment.series
                return self._batch(chunk)
            if time.monotonic() > deadline:
                return {}
            time.sleep(POLL_S)

    def _refresh_places(self) -> None:
        if time.monotonic() >= self.next_refresh:
            self.next_refresh = time.monotonic() + REFRESH_PLACES_S
            self.enricher.refresh_places()

    def _batch(self, chunk: Chunk) -> dict[str, Any]:
        rows = [self.enricher.to_row(scan) for scan in chunk.scans]
        self._write_rows(rows)
        return {
            "segment": chunk.segment.name,
            "run": chunk.segment.run,
            "offset": chunk.offset,
            "scans": len(rows) + chunk.erased_scans,
            "views": [_view_row(view) for view in chunk.views],
            "corrupt": [[offset, line[:QUARANTINE_BYTES].decode(errors="replace")] for offset, line in chunk.corrupt],
            "torn_bytes": chunk.torn_bytes,
            "done": chunk.done,
            "stats": [chunk.stats.at_us, chunk.stats.counters] if chunk.stats else None,
            "scans_before_stats": chunk.scans_before_stats,
            "corrupt_before_stats": chunk.corrupt_before_stats,
            "days": sorted({row["at_us"] // DAY_US for row in rows}),
            "latest": rows[-LIVE_ROWS:],
        }

    def _write_rows(self, rows: list[Row]) -> None:
        with self.batch_file.open("wb") as file:
            file.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in rows)


def _view_row(view: View) -> list[Any]:
    visitor = int(view.visitor, 16) if view.visitor else None
    return [view.job_id, view.at_us, visitor, view.uncounted is None, view.uncounted]


def main() -> None:
    os.nice(10)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    try:
        settings = read_frame(requests)
        process = EnrichmentProcess(
            Path(settings["journal"]),
            Path(settings["batch_file"]),
            Enricher(AgentReader(), Places(Path(settings["geo"])), keep_prefix=settings["keep_prefix"]),
            settings["max_lines"],
        )
        while True:
            request = read_frame(requests)
            write_frame(answers, process.answer(request["marks"], set(request["finished"])))
    except (EOFError, BrokenPipeError, KeyboardInterrupt):
        return
    except OSError as error:
        sys.exit(f"enrichment: {error}")


if __name__ == "__main__":
    main()
