"""The page of outgoing events: what other systems are told of jobs, as it stands in the API, the newest first."""

import shlex
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from dashboard.access import TheParts
from dashboard.figures import asked_zone
from dashboard.formats import Moment, moment
from dashboard.job_cards import shops_by_id
from dashboard.job_forms import whole
from dashboard.job_views import job_path
from dashboard.show import show
from dashboard.signed_in import Reader
from jobs.kinds import list_workflows
from jobs.outgoing import KEEP_EVENTS, EventSearch, OutgoingEvent, list_newest_events
from jobs.search import JobSearch, list_jobs
from jobs.workflows import Workflow

router = APIRouter(include_in_schema=False)

PAGE_SIZE: Final = 50
WORDS: Final = {
    "job.created": "Made",
    "job.moved": "Moved",
    "job.estimated": "New date",
    "job.ready": "Ready",
    "job.late": "Late",
    "job.delivered": "Completed",
    "job.deleted": "Deleted",
}


@dataclass(frozen=True, slots=True)
class EventView:
    """``where`` is the stage, or the new date; ``path`` leads to the job, "" when it is gone; ``payload`` are keys and
    values as JSON, as they are told.
    """

    id: int
    event: str
    words: str
    where: str
    reference: str
    shop: str
    path: str
    at: Moment
    iso: str
    payload: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class EventsPage:
    """``curl`` and ``command`` ask for the same events, the oldest first."""

    template: ClassVar[str] = "events.html"
    active: ClassVar[str] = "jobs"
    names: ClassVar[Mapping[str, str]] = WORDS
    keep_days: ClassVar[int] = KEEP_EVENTS.days
    events: tuple[EventView, ...]
    asked: EventSearch
    shops: tuple[str, ...]
    newest_path: str
    older_path: str
    curl: str
    command: str
    zone: str

    @property
    def narrows(self) -> bool:
        return self.asked != EventSearch()


@router.get("/events")
async def events(request: Request, who: Reader, parts: TheParts) -> Response:
    """Nothing private is in them, so a viewer may look, too."""
    now, zone, given = datetime.now(UTC), asked_zone(request), request.query_params
    asked = EventSearch(**{name: given.get(name, "").strip()[:200] for name in EventSearch.__dataclass_fields__})
    before, shops = whole(given.get("before")), await shops_by_id(parts)
    async with parts.database.reading() as connection:
        found = await list_newest_events(connection, before, PAGE_SIZE + 1, asked)
        shown, workflows = found[:PAGE_SIZE], await list_workflows(connection)
        ids = [event.job_id for event in shown if event.job_id is not None]
        there = await list_jobs(connection, JobSearch(ids=ids, limit=None)) if ids else []
    paths = {job.id: job_path(job, shops) for job in there}
    names = [shop.name for shop in shops.values()]
    page = EventsPage(
        events=tuple(_view(event, paths, workflows, zone, now) for event in shown),
        asked=asked,
        shops=tuple(dict.fromkeys([*names, asked.shop] if asked.shop else names)) if len(names) > 1 else (),
        newest_path=_path(asked) if before is not None else "",
        older_path=_path(asked, before=shown[-1].id) if len(found) > PAGE_SIZE else "",
        curl=_curl(parts.settings.dashboard_url, asked),
        command=_command(asked),
        zone=zone.key,
    )
    return show(request, page, who)


def _view(
    event: OutgoingEvent, paths: Mapping[int, str], workflows: Mapping[str, Workflow], zone: ZoneInfo, now: datetime
) -> EventView:
    payload, at = event.payload, moment(event.at, zone, now)
    new_date = payload.get("eta_at") if event.event in ("job.estimated", "job.late") else None
    return EventView(
        id=event.id,
        event=event.event,
        words=WORDS.get(event.event, event.event),
        where=moment(new_date, zone, now).short if new_date else _stage(payload, workflows),
        reference=payload["reference"],
        shop=payload["shop"],
        path=paths.get(event.job_id or 0, ""),
        at=at,
        iso=at.iso,
        payload=tuple((name, orjson.dumps(value).decode()) for name, value in payload.items()),
    )


def _stage(payload: Mapping[str, Any], workflows: Mapping[str, Workflow]) -> str:
    """As staff call it; "" of a deleted job."""
    workflow, key = workflows.get(payload.get("kind", "")), payload.get("stage", "")
    stage = workflow.find_stage(key) if workflow else None
    return stage.name if stage else key


def _given(asked: EventSearch) -> dict[str, str]:
    return {name: value for name, value in asdict(asked).items() if value}


def _path(asked: EventSearch, **more: Any) -> str:
    given = {**_given(asked), **more}
    return f"/events?{urlencode(given)}" if given else "/events"


def _curl(base: str, asked: EventSearch) -> str:
    query = urlencode({"after": 0, "limit": 100, **_given(asked)})
    return f'curl -sS "{base.rstrip("/")}/api/v1/events?{query}" -H "Authorization: Bearer $TOKEN"'


def _command(asked: EventSearch) -> str:
    options = {"reference": "job"}
    words = [word for name, value in _given(asked).items() for word in (f"--{options.get(name, name)}", value)]
    return shlex.join(["waymark", "job", "events", *words])
