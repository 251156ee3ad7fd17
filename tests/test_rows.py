"""Many rows at once: what is stored is what a plain insert stores, in SQLite and in PostgreSQL."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text

from codes.alphabet import fold
from database.engine import Database
from database.rows import AT_ONCE, insert_rows
from database.schema import tasks, versions
from tests.conftest import AddCode, both_databases

AT = datetime(2026, 5, 31, 14, 30, 15, 123456, tzinfo=timezone(timedelta(hours=2)))
COLUMNS = (
    "code_id",
    "number",
    "destination",
    "rules",
    "options",
    "action",
    "restores",
    "reason",
    "created_at",
    "created_by",
)


def version(code_id: int, number: int, **given: Any) -> tuple[Any, ...]:
    values = {"rules": None, "options": None, "restores": None, **given}
    values |= {"code_id": code_id, "number": number, "destination": f"https://example.com/{number}", "action": "import"}
    values |= {"reason": "ünï ' \"", "created_at": AT, "created_by": "ops"}
    return tuple(values[name] for name in COLUMNS)


@pytest.mark.anyio
@both_databases
async def test_rows_are_stored_as_by_a_plain_insert(db: Database, add_code: AddCode) -> None:
    one, other = await add_code("https://example.com/"), await add_code("https://example.com/")
    given: dict[str, Any] = {"rules": [{"name": "é", "when": []}], "options": {"paused": ""}, "restores": 1}
    rows = [version(one.id, 2, **given), version(one.id, 3)]
    async with db.transaction() as connection:
        await insert_rows(connection, versions, COLUMNS, rows)
        plain = [dict(zip(COLUMNS, row, strict=True)) | {"code_id": other.id} for row in rows]
        await connection.execute(insert(versions), plain)
    async with db.reading() as connection:
        columns = [versions.c[name] for name in COLUMNS if name != "code_id"]
        query = select(*columns).where(versions.c.number > 1).order_by(versions.c.number)
        stored, expected = [
            (await connection.execute(query.where(versions.c.code_id == code.id))).all() for code in (one, other)
        ]
    assert stored == expected
    assert [(row.rules, row.created_at) for row in stored] == [
        (given["rules"], AT.astimezone(UTC)),
        (None, AT.astimezone(UTC)),
    ]


@pytest.mark.anyio
@both_databases
@pytest.mark.parametrize("number", [0, 1, AT_ONCE, 2 * AT_ONCE + 1])
async def test_any_number_of_rows(db: Database, number: int) -> None:
    columns = ("kind", "state", "done", "total", "input", "created_at", "created_by")
    rows = [("bulk", "done", row, number, {"row": row}, AT, "ops") for row in range(number)]
    async with db.transaction() as connection:
        await insert_rows(connection, tasks, columns, rows)
    async with db.reading() as connection:
        found = (await connection.execute(select(tasks.c.done, tasks.c.input).order_by(tasks.c.id))).all()
    assert [tuple(row) for row in found] == [(row, {"row": row}) for row in range(number)]


@pytest.mark.anyio
async def test_a_code_is_looked_up_by_its_key_and_not_among_all_codes(db: Database) -> None:
    """However the question is put: SQLite takes the partial index for some of them alone."""
    for question in ("", " AND legacy = 0", " AND legacy IS 0"):
        plan = f"EXPLAIN QUERY PLAN SELECT id FROM codes WHERE domain_id = 1 AND folded IN ('{fold('abc')}', 'x')"
        async with db.reading() as connection:
            rows = (await connection.execute(text(plan + question))).all()
        assert [row[3].partition("(")[2] for row in rows] == ["domain_id=? AND folded=?)"], rows


@pytest.mark.anyio
async def test_nothing_is_left_of_rows_that_are_refused(db: Database) -> None:
    rows: list[tuple[Any, ...]] = [("bulk", "done", 0, 0, {}, AT, "ops")] * AT_ONCE + [
        ("bulk", None, 0, 0, {}, AT, "ops")
    ]
    columns = ("kind", "state", "done", "total", "input", "created_at", "created_by")
    with pytest.raises(Exception, match="NOT NULL"):
        async with db.transaction() as connection:
            await insert_rows(connection, tasks, columns, rows)
    async with db.reading() as connection:
        assert (await connection.execute(select(func.count()).select_from(tasks))).scalar_one() == 0
