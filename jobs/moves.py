"""The rows that every move of a job leaves: in its trail for good, and for whoever wants to be told."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from codes.names import plain_text
from database.changes import numbered_in_order
from database.rows import insert_rows
from database.schema import job_moves, outgoing_events
from jobs.register import Job
from jobs.workflows import Phase, Stage, Workflow


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


class NewMove(NamedTuple):
    job: Job  # as it is after it
    action: str
    from_stage: str | None
    at: datetime
    now: datetime
    who: str
    reason: str


async def append_moves(connection: AsyncConnection, moves: Sequence[NewMove]) -> None:
    rows = [
        (
            move.job.id,
            move.at,
            move.now,
            move.action,
            move.from_stage,
            move.job.stage,
            move.job.eta_at,
            move.who,
            plain_text(move.reason)[:500],
        )
        for move in moves
    ]
    columns = ("job_id", "at", "recorded_at", "action", "from_stage", "to_stage", "eta_at", "who", "reason")
    await insert_rows(connection, job_moves, columns, rows)


async def tell(connection: AsyncConnection, event: str, job_id: int, payload: Mapping[str, Any]) -> None:
    """jobs.outgoing reads it."""
    await tell_all(connection, [(event, job_id, payload)])


async def tell_all(connection: AsyncConnection, events: Sequence[tuple[str, int, Mapping[str, Any]]]) -> None:
    await numbered_in_order(connection)
    now = datetime.now(UTC)
    rows = [(now, event, job_id, dict(payload)) for event, job_id, payload in events]
    await insert_rows(connection, outgoing_events, ("at", "event", "job_id", "payload"), rows)


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


def event_of(action: str, phase: Phase | None) -> str:
    """As messages are called: ready is news of its own, whatever way it came there."""
    told = {"estimate": "job.estimated", "deliver": "job.delivered"}.get(action)
    return told or ("job.ready" if phase == "ready" else "job.moved")
