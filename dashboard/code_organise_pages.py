"""The page on which a code gets its campaign and placement, and on which it is archived."""

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from codes.assignments import campaign_id_for, placement_id_for
from codes.batches import batches_of_code
from codes.campaigns import list_campaigns
from codes.codes import CodeChange, change_code
from codes.errors import Conflict, NotFound
from codes.placements import list_placements
from dashboard.access import Identity, TheParts
from dashboard.addresses import code_path, domain_query
from dashboard.asked_code import asked_domain, get_asked_code, other_domain
from dashboard.forms import read_form
from dashboard.organise_views import CodeThingsPage
from dashboard.parts import Parts
from dashboard.show import sentence, show
from dashboard.signed_in import Reader, Writer
from dashboard.views import Form

router = APIRouter(include_in_schema=False)


@router.get("/codes/{text}/organise")
async def organise(text: str, request: Request, who: Reader, parts: TheParts) -> Response:
    return await _page(text, request, who, parts)


@router.post("/codes/{text}/organise")
async def assign(text: str, request: Request, who: Writer, parts: TheParts) -> Response:
    fields, domain = await read_form(request, who), asked_domain(request)
    try:
        async with parts.database.reading() as connection:
            code = await get_asked_code(connection, request, text)
            given = {name: fields.get(name, "") for name in ("campaign", "placement")}
            # What it belongs to already may be archived meanwhile: it stays.
            kept = {name for name, value in given.items() if value == (getattr(code, name) or "")}
            campaign = None if "campaign" in kept else await campaign_id_for(connection, given["campaign"])
            placement = None if "placement" in kept else await placement_id_for(connection, given["placement"])
        change = CodeChange(campaign_id=campaign, placement_id=placement, printed=bool(fields.get("printed")))
        await change_code(parts.database, text, change, who=who.name, policy=parts.settings.policy, domain=domain)
    except (Conflict, NotFound) as error:
        return await _page(text, request, who, parts, form=Form(fields, {"": sentence(error)}), status=409)
    return RedirectResponse(code_path(text, domain), 303)


@router.post("/codes/{text}/archive")
async def archive(text: str, request: Request, who: Writer, parts: TheParts) -> Response:
    fields, domain = await read_form(request, who), asked_domain(request)
    change = CodeChange(archived=bool(fields.get("archived")), force=bool(fields.get("force")))
    try:
        await change_code(parts.database, text, change, who=who.name, policy=parts.settings.policy, domain=domain)
    except Conflict as error:
        return await _page(text, request, who, parts, archive_form=Form({}, {"": sentence(error)}), status=409)
    return RedirectResponse(code_path(text, domain, "/organise"), 303)


async def _page(
    text: str,
    request: Request,
    who: Identity,
    parts: Parts,
    *,
    form: Form | None = None,
    archive_form: Form | None = None,
    status: int = 200,
) -> Response:
    async with parts.database.reading() as connection:
        code = await get_asked_code(connection, request, text)
        campaigns = [campaign.name for campaign in await list_campaigns(connection)]
        placements = [placement.label for placement in await list_placements(connection)]
        batches = await batches_of_code(connection, code.id)
    page = CodeThingsPage(
        code=code.code,
        title=code.name or code.code,
        path=code_path(code.code),
        of_domain=domain_query(other_domain(code)),
        campaigns=tuple(dict.fromkeys([*campaigns, *([code.campaign] if code.campaign else [])])),
        placements=tuple(dict.fromkeys([*placements, *([code.placement] if code.placement else [])])),
        batches=tuple((batch.name, f"/batches/{batch.id}") for batch in batches),
        printed=code.printed,
        archived=code.archived_at is not None,
        form=form or Form({"campaign": code.campaign or "", "placement": code.placement or ""}),
        archive_form=archive_form or Form(),
    )
    return show(request, page, who, status=status)
