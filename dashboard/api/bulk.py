"""Bulk changes: shown first, applied whole, undone whole."""

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from codes.bulk import Bulk, BulkPlan, Edit, apply_bulk, get_bulk, list_bulks, plan_bulk, undo_bulk
from codes.selection import Selection, rows_from_csv
from codes.versions import differences
from dashboard.access import Editor, TheParts, Viewer
from dashboard.api.history import DifferenceOut, difference_out

router = APIRouter(prefix="/bulk", tags=["bulk"])

BulkId = Annotated[int, Field(ge=1, le=2**31)]


class BulkIn(BaseModel):
    """Codes by exactly one of tag, campaign (name or number), search, codes or csv (lines of code,destination); a CSV brings
    its destinations, else give ``destination``, or ``find`` and ``replace`` for a part of every destination.

    Changes nothing unless ``dry_run`` is false; with ``digest``, of a dry run, only exactly what that one showed.
    """

    model_config = ConfigDict(extra="forbid")

    tag: str | None = Field(None, max_length=60)
    campaign: str | None = Field(None, max_length=200)
    search: str | None = Field(None, max_length=200)
    codes: list[Annotated[str, Field(max_length=256)]] | None = Field(None, max_length=10_000)
    csv: str | None = Field(None, max_length=900_000)
    domain: str | None = Field(None, max_length=260)
    archived: bool = Field(False, description="Archived codes, too; without it they are left out.")
    destination: str | None = Field(None, max_length=10_000)
    find: str | None = Field(None, max_length=4096)
    replace: str = Field("", max_length=4096)
    reason: str = Field("", max_length=500)
    dry_run: bool = True
    digest: str | None = Field(None, max_length=64)


class BulkRowOut(BaseModel):
    code: str
    domain: str
    version: int
    archived: bool = Field(description="No scan is answered from it until it is brought back.")
    changes: list[DifferenceOut]


class BulkProblem(BaseModel):
    code: str
    problem: str


class BulkResult(BaseModel):
    """``id`` is null in a dry run, and when nothing was to change."""

    id: int | None
    dry_run: bool
    digest: str
    changed: int
    unchanged: int
    archived: int = Field(description="How many of the changed codes are archived.")
    left_out: int = Field(description="Archived codes that match as well and stay as they are.")
    codes: list[BulkRowOut]
    problems: list[BulkProblem]


class BulkOut(BaseModel):
    id: int
    codes: int
    reason: str
    created_at: datetime
    created_by: str
    undoes: int | None
    undone_by: int | None


class BulkList(BaseModel):
    bulks: list[BulkOut]


class BulkUndoIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field("", max_length=500)


class BulkUndone(BaseModel):
    """``skipped`` were changed since by somebody else and stay as they are."""

    id: int
    undoes: int
    codes: int
    skipped: list[str]


@router.post("")
async def change_many(body: BulkIn, who: Editor, parts: TheParts) -> BulkResult:
    rows = rows_from_csv(body.csv) if body.csv is not None else None
    named = None if body.codes is None else tuple(body.codes)
    chosen = Selection(body.tag, body.campaign, body.search, named, rows, archived=body.archived)
    edit, policy = Edit(body.destination, body.find, body.replace), parts.settings.policy
    if body.dry_run:
        async with parts.database.reading() as connection:
            return result_out(None, await plan_bulk(connection, chosen, edit, policy, body.domain), dry_run=True)
    bulk, plan = await apply_bulk(
        parts.database,
        chosen,
        edit,
        who=who.name,
        policy=policy,
        reason=body.reason,
        domain=body.domain,
        digest=body.digest,
    )
    return result_out(bulk, plan, dry_run=False)


@router.get("")
async def all_bulks(_who: Viewer, parts: TheParts) -> BulkList:
    """The last twenty, newest first."""
    async with parts.database.reading() as connection:
        return BulkList(bulks=[bulk_out(bulk) for bulk in await list_bulks(connection)])


@router.get("/{bulk_id}")
async def show_bulk(bulk_id: BulkId, _who: Viewer, parts: TheParts) -> BulkOut:
    async with parts.database.reading() as connection:
        return bulk_out(await get_bulk(connection, bulk_id))


@router.post("/{bulk_id}/undo")
async def undo_many(bulk_id: BulkId, who: Editor, parts: TheParts, body: BulkUndoIn | None = None) -> BulkUndone:
    """Brings back what each code said before, except codes that somebody has changed since. Can itself be undone."""
    undone = await undo_bulk(parts.database, bulk_id, who=who.name, reason=body.reason if body else "")
    return BulkUndone(id=undone.bulk.id, undoes=bulk_id, codes=undone.bulk.count, skipped=list(undone.skipped))


def result_out(bulk: Bulk | None, plan: BulkPlan, *, dry_run: bool) -> BulkResult:
    rows = [
        BulkRowOut(
            code=row.code,
            domain=row.domain,
            version=row.version,
            archived=row.archived,
            changes=[difference_out(entry) for entry in differences(row.before, row.after)],
        )
        for row in plan.rows
    ]
    return BulkResult(
        id=bulk.id if bulk else None,
        dry_run=dry_run,
        digest=plan.digest,
        changed=len(plan.rows),
        unchanged=plan.unchanged,
        archived=plan.archived,
        left_out=plan.left_out,
        codes=rows,
        problems=[BulkProblem(code=text, problem=why) for text, why in plan.problems],
    )


def bulk_out(bulk: Bulk) -> BulkOut:
    return BulkOut(
        id=bulk.id,
        codes=bulk.count,
        reason=bulk.reason,
        created_at=bulk.created_at,
        created_by=bulk.created_by,
        undoes=bulk.undoes,
        undone_by=bulk.undone_by,
    )
