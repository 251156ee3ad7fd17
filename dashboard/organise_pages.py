"""The pages for campaigns, placements, print batches and domains: lists, forms, archive. One set of routes for each kind."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from codes.alphabet import CodeError
from codes.batches import BatchChange, update_batch
from codes.destinations import DestinationError
from codes.errors import Conflict, NotFound
from dashboard.access import Forbidden, Identity, TheParts
from dashboard.forms import read_form
from dashboard.kinds import Kind
from dashboard.organise_views import ThingPage, ThingsPage
from dashboard.parts import Parts
from dashboard.show import sentence, show
from dashboard.signed_in import Reader, Writer
from dashboard.thing_scans import facts_of_group, scans_of_group
from dashboard.things import KINDS, id_in
from dashboard.views import Form

router = APIRouter(include_in_schema=False)
REFUSALS: Final = (CodeError, DestinationError, Conflict, NotFound)


def _add_routes(kind: Kind) -> None:
    @router.get(kind.path)
    async def things(request: Request, who: Reader, parts: TheParts) -> Response:
        return await _things_page(kind, request, who, parts)

    @router.post(kind.path)
    async def create(request: Request, who: Writer, parts: TheParts) -> Response:
        fields = await read_form(request, who)
        if kind.owners_add and not who.may("owner"):
            raise Forbidden(f"Your role is {who.role}; a new {kind.one} needs owner.")
        try:
            key = await kind.create(parts, who, fields)
        except REFUSALS as error:
            return await _things_page(kind, request, who, parts, _refused(fields, error), 422)
        return RedirectResponse(f"{kind.path}/{quote(key, safe='')}", 303)

    @router.get(kind.path + "/{key}")
    async def thing(key: str, request: Request, who: Reader, parts: TheParts) -> Response:
        return await _thing_page(kind, key, request, who, parts)

    @router.post(kind.path + "/{key}")
    async def update(key: str, request: Request, who: Writer, parts: TheParts) -> Response:
        fields = await read_form(request, who)
        try:
            await kind.update(parts, who, key, fields)
        except REFUSALS as error:
            return await _thing_page(kind, key, request, who, parts, _refused(fields, error), 422)
        return RedirectResponse(f"{kind.path}/{quote(key, safe='')}", 303)

    @router.post(kind.path + "/{key}/archive")
    async def archive(key: str, request: Request, who: Writer, parts: TheParts) -> Response:
        fields = await read_form(request, who)
        try:
            await kind.archive(parts, who, key, bool(fields.get("archived")), bool(fields.get("force")))
        except Conflict as error:
            return await _thing_page(kind, key, request, who, parts, _refused({}, error), 409)
        return RedirectResponse(f"{kind.path}/{quote(key, safe='')}", 303)


for _kind in KINDS:
    _add_routes(_kind)

BATCHES: Final = next(kind for kind in KINDS if kind.section == "batches")


@router.post("/batches/{key}/take-out")
async def take_out(key: str, request: Request, who: Writer, parts: TheParts) -> Response:
    fields = await read_form(request, who)
    change = BatchChange(taken_out=(fields.get("code", ""),), domain=fields.get("domain") or None)
    return await _changed_batch(key, change, request, who, parts)


@router.post("/batches/{key}/printed")
async def mark_printed(key: str, request: Request, who: Writer, parts: TheParts) -> Response:
    fields = await read_form(request, who)
    return await _changed_batch(key, BatchChange(printed=bool(fields.get("printed"))), request, who, parts)


async def _changed_batch(key: str, change: BatchChange, request: Request, who: Identity, parts: Parts) -> Response:
    try:
        await update_batch(parts.database, id_in(key), change, who=who.name)
    except Conflict as error:
        return await _thing_page(BATCHES, key, request, who, parts, problem=sentence(error), status=409)
    return RedirectResponse(f"/batches/{quote(key, safe='')}#codes", 303)


async def _things_page(
    kind: Kind, request: Request, who: Identity, parts: Parts, form: Form | None = None, status: int = 200
) -> Response:
    archived = request.query_params.get("archived") == "1"
    page = ThingsPage(
        section=kind.section,
        title=kind.title,
        one=kind.one,
        lead=kind.lead,
        path=kind.path,
        columns=kind.columns,
        rows=await kind.rows(parts, archived),
        fields=kind.fields,
        form=form or Form(),
        archived=archived,
        may_add=who.may("owner" if kind.owners_add else "editor"),
    )
    return show(request, page, who, status=status)


async def _thing_page(
    kind: Kind,
    key: str,
    request: Request,
    who: Identity,
    parts: Parts,
    form: Form | None = None,
    status: int = 200,
    *,
    problem: str = "",
) -> Response:
    found = await kind.thing(parts, key)
    path = f"{kind.path}/{quote(key, safe='')}"
    scans, facts = None, found.facts
    if found.group:
        scans = await scans_of_group(parts, request, path, found.group, dict(found.picked))
        facts += await facts_of_group(parts, found.group)
    filled = Form({**found.values, **(form.values if form else {})}, form.errors if form else {})
    page = ThingPage(
        section=kind.section,
        kind=kind.title,
        title=found.title,
        list_path=kind.path,
        path=path,
        facts=tuple((label, value) for label, value in facts if value),
        links=found.links,
        fields=tuple(entry for entry in kind.fields if not kind.editable or entry.name in kind.editable),
        form=filled,
        archived=found.archived,
        may_archive=found.may_archive,
        force=found.force,
        members=found.members,
        problem=problem,
        scans=scans,
    )
    return show(request, page, who, status=status)


def _refused(fields: Mapping[str, str], error: Exception) -> Form:
    return Form({name: value for name, value in fields.items() if name != "csrf"}, {"": sentence(error)})
