"""Kinds of jobs over the API: their stages, in order, with what customers read; how long their pages are kept."""

from typing import Annotated, Any

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from starlette.responses import Response

from dashboard import job_tasks
from dashboard.access import Editor, TheParts, Viewer
from dashboard.api.job_models import Refusing
from dashboard.api.preconditions import TAGGED, OfChange, OfPut, tag
from jobs.kinds import first_language, get_workflow, list_workflows
from jobs.workflows import BUILT_IN, KEEP_DAYS, MAX_KEEP_DAYS, Workflow, read_workflow, written_stages

router = APIRouter(tags=["kinds of jobs"])
KindName = Annotated[str, Path(max_length=200, examples=["repair"])]
_STAGES = """In order: {"key": "diagnosis", "name": "for staff", "public": {"en": "for customers"},
"phase": "waiting, working, ready or done", "hours": 8, "optional": false}; the last one is done. hours: working hours, null
when nobody can say."""


class KindIn(Refusing):
    name: str = Field(max_length=200, examples=["Watch repair"])
    stages: list[dict[str, Any]] = Field(max_length=100, description=_STAGES)
    keep_done_days: int = Field(KEEP_DAYS, ge=1, le=MAX_KEEP_DAYS, description="Pages stay so long after completion.")
    keep_idle_days: int = Field(
        KEEP_DAYS, ge=1, le=MAX_KEEP_DAYS, description="After the last change of jobs never completed."
    )


class KindOut(BaseModel):
    """``built_in``: the kind came with Waymark; ``changed``: and is not as it came."""

    kind: str
    name: str
    stages: list[dict[str, Any]]
    keep_done_days: int
    keep_idle_days: int
    built_in: bool
    changed: bool
    version: str = Field(description="As its ETag: another one after each change.")


class KindList(BaseModel):
    kinds: list[KindOut]


@router.get("/kinds")
async def get_kinds(_who: Viewer, parts: TheParts) -> KindList:
    async with parts.database.reading() as connection:
        return KindList(kinds=[_shown(found) for found in (await list_workflows(connection)).values()])


@router.get("/kinds/{kind}", responses=TAGGED)
async def show_kind(kind: KindName, _who: Viewer, parts: TheParts, response: Response) -> KindOut:
    async with parts.database.reading() as connection:
        found = await get_workflow(connection, kind)
    tag(response, found.version)
    return _shown(found)


@router.put("/kinds/{kind}", responses=TAGGED)
async def put_kind(
    kind: KindName, body: KindIn, who: Editor, parts: TheParts, expected: OfPut, response: Response
) -> KindOut:
    """Makes a kind of your own, or changes any; other hours give open jobs new estimates. Stages with jobs cannot go."""
    async with parts.database.reading() as connection:
        first = await first_language(connection)
    read = read_workflow(kind, body.name, body.stages, body.keep_done_days, body.keep_idle_days, first)
    kept = await job_tasks.change_kind(parts.database, read, who.name, expected)
    tag(response, kept.version)
    return _shown(kept)


@router.delete("/kinds/{kind}", status_code=204, response_class=Response)
async def reset_kind(kind: KindName, who: Editor, parts: TheParts, expected: OfChange) -> Response:
    """A built-in kind is as it came again; one of your own goes, unless jobs are of it."""
    await job_tasks.reset_kind(parts.database, kind, who.name, expected)
    return Response(status_code=204)


def _shown(workflow: Workflow) -> KindOut:
    stages = written_stages(workflow.stages)
    came = BUILT_IN.get(workflow.kind)
    return KindOut(
        kind=workflow.kind,
        name=workflow.name,
        stages=stages,
        keep_done_days=workflow.keep_done_days,
        keep_idle_days=workflow.keep_idle_days,
        built_in=came is not None,
        changed=came is not None and came != workflow,
        version=workflow.version,
    )
