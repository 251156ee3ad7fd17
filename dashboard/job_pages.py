"""The page of a job, where staff move it on. Viewers see stages and dates, nothing private, no link."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile
from starlette.responses import RedirectResponse, Response

from codes.alphabet import CodeError
from codes.errors import Conflict, NotFound
from dashboard.access import Identity, TheParts
from dashboard.forms import check_form, read_form
from dashboard.job_cards import shops_by_id
from dashboard.job_forms import details_change_of, job_change_of, job_values, private_values, refused, whole
from dashboard.job_messages import messages_of
from dashboard.job_views import (
    DeleteJobPage,
    JobPage,
    card_of,
    contact_of,
    is_without_hours,
    job_path,
    move_views,
    shop_query,
    steps_of,
    trail_of,
)
from dashboard.parts import Parts
from dashboard.path_parts import PathReference
from dashboard.show import sentence, show
from dashboard.signed_in import Reader, Writer
from dashboard.views import Form
from jobs.jobs import JobFields, Occasion, Stale, delete_job, move_job, put_job, set_photo
from jobs.kinds import list_workflows
from jobs.languages import LANGUAGES
from jobs.photos import MAX_UPLOAD_BYTES, photo_from
from jobs.register import (
    Details,
    Job,
    find_job_by_token,
    get_details,
    get_job,
    list_moves,
)
from jobs.shops import Shop, get_shop, get_shop_named

router = APIRouter(include_in_schema=False)


@router.get("/jobs/by-code/{token}")
async def by_code(token: str, _who: Reader, parts: TheParts) -> Response:
    """Where the code on the slip leads the phones of staff."""
    async with parts.database.reading() as connection:
        job = await find_job_by_token(connection, token)
    if job is None:
        raise NotFound("no job has this code (any more).")
    return RedirectResponse(job_path(job, await shops_by_id(parts)), 303)


@router.get("/jobs/{reference}")
async def job(reference: PathReference, request: Request, who: Reader, parts: TheParts) -> Response:
    return await _page(reference, request, who, parts)


@router.post("/jobs/{reference}/move")
async def move(reference: PathReference, request: Request, who: Writer, parts: TheParts) -> Response:
    """A second tap on the same button finds the job where it should be, and is no error."""
    fields = await read_form(request, who)
    shop = _asked_shop(request)
    to, on = fields.get("to", ""), Occasion(who.name, None, whole(fields.get("revision")))
    try:
        await move_job(parts.database, reference, to, on, shop=shop, reason=fields.get("reason", "")[:500])
    except Stale as error:
        found = await _find(reference, request, parts)
        if found.stage != to:
            return await _page(reference, request, who, parts, problem=sentence(error), status=409)
    except CodeError as error:
        return await _page(reference, request, who, parts, problem=sentence(error), status=422)
    return await _back(reference, request, parts, "moved")


@router.post("/jobs/{reference}/edit")
async def edit(reference: PathReference, request: Request, who: Writer, parts: TheParts) -> Response:
    fields = await read_form(request, who)
    try:
        found = await _find(reference, request, parts)
        await _put(parts, found, job_change_of(fields, found, await _shop_of(parts, found)), fields, who)
    except (CodeError, Conflict) as error:
        return await _page(reference, request, who, parts, form=refused(fields, error), status=_status(error))
    return await _back(reference, request, parts)


@router.post("/jobs/{reference}/details")
async def edit_details(reference: PathReference, request: Request, who: Writer, parts: TheParts) -> Response:
    fields = await read_form(request, who)
    try:
        found = await _find(reference, request, parts)
        await _put(parts, found, details_change_of(fields, await _shop_of(parts, found)), fields, who)
    except (CodeError, Conflict) as error:
        return await _page(reference, request, who, parts, details=refused(fields, error), status=_status(error))
    return await _back(reference, request, parts)


@router.post("/jobs/{reference}/photo", max_body_size=MAX_UPLOAD_BYTES)
async def photo(reference: PathReference, request: Request, who: Writer, parts: TheParts) -> Response:
    """A new one, or none when ``gone`` is sent."""
    async with request.form(max_files=1, max_fields=10) as data:
        fields = {name: value for name, value in data.items() if isinstance(value, str)}
        check_form(request, who, fields)
        file = data.get("photo")
        try:
            made = None
            if not fields.get("gone"):
                if not isinstance(file, UploadFile) or not file.filename:
                    raise CodeError("choose or take a photo first.")  # noqa: TRY301  the form says it
                made = await asyncio.to_thread(photo_from, await file.read())
            await set_photo(parts.database, reference, made, Occasion(who.name), _asked_shop(request))
        except CodeError as error:
            return await _page(reference, request, who, parts, problem=sentence(error), status=422)
    return await _back(reference, request, parts)


@router.get("/jobs/{reference}/delete")
async def ask_delete(reference: PathReference, request: Request, who: Writer, parts: TheParts) -> Response:
    found, shops = await _find(reference, request, parts), await shops_by_id(parts)
    page = DeleteJobPage(found.reference, found.item, job_path(found, {}), shop_query(found, shops))
    return show(request, page, who)


@router.post("/jobs/{reference}/delete")
async def delete(reference: PathReference, request: Request, who: Writer, parts: TheParts) -> Response:
    await read_form(request, who)
    await delete_job(parts.database, reference, Occasion(who.name), _asked_shop(request))
    return RedirectResponse("/jobs", 303)


async def _put(parts: Parts, found: Job, given: JobFields, fields: Mapping[str, str], who: Identity) -> None:
    await put_job(parts.database, found.reference, given, Occasion(who.name, None, whole(fields.get("revision"))))


async def _page(
    reference: str,
    request: Request,
    who: Identity,
    parts: Parts,
    *,
    form: Form | None = None,
    details: Form | None = None,
    problem: str = "",
    status: int = 200,
) -> Response:
    now, staff, shops = datetime.now(UTC), who.may("editor"), await shops_by_id(parts)
    found = await _find(reference, request, parts)
    async with parts.database.reading() as connection:
        workflow = (await list_workflows(connection)).get(found.kind)
        moves = await list_moves(connection, found.id)
        held, shop = await get_details(connection, found.id) if staff else Details(), shops[found.shop_id]
        messages = await messages_of(connection, found, shop, held, workflow, now) if staff and workflow else ()
    zone, stage = ZoneInfo(shop.zone), workflow.find_stage(found.stage) if workflow else None
    following, back, deliver, aside, others = (
        steps_of(workflow, found, moves) if workflow else (None, None, None, (), ())
    )
    page = JobPage(
        card=card_of(found, workflow, shops, held, now),
        kind_name=workflow.name if workflow else found.kind,
        path=job_path(found, {}),
        of_shop=shop_query(found, shops),
        revision=found.revision,
        stage=stage.name if stage else found.stage,
        phase=stage.phase if stage else "working",
        promised=found.due_at is not None,
        following=following,
        back=back,
        deliver=deliver,
        aside=aside,
        others=others,
        trail=tuple(trail_of(workflow, found, moves, zone, now)),
        moves=tuple(move_views(workflow, moves, zone, now)),
        status_url=(found.status_url or "") if staff else "",
        has_code=found.code_id is not None,
        tracking=shop.tracking,
        has_photo=found.has_photo and staff,
        public_note=found.public_note,
        shop_shows=(shop.show_note, shop.show_photo),
        shop_path=f"/shops/{shop.id}",
        without_hours=is_without_hours(found, workflow, shop),
        kept={**job_values(found, shop), **private_values(held)},
        form=Form({**job_values(found, shop), **(form.values if form else {})}, form.errors if form else {}),
        details=Form(
            {**private_values(held), **(details.values if details else {})}, details.errors if details else {}
        ),
        problem=problem,
        moved="moved" in request.query_params,
        zone=shop.zone,
        languages=LANGUAGES,
        contact=contact_of(held),
        messages=messages,
    )
    return show(request, page, who, status=status)


async def _find(reference: str, request: Request, parts: Parts) -> Job:
    named = request.query_params.get("shop")
    async with parts.database.reading() as connection:
        return await get_job(connection, reference, (await get_shop_named(connection, named)).id if named else None)


async def _shop_of(parts: Parts, found: Job) -> Shop:
    async with parts.database.reading() as connection:
        return await get_shop(connection, found.shop_id)


def _asked_shop(request: Request) -> str | None:
    """By name; None: the default one's job is meant first, then anybody's."""
    return request.query_params.get("shop") or None


async def _back(reference: str, request: Request, parts: Parts, mark: str = "") -> Response:
    found = await _find(reference, request, parts)
    path = job_path(found, await shops_by_id(parts))
    if mark:
        path += f"{'&' if '?' in path else '?'}{mark}=1"
    return RedirectResponse(path, 303)


def _status(error: Exception) -> int:
    return 409 if isinstance(error, Conflict) else 422
