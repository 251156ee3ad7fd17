"""Print batches over the API: create, list, read, change, put codes into them, archive."""

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from codes.batches import (
    Batch,
    BatchChange,
    codes_in_batch,
    create_batch,
    get_batch,
    list_batches,
    update_batch,
)
from codes.money import checked_money
from dashboard.access import Editor, TheParts, Viewer
from dashboard.api.bounds import Id

router = APIRouter(tags=["print batches"])

Archived = Annotated[bool, Query(description="The archived ones, too.")]
CodeText = Annotated[str, Field(max_length=256)]


class BatchIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str = Field(max_length=200, examples=["Posters, May"])
    printed_on: date
    quantity: int
    cost_minor: int | None = Field(None, description="In minor units, such as cents; with currency.")
    currency: str | None = Field(None, max_length=3, description="ISO 4217.")
    note: str = Field("", max_length=500)
    codes: list[CodeText] = Field([], max_length=10_000, description="Each gets its printed lock, for good.")
    domain: str | None = Field(None, max_length=260, description="Of the codes; the default one first when left out.")


class BatchChangeIn(BaseModel):
    """Left-out fields stay; codes are added to those in it. A null cost_minor takes the cost away."""

    model_config = ConfigDict(extra="forbid")

    name: str | None = Field(None, max_length=200)
    printed_on: date | None = None
    quantity: int | None = None
    cost_minor: int | None = None
    currency: str | None = Field(None, max_length=3)
    note: str | None = Field(None, max_length=500)
    codes: list[CodeText] = Field([], max_length=10_000)
    take_out: list[CodeText] = Field(
        [], max_length=10_000, description="Not of a printed batch. Each keeps its own printed lock; see PATCH /codes."
    )
    domain: str | None = Field(None, max_length=260)
    printed: bool | None = Field(None, description="Locks it: no code can be taken out until it is unlocked.")
    archived: bool | None = None


class BatchOut(BaseModel):
    id: int
    name: str
    printed_on: date
    quantity: int
    cost_minor: int | None
    currency: str | None
    note: str
    printed: bool
    codes: int
    created_at: datetime
    created_by: str
    archived_at: datetime | None


class CodeInBatch(BaseModel):
    code: str
    domain: str
    short_url: str
    name: str


class BatchDetail(BatchOut):
    members: list[CodeInBatch]


class BatchList(BaseModel):
    batches: list[BatchOut]


@router.post("/batches", status_code=201)
async def add_batch(body: BatchIn, who: Editor, parts: TheParts) -> BatchOut:
    return batch_out(await create_batch(parts.database, _change(body), who=who.name))


@router.get("/batches")
async def get_batches(_who: Viewer, parts: TheParts, archived: Archived = False) -> BatchList:
    async with parts.database.reading() as connection:
        found = await list_batches(connection, archived=archived)
    return BatchList(batches=[batch_out(batch) for batch in found])


@router.get("/batches/{batch_id}")
async def show_batch(batch_id: Id, _who: Viewer, parts: TheParts) -> BatchDetail:
    async with parts.database.reading() as connection:
        batch = batch_out(await get_batch(connection, batch_id))
        members = [
            CodeInBatch(code=code.code, domain=code.domain, short_url=code.short_url, name=code.name)
            for code in await codes_in_batch(connection, batch_id)
        ]
    return BatchDetail(**batch.model_dump(), members=members)


@router.patch("/batches/{batch_id}")
async def patch_batch(batch_id: Id, body: BatchChangeIn, who: Editor, parts: TheParts) -> BatchOut:
    return batch_out(await update_batch(parts.database, batch_id, _change(body), who=who.name))


def _change(body: BatchIn | BatchChangeIn) -> BatchChange:
    return BatchChange(
        name=body.name,
        printed_on=body.printed_on,
        quantity=body.quantity,
        cost=checked_money(body.cost_minor, body.currency),
        no_cost="cost_minor" in body.model_fields_set and body.cost_minor is None,
        note=body.note,
        printed=body.printed if isinstance(body, BatchChangeIn) else None,
        archived=body.archived if isinstance(body, BatchChangeIn) else None,
        codes=body.codes,
        taken_out=body.take_out if isinstance(body, BatchChangeIn) else (),
        domain=body.domain,
    )


def batch_out(batch: Batch) -> BatchOut:
    return BatchOut(
        id=batch.id,
        name=batch.name,
        printed_on=batch.printed_on,
        quantity=batch.quantity,
        cost_minor=batch.cost.minor if batch.cost else None,
        currency=batch.cost.currency if batch.cost else None,
        note=batch.note,
        printed=batch.printed,
        codes=batch.codes,
        created_at=batch.created_at,
        created_by=batch.created_by,
        archived_at=batch.archived_at,
    )
