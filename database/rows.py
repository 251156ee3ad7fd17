"""Many new rows of one table in few steps, for imports: a statement of SQLAlchemy costs more per row than the database."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from itertools import chain
from typing import Any, Final

from sqlalchemy import Table, insert
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import TypeEngine

AT_ONCE: Final = 500  # rows in a statement: SQLite takes 32,766 values in one


async def insert_rows(
    connection: AsyncConnection, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """``rows`` hold the values of ``columns`` in their order. Unlike with ``insert(table)`` None is NULL in JSON columns, too:
    quicker to read than JSON's null, and the same to whoever reads it."""
    if not rows:
        return
    dialect = connection.dialect
    one_row, order = _statement(dialect, table, tuple(columns))
    written = _written(dialect, table, columns, rows, order)
    if dialect.name != "sqlite":
        await connection.exec_driver_sql(one_row, written)
        return
    # One step of SQLite for many rows: between two steps its thread waits for the interpreter.
    head, one = one_row.rsplit(" VALUES ", 1)
    for start in range(0, len(written), AT_ONCE):
        part = written[start : start + AT_ONCE]
        statement = f"{head} VALUES {', '.join([one] * len(part))}"
        await connection.exec_driver_sql(statement, tuple(chain.from_iterable(part)))


@lru_cache(maxsize=32)
def _statement(dialect: Dialect, table: Table, columns: tuple[str, ...]) -> tuple[str, Sequence[str]]:
    """For one row, and in which order it takes the columns."""
    compiled = insert(table).inline().compile(dialect=dialect, column_keys=list(columns))
    return str(compiled), tuple(compiled.positiontup or columns)


def _written(
    dialect: Dialect, table: Table, columns: Sequence[str], rows: Sequence[tuple[Any, ...]], order: Sequence[str]
) -> list[tuple[Any, ...]]:
    """As the driver takes them, in the order of the statement."""
    given = dict(zip(columns, zip(*rows, strict=True), strict=True))
    known: dict[type, dict[datetime, Any]] = {}  # by type of column: a new row has the same moment in several
    return list(zip(*(_column(dialect, table.columns[name].type, given[name], known) for name in order), strict=True))


def _column(
    dialect: Dialect, kind: TypeEngine[Any], values: Sequence[Any], all_known: dict[type, dict[datetime, Any]]
) -> Sequence[Any]:
    process = kind.dialect_impl(dialect).bind_processor(dialect)
    if process is None:
        return values
    known = all_known.setdefault(type(kind), {})
    written: list[Any] = []
    for value in values:
        if value is None:
            written.append(None)
        elif isinstance(value, datetime):
            if value not in known:
                known[value] = process(value)
            written.append(known[value])
        else:
            written.append(process(value))
    return written
