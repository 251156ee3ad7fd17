"""Which codes a bulk change or a label sheet is about: by tag, campaign, print batch, search, list or the rows of a CSV file.
Reads only. Archived codes are left out unless they are asked for.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sqlalchemy import ColumnElement, Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.alphabet import CodeError, fold
from codes.errors import NotFound
from codes.names import is_plain
from codes.register import NOT_OF_JOBS, Code, code_query, codes_by_id, spelled, with_tags
from codes.search import list_code_ids, narrowing_in
from database.schema import batch_codes, campaigns, code_tags, codes, domains, print_batches

MAX_CODES: Final = 10_000
CHUNK: Final = 500
SHOWN_WRONG: Final = 10  # lines of a CSV


class BulkError(CodeError):
    """A bulk change that cannot be made; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Exactly one of them. ``rows`` are (code, destination) pairs, as a CSV file holds them. ``archived`` takes the archived
    codes along; a search that says is:archived asks for them, too."""

    tag: str | None = None
    campaign: str | None = None
    search: str | None = None
    codes: tuple[str, ...] | None = None
    rows: tuple[tuple[str, str], ...] | None = None
    batch: str | None = None
    archived: bool = False

    @property
    def texts(self) -> tuple[str, ...]:
        return self.codes or tuple(text for text, _destination in self.rows or ())


def rows_from_csv(text: str) -> tuple[tuple[str, str], ...]:
    """(code, destination) of each line; a first line with these words is skipped. Raises BulkError, naming the wrong lines."""
    rows, wrong = [], []
    try:
        for number, row in enumerate(csv.reader(io.StringIO(text.removeprefix("\ufeff")), strict=True), 1):
            cells = [cell.strip() for cell in row]
            if not any(cells) or (number == 1 and [cell.lower() for cell in cells[:2]] == ["code", "destination"]):
                continue
            if len(cells) == 2 and all(cells):
                rows.append((cells[0], cells[1]))
            else:
                wrong.append(f"line {number} has {_fields(cells)}")
    except csv.Error as error:
        raise BulkError(f"the CSV cannot be read: {error}. Each line is code,destination.") from error
    if wrong:
        more = f" and {len(wrong) - SHOWN_WRONG:,} more" if len(wrong) > SHOWN_WRONG else ""
        raise BulkError(
            f"the CSV cannot be used: {'; '.join(wrong[:SHOWN_WRONG])}{more}. Each line is code,destination."
        )
    if not rows:
        raise BulkError("the CSV holds no line with code,destination.")
    return tuple(rows)


def _fields(cells: list[str]) -> str:
    if len(cells) == 2:
        return "an empty field"
    return "1 field" if len(cells) == 1 else f"{len(cells)} fields"


async def chosen_codes(
    connection: AsyncConnection, chosen: Selection, domain: str | None
) -> tuple[list[tuple[str, Code]], list[tuple[str, str]]]:
    """Codes with how they were called, and what is wrong with those that cannot be changed."""
    if chosen.texts:
        found_by_text = await _find_codes(connection, chosen.texts, domain)
        return _named_once(found_by_text, chosen.texts, archived=chosen.archived)
    ids = await _ids(connection, chosen)
    if len(ids) > MAX_CODES:
        raise BulkError(f"{len(ids):,} codes match; up to {MAX_CODES:,} can be changed at once. Choose fewer.")
    found = [
        code
        for start in range(0, len(ids), CHUNK)
        for code in await codes_by_id(connection, ids[start : start + CHUNK])
    ]
    return [(code.code, code) for code in found if domain is None or code.domain == domain.lower()], []


async def count_left_out(connection: AsyncConnection, chosen: Selection, domain: str | None) -> int:
    """How many archived codes would be chosen as well if they were asked for. Raises NotFound (campaign, batch)."""
    if chosen.texts or chosen.archived:
        return 0
    taken = set(await _ids(connection, chosen))
    query = select(func.count()).select_from(codes.join(domains, domains.c.id == codes.c.domain_id))
    if domain is not None:
        query = query.where(domains.c.host == domain.lower())
    others = [one for one in await _ids(connection, replace(chosen, archived=True)) if one not in taken]
    return sum(
        [
            int((await connection.execute(query.where(codes.c.id.in_(others[at : at + CHUNK])))).scalar_one())
            for at in range(0, len(others), CHUNK)
        ]
    )


async def _ids(connection: AsyncConnection, chosen: Selection) -> list[int]:
    if chosen.search is not None:
        ids = await list_code_ids(connection, chosen.search)
        if chosen.archived and not narrowing_in(chosen.search)[0].archived:
            ids += await list_code_ids(connection, f"{chosen.search} is:archived")
        return ids
    query = select(codes.c.id).where(NOT_OF_JOBS, await _belongs(connection, chosen))
    if not chosen.archived:
        query = query.where(codes.c.archived_at.is_(None))
    return list((await connection.execute(query)).scalars())


async def _belongs(connection: AsyncConnection, chosen: Selection) -> ColumnElement[bool]:
    if chosen.tag is not None:
        tagged = select(code_tags.c.code_id).where(code_tags.c.tag == chosen.tag.strip().lower())
        return codes.c.id.in_(tagged)
    if chosen.batch is not None:
        within = batch_codes.c.batch_id == await batch_id_for(connection, chosen.batch)
        return codes.c.id.in_(select(batch_codes.c.code_id).where(within))
    return codes.c.campaign_id == await _id_of(connection, campaigns, chosen.campaign or "", "campaign")


def _named_once(
    found: Mapping[str, Code], texts: Sequence[str], *, archived: bool
) -> tuple[list[tuple[str, Code]], list[tuple[str, str]]]:
    chosen: list[tuple[str, Code]] = []
    problems: list[tuple[str, str]] = []
    seen: set[int] = set()
    for text in texts:
        code = found.get(text)
        if code is None:
            problems.append((text, "there is no such code."))
        elif code.archived_at is not None and not archived:
            problems.append(
                (text, "it is archived; bring it back first (a bulk change can take archived codes along).")
            )
        elif code.id in seen:
            problems.append((text, f"it is {code.code}, which is named already."))
        else:
            seen.add(code.id)
            chosen.append((text, code))
    return chosen, problems


async def _find_codes(connection: AsyncConnection, texts: Sequence[str], domain: str | None) -> dict[str, Code]:
    """As ``find_code`` finds each: the default domain before others, the exact spelling before the folded one."""
    found: list[Code] = []
    for start in range(0, len(texts), CHUNK):
        part = [text for text in texts[start : start + CHUNK] if is_plain(text)]
        exact = codes.c.code.in_(part)
        folded = codes.c.folded.in_([fold(text) for text in part])
        query = (
            code_query().where(NOT_OF_JOBS, spelled(exact, folded)).order_by(domains.c.is_default.desc(), domains.c.id)
        )
        if domain is not None:
            query = query.where(domains.c.host == domain.lower())
        found += await with_tags(connection, (await connection.execute(query)).all())
    by_exact: dict[str, list[tuple[int, Code]]] = {}
    by_fold: dict[str, list[tuple[int, Code]]] = {}
    hosts = {host: rank for rank, host in enumerate(dict.fromkeys(code.domain for code in found))}
    for code in {code.id: code for code in found}.values():
        by_exact.setdefault(code.code, []).append((hosts[code.domain], code))
        if not code.legacy:
            by_fold.setdefault(fold(code.code), []).append((hosts[code.domain], code))
    best: dict[str, Code] = {}
    for text in texts:
        ways = [(rank, 0, code) for rank, code in by_exact.get(text, ())]
        ways += [(rank, 1, code) for rank, code in by_fold.get(fold(text) if is_plain(text) else "", ())]
        if ways:
            best[text] = min(ways, key=lambda way: way[:2])[2]
    return best


async def batch_id_for(connection: AsyncConnection, text: str) -> int:
    """By name or number; raises NotFound."""
    return await _id_of(connection, print_batches, text, "print batch")


async def _id_of(connection: AsyncConnection, table: Table, text: str, what: str) -> int:
    query = select(table.c.id).where(func.lower(table.c.name) == text.strip().lower())
    found = (await connection.execute(query)).scalar()
    if found is None and text.strip().isdecimal() and len(text) < 10:
        found = (await connection.execute(select(table.c.id).where(table.c.id == int(text)))).scalar()
    if found is None:
        raise NotFound(f"there is no {what} {text[:100]!r}.")
    return int(found)
