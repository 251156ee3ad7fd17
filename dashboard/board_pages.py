"""The board of jobs: open ones by stage, lists of them in pages, and the form that makes one. Viewers see nothing private."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from codes.alphabet import CodeError
from codes.errors import Conflict, NotFound
from dashboard.access import Identity, TheParts
from dashboard.board_views import (
    CARDS_PER_COLUMN,
    PAGE_SIZE,
    Asked,
    JobsPage,
    Overview,
    asked_from,
    boards_of,
    list_view,
)
from dashboard.forms import read_form
from dashboard.job_cards import cards_of, shops_by_id
from dashboard.job_forms import new_job_of, refused, whole
from dashboard.job_signals import overview_of
from dashboard.job_views import is_without_hours, job_path
from dashboard.parts import Parts
from dashboard.show import show
from dashboard.signed_in import Reader, Writer
from dashboard.views import Form
from jobs.jobs import Occasion, put_job_in
from jobs.kinds import list_workflows
from jobs.register import Job, find_job
from jobs.search import JobSearch, JobSort, count_jobs, count_jobs_by_stage, late_only, list_heads, list_jobs
from jobs.shops import Shop, ensure_default_shop, get_shop_named
from jobs.workflows import Workflow

router = APIRouter(include_in_schema=False)


@router.get("/jobs")
async def jobs(request: Request, who: Reader, parts: TheParts) -> Response:
    return await _board(request, who, parts)


@router.post("/jobs")
async def add_job(request: Request, who: Writer, parts: TheParts) -> Response:
    fields = await read_form(request, who)
    try:
        job = await _added(parts, fields, who)
    except (CodeError, Conflict, NotFound) as error:
        return await _board(request, who, parts, form=refused(fields, error), status=422)
    return RedirectResponse(job_path(job, await shops_by_id(parts)), 303)


def search_for(asked: Asked, shops: Mapping[int, Shop], workflows: Mapping[str, Workflow], now: datetime) -> JobSearch:
    """What the board shows as one search, without its stage; of a shop that there is not, nothing."""
    shop_id = next((shop.id for shop in shops.values() if shop.name == asked.shop), 0) if asked.shop else None
    order: JobSort = "newest" if asked.order == "newest" else "due"
    search = JobSearch(
        shop_id=shop_id,
        kind=asked.kind,
        open_only=asked.show in ("", "list"),
        done_only=asked.show == "done",
        text=asked.q,
        sort=order,
        limit=PAGE_SIZE,
    )
    return late_only(search, workflows, now) if asked.show == "late" else search


async def _added(parts: Parts, fields: Mapping[str, str], who: Identity) -> Job:
    """Never one that is there already: what looks new must not change another customer's job."""
    reference, given = fields.get("reference", "").strip(), new_job_of(fields)
    async with parts.database.transaction() as connection:
        shop = await (get_shop_named(connection, given.shop) if given.shop else ensure_default_shop(connection))
        if await find_job(connection, reference, shop.id):
            raise Conflict(f"there is a job {reference[:80]!r} already. Choose another reference, or open that one.")
        given = replace(given, shop=shop.name)
        return (await put_job_in(connection, reference, given, Occasion(who.name)))[0]


async def _board(
    request: Request, who: Identity, parts: Parts, form: Form | None = None, status: int = 200
) -> Response:
    now, staff, shops = datetime.now(UTC), who.may("editor"), await shops_by_id(parts)
    asked = asked_from({} if form else request.query_params)
    async with parts.database.reading() as connection:
        workflows = await list_workflows(connection)
        search = replace(search_for(asked, shops, workflows, now), private=staff)
        counts = await count_jobs_by_stage(connection, search)
        total = sum(sum(of_kind.values()) for of_kind in counts.values())
        number = 1
        if asked.is_board:
            found = await list_heads(connection, search, CARDS_PER_COLUMN)
        else:
            if asked.stage:
                search = replace(search, stages=(asked.stage,))
                total = sum(of_kind.get(asked.stage, 0) for of_kind in counts.values())
            number = min(max(1, whole(request.query_params.get("page")) or 1), -(-total // PAGE_SIZE) or 1)
            found = await list_jobs(connection, replace(search, offset=(number - 1) * PAGE_SIZE))
        late = await count_jobs(connection, late_only(replace(search, open_only=True, done_only=False), workflows, now))
        cards = await cards_of(connection, found, workflows, shops, now, staff=staff)
    overview = Overview()
    if not asked.narrows and not form:
        overview = await overview_of(parts, workflows, shops, now, staff=staff)
    page = JobsPage(
        boards=boards_of(zip(found, cards, strict=True), counts, workflows, asked) if asked.is_board else (),
        listed=None if asked.is_board else list_view(cards, counts, workflows, asked, number, total),
        total=total,
        late=late,
        asked=asked,
        kinds={kind: workflow.name for kind, workflow in workflows.items()},
        shops=tuple(shop.name for shop in shops.values()) if len(shops) > 1 else (),
        zone=next(iter(shops.values())).zone,
        without_hours=next(
            (shops[job.shop_id] for job in found if is_without_hours(job, workflows.get(job.kind), shops[job.shop_id])),
            None,
        ),
        form=form or Form(),
        form_open=form is not None,
        overview=overview,
    )
    return show(request, page, who, status=status)
