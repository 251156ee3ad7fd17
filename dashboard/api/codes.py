"""Codes over the API: create, list, read, change, undo, history, QR symbols."""

import asyncio
import re
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from codes.codes import (
    Code,
    CodeChange,
    NewCode,
    change_code,
    create_code,
    get_code,
    undo,
)
from codes.qr import FORMATS, QrStyle, media_type, render
from codes.search import list_codes
from codes.versions import Version, list_versions
from dashboard.access import Editor, TheParts, Viewer

router = APIRouter(tags=["codes"])
IMAGES: dict[str, dict[str, Any]] = {media_type(kind): {} for kind in FORMATS}
_NOT_FILE_NAME = re.compile(r"[^A-Za-z0-9_-]")  # imported codes may hold anything

Domain = Annotated[str | None, Query(description="Short domain; the default one when left out.")]


class CodeIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    destination: str = Field(max_length=10_000, examples=["https://example.com/spring"])
    slug: str | None = Field(
        None, max_length=100, description="Own spelling, a-z 0-9 and hyphen; else one is generated."
    )
    domain: str | None = Field(None, max_length=260)
    name: str = Field("", max_length=200)
    tags: list[str] = Field([], max_length=20)


class CodeChangeIn(BaseModel):
    """Left-out fields stay. ``version``, when given, must be the one in force: it guards against lost updates."""

    model_config = ConfigDict(extra="forbid")

    destination: str | None = Field(None, max_length=10_000)
    name: str | None = Field(None, max_length=200)
    tags: list[str] | None = Field(None, max_length=20)
    printed: bool | None = None
    reason: str = Field("", max_length=500)
    version: int | None = None


class Undo(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field("", max_length=500)


class CodeOut(BaseModel):
    code: str
    domain: str
    short_url: str
    destination: str
    version: int
    name: str
    tags: list[str]
    printed: bool
    legacy: bool
    demo: bool
    created_at: datetime
    created_by: str
    updated_at: datetime


class CodePage(BaseModel):
    codes: list[CodeOut]
    total: int


class VersionOut(BaseModel):
    version: int
    destination: str
    action: str
    restores: int | None
    reason: str
    created_at: datetime
    created_by: str


class VersionPage(BaseModel):
    code: str
    versions: list[VersionOut]


@router.post("/codes", status_code=201)
async def add_code(body: CodeIn, who: Editor, parts: TheParts, response: Response) -> CodeOut:
    new = NewCode(body.destination, body.slug, body.domain, body.name, tuple(body.tags))
    code = await create_code(parts.database, new, who=who.name, policy=parts.settings.policy)
    response.headers["Location"] = f"/api/v1/codes/{code.code}"
    return code_out(code)


@router.get("/codes")
async def get_codes(
    _who: Viewer,
    parts: TheParts,
    search: Annotated[str, Query(max_length=200)] = "",
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
    change = CodeChange(
        destination=body.destination,
        name=body.name,
        tags=None if body.tags is None else tuple(body.tags),
        printed=body.printed,
        reason=body.reason,
        expected_version=body.version,
    )
    changed = await change_code(parts.database, code, change, who=who.name, policy=parts.settings.policy, domain=domain)
    return code_out(changed)


@router.get("/codes/{code}/versions")
async def code_versions(code: str, _who: Viewer, parts: TheParts, domain: Domain = None) -> VersionPage:
    """Newest first."""
    async with parts.database.reading() as connection:
        found = await get_code(connection, code, domain)
        history = await list_versions(connection, found.id)
    return VersionPage(code=found.code, versions=[version_out(version) for version in history])


@router.post("/codes/{code}/undo")
async def undo_code(
    code: str, who: Editor, parts: TheParts, domain: Domain = None, body: Undo | None = None
) -> CodeOut:
    """Brings back the destination before the current one, as a new version."""
    reason = body.reason if body else ""
    return code_out(await undo(parts.database, code, who=who.name, domain=domain, reason=reason))


@router.get("/codes/{code}/qr.{kind}", response_class=Response, responses={200: {"content": IMAGES}})
async def code_qr(
    code: str,
    kind: Literal["svg", "png", "pdf", "eps"],
    _who: Viewer,
    parts: TheParts,
    request: Request,
    domain: Domain = None,
    dark: Annotated[str, Query(max_length=9)] = "#000000",
    light: Annotated[str, Query(max_length=9)] = "#ffffff",
    error: Literal["l", "m", "q", "h"] = "m",
    module_px: Annotated[int, Query(ge=1, le=50)] = 10,
    size_mm: Annotated[float | None, Query(ge=5, le=2000)] = None,
) -> Response:
    """The symbol, decoded in its final form before it is handed out."""
    async with parts.database.reading() as connection:
        found = await get_code(connection, code, domain)
    style = QrStyle(dark=dark, light=light, error=error, module_px=module_px, size_mm=size_mm)
    image = await asyncio.to_thread(render, found.short_url, kind, style, legacy=found.legacy)
    shown = "inline" if request.query_params.get("download") is None else "attachment"
    headers = {
        "Content-Disposition": f'{shown}; filename="{_NOT_FILE_NAME.sub("_", found.code)}.{kind}"',
        "Cache-Control": "private, max-age=3600",
        "Content-Security-Policy": "default-src 'none'; style-src 'none'; sandbox",
    }
    return Response(image, media_type=media_type(kind), headers=headers)


def code_out(code: Code) -> CodeOut:
    values: dict[str, Any] = {name: getattr(code, name) for name in CodeOut.model_fields}
    return CodeOut(**values)


def version_out(version: Version) -> VersionOut:
    return VersionOut(
        version=version.number,
        destination=version.destination,
        action=version.action,
        restores=version.restores,
        reason=version.reason,
        created_at=version.created_at,
        created_by=version.created_by,
    )
