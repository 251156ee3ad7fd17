"""Sticker sheets of jobs: whose codes are on them. Made like any label sheet."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from codes.codes import Code, codes_by_id
from codes.errors import Conflict
from codes.sheets import MAX_LABELS, SheetError
from dashboard.labels import CODES_AT_ONCE, STICKERS, order_sheets
from dashboard.parts import Parts
from jobs.search import JobSearch, Mark, list_marks


async def order_stickers(parts: Parts, given: dict[str, Any], search: JobSearch, who: str) -> int:
    """The task's number, as ``order_sheets``. Jobs named by ``search.ids`` come in that order. Raises Conflict for jobs
    without a code, and what ``order_sheets`` raises.
    """
    async with parts.database.reading() as connection:
        marks = await chosen_jobs(connection, search)
        codes = await _codes_of(connection, marks)
    return await order_sheets(parts, given, codes, who, STICKERS)


async def chosen_jobs(connection: AsyncConnection, search: JobSearch) -> list[Mark]:
    """All that can get one. Raises SheetError, Conflict."""
    found = await list_marks(connection, replace(search, limit=MAX_LABELS + 1))
    if len(found) > MAX_LABELS:
        raise SheetError(f"More than {MAX_LABELS:,} jobs are chosen, the most for one file. Choose fewer.")
    if not found:
        raise SheetError("No job is chosen. Tick some on the board, or search for others.")
    without = [mark.reference for mark in found if mark.code_id is None]
    if without:
        named = f"job {without[0]} has" if len(without) == 1 else f"{len(without)} jobs, such as {without[0]}, have"
        raise Conflict(f"{named} no code: tracking was off when they were made. Switch it on in the shop's settings.")
    if search.ids is not None:
        by_id = {mark.id: mark for mark in found}
        found = [by_id[job_id] for job_id in dict.fromkeys(search.ids) if job_id in by_id]
    return found


async def _codes_of(connection: AsyncConnection, marks: Sequence[Mark]) -> list[Code]:
    ids = [mark.code_id for mark in marks if mark.code_id is not None]
    by_id = {
        code.id: code
        for start in range(0, len(ids), CODES_AT_ONCE)
        for code in await codes_by_id(connection, ids[start : start + CODES_AT_ONCE])
    }
    return [by_id[code_id] for code_id in ids]
