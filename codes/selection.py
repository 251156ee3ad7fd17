"""Which codes a bulk change is about: by tag, campaign, search, list or the rows of a CSV file. Reads only."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.alphabet import CodeError, fold
from codes.errors import NotFound
from codes.names import is_plain
from codes.register import Code, code_query, codes_by_id, with_tags
from codes.search import list_code_ids
from database.schema import campaigns, code_tags, codes, domains

MAX_CODES: Final = 10_000
CHUNK: Final = 500


class BulkError(CodeError):
    """A bulk change that cannot be made; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Exactly one of them. ``rows`` are (code, destination) pairs, as a CSV file holds them."""

    tag: str | None = None
    campaign: str | None = None
    search: str | None = None
    codes: tuple[str, ...] | None = None
    rows: tuple[tuple[str, str], ...] | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        return self.codes or tuple(text for text, _destination in self.rows or ())


def rows_from_csv(text: str) -> tuple[tuple[str, str], ...]:
    """(code, destination) of each line; a first line with these words is skipped. Raises BulkError."""
    rows = []
    try:
        for number, row in enumerate(csv.reader(io.StringIO(text.removeprefix("\ufeff")), strict=True), 1):
            cells = [cell.strip() for cell in row]
            if not any(cells) or (number == 1 and [cell.lower() for cell in cells[:2]] == ["code", "destination"]):
                continue
            if len(cells) != 2 or not all(cells):
                raise BulkError(f"line {number} of the CSV has {len(cells)} fields; each is code,destination.")
            rows.append((cells[0], cells[1]))
    except csv.Error as error:
        raise BulkError(f"the CSV cannot be read: {error}. Each line is code,destination.") from error
    if not rows:
        raise BulkError("the CSV holds no line with code,destination.")
    return tuple(rows)


async def chosen_codes(
    connection: AsyncConnection, chosen: Selection, domain: str | None
) -> tuple[list[tuple[str, Code]], list[tuple[str, str]]]:
    """Codes with how they were called, and what is wrong with those that cannot be changed."""
    if chosen.texts:
        return _named_once(await _find_codes(connection, chosen.texts, domain), chosen.texts)
    if chosen.search is not None:
        ids = await list_code_ids(connection, chosen.search)
    else:
        query = select(codes.c.id).where(codes.c.archived_at.is_(None))
        if chosen.tag is not None:
            tagged = select(code_tags.c.code_id).where(code_tags.c.tag == chosen.tag.strip().lower())
            query = query.where(codes.c.id.in_(tagged))
        else:
            query = query.where(codes.c.campaign_id == await _campaign_id(connection, chosen.campaign or ""))
        ids = list((await connection.execute(query)).scalars())
    if len(ids) > MAX_CODES:
        raise BulkError(f"{len(ids):,} codes match; up to {MAX_CODES:,} can be changed at once. Choose fewer.")
    found = [
        code
        for start in range(0, len(ids), CHUNK)
        for code in await codes_by_id(connection, ids[start : start + CHUNK])
    ]
    return [(code.code, code) for code in found if domain is None or code.domain == domain.lower()], []


def _named_once(
    found: Mapping[str, Code], texts: Sequence[str]
) -> tuple[list[tuple[str, Code]], list[tuple[str, str]]]:
    chosen: list[tuple[str, Code]] = []
    problems: list[tuple[str, str]] = []
    seen: set[int] = set()
    for text in texts:
        code = found.get(text)
        if code is None:
            problems.append((text, "there is no such code."))
        elif code.archived_at is not None:
            problems.append((text, "it is archived; bring it back first."))
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
        query = code_query().where(or_(exact, folded)).order_by(domains.c.is_default.desc(), domains.c.id)
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


async def _campaign_id(connection: AsyncConnection, text: str) -> int:
    query = select(campaigns.c.id).where(func.lower(campaigns.c.name) == text.strip().lower())
    found = (await connection.execute(query)).scalar()
    if found is None and text.strip().isdecimal() and len(text) < 10:
        found = (await connection.execute(select(campaigns.c.id).where(campaigns.c.id == int(text)))).scalar()
    if found is None:
        raise NotFound(f"there is no campaign {text[:100]!r}.")
    return int(found)
