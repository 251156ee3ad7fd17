"""The page of API tokens: list, make, revoke."""

from datetime import UTC, datetime

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from codes.errors import Conflict
from dashboard.access import Identity, TheParts
from dashboard.accounts import AccountError
from dashboard.formats import moment
from dashboard.forms import read_form
from dashboard.parts import Parts
from dashboard.periods import zone_for
from dashboard.problems import status_of
from dashboard.show import sentence, show
from dashboard.signed_in import Keeper
from dashboard.views import Form, TokensPage, TokenView

router = APIRouter(include_in_schema=False)


@router.get("/tokens")
async def tokens(request: Request, who: Keeper, parts: TheParts) -> Response:
    return await _tokens_page(request, who, parts)


@router.post("/tokens")
async def add_token(request: Request, who: Keeper, parts: TheParts) -> Response:
    fields = await read_form(request, who)
    name = fields.get("name", "")
    try:
        token = await parts.accounts.create_token(name, fields.get("role", "viewer"), who=who.name)
    except (AccountError, Conflict) as error:
        form = Form(fields, {"name": sentence(error)})
        return await _tokens_page(request, who, parts, form=form, status=status_of(error))
    return await _tokens_page(request, who, parts, created=(name.strip().lower(), token))


@router.post("/tokens/{name:path}/revoke")
async def revoke_token(name: str, request: Request, who: Keeper, parts: TheParts) -> Response:
    await read_form(request, who)
    await parts.accounts.revoke_token(name, who=who.name)
    return RedirectResponse("/tokens", 303)


async def _tokens_page(
    request: Request,
    who: Identity,
    parts: Parts,
    *,
    form: Form | None = None,
    created: tuple[str, str] | None = None,
    status: int = 200,
) -> Response:
    zone, now = zone_for(request.query_params.get("tz") or request.cookies.get("tz")), datetime.now(UTC)
    views = tuple(
        TokenView(
            id=token.name,
            name=token.name,
            role=token.role,
            made=moment(token.created_at, zone, now),
            used=moment(token.last_used_at, zone, now) if token.last_used_at else None,
        )
        for token in await parts.accounts.list_tokens()
    )
    return show(request, TokensPage(views, form or Form(), created), who, status=status)
