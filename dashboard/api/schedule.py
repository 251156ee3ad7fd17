"""Planned changes of codes: make, list, cancel."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from codes.register import get_code
from codes.schedule import NewSchedule, Scheduled, cancel, instant, list_scheduled, schedule
from dashboard.access import Editor, TheParts, Viewer
from dashboard.api.codes import Domain

router = APIRouter(tags=["schedule"])

Time = Annotated[str | None, Field(max_length=40, examples=["2026-12-24T18:00"])]


class ScheduleIn(BaseModel):
    """Times are local to ``zone``, or carry an offset of their own. Without ``at`` it begins now; at ``until`` what was in
    force before comes back, unless somebody has changed the code meanwhile. What is left out does not change."""

    model_config = ConfigDict(extra="forbid")

    at: Time = None
    until: Time = None
    zone: str = Field("UTC", max_length=60, examples=["Europe/Berlin"])
    destination: str | None = Field(None, max_length=10_000)
    rules: list[dict[str, Any]] | None = Field(None, max_length=50)
    options: dict[str, Any] | None = None
    reason: str = Field("", max_length=500)


class ScheduledOut(BaseModel):
    """``state``: waiting, active (in force, to be reverted), done, failed or cancelled; ``problem`` says why it is not as
    planned. ``content`` is what changes."""

    id: int
    code: str
    domain: str
    starts_at: datetime
    ends_at: datetime | None
    content: dict[str, Any]
    reason: str
    state: str
    problem: str | None
    applied_version: int | None
    replaced_version: int | None
    created_at: datetime
    created_by: str


class ScheduleList(BaseModel):
    scheduled: list[ScheduledOut]


AllStates = Annotated[bool, Query(alias="all", description="Also those that are done, failed or cancelled.")]


@router.post("/codes/{code}/schedule", status_code=201)
async def plan_change(code: str, body: ScheduleIn, who: Editor, parts: TheParts, domain: Domain = None) -> ScheduledOut:
    new = NewSchedule(
        at=instant(body.at, body.zone) if body.at is not None else None,
        until=instant(body.until, body.zone) if body.until is not None else None,
        destination=body.destination,
        rules=body.rules,
        options=body.options,
        reason=body.reason,
    )
    made = await schedule(parts.database, code, new, who=who.name, policy=parts.settings.policy, domain=domain)
    return scheduled_out(made)


@router.get("/codes/{code}/schedule")
async def code_schedule(
    code: str, _who: Viewer, parts: TheParts, domain: Domain = None, everything: AllStates = False
) -> ScheduleList:
    async with parts.database.reading() as connection:
        found = await get_code(connection, code, domain)
        planned = await list_scheduled(connection, found.id, all_states=everything)
    return ScheduleList(scheduled=[scheduled_out(one) for one in planned])


@router.get("/schedule")
async def whole_schedule(_who: Viewer, parts: TheParts, everything: AllStates = False) -> ScheduleList:
    """Of all codes, by the time they start; the 200 latest."""
    async with parts.database.reading() as connection:
        planned = await list_scheduled(connection, all_states=everything)
    return ScheduleList(scheduled=[scheduled_out(one) for one in planned])


@router.delete("/schedule/{schedule_id}")
async def cancel_change(
    schedule_id: Annotated[int, Field(ge=1, le=2**31)], who: Editor, parts: TheParts
) -> ScheduledOut:
    """One that waits never happens; one that is in force stays in force."""
    return scheduled_out(await cancel(parts.database, schedule_id, who=who.name))


def scheduled_out(scheduled: Scheduled) -> ScheduledOut:
    values: dict[str, Any] = {name: getattr(scheduled, name) for name in ScheduledOut.model_fields}
    content = dict(scheduled.content)
    if content.get("options", {}).get("password_hash"):
        content["options"] = {**content["options"], "password": True}
        del content["options"]["password_hash"]
    return ScheduledOut(**{**values, "content": content})
