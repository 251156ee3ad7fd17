"""How the installation is doing: versions, ingestion, and the accounting identity of every journal run."""

from typing import Any

import orjson
from fastapi import APIRouter

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
    }


@router.get("/accounting")
async def accounting(_who: Viewer, parts: TheParts) -> dict[str, Any]:
    """Per run of a public worker: what it said of itself, and what was really found in its journal up to that line.

    ``exact`` is answered = recorded + pending + lost, and recorded = scans found + corrupt lines found.
    """
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
    return {"runs": runs, "stored": stored, "ingested": marked, "exact": all(run["exact"] for run in runs)}
