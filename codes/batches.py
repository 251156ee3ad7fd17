"""Print batches: one order at the printer's. Putting a code into one sets its ``printed`` lock, which stays; a batch that is
``printed`` itself gives no code back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

from sqlalchemy import Row, Select, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.alphabet import CodeError
from codes.errors import Conflict, NotFound
from codes.money import Money
from codes.names import checked_name, plain_text
from codes.register import Code, codes_by_id, get_code
from database.audit import write_audit
from database.changes import record_changes
from database.engine import Database
from database.schema import audit, batch_codes, codes, print_batches

MAX_NAME: Final = 200
MAX_NOTE: Final = 500
MAX_QUANTITY: Final = 1_000_000_000
CHUNK: Final = 500


class BatchError(CodeError):
    """A print batch that cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Batch:
    id: int
    name: str
    printed_on: date
    quantity: int
    cost: Money | None
    note: str
    printed: bool
    codes: int
    created_at: datetime
    created_by: str
    archived_at: datetime | None


@dataclass(frozen=True, slots=True)
class BatchChange:
    """None leaves a field as it is; ``codes`` are added to those in it, ``taken_out`` leave it with their own lock on."""

    name: str | None = None
    printed_on: date | None = None
    quantity: int | None = None
    cost: Money | None = None
    no_cost: bool = False
    note: str | None = None
    printed: bool | None = None
    archived: bool | None = None
    codes: Sequence[str] = ()
    taken_out: Sequence[str] = ()
    domain: str | None = None


async def create_batch(database: Database, given: BatchChange, *, who: str) -> Batch:
    """Raises CodeError, NotFound (a code), or Conflict when the name is taken."""
    if given.name is None or given.printed_on is None or given.quantity is None:
        raise BatchError("a print batch needs a name, the day of printing and a quantity.")
    values = {"note": "", "printed": False, "cost_minor": None, "currency": None, **_values(given)}
    values |= {"created_at": datetime.now(UTC), "created_by": who}
    async with database.transaction() as connection:
        try:
            made = await connection.execute(insert(print_batches).values(values).returning(print_batches.c.id))
        except IntegrityError as error:
            raise _taken(values["name"]) from error
        batch_id = int(made.scalar_one())
        await write_audit(connection, who, "batch.create", values["name"])
        await _add_codes(connection, batch_id, given, who)
        return await get_batch(connection, batch_id)


async def update_batch(database: Database, batch_id: int, change: BatchChange, *, who: str) -> Batch:
    """Raises NotFound, CodeError, and Conflict for a name that is taken or a code taken out of a printed batch."""
    async with database.transaction() as connection:
        before = await get_batch(connection, batch_id)
        values = _values(change)
        if change.archived is not None and change.archived != (before.archived_at is not None):
            values["archived_at"] = datetime.now(UTC) if change.archived else None
        if values:
            try:
                await connection.execute(update(print_batches).where(print_batches.c.id == batch_id).values(values))
            except IntegrityError as error:
                raise _taken(str(values.get("name"))) from error
            await write_audit(connection, who, _said(before, change), before.name)
        await _take_out(connection, before, change, who)
        await _add_codes(connection, batch_id, change, who)
        return await get_batch(connection, batch_id)


async def list_batches(connection: AsyncConnection, *, archived: bool = False) -> list[Batch]:
    """The newest print first; the archived ones only when asked for."""
    query = _query().order_by(print_batches.c.printed_on.desc(), print_batches.c.id.desc())
    if not archived:
        query = query.where(print_batches.c.archived_at.is_(None))
    return [_batch(row) for row in await connection.execute(query)]


async def get_batch(connection: AsyncConnection, batch_id: int) -> Batch:
    row = (await connection.execute(_query().where(print_batches.c.id == batch_id))).first()
    if row is None:
        raise NotFound(f"there is no print batch with id {batch_id}. `waymark batch list` shows those there are.")
    return _batch(row)


async def codes_in_batch(connection: AsyncConnection, batch_id: int) -> list[Code]:
    """In the order of their creation."""
    query = select(batch_codes.c.code_id).where(batch_codes.c.batch_id == batch_id).order_by(batch_codes.c.code_id)
    ids = list((await connection.execute(query)).scalars())
    found = [
        code
        for start in range(0, len(ids), CHUNK)
        for code in await codes_by_id(connection, ids[start : start + CHUNK])
    ]
    return sorted(found, key=lambda code: code.id)


async def batches_of_code(connection: AsyncConnection, code_id: int) -> list[Batch]:
    within = select(batch_codes.c.batch_id).where(batch_codes.c.code_id == code_id)
    query = _query().where(print_batches.c.id.in_(within)).order_by(print_batches.c.printed_on.desc())
    return [_batch(row) for row in await connection.execute(query)]


async def _take_out(connection: AsyncConnection, batch: Batch, change: BatchChange, who: str) -> None:
    if change.taken_out and batch.printed and change.printed is not False:
        raise Conflict(
            f"print batch {batch.name!r} is locked as printed: it says what is on paper, so no code can be taken out. If it"
            " was marked by mistake, unlock it first (`waymark batch update NAME --not-printed`)."
        )
    for code in {
        code.id: code for code in [await get_code(connection, t, change.domain) for t in change.taken_out]
    }.values():
        member = (batch_codes.c.batch_id == batch.id) & (batch_codes.c.code_id == code.id)
        if not (await connection.execute(delete(batch_codes).where(member))).rowcount:
            raise NotFound(f"code {code.code!r} of {code.domain} is not in print batch {batch.name!r}.")
        await write_audit(connection, who, "batch.take-out", f"{batch.name}: {code.domain}/{code.code}")


async def _add_codes(connection: AsyncConnection, batch_id: int, change: BatchChange, who: str) -> None:
    if not change.codes:
        return
    named = {code.id: code for code in [await get_code(connection, text, change.domain) for text in change.codes]}
    present = set(
        (await connection.execute(select(batch_codes.c.code_id).where(batch_codes.c.batch_id == batch_id))).scalars()
    )
    added = [code_id for code_id in named if code_id not in present]
    if not added:
        return
    await connection.execute(insert(batch_codes), [{"batch_id": batch_id, "code_id": code_id} for code_id in added])
    now = datetime.now(UTC)
    for start in range(0, len(added), CHUNK):
        part = codes.c.id.in_(added[start : start + CHUNK]) & codes.c.printed.is_(False)
        await connection.execute(update(codes).where(part).values(printed=True, updated_at=now))
    await record_changes(connection, "code", added)
    entries = [
        {"at": now, "who": who, "action": "code.printed", "subject": f"{named[i].domain}/{named[i].code}"[:300]}
        for i in added
    ]
    await connection.execute(insert(audit), entries)


def _said(before: Batch, change: BatchChange) -> str:
    if change.printed is None or change.printed == before.printed:
        return "batch.update"
    return "batch.printed" if change.printed else "batch.unlocked"


def _values(given: BatchChange) -> dict[str, Any]:
    values: dict[str, Any] = {}
    if given.name is not None:
        values["name"] = checked_name(given.name, "a print batch", MAX_NAME)
    if given.printed_on is not None:
        values["printed_on"] = given.printed_on
    if given.quantity is not None:
        if not 0 <= given.quantity <= MAX_QUANTITY:
            raise BatchError(f"the quantity is a whole number from 0 to {MAX_QUANTITY:,}.")
        values["quantity"] = given.quantity
    if given.note is not None:
        values["note"] = plain_text(given.note)[:MAX_NOTE]
    if given.printed is not None:
        values["printed"] = given.printed
    if given.cost is not None or given.no_cost:
        values["cost_minor"] = given.cost.minor if given.cost else None
        values["currency"] = given.cost.currency if given.cost else None
    return values


def _query() -> Select[Any]:
    within = batch_codes.c.batch_id == print_batches.c.id
    counted = select(func.count()).where(within).select_from(batch_codes).scalar_subquery()
    return select(print_batches, counted.label("codes"))


def _batch(row: Row[Any]) -> Batch:
    cost = None if row.cost_minor is None else Money(row.cost_minor, row.currency)
    return Batch(
        row.id,
        row.name,
        row.printed_on,
        row.quantity,
        cost,
        row.note,
        row.printed,
        row.codes,
        row.created_at,
        row.created_by,
        row.archived_at,
    )


def _taken(name: str) -> Conflict:
    return Conflict(f"there is a print batch {name!r} already, perhaps an archived one. Choose another name.")
