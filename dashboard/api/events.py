"""Outgoing events over the API: what happened to jobs, for a system that wants to be told and asks now and then."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from dashboard.access import TheParts, Viewer
from dashboard.parameters import ParameterError
from jobs.outgoing import EVENTS, EventSearch, last_event_id, list_events

router = APIRouter(tags=["jobs"])


class EventOut(BaseModel):
    """``job``: as it was then, without private fields and its link; of a deleted one only reference and shop."""

    id: int
    at: datetime
    event: str = Field(examples=list(EVENTS))
    job: dict[str, Any]


class EventPage(BaseModel):
    events: list[EventOut]
    next: int = Field(description="`after` of the next question, also when there is nothing new.")


@router.get("/events")
async def get_events(
    _who: Viewer,
    parts: TheParts,
    after: Annotated[int, Query(ge=0, le=2**53 - 1, description="From `next` of the answer before; 0: all.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    event: Annotated[str, Query(max_length=40, description="Only these, such as job.delivered.")] = "",
    shop: Annotated[str, Query(max_length=120, description="Only of this shop's jobs, by its name.")] = "",
    reference: Annotated[str, Query(max_length=200, description="Only of jobs with this reference.")] = "",
) -> EventPage:
    """What happened to jobs, the oldest first. Those of the last 90 days; those of a job go with it."""
    if event and event not in EVENTS:
        raise ParameterError(f"{event!r} is no event; there are: {', '.join(EVENTS)}.")
    async with parts.database.reading() as connection:
        last_id = await last_event_id(connection)  # read first: what comes meanwhile is for the next question
        found = await list_events(connection, after, limit, EventSearch(event, shop, reference))
    told = [EventOut(id=one.id, at=one.at, event=one.event, job=dict(one.payload)) for one in found]
    read_to = found[-1].id if len(found) == limit else max([after, last_id, *(one.id for one in found)])
    return EventPage(events=told, next=read_to)
