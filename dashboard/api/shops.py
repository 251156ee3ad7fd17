"""Shops over the API: what their customers see of them, tracking on and off, and wiping all their tracking data."""

import asyncio
from datetime import datetime
from typing import Any, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from codes.errors import Conflict, NotFound
from dashboard.access import Editor, Owner, TheParts, Viewer
from dashboard.api.bounds import Id
from dashboard.api.job_models import Refusing
from dashboard.job_tasks import begin_wipe, change_shop, count_without_code, find_work, give_missing_codes
from dashboard.parts import Parts
from dashboard.tasks import Task
from jobs.freezing import set_tracking
from jobs.leaving import count_jobs
from jobs.photos import MAX_UPLOAD_BYTES, logo_from
from jobs.shops import (
    MAX_LOOKS_PER_CALL,
    Shop,
    ShopFields,
    create_shop,
    ensure_default_shop,
    find_shop_logo,
    get_shop,
    list_shops,
    update_shop,
)

router = APIRouter(tags=["shops"])
_PICTURE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The picture itself: PNG, JPEG, WebP or GIF.",
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}
_HOURS = 'Like {"mon": [["09:00", "18:00"]]}; a day left out is closed; null: estimates count every hour.'
_HOLIDAYS = 'Closed days: [{"from": "2026-12-24", "until": "2026-12-26", "name": "Christmas"}].'


class ShopChangeIn(Refusing):
    """Left-out fields stay; opening_hours can be null."""

    name: str | None = Field(None, max_length=500)
    country: str | None = Field(None, max_length=20, description="ISO 3166, for telephone numbers.", examples=["DE"])
    phone: str | None = Field(None, max_length=200)
    whatsapp: str | None = Field(None, max_length=200, description="With country code.")
    email: str | None = Field(None, max_length=500)
    address: str | None = Field(None, max_length=2000)
    zone: str | None = Field(None, max_length=64, examples=["Europe/Berlin"])
    opening_hours: dict[str, Any] | None = Field(None, description=_HOURS)
    holidays: list[dict[str, Any]] | None = Field(None, max_length=400, description=_HOLIDAYS)
    languages: list[str] | None = Field(None, max_length=20, description="The shop's own first: en, es, fr, ar.")
    show_note: bool | None = Field(None, description="Customers see public notes.")
    show_photo: bool | None = Field(None, description="Customers see photos.")
    looks_per_call: int | None = Field(
        None, ge=1, le=MAX_LOOKS_PER_CALL, description="Looks at pages that stand for one call saved, in the estimate."
    )

    def fields(self) -> ShopFields:
        given = self.model_dump(exclude_unset=True, exclude_none=True)
        cleared = "opening_hours" in self.model_fields_set and self.opening_hours is None
        return ShopFields(**given, cleared=frozenset({"opening_hours"} if cleared else ()))


class ShopIn(ShopChangeIn):
    name: str = Field(max_length=500)


class WorkOut(BaseModel):
    """``kind`` is "job codes" or "shop wipe"."""

    kind: str
    state: Literal["waiting", "running", "done", "failed", "cancelled"]
    done: int
    total: int
    problem: str | None


class ShopOut(BaseModel):
    """``without_code``: jobs made while tracking was off. ``work``: the newest longer work on it, if there was any."""

    id: int
    name: str
    is_default: bool
    country: str
    phone: str
    whatsapp: str
    email: str
    address: str
    zone: str
    opening_hours: dict[str, Any] | None
    holidays: list[dict[str, str]]
    languages: list[str]
    has_logo: bool
    tracking: str
    tracking_at: datetime
    show_note: bool
    show_photo: bool
    looks_per_call: int
    created_at: datetime
    updated_at: datetime
    jobs: int
    without_code: int
    work: WorkOut | None


class ShopList(BaseModel):
    shops: list[ShopOut]


class TrackingIn(Refusing):
    tracking: Literal["on", "frozen", "withdrawn"] = Field(
        description="frozen: links stay readable, dated, without news. withdrawn: they answer 410 with the contact."
    )


class WipeIn(Refusing):
    confirm: str | None = Field(None, max_length=500, description="The shop's name, to do it; else it is counted only.")


class WipeOut(BaseModel):
    """``export`` is where all that would go can be had first."""

    shop: str
    jobs: int
    expired_links: int
    begun: bool
    export: str


@router.get("/shops")
async def get_shops(_who: Viewer, parts: TheParts) -> ShopList:
    """The default one first."""
    async with parts.database.reading() as connection:
        found = await list_shops(connection)
    if not found:
        async with parts.database.transaction() as connection:
            found = [await ensure_default_shop(connection)]
    return ShopList(shops=[await _shown(parts, shop) for shop in found])


@router.post("/shops", status_code=201)
async def add_shop(body: ShopIn, who: Editor, parts: TheParts) -> ShopOut:
    return await _shown(parts, await create_shop(parts.database, body.fields(), who=who.name))


@router.get("/shops/{shop_id}")
async def show_shop(shop_id: Id, _who: Viewer, parts: TheParts) -> ShopOut:
    async with parts.database.reading() as connection:
        found = await get_shop(connection, shop_id)
    return await _shown(parts, found)


@router.patch("/shops/{shop_id}")
async def patch_shop(shop_id: Id, body: ShopChangeIn, who: Editor, parts: TheParts) -> ShopOut:
    """On every page of it within a second; other opening hours give its open jobs new estimates."""
    return await _shown(parts, await change_shop(parts.database, shop_id, body.fields(), who.name))


@router.put("/shops/{shop_id}/logo", openapi_extra=_PICTURE, max_body_size=MAX_UPLOAD_BYTES)
async def put_logo(shop_id: Id, request: Request, who: Editor, parts: TheParts) -> ShopOut:
    """Kept as a small PNG, without what else was in the file."""
    logo = await asyncio.to_thread(logo_from, await request.body())
    return await _shown(parts, await update_shop(parts.database, shop_id, ShopFields(logo=logo), who=who.name))


@router.get("/shops/{shop_id}/logo", response_class=Response, responses={200: {"content": {"image/png": {}}}})
async def show_logo(shop_id: Id, _who: Viewer, parts: TheParts) -> Response:
    async with parts.database.reading() as connection:
        shop = await get_shop(connection, shop_id)
        logo = await find_shop_logo(connection, shop_id)
    if logo is None:
        raise NotFound(f"{shop.name} has no logo.")
    return Response(logo, media_type="image/png")


@router.delete("/shops/{shop_id}/logo")
async def delete_logo(shop_id: Id, who: Editor, parts: TheParts) -> ShopOut:
    gone = ShopFields(cleared=frozenset({"logo"}))
    return await _shown(parts, await update_shop(parts.database, shop_id, gone, who=who.name))


@router.post("/shops/{shop_id}/tracking")
async def track(shop_id: Id, body: TrackingIn, who: Editor, parts: TheParts) -> ShopOut:
    """Switched on, jobs that have no code get theirs: `work` says how far that is, and goes on after a restart."""
    shop = await set_tracking(parts.database, shop_id, body.tracking, who=who.name)
    if shop.tracking == "on":
        await give_missing_codes(parts.database, shop, who.name)
    return await _shown(parts, shop)


@router.post("/shops/{shop_id}/wipe")
async def wipe(shop_id: Id, body: WipeIn, who: Owner, parts: TheParts) -> WipeOut:
    """Counts what would go; with the shop's name typed, deletes all its jobs, pages, histories and scans for good."""
    async with parts.database.reading() as connection:
        shop = await get_shop(connection, shop_id)
        counted = await count_jobs(connection, shop_id)
    if body.confirm is not None:
        if body.confirm.strip() != shop.name:
            raise Conflict(f"confirm says {body.confirm[:100]!r}, not {shop.name!r}: nothing was deleted.")
        await begin_wipe(parts.database, shop, who.name)
    return WipeOut(
        shop=shop.name,
        jobs=counted["jobs"],
        expired_links=counted["expired"],
        begun=body.confirm is not None,
        export="/api/v1/jobs/export.ndjson",
    )


async def _shown(parts: Parts, shop: Shop) -> ShopOut:
    async with parts.database.reading() as connection:
        count = (await count_jobs(connection, shop.id))["jobs"]
        missing = await count_without_code(connection, shop.id)
        work = await find_work(connection, shop.id)
    values = {name: getattr(shop, name) for name in ShopOut.model_fields if hasattr(shop, name)}
    return ShopOut(**values, jobs=count, without_code=missing, work=work_out(work))


def work_out(task: Task | None) -> WorkOut | None:
    if task is None:
        return None
    values = {name: getattr(task, name) for name in WorkOut.model_fields}
    return WorkOut(**values)
