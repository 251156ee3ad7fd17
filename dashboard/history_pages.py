"""The page of a code's history: what each version changed, rollback, planned changes, checks of its destination."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from codes.alphabet import CodeError
from codes.checks import GUARDS, find_check
from codes.codes import CodeChange, change_code, rollback
from codes.destinations import DestinationError
from codes.errors import Conflict, NotFound
from codes.register import Code
from codes.schedule import NewSchedule, ScheduleError, cancel, instant, list_scheduled, schedule
from codes.versions import list_versions
from dashboard.access import Identity, TheParts
from dashboard.addresses import code_path, domain_query
from dashboard.api.checks import check_out
from dashboard.api.history import versions_out
from dashboard.api.schedule import scheduled_out
from dashboard.asked_code import asked_domain, get_asked_code, other_domain
from dashboard.forms import read_form
from dashboard.history_rows import check_view, planned_view, version_view
from dashboard.history_views import HistoryPage
from dashboard.parts import Parts
from dashboard.periods import zone_for
from dashboard.show import sentence, show
from dashboard.signed_in import Reader, Writer
from dashboard.views import Form

router = APIRouter(include_in_schema=False)


@router.get("/codes/{text}/history")
async def history(text: str, request: Request, who: Reader, parts: TheParts) -> Response:
    return await _history_page(text, request, who, parts)


@router.post("/codes/{text}/rollback")
async def roll_back(text: str, request: Request, who: Writer, parts: TheParts) -> Response:
    fields = await read_form(request, who)
    expected, number = _whole(fields.get("expected")), _whole(fields.get("version")) or 0
    try:
        domain = asked_domain(request)
        await rollback(parts.database, text, number, who=who.name, expected_version=expected, domain=domain)
    except (Conflict, NotFound) as error:
        return await _history_page(text, request, who, parts, problem=sentence(error), status=409)
    return _back(text, request)


@router.post("/codes/{text}/schedule")
async def plan(text: str, request: Request, who: Writer, parts: TheParts) -> Response:
    fields = await read_form(request, who)
    try:
        new = NewSchedule(
            at=_instant(fields, "at"),
            until=_instant(fields, "until"),
            destination=fields.get("destination", "").strip(),
            reason=fields.get("reason", "")[:500],
        )
        policy, domain = parts.settings.policy, asked_domain(request)
        await schedule(parts.database, text, new, who=who.name, policy=policy, domain=domain)
    except (CodeError, DestinationError, Conflict) as error:
        where = "destination" if isinstance(error, DestinationError) else ""
        where = _field_of(error) if isinstance(error, ScheduleError) else where
        form = Form(fields, {where: sentence(error)})
        return await _history_page(text, request, who, parts, plan=form, status=409 if where == "" else 422)
    return _back(text, request)


@router.post("/codes/{text}/schedule/{schedule_id}/cancel")
async def cancel_plan(text: str, schedule_id: int, request: Request, who: Writer, parts: TheParts) -> Response:
    await read_form(request, who)
    found = await _get_code(text, request, parts)
    try:
        await cancel(parts.database, schedule_id, who=who.name, code_id=found.id)
    except Conflict as error:
        return await _history_page(text, request, who, parts, problem=sentence(error), status=409)
    return _back(text, request)


@router.post("/codes/{text}/guard")
async def guard(text: str, request: Request, who: Writer, parts: TheParts) -> Response:
    fields = await read_form(request, who)
    chosen = fields.get("guard", "")
    if chosen not in GUARDS:
        problem = f"There is no guard {chosen[:40]!r}; choose one of the list."
        return await _history_page(text, request, who, parts, problem=problem, status=422)
    policy, domain = parts.settings.policy, asked_domain(request)
    await change_code(parts.database, text, CodeChange(guard=chosen), who=who.name, policy=policy, domain=domain)
    return _back(text, request)


@router.post("/codes/{text}/check")
async def check(text: str, request: Request, who: Writer, parts: TheParts) -> Response:
    await read_form(request, who)
    found = await _get_code(text, request, parts)
    if parts.guardian.enabled and found.guard != "off":
        await parts.guardian.check_now(found)
    return _back(text, request)


async def _history_page(
    text: str,
    request: Request,
    who: Identity,
    parts: Parts,
    *,
    plan: Form | None = None,
    problem: str = "",
    status: int = 200,
) -> Response:
    now, zone = datetime.now(UTC), zone_for(request.query_params.get("tz") or request.cookies.get("tz"))
    found = await _get_code(text, request, parts)
    async with parts.database.reading() as connection:
        versions = versions_out(await list_versions(connection, found.id))
        planned = await list_scheduled(connection, found.id, all_states=True, limit=50)
        known = check_out(found, await find_check(connection, found.id), enabled=parts.guardian.enabled)
    page = HistoryPage(
        code=found.code,
        title=found.name or found.code,
        path=code_path(found.code),
        of_domain=domain_query(other_domain(found)),
        destination=found.destination,
        version=found.version,
        versions=tuple(version_view(one.model_dump(), found.version, zone, now) for one in versions),
        planned=tuple(planned_view(scheduled_out(one).model_dump(), zone, now) for one in reversed(planned)),
        check=check_view(known.model_dump(), zone, now),
        guard=found.guard,
        looks=parts.guardian.enabled,
        zone=zone.key,
        plan=plan or Form(),
        problem=problem,
    )
    return show(request, page, who, status=status)


async def _get_code(text: str, request: Request, parts: Parts) -> Code:
    async with parts.database.reading() as connection:
        return await get_asked_code(connection, request, text)


def _field_of(error: ScheduleError) -> str:
    """Beside which field it is said."""
    text = str(error)
    return "zone" if "no time zone" in text else "until" if text.startswith("the end") else "at"


def _instant(fields: dict[str, str], name: str) -> Any:
    text = fields.get(name, "").strip()
    return instant(text, fields.get("zone", "").strip() or "UTC") if text else None


def _back(text: str, request: Request) -> Response:
    return RedirectResponse(code_path(text, asked_domain(request), "/history"), 303)


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 10 else None
