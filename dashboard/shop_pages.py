"""The pages of shops: what customers see of them, tracking on, frozen or withdrawn, and wiping all that is tracked."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Final
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request
from starlette.datastructures import UploadFile
from starlette.responses import RedirectResponse, Response

from codes.alphabet import CodeError
from codes.errors import Conflict, NotFound
from dashboard.access import Identity, TheParts
from dashboard.api.shops import WorkOut, work_out
from dashboard.formats import Moment, moment
from dashboard.forms import check_form, read_form
from dashboard.job_forms import shop_fields_of, shop_values
from dashboard.job_tasks import begin_wipe, change_shop, count_without_code, find_work, give_missing_codes
from dashboard.parts import Parts
from dashboard.periods import zone_names
from dashboard.show import sentence, show
from dashboard.signed_in import Keeper, Reader, Writer
from dashboard.views import Form
from jobs.freezing import set_tracking
from jobs.languages import LANGUAGES
from jobs.leaving import count_jobs
from jobs.photos import MAX_UPLOAD_BYTES, logo_from
from jobs.shops import (
    Shop,
    ShopFields,
    Tracking,
    create_shop,
    ensure_default_shop,
    get_shop,
    list_shops,
    update_shop,
)

router = APIRouter(include_in_schema=False)
MAX_FIELDS: Final = 40

# What happens, in plain words: (what it is called, what the button says, what it does)
TRACKING: Final[Mapping[Tracking, tuple[str, str, str]]] = {
    "on": (
        "Tracking is on",
        "Switch tracking on",
        "Every job has its page, and the page moves with the job. Jobs made meanwhile get their codes now; "
        "that goes on by itself after a restart.",
    ),
    "frozen": (
        "Tracking is frozen",
        "Freeze tracking",
        "Links that customers have stay readable: they show how things stood at this moment, with its date, and no news "
        "after it. New jobs get no link. It can be switched on again at any time.",
    ),
    "withdrawn": (
        "Tracking is withdrawn",
        "Withdraw tracking",
        "Links that customers have no longer show anything but that the page is gone and how to reach the shop (410). "
        "Nothing is deleted. It can be switched on again at any time.",
    ),
}
NOW: Final[Mapping[Tracking, str]] = {
    "on": "Every job has its page, and the page moves with the job.",
    "frozen": "Links show how things stood then, with the date. New jobs get no link.",
    "withdrawn": "Links show only how to reach the shop. Nothing is deleted.",
}


@dataclass(frozen=True, slots=True)
class ShopsPage:
    template: ClassVar[str] = "shops.html"
    active: ClassVar[str] = "jobs"
    shops: tuple[Shop, ...]
    form: Form


@dataclass(frozen=True, slots=True)
class ShopPage:
    template: ClassVar[str] = "shop.html"
    active: ClassVar[str] = "jobs"
    shop: Shop
    path: str
    form: Form
    problem: str
    saved: bool
    since: Moment
    jobs: int
    without_code: int
    work: WorkOut | None
    languages: Mapping[str, str]
    zones: tuple[str, ...]
    may_wipe: bool

    @property
    def tracking(self) -> Mapping[Tracking, tuple[str, str, str]]:
        return TRACKING

    @property
    def now(self) -> str:
        return NOW[self.shop.tracking]


@dataclass(frozen=True, slots=True)
class TrackingPage:
    """Asked before it is done."""

    template: ClassVar[str] = "shop_tracking.html"
    active: ClassVar[str] = "jobs"
    shop: Shop
    path: str
    to: Tracking
    jobs: int

    @property
    def words(self) -> tuple[str, str, str]:
        return TRACKING[self.to]


@dataclass(frozen=True, slots=True)
class WipePage:
    template: ClassVar[str] = "shop_wipe.html"
    active: ClassVar[str] = "jobs"
    shop: Shop
    path: str
    jobs: int
    expired: int
    form: Form


def shop_id_in(text: str) -> int:
    """Of an address. Raises NotFound."""
    if not text.isascii() or not text.isdecimal() or len(text) > 15:
        raise NotFound("there is no such shop.")
    return int(text)


@router.get("/shops")
async def shops(request: Request, who: Reader, parts: TheParts) -> Response:
    return await _shops_page(request, who, parts)


@router.post("/shops")
async def add_shop(request: Request, who: Writer, parts: TheParts) -> Response:
    fields = await read_form(request, who)
    try:
        made = await create_shop(parts.database, ShopFields(name=fields.get("name", "")), who=who.name)
    except (CodeError, Conflict) as error:
        return await _shops_page(request, who, parts, Form(fields, {"": sentence(error)}), 422)
    return RedirectResponse(f"/shops/{made.id}", 303)


@router.get("/shops/{shop_id}")
async def shop(shop_id: str, request: Request, who: Reader, parts: TheParts) -> Response:
    return await _shop_page(shop_id_in(shop_id), request, who, parts)


@router.post("/shops/{shop_id}")
async def change(shop_id: str, request: Request, who: Writer, parts: TheParts) -> Response:
    fields = await read_form(request, who, max_fields=MAX_FIELDS)
    try:
        await change_shop(parts.database, shop_id_in(shop_id), shop_fields_of(fields), who.name)
    except (CodeError, Conflict) as error:
        form = Form({name: value for name, value in fields.items() if name != "csrf"}, {"": sentence(error)})
        return await _shop_page(shop_id_in(shop_id), request, who, parts, form=form, status=422)
    return RedirectResponse(f"/shops/{shop_id_in(shop_id)}?saved=1", 303)


@router.post("/shops/{shop_id}/logo", max_body_size=MAX_UPLOAD_BYTES)
async def logo(shop_id: str, request: Request, who: Writer, parts: TheParts) -> Response:
    """A new one, or none when ``gone`` is sent."""
    async with request.form(max_files=1, max_fields=10) as data:
        fields = {name: value for name, value in data.items() if isinstance(value, str)}
        check_form(request, who, fields)
        file = data.get("logo")
        try:
            given = ShopFields(cleared=frozenset({"logo"}))
            if not fields.get("gone"):
                if not isinstance(file, UploadFile) or not file.filename:
                    raise CodeError("choose a picture first.")  # noqa: TRY301  the form says it
                given = ShopFields(logo=await asyncio.to_thread(logo_from, await file.read()))
            await update_shop(parts.database, shop_id_in(shop_id), given, who=who.name)
        except CodeError as error:
            return await _shop_page(shop_id_in(shop_id), request, who, parts, problem=sentence(error), status=422)
    return RedirectResponse(f"/shops/{shop_id_in(shop_id)}?saved=1", 303)


@router.get("/shops/{shop_id}/tracking/{to}")
async def ask_tracking(shop_id: str, to: str, request: Request, who: Writer, parts: TheParts) -> Response:
    wanted = _tracking_in(to)
    async with parts.database.reading() as connection:
        found = await get_shop(connection, shop_id_in(shop_id))
        count = (await count_jobs(connection, found.id))["jobs"]
    return show(request, TrackingPage(found, f"/shops/{found.id}", wanted, count), who)


@router.post("/shops/{shop_id}/tracking/{to}")
async def track(shop_id: str, to: str, request: Request, who: Writer, parts: TheParts) -> Response:
    await read_form(request, who)
    found = await set_tracking(parts.database, shop_id_in(shop_id), _tracking_in(to), who=who.name)
    if found.tracking == "on":
        await give_missing_codes(parts.database, found, who.name)
    return RedirectResponse(f"/shops/{found.id}#tracking", 303)


@router.get("/shops/{shop_id}/wipe")
async def ask_wipe(shop_id: str, request: Request, who: Keeper, parts: TheParts) -> Response:
    return await _wipe_page(shop_id_in(shop_id), request, who, parts)


@router.post("/shops/{shop_id}/wipe")
async def wipe(shop_id: str, request: Request, who: Keeper, parts: TheParts) -> Response:
    fields = await read_form(request, who)
    async with parts.database.reading() as connection:
        found = await get_shop(connection, shop_id_in(shop_id))
    typed = fields.get("confirm", "")
    try:
        if typed.strip() != found.name:
            raise Conflict(f"you typed {typed[:100]!r}, not {found.name!r}: nothing was deleted.")  # noqa: TRY301
        await begin_wipe(parts.database, found, who.name)
    except Conflict as error:
        form = Form({"confirm": typed}, {"confirm": sentence(error)})
        return await _wipe_page(found.id, request, who, parts, form, 409)
    return RedirectResponse(f"/shops/{found.id}#tracking", 303)


async def _shops_page(
    request: Request, who: Identity, parts: Parts, form: Form | None = None, status: int = 200
) -> Response:
    """With one shop there is nothing to choose, so its own page has the way to more."""
    async with parts.database.reading() as connection:
        found = await list_shops(connection)
    if not found:
        async with parts.database.transaction() as connection:
            found = [await ensure_default_shop(connection)]
    return show(request, ShopsPage(tuple(found), form or Form()), who, status=status)


async def _shop_page(
    shop_id: int,
    request: Request,
    who: Identity,
    parts: Parts,
    *,
    form: Form | None = None,
    problem: str = "",
    status: int = 200,
) -> Response:
    async with parts.database.reading() as connection:
        found = await get_shop(connection, shop_id)
        counted = await count_jobs(connection, shop_id)
        without_code = await count_without_code(connection, shop_id)
        work = work_out(await find_work(connection, shop_id))
    page = ShopPage(
        shop=found,
        path=f"/shops/{found.id}",
        form=form or Form(shop_values(found)),
        problem=problem,
        saved="saved" in request.query_params,
        since=moment(found.tracking_at, ZoneInfo(found.zone), datetime.now(UTC)),
        jobs=counted["jobs"],
        without_code=without_code,
        work=work,
        languages=LANGUAGES,
        zones=tuple(zone_names()),
        may_wipe=who.may("owner"),
    )
    response = show(request, page, who, status=status)
    if form is None and work and work.state in ("waiting", "running"):
        response.headers["Refresh"] = "2"
    return response


async def _wipe_page(
    shop_id: int, request: Request, who: Identity, parts: Parts, form: Form | None = None, status: int = 200
) -> Response:
    async with parts.database.reading() as connection:
        found = await get_shop(connection, shop_id)
        counted = await count_jobs(connection, shop_id)
    page = WipePage(found, f"/shops/{found.id}", counted["jobs"], counted["expired"], form or Form())
    return show(request, page, who, status=status)


def _tracking_in(text: str) -> Tracking:
    found = next((known for known in TRACKING if known == text), None)
    if found is None:
        raise NotFound("tracking is on, frozen or withdrawn.")
    return found
