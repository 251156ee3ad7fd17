"""The rows that every move of a job leaves: in its trail for good, and for whoever wants to be told."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.names import plain_text
from database.changes import numbered_in_order
from database.schema import job_moves, outgoing_events
from jobs.register import Job
from jobs.workflows import Stage, Workflow


def event_payload(job: Job, workflow: Workflow) -> dict[str, Any]:
    """What leaves the house of a job: nothing private, and never its token."""
    stage = workflow.find_stage(job.stage)
    return {
        "reference": job.reference,
        "shop": job.shop,
        "kind": job.kind,
        "stage": job.stage,
        "phase": stage.phase if stage else None,
        "revision": job.revision,
        "eta_at": job.eta_at.isoformat() if job.eta_at else None,
        "completed_at": job.completed_at.isoformat() if job.completed_at else None,
    }


async def append_move(
    connection: AsyncConnection,
    job_id: int,
    action: str,
    from_stage: str | None,
    after: Mapping[str, Any],
    at: datetime,
    now: datetime,
    who: str,
    reason: str,
) -> None:
    row = {
        "job_id": job_id,
        "at": at,
        "recorded_at": now,
        "action": action,
        "from_stage": from_stage,
        "to_stage": after["stage"],
        "eta_at": after["eta_at"],
        "who": who,
        "reason": plain_text(reason)[:500],
    }
    await connection.execute(insert(job_moves).values(row))


async def tell(connection: AsyncConnection, event: str, job_id: int, payload: Mapping[str, Any]) -> None:
    """jobs.outgoing reads it."""
    await numbered_in_order(connection)
    row = {"at": datetime.now(UTC), "event": event, "job_id": job_id, "payload": dict(payload)}
    await connection.execute(insert(outgoing_events).values(row))


def action_of(workflow: Workflow, before: Job, to: Stage) -> str:
    if workflow.find_stage(before.stage) is None:
        return "advance"
    if workflow.stage(before.stage).phase == "done":
        return "reopen"
    if workflow.index_of(to.key) < workflow.index_of(before.stage):
        return "back"
    if to.phase == "done":
        return "deliver"
    following = workflow.next_after(before.stage)
    return "advance" if to == following or to.optional else "skip"


def event_of(action: str) -> str:
    return {"estimate": "job.estimated", "deliver": "job.delivered"}.get(action, "job.moved")
