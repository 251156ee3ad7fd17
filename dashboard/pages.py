"""The dashboard's pages: who may see them, what they ask of the reports, which forms they take."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

from fastapi import APIRouter, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from analytics.periods import Period as ReportPeriod
from analytics.reports import Filter
from codes.alphabet import CodeError
from codes.checks import find_check, list_alerts
from codes.codes import (
    Code,
    CodeChange,
    NewCode,
    change_code,
    codes_by_id,
    create_code,
    retarget,
    undo,
)
from codes.destinations import DestinationError
from codes.domains import list_domains
from codes.errors import Conflict, NotFound
from codes.names import TagError
from codes.schedule import list_scheduled
from codes.search import list_code_ids, list_codes
from codes.versions import list_versions
from dashboard import (
    board_pages,
    bulk_pages,
    code_organise_pages,
    event_pages,
    exchange_pages,
    history_pages,
    job_pages,
    job_rules_pages,
    kind_pages,
    organise_pages,
    rules_pages,
    service_pages,
    shop_pages,
    signing,
    staff_pages,
    sticker_pages,
    template_pages,
    token_pages,
)
from dashboard.access import Forbidden, Identity, TheParts
from dashboard.addresses import code_path
from dashboard.api.checks import alert_out, check_out
from dashboard.api.codes import code_out
from dashboard.api.history import versions_out
from dashboard.api.schedule import scheduled_out
from dashboard.asked_code import asked_domain, get_asked_code, other_domain
from dashboard.detail_cards import code_detail_cards
from dashboard.error_views import error_page
from dashboard.figures import (
    CARDS,
    asked_zone,
    figures_for,
    filter_of,
    filter_view,
    live_path,
    picked_filter,
    suggestions,
)
from dashboard.forms import read_form
from dashboard.history_rows import alert_view, check_view, planned_view, version_view
from dashboard.limits import FailureLimit
from dashboard.parts import Parts
from dashboard.problems import problem_for, status_of
from dashboard.rendering import DEFAULT_BUILD_FOLDER
from dashboard.show import find_assets, sentence, show, theme_of, world_map
from dashboard.signed_in import Reader, SignInFirst, Writer
from dashboard.views import (
    CODE_COLUMNS,
    DocsPage,
    Form,
    NewCodePage,
    PlaceDatabaseView,
    PlacesPage,
    code_page,
    code_view,
    codes_page,
    overview_page,
)
from geo.status import DatabaseStatus, status

router = APIRouter(include_in_schema=False)

PAGE_SIZE: Final = 50
SHOWN_ALERTS: Final = 5
CODE_CARDS: Final = ("versions", "rules", "variants")  # beside those of every page with figures


def add_pages(app: FastAPI) -> None:
    app.state.failures = FailureLimit()
    app.include_router(signing.router)
    for pages in (
        organise_pages,
        code_organise_pages,
        exchange_pages,
        history_pages,
        bulk_pages,
        rules_pages,
        job_rules_pages,
        event_pages,
        token_pages,
        board_pages,
        service_pages,
        job_pages,
        shop_pages,
        kind_pages,
        template_pages,
        staff_pages,
        sticker_pages,
    ):
        app.include_router(pages.router)
    app.include_router(router)
    if DEFAULT_BUILD_FOLDER.is_dir():
        app.mount("/static", HashedFiles(directory=DEFAULT_BUILD_FOLDER))
    app.add_exception_handler(SignInFirst, _to_login)
    for kind in (NotFound, Conflict, Forbidden, HTTPException):
        app.add_exception_handler(kind, _problem_or_page)


class HashedFiles(StaticFiles):
    """The name changes with the content, so a browser may keep it for ever."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


@router.get("/")
async def overview(request: Request, who: Reader, parts: TheParts) -> Response:
    now = datetime.now(UTC)
    async with parts.database.reading() as connection:
        alerts = await list_alerts(connection, limit=SHOWN_ALERTS)
    suggested, total = await suggestions(parts)
    chosen = filter_view(request, now, suggested)
    figures = await figures_for(parts, chosen, await picked_filter(parts, chosen), now)
    warnings = [alert_view(alert_out(alert).model_dump(), chosen.zone, now) for alert in alerts]
    page = overview_page(
        figures.reports,
        chosen,
        world_map(),
        figures.latest,
        live_path(code=chosen.code, campaign=chosen.campaign, placement=chosen.placement, batch=chosen.batch),
        now,
        any_codes=total > 0,
        alerts=warnings,
        **figures.asides,
    )
    return show(request, page, who)


@router.get("/codes")
async def codes(request: Request, who: Reader, parts: TheParts) -> Response:
    now, query = datetime.now(UTC), request.query_params
    search = query.get("q", "").strip()[:200]
    sort = query.get("sort", "created") if query.get("sort") in CODE_COLUMNS else "created"
    order = "asc" if query.get("order") == "asc" else "desc"
    page = max(1, _whole(query.get("page")) or 1)
    zone = asked_zone(request)
    month = Filter(ReportPeriod(now - timedelta(days=30), now + timedelta(seconds=1), zone))
    scans = await parts.reports.scans_by_code(month)
    found, total = await _page_of_codes(parts, search, sort, order == "desc", page, scans)
    shown = [
        code_view({**_json(code), "scans": scans.get(code.id, 0)}, zone, now, other_domain(code)) for code in found
    ]
    view = codes_page(shown, total, search=search, sort=sort, order=order, page=page, page_size=PAGE_SIZE)
    return show(request, view, who)


@router.get("/codes/new")
async def new_code(request: Request, who: Writer, parts: TheParts) -> Response:
    return show(request, NewCodePage(await _domain_names(parts), Form()), who)


@router.post("/codes")
async def add_code(request: Request, who: Writer, parts: TheParts) -> Response:
    fields = await read_form(request, who)
    new = NewCode(
        destination=fields.get("destination", "").strip(),
        slug=fields.get("slug", "").strip() or None,
        domain=fields.get("domain") or None,
        name=fields.get("name", "")[:200],
        tags=_tags(fields.get("tags", "")),
    )
    try:
        code = await create_code(parts.database, new, who=who.name, policy=parts.settings.policy)
    except (DestinationError, CodeError, Conflict, NotFound) as error:
        names: dict[type[Exception], str] = {
            DestinationError: "destination",
            CodeError: "slug",
            Conflict: "slug",
            TagError: "tags",
        }
        form = Form(fields, {names.get(type(error), ""): sentence(error)})
        return show(request, NewCodePage(await _domain_names(parts), form), who, status=422)
    return RedirectResponse(code_path(code.code, other_domain(code)), 303)


@router.get("/codes/{text}")
async def code(text: str, request: Request, who: Reader, parts: TheParts) -> Response:
    return await _code_page(text, request, who, parts)


@router.post("/codes/{text}/retarget")
async def retarget_code(text: str, request: Request, who: Writer, parts: TheParts) -> Response:
    fields = await read_form(request, who)
    try:
        await retarget(
            parts.database,
            text,
            fields.get("destination", "").strip(),
            who=who.name,
            policy=parts.settings.policy,
            reason=fields.get("reason", "")[:500],
            expected_version=_whole(fields.get("version")),
            domain=asked_domain(request),
        )
    except (DestinationError, Conflict) as error:
        where = "destination" if isinstance(error, DestinationError) else ""
        form = Form(fields, {where: sentence(error)})
        return await _code_page(text, request, who, parts, retarget_form=form, status=status_of(error))
    return RedirectResponse(code_path(text, asked_domain(request)), 303)


@router.post("/codes/{text}/undo")
async def undo_code(text: str, request: Request, who: Writer, parts: TheParts) -> Response:
    fields = await read_form(request, who)
    try:
        expected = _whole(fields.get("version"))
        await undo(parts.database, text, who=who.name, expected_version=expected, domain=asked_domain(request))
    except Conflict as error:
        form = Form({}, {"": sentence(error)})
        return await _code_page(text, request, who, parts, retarget_form=form, status=409)
    return RedirectResponse(code_path(text, asked_domain(request)), 303)


@router.post("/codes/{text}/edit")
async def edit_code(text: str, request: Request, who: Writer, parts: TheParts) -> Response:
    fields = await read_form(request, who)
    try:
        change = CodeChange(name=fields.get("name", "")[:200], tags=_tags(fields.get("tags", "")))
        policy, domain = parts.settings.policy, asked_domain(request)
        await change_code(parts.database, text, change, who=who.name, policy=policy, domain=domain)
    except CodeError as error:
        form = Form(fields, {"tags": sentence(error)})
        return await _code_page(text, request, who, parts, edit_form=form, status=422)
    return RedirectResponse(code_path(text, asked_domain(request)), 303)


@router.get("/places")
async def places(request: Request, who: Reader, parts: TheParts) -> Response:
    found = await asyncio.to_thread(status, parts.settings.data_dir / "geo")
    attribution = tuple({"text": entry.text, "url": entry.url} for entry in parts.places.attributions())
    return show(request, PlacesPage(tuple(_place_view(entry) for entry in found), attribution), who)


@router.get("/docs")
async def docs(request: Request, who: Reader) -> Response:
    return show(request, DocsPage("/api/v1/openapi.json"), who)


@router.get("/favicon.ico")
async def favicon() -> Response:
    assets = find_assets()
    return RedirectResponse(assets.path("favicon.svg"), 308) if assets else Response(status_code=404)


async def _code_page(
    text: str,
    request: Request,
    who: Identity,
    parts: Parts,
    *,
    retarget_form: Form | None = None,
    edit_form: Form | None = None,
    status: int = 200,
) -> Response:
    now = datetime.now(UTC)
    async with parts.database.reading() as connection:
        found = await get_asked_code(connection, request, text)
        history = await list_versions(connection, found.id)
        checked = check_out(found, await find_check(connection, found.id), enabled=parts.guardian.enabled)
        planned = await list_scheduled(connection, found.id)
    domain = other_domain(found)
    chosen = filter_view(request, now, path=code_path(found.code), code=found.code, domain=domain)
    figures = await figures_for(parts, chosen, filter_of(chosen, (found.id,)), now, (*CARDS, *CODE_CARDS))
    versions = [version_view(v.model_dump(), found.version, chosen.zone, now) for v in versions_out(history)]
    page = code_page(
        code_view(_json(found), chosen.zone, now, domain),
        versions,
        {kind: f"/api/v1{code_path(found.code, domain, f'/qr.{kind}')}" for kind in ("svg", "png", "pdf", "eps")},
        figures.reports,
        chosen,
        world_map(),
        figures.latest,
        live_path(code=found.code, domain=domain),
        now,
        retarget=retarget_form,
        edit=edit_form,
        check=check_view(checked.model_dump(), chosen.zone, now),
        details=code_detail_cards(figures.reports, found.rules),
        planned=[planned_view(scheduled_out(one).model_dump(), chosen.zone, now) for one in planned],
        **figures.asides,
    )
    return show(request, page, who, status=status)


async def _page_of_codes(
    parts: Parts, search: str, sort: str, descending: bool, page: int, scans: Mapping[int, int]
) -> tuple[list[Code], int]:
    offset = (page - 1) * PAGE_SIZE
    async with parts.database.reading() as connection:
        if sort != "scans":
            return await list_codes(
                connection, search=search, sort=sort, descending=descending, limit=PAGE_SIZE, offset=offset
            )
        ids = await list_code_ids(connection, search)
        ids.sort(key=lambda code_id: (scans.get(code_id, 0), code_id), reverse=descending)
        chosen = ids[offset : offset + PAGE_SIZE]
        found = {code.id: code for code in await codes_by_id(connection, chosen)}
        return [found[code_id] for code_id in chosen if code_id in found], len(ids)


async def _domain_names(parts: Parts) -> tuple[str, ...]:
    async with parts.database.reading() as connection:
        return tuple(domain.host for domain in await list_domains(connection, archived=False))


def _json(code: Code) -> dict[str, Any]:
    return code_out(code).model_dump()


def _tags(text: str) -> tuple[str, ...]:
    return tuple(tag.strip() for tag in text.split(",") if tag.strip())


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 10 else None


def _place_view(entry: DatabaseStatus) -> PlaceDatabaseView:
    state = "broken" if entry.problem else "missing" if not entry.available else "old" if entry.stale else "ok"
    source = ", ".join(part for part in (entry.provider, entry.licence) if part)
    return PlaceDatabaseView(
        kind=entry.title,
        state=state,
        source=source,
        file=", ".join(entry.files),
        built=entry.built_on.isoformat() if entry.built_on else "",
        age_days=entry.age_days,
        remedy=(f"{entry.problem} " if entry.problem else "") + (entry.remedy or ""),
    )


async def _to_login(request: Request, _error: Exception) -> Response:
    path = request.scope["raw_path"].decode("latin-1")  # as sent: a reference may have an encoded slash
    target = path + (f"?{request.url.query}" if request.url.query else "")
    following = "" if request.method != "GET" or target == "/" else f"?{urlencode({'next': target})}"
    return RedirectResponse(f"/login{following}", 303)


async def _problem_or_page(request: Request, error: Exception) -> Response:
    """Programs get a problem document, people a page."""
    if request.url.path.startswith("/api/") or "text/html" not in request.headers.get("accept", ""):
        return problem_for(error, request)
    code = error.status_code if isinstance(error, HTTPException) else status_of(error)
    detail = "" if isinstance(error, HTTPException) else sentence(error)
    page = error_page(code, detail, theme_of(request))
    response = show(request, page, status=code)
    if isinstance(error, HTTPException):
        response.headers.update(error.headers or {})
    return response
