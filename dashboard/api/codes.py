"""Codes over the API: create, list, read, change."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from codes.assignments import campaign_id_for, placement_id_for
from codes.codes import (
    Code,
    CodeChange,
    NewCode,
    change_code,
    create_code,
    get_code,
)
from codes.options import shown_options
from codes.rules import written_rules
from codes.search import list_codes
from dashboard.access import Editor, TheParts, Viewer

router = APIRouter(tags=["codes"])

Domain = Annotated[str | None, Query(description="Short domain; the default one when left out.")]


RULES = """In order, the first that holds wins: [{"name": "Dinner", "when": [{"time": {"from": "18:00", "until": "23:00",
"zone": "Asia/Dubai"}}, {"country": ["AE"]}], "to": "https://..."}]; "split" instead of "to" has [{"name", "weight", "to"}]."""
OPTIONS = """starts_at, ends_at, max_scans, fallback, paused (true or a message), password, pass_query, utm, scan_id,
remember_days. All there shall be; a password that is to stay is sent as true."""
Rules = Annotated[list[dict[str, Any]], Field(max_length=50, description=RULES)]
GivenOptions = Annotated[dict[str, Any], Field(description=OPTIONS)]


class CodeIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    destination: str = Field(max_length=10_000, examples=["https://example.com/spring"])
    slug: str | None = Field(
        None, max_length=100, description="Own spelling, a-z 0-9 and hyphen; else one is generated."
    )
    domain: str | None = Field(None, max_length=260)
    name: str = Field("", max_length=200)
    tags: list[str] = Field([], max_length=20)
    campaign: str | None = Field(None, max_length=200, description="By name.")
    placement: str | None = Field(None, max_length=403, description="As venue / spot.")
    rules: Rules = []
    options: GivenOptions = {}


class CodeChangeIn(BaseModel):
    """Left-out fields stay. ``version``, when given, must be the one in force: it guards against lost updates."""

    model_config = ConfigDict(extra="forbid")

    destination: str | None = Field(None, max_length=10_000)
    name: str | None = Field(None, max_length=200)
    tags: list[str] | None = Field(None, max_length=20)
    printed: bool | None = None
    guard: Literal["off", "alert", "fallback"] | None = Field(None, description="Destination checks.")
    campaign: str | None = Field(None, max_length=200, description="By name; empty for none.")
    placement: str | None = Field(None, max_length=403, description="As venue / spot; empty for none.")
    archived: bool | None = Field(None, description="An archived code is not answered, and never used again.")
    rules: Rules | None = None
    options: GivenOptions | None = None
    force: bool = Field(False, description="Archive although it is printed.")
    reason: str = Field("", max_length=500)
    version: int | None = None


class CodeOut(BaseModel):
    code: str
    domain: str
    short_url: str
    destination: str
    rules: list[dict[str, Any]]
    options: dict[str, Any]
    version: int
    name: str
    tags: list[str]
    campaign: str | None
    placement: str | None
    printed: bool
    guard: str
    legacy: bool
    demo: bool
    created_at: datetime
    created_by: str
    updated_at: datetime
    archived_at: datetime | None


class CodePage(BaseModel):
    codes: list[CodeOut]
    total: int


@router.post("/codes", status_code=201)
async def add_code(body: CodeIn, who: Editor, parts: TheParts, response: Response) -> CodeOut:
    async with parts.database.reading() as connection:
        campaign_id = await campaign_id_for(connection, body.campaign)
        placement_id = await placement_id_for(connection, body.placement)
    new = NewCode(
        body.destination,
        body.slug,
        body.domain,
        body.name,
        tuple(body.tags),
        campaign_id=campaign_id or None,
        placement_id=placement_id or None,
        rules=body.rules,
        options=body.options,
    )
    code = await create_code(parts.database, new, who=who.name, policy=parts.settings.policy)
    response.headers["Location"] = f"/api/v1/codes/{code.code}"
    return code_out(code)


@router.get("/codes")
async def get_codes(
    _who: Viewer,
    parts: TheParts,
    search: Annotated[
        str,
        Query(
            max_length=1000,
            description='Words, and campaign:"..." placement:"..." domain: tag: is:archived is:printed.',
        ),
    ] = "",
    sort: Literal["created", "updated", "code", "name", "destination"] = "created",
    order: Literal["asc", "desc"] = "desc",
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> CodePage:
    async with parts.database.reading() as connection:
        found, total = await list_codes(
            connection, search=search, sort=sort, descending=order == "desc", limit=limit, offset=offset
        )
    return CodePage(codes=[code_out(code) for code in found], total=total)


@router.get("/codes/{code}")
async def show_code(code: str, _who: Viewer, parts: TheParts, domain: Domain = None) -> CodeOut:
    async with parts.database.reading() as connection:
        return code_out(await get_code(connection, code, domain))


@router.patch("/codes/{code}")
async def patch_code(code: str, body: CodeChangeIn, who: Editor, parts: TheParts, domain: Domain = None) -> CodeOut:
    """Everything that is sent changes, or, when one part of it cannot, nothing does."""
    async with parts.database.reading() as connection:
        campaign_id = await campaign_id_for(connection, body.campaign)
        placement_id = await placement_id_for(connection, body.placement)
    change = CodeChange(
        destination=body.destination,
        rules=body.rules,
        options=body.options,
        name=body.name,
        tags=None if body.tags is None else tuple(body.tags),
        printed=body.printed,
        guard=body.guard,
        campaign_id=campaign_id,
        placement_id=placement_id,
        archived=body.archived,
        force=body.force,
        reason=body.reason,
        expected_version=body.version,
    )
    changed = await change_code(parts.database, code, change, who=who.name, policy=parts.settings.policy, domain=domain)
    return code_out(changed)


def code_out(code: Code) -> CodeOut:
    values: dict[str, Any] = {name: getattr(code, name) for name in CodeOut.model_fields}
    shown = {"rules": written_rules(code.rules) or [], "options": shown_options(code.options)}
    return CodeOut(**(values | shown))
