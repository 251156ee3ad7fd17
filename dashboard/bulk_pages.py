"""The page for bulk changes: choose, look at the difference, apply exactly that, undo."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from codes.alphabet import CodeError
from codes.bulk import BulkPlan, Edit, apply_bulk, list_bulks, plan_bulk, undo_bulk
from codes.errors import Conflict, NotFound
from codes.selection import Selection, rows_from_csv
from dashboard.access import Identity, TheParts
from dashboard.addresses import code_path
from dashboard.api.bulk import result_out
from dashboard.formats import counted, moment
from dashboard.forms import read_form
from dashboard.history_rows import difference_views
from dashboard.history_views import BulkPage, BulkRowView, BulkView, PreviewView
from dashboard.parts import Parts
from dashboard.periods import zone_for
from dashboard.show import sentence, show
from dashboard.signed_in import Reader, Writer
from dashboard.views import Form

router = APIRouter(include_in_schema=False)

SHOWN_ROWS: Final = 200


@router.get("/bulk")
async def bulk(request: Request, who: Reader, parts: TheParts) -> Response:
    return await _bulk_page(request, who, parts)


@router.post("/bulk")
async def change_many(request: Request, who: Writer, parts: TheParts) -> Response:
    """Shows what would change; with the digest of what was shown, does it."""
    fields = await read_form(request, who)
    digest = fields.pop("digest", "")
    try:
        chosen, edit = _chosen(fields), _edit(fields)
        if not digest:
            async with parts.database.reading() as connection:
                plan = await plan_bulk(connection, chosen, edit, parts.settings.policy)
            return await _bulk_page(request, who, parts, form=Form(fields), plan=plan)
        made, _plan = await apply_bulk(
            parts.database,
            chosen,
            edit,
            who=who.name,
            policy=parts.settings.policy,
            reason=fields.get("reason", "")[:500],
            digest=digest,
        )
    except (CodeError, Conflict, NotFound) as error:
        form = Form(fields, {"": sentence(error)})
        return await _bulk_page(request, who, parts, form=form, status=422)
    notice = (
        f"{counted(made.count, 'code')} changed. Every scan goes there from now on." if made else "Nothing changed."
    )
    return await _bulk_page(request, who, parts, notice=notice)


@router.post("/bulk/{bulk_id}/undo")
async def undo(bulk_id: int, request: Request, who: Writer, parts: TheParts) -> Response:
    await read_form(request, who)
    try:
        await undo_bulk(parts.database, bulk_id, who=who.name)
    except Conflict as error:
        return await _bulk_page(request, who, parts, form=Form({}, {"": sentence(error)}), status=409)
    return RedirectResponse("/bulk", 303)


async def _bulk_page(
    request: Request,
    who: Identity,
    parts: Parts,
    *,
    form: Form | None = None,
    plan: BulkPlan | None = None,
    notice: str = "",
    status: int = 200,
) -> Response:
    now, zone = datetime.now(UTC), zone_for(request.query_params.get("tz") or request.cookies.get("tz"))
    async with parts.database.reading() as connection:
        found = await list_bulks(connection)
    bulks = tuple(
        BulkView(
            one.id,
            moment(one.created_at, zone, now),
            one.created_by,
            one.reason,
            one.count,
            one.undone_by,
            one.undoes,
        )
        for one in found
    )
    page = BulkPage(form or Form(), preview_view(plan) if plan else None, bulks)
    return show(request, page, who, status=status, notice=notice)


def preview_view(plan: BulkPlan) -> PreviewView:
    shown = result_out(None, plan, dry_run=True)
    rows = tuple(
        BulkRowView(
            row.code,
            code_path(row.code, row.domain),
            row.version,
            difference_views([change.model_dump() for change in row.changes]),
            row.archived,
        )
        for row in shown.codes[:SHOWN_ROWS]
    )
    more = max(0, shown.changed - SHOWN_ROWS)
    problems = plan.problems[:SHOWN_ROWS]
    return PreviewView(
        plan.digest, shown.changed, shown.unchanged, rows, more, problems, shown.archived, shown.left_out
    )


def _chosen(fields: Mapping[str, str]) -> Selection:
    way, named = fields.get("way", "tag"), fields.get("named", "").strip()
    listed, archived = fields.get("listed", ""), bool(fields.get("archived"))
    if way == "csv":
        return Selection(rows=rows_from_csv(listed), archived=archived)
    if way == "codes":
        return Selection(codes=tuple(dict.fromkeys(listed.replace(",", " ").split())), archived=archived)
    return Selection(
        tag=named if way == "tag" else None,
        campaign=named if way == "campaign" else None,
        search=named if way == "search" else None,
        archived=archived,
    )


def _edit(fields: Mapping[str, str]) -> Edit:
    if fields.get("way") == "csv":
        return Edit()
    find, destination = fields.get("find", "").strip(), fields.get("destination", "").strip()
    if find and not destination:
        return Edit(find=find, replace=fields.get("replace", "").strip())
    return Edit(destination=destination, find=find or None)
