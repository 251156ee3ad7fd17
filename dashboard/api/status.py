"""How the installation is doing: versions, ingestion, and the accounting identity of every journal run."""

import asyncio
from typing import Any

import orjson
from fastapi import APIRouter

from analytics.backlog import backlog
from dashboard.access import TheParts, Viewer

router = APIRouter(tags=["status"])


@router.get("/status")
async def status(_who: Viewer, parts: TheParts) -> dict[str, Any]:
    state = parts.ingest.state
    [(scans,)] = await parts.store.query("SELECT count(*) FROM scans")
    return {
        "version": parts.settings.version,
        "short_url": parts.settings.short_url,
        "scans": scans,
        "ingest": {
            "scans": state.scans,
            "batches": state.batches,
            "restarts": state.restarts,
            "problem": state.problem,
        },
        "backup": await parts.backups.state(),
    }


@router.get("/accounting")
async def accounting(_who: Viewer, parts: TheParts) -> dict[str, Any]:
    """Per run of a public worker: what it said of itself, and what was really found in its journal up to that line.

    ``exact`` is answered = recorded + pending + lost, and recorded = scans found + corrupt lines found. ``waiting`` is what
    of the journal is not in the scan store yet, and the disk it takes.
    """
    marks, finished = await parts.store.marks()
    waiting = await asyncio.to_thread(backlog, parts.settings.data_dir / "journal", marks, finished)
    rows = await parts.store.query(
        "SELECT run, stated_at, answered, recorded, pending, lost, lost_reasons, seen_scans, seen_corrupt "
        "FROM accounting ORDER BY stated_at"
    )
    runs = []
    for run, at, answered, recorded, pending, lost, reasons, seen, corrupt in rows:
        exact = answered == recorded + pending + lost and recorded == seen + corrupt
        entry = {"run": run, "at": at.isoformat() + "Z", "answered": answered, "recorded": recorded, "pending": pending}
        runs.append({**entry, "lost": orjson.loads(reasons), "found": seen, "corrupt": corrupt, "exact": exact})
    [(stored, marked)] = await parts.store.query(
        "SELECT (SELECT count(*) FROM scans), (SELECT coalesce(sum(scans), 0)::BIGINT FROM journal_marks)"
    )
    exact = all(run["exact"] for run in runs)
    return {"runs": runs, "stored": stored, "ingested": marked, "exact": exact, "waiting": waiting.as_dict()}
