"""The pages for campaigns, placements, print batches and domains: lists, forms, archive. One set of routes for each kind."""

from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from codes.alphabet import CodeError
from codes.destinations import DestinationError
from codes.errors import Conflict, NotFound
from dashboard.access import Forbidden, Identity, TheParts
from dashboard.forms import read_form
from dashboard.organise_views import ThingPage, ThingsPage
from dashboard.parts import Parts
from dashboard.show import sentence, show
from dashboard.signed_in import Reader, Writer
from dashboard.things import KINDS, Kind
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
    kind: Kind, key: str, request: Request, who: Identity, parts: Parts, form: Form | None = None, status: int = 200
) -> Response:
    found = await kind.thing(parts, key)
    filled = Form({**found.values, **(form.values if form else {})}, form.errors if form else {})
    page = ThingPage(
        section=kind.section,
        kind=kind.title,
        title=found.title,
        list_path=kind.path,
        path=f"{kind.path}/{quote(key, safe='')}",
        facts=tuple((label, value) for label, value in found.facts if value),
        links=found.links,
        fields=tuple(entry for entry in kind.fields if not kind.editable or entry.name in kind.editable),
        form=filled,
        archived=found.archived,
        may_archive=found.may_archive,
        force=found.force,
    )
    return show(request, page, who, status=status)


def _refused(fields: Mapping[str, str], error: Exception) -> Form:
    return Form({name: value for name, value in fields.items() if name != "csrf"}, {"": sentence(error)})
