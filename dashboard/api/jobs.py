"""Jobs over the API: put, read, list, move, delete, with their photo and QR symbol."""

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Query, Request
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from codes.errors import Conflict, NotFound
from codes.qr import QrStyle, media_type, render
from dashboard.access import Editor, TheParts, Viewer
from dashboard.api.job_models import JobIn, JobOut, JobPage, MoveIn, MoveToIn, is_staff, job_out
from dashboard.api.preconditions import TAGGED, OfChange, OfPut, tag
from dashboard.api.symbols import IMAGES, Kind, Level
from dashboard.path_parts import PathReference, slashes_back
from jobs.jobs import JobError, Occasion, delete_job, move_job, put_job, set_photo
from jobs.kinds import check_names, list_workflows
from jobs.photos import MAX_UPLOAD_BYTES, photo_from
from jobs.register import Details, Job, find_photo, get_details, get_job, list_details
from jobs.search import JobSearch, JobSort, count_jobs, cursor_of, late_only, list_jobs, place_from
from jobs.shops import get_shop_named

router = APIRouter(tags=["jobs"])

Reference = Annotated[
    PathReference, Path(max_length=200, description="The shop's own number of the job; a slash in it is %2F.")
]
ShopName = Annotated[
    str | None, Query(alias="shop", max_length=120, description="By name; the default one when left out.")
]
_NOT_FILE_NAME: Final = re.compile(r"[^A-Za-z0-9_-]")
_PHOTO: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The picture itself: JPEG, PNG, WebP or GIF.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_JPEG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/jpeg": {}}}}


@router.put("/jobs/{reference}", responses=TAGGED | {201: {"model": JobOut, **TAGGED[200]}})
async def put(
    reference: Reference,
    body: JobIn,
    who: Editor,
    parts: TheParts,
    expected: OfPut,
    response: Response,
    shop: ShopName = None,
) -> JobOut:
    """Makes the job, with its code and page, or changes it. The same again changes nothing."""
    on = Occasion(who.name, body.at, expected=expected)
    job, created = await put_job(parts.database, reference, body.fields(shop), on)
    response.status_code = 201 if created else 200
    return await _answer(parts, job, response)


@router.get("/jobs")
async def get_jobs(
    who: Viewer,
    parts: TheParts,
    shop: ShopName = None,
    kind: Annotated[str, Query(max_length=40)] = "",
    stage: Annotated[list[str] | None, Query(max_length=30, description="Any of these.")] = None,
    open_only: Annotated[bool, Query(alias="open", description="Without those that are done.")] = False,
    late: Annotated[bool, Query(description="Only those later than was said.")] = False,
    search: Annotated[
        str,
        Query(
            max_length=200,
            description="In reference, item, and customer's name and phone, or a job's link; O is 0 in a reference, and "
            "spaces and hyphens do not matter.",
        ),
    ] = "",
    sort: Annotated[JobSort, Query(description="The newest first, or what is due first.")] = "newest",
    cursor: Annotated[str | None, Query(max_length=40, description="`next` of the page before.")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> JobPage:
    """A viewer gets neither private fields nor links, and the search does not look into them."""
    staff = is_staff(who)
    async with parts.database.reading() as connection:
        await check_names(connection, kind, stage or ())
        workflows = await list_workflows(connection)
        asked = JobSearch(
            shop_id=(await get_shop_named(connection, shop)).id if shop else None,
            kind=kind,
            stages=stage or (),
            open_only=open_only,
            text=search.strip(),
            private=staff,
            sort=sort,
        )
        asked = late_only(asked, workflows, datetime.now(UTC)) if late else asked
        page = replace(asked, after=place_from(cursor) if cursor else None, limit=limit + 1)
        found, total = await list_jobs(connection, page), await count_jobs(connection, asked)
        shown = found[:limit]
        details = await list_details(connection, [job.id for job in shown]) if staff else {}
    told = [job_out(job, workflows.get(job.kind), details.get(job.id, Details()) if staff else None) for job in shown]
    return JobPage(jobs=told, total=total, next=cursor_of(shown[-1]) if len(found) > limit else None)


@router.get("/jobs/{reference}", responses=TAGGED)
async def show(reference: Reference, who: Viewer, parts: TheParts, response: Response, shop: ShopName = None) -> JobOut:
    """Private fields and the link are null for viewers."""
    async with parts.database.reading() as connection:
        job = await asked_job(connection, reference, shop)
    return await _answer(parts, job, response, staff=is_staff(who))


@router.delete("/jobs/{reference}", status_code=204, response_class=Response)
async def delete(
    reference: Reference, who: Editor, parts: TheParts, expected: OfChange, shop: ShopName = None
) -> Response:
    """Its page is gone at once; what was scanned of it is erased from reports, journal and the next backup."""
    await delete_job(parts.database, reference, Occasion(who.name, expected=expected), shop)
    return Response(status_code=204)


@router.post("/jobs/{reference}/move", responses=TAGGED)
async def move(
    reference: Reference,
    body: MoveToIn,
    who: Editor,
    parts: TheParts,
    expected: OfChange,
    response: Response,
    shop: ShopName = None,
) -> JobOut:
    """To the stage named."""
    if body.stage in ("advance", "back", "deliver"):
        raise JobError(f"{body.stage!r} is an address of its own: POST /api/v1/jobs/{{reference}}/{body.stage}.")
    on = Occasion(who.name, body.at, expected=expected)
    moved = await move_job(parts.database, reference, body.stage, on, shop=shop, reason=body.reason)
    return await _answer(parts, moved, response)


@router.post("/jobs/{reference}/{direction}", responses=TAGGED)
async def step(
    reference: Reference,
    direction: Literal["advance", "back", "deliver"],
    who: Editor,
    parts: TheParts,
    expected: OfChange,
    response: Response,
    body: MoveIn | None = None,
    shop: ShopName = None,
) -> JobOut:
    """To the next stage, one back, or to the last one. The body may be left out."""
    given = body or MoveIn.model_validate({})
    on = Occasion(who.name, given.at, expected=expected)
    moved = await move_job(parts.database, reference, direction, on, shop=shop, reason=given.reason)
    return await _answer(parts, moved, response)


@router.put("/jobs/{reference}/photo", openapi_extra=_PHOTO, responses=TAGGED, max_body_size=MAX_UPLOAD_BYTES)
async def put_photo(
    reference: Reference,
    request: Request,
    who: Editor,
    parts: TheParts,
    expected: OfChange,
    response: Response,
    shop: ShopName = None,
) -> JobOut:
    """Kept small, turned upright, without what the camera wrote into it. Customers see it if the shop shows photos."""
    photo = await asyncio.to_thread(photo_from, await request.body())
    on = Occasion(who.name, expected=expected)
    return await _answer(parts, await set_photo(parts.database, reference, photo, on, shop), response)


@router.put("/jobs/{reference}/{rest:path}", include_in_schema=False)
async def put_with_slash(reference: Reference, rest: str, _who: Editor) -> Response:
    """Else a number such as 2026/17 would be told that its address does not take a PUT."""
    meant = f"/api/v1/jobs/{quote(f'{reference}/{slashes_back(rest)}', safe='')}"
    raise NotFound(
        f"there is nothing at this address. For a reference with a slash it is {meant}. If you sent that, a proxy on "
        "the way has decoded it: docs/integrate.md says what to do."
    )


@router.get("/jobs/{reference}/photo", response_class=Response, responses=_JPEG)
async def show_photo(reference: Reference, _who: Editor, parts: TheParts, shop: ShopName = None) -> Response:
    async with parts.database.reading() as connection:
        job = await asked_job(connection, reference, shop)
        photo = await find_photo(connection, job.id)
    if photo is None:
        raise NotFound(f"job {job.reference} has no photo.")
    return Response(photo, media_type="image/jpeg")


@router.delete("/jobs/{reference}/photo", responses=TAGGED)
async def delete_photo(
    reference: Reference,
    who: Editor,
    parts: TheParts,
    expected: OfChange,
    response: Response,
    shop: ShopName = None,
) -> JobOut:
    on = Occasion(who.name, expected=expected)
    return await _answer(parts, await set_photo(parts.database, reference, None, on, shop), response)


@router.get("/jobs/{reference}/qr.{kind}", response_class=Response, responses=IMAGES)
async def job_qr(
    reference: Reference,
    kind: Kind,
    _who: Editor,
    parts: TheParts,
    shop: ShopName = None,
    error: Level = "m",
    module_px: Annotated[int, Query(ge=1, le=50)] = 10,
    size_mm: Annotated[float | None, Query(ge=10, le=5000)] = None,
    dpi: Annotated[int | None, Query(ge=72, le=2400)] = None,
    caption: bool = False,
) -> Response:
    """The symbol for the slip, decoded in its final form before it is handed out."""
    async with parts.database.reading() as connection:
        job = await asked_job(connection, reference, shop)
    if job.short_url is None:
        raise Conflict(f"job {job.reference} has no code: tracking is off for {job.shop}. Switch it on first.")
    style = QrStyle(error=error, module_px=module_px, size_mm=size_mm, dpi=dpi, caption=caption)
    image = await asyncio.to_thread(render, job.short_url, kind, style, legacy=False)
    headers = {
        "Content-Disposition": f'inline; filename="{file_name(job)}.{kind}"',
        "Content-Security-Policy": "default-src 'none'; img-src data:; sandbox",
    }
    return Response(image, media_type=media_type(kind), headers=headers)


async def asked_job(connection: AsyncConnection, reference: str, shop: str | None) -> Job:
    return await get_job(connection, reference, (await get_shop_named(connection, shop)).id if shop else None)


def file_name(job: Job) -> str:
    return _NOT_FILE_NAME.sub("_", job.reference)


async def _answer(parts: Any, job: Job, response: Response, *, staff: bool = True) -> JobOut:
    async with parts.database.reading() as connection:
        workflows = await list_workflows(connection)
        details = await get_details(connection, job.id) if staff else None
    tag(response, job.revision)
    return job_out(job, workflows.get(job.kind), details)
