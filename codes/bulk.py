"""Many codes changed in one transaction: shown first, applied whole or not at all, undone whole."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.destinations import DestinationError, DestinationPolicy, check_destination
from codes.domains import list_domains
from codes.errors import Conflict, NotFound
from codes.register import codes_by_id
from codes.rules import Rule
from codes.selection import CHUNK, MAX_CODES, BulkError, Selection, chosen_codes, count_left_out
from codes.versions import (
    Content,
    Version,
    add_versions,
    next_version,
    restoring,
    step_of,
    versions_of,
    written_content,
)
from database.engine import Database
from database.schema import tasks

SHOWN_PROBLEMS: Final = 3
KIND: Final = "bulk"


@dataclass(frozen=True, slots=True)
class Edit:
    """What is done to each: another destination, or ``find`` replaced wherever it stands in a destination, those of rules
    and the fallback among them. Neither, when each row brings its own."""

    destination: str | None = None
    find: str | None = None
    replace: str = ""


@dataclass(frozen=True, slots=True)
class BulkRow:
    code_id: int
    code: str
    domain: str
    version: int
    before: Content
    after: Content
    archived: bool = False


@dataclass(frozen=True, slots=True)
class BulkPlan:
    """``digest`` stands for exactly this: the same codes at the same versions, changed to the same. ``left_out`` are archived
    codes that would be among them if they had been asked for."""

    rows: tuple[BulkRow, ...]
    unchanged: int
    problems: tuple[tuple[str, str], ...]
    digest: str
    left_out: int = 0

    @property
    def archived(self) -> int:
        """Of the codes that change: those that no scan is answered from."""
        return sum(row.archived for row in self.rows)


@dataclass(frozen=True, slots=True)
class Bulk:
    """One that was made. ``undone_by`` is the bulk that took it back, ``undoes`` the one this took back."""

    id: int
    count: int
    reason: str
    created_at: datetime
    created_by: str
    undone_by: int | None
    undoes: int | None
    codes: tuple[tuple[int, int, int], ...]  # code id, version before, version made


@dataclass(frozen=True, slots=True)
class Undone:
    """``skipped`` are codes that somebody has changed since: they stay as they are."""

    bulk: Bulk
    skipped: tuple[str, ...]


async def plan_bulk(
    connection: AsyncConnection, chosen: Selection, edit: Edit, policy: DestinationPolicy, domain: str | None = None
) -> BulkPlan:
    """What would change; changes nothing. Raises BulkError, NotFound (campaign)."""
    _check_request(chosen, edit)
    found, problems = await chosen_codes(connection, chosen, domain)
    own = frozenset(entry.host for entry in await list_domains(connection))
    checked = _Checked(replace(policy, own_hosts=policy.own_hosts | own))
    wanted = dict(chosen.rows or ())
    rows, unchanged = [], 0
    for text, code in found:
        try:
            after = _edited(code.content, replace(edit, destination=wanted.get(text, edit.destination)), checked)
        except DestinationError as error:
            problems.append((text, str(error)))
            continue
        if after == code.content:
            unchanged += 1
        else:
            archived = code.archived_at is not None
            rows.append(BulkRow(code.id, code.code, code.domain, code.version, code.content, after, archived))
    rows.sort(key=lambda row: (row.domain, row.code))
    left_out = await count_left_out(connection, chosen, domain)
    return BulkPlan(tuple(rows), unchanged, tuple(problems), _digest(rows), left_out)


async def apply_bulk(
    database: Database,
    chosen: Selection,
    edit: Edit,
    *,
    who: str,
    policy: DestinationPolicy,
    reason: str = "",
    domain: str | None = None,
    digest: str | None = None,
) -> tuple[Bulk | None, BulkPlan]:
    """All of it in one transaction, or nothing; None when nothing is to change. Raises as ``plan_bulk``, BulkError when one
    of the codes has a problem, and Conflict when ``digest``, of an earlier plan, is not what would happen now."""
    async with database.transaction() as connection:
        plan = await plan_bulk(connection, chosen, edit, policy, domain)
        _refuse_problems(plan)
        if digest is not None and digest != plan.digest:
            raise Conflict("the codes have changed since this was shown. Look at the difference again, then apply it.")
        if not plan.rows:
            return None, plan
        now = datetime.now(UTC)
        added = {row.code_id: next_version(row.version + 1, row.after, KIND, who, reason, now) for row in plan.rows}
        await add_versions(connection, added, {row.code_id: f"{row.domain}/{row.code}" for row in plan.rows})
        made = [(row.code_id, row.version, row.version + 1) for row in plan.rows]
        return await _note(connection, made, who, reason, now), plan


async def undo_bulk(database: Database, bulk_id: int, *, who: str, reason: str = "") -> Undone:
    """Brings back what each code said before, where it still says what the bulk made it say; itself a bulk that can be
    undone. Raises NotFound, Conflict."""
    async with database.transaction() as connection:
        bulk = await get_bulk(connection, bulk_id)
        if bulk.undone_by is not None:
            raise Conflict(f"bulk change {bulk_id} was undone already, by bulk change {bulk.undone_by}.")
        now, why = datetime.now(UTC), reason or f"undo of bulk change {bulk_id}"
        added, shown, skipped = await _undoing(connection, bulk, who, why, now)
        if not added:
            raise Conflict(f"every code of bulk change {bulk_id} was changed since; there is nothing left to undo.")
        await add_versions(connection, added, shown)
        made = [(code_id, version.number - 1, version.number) for code_id, version in added.items()]
        undoing = await _note(connection, made, who, why, now, undoes=bulk_id)
        result = {**_result(bulk.codes), "undone_by": undoing.id}
        await connection.execute(update(tasks).where(tasks.c.id == bulk_id).values(result=result))
        return Undone(undoing, skipped)


async def get_bulk(connection: AsyncConnection, bulk_id: int) -> Bulk:
    row = (await connection.execute(select(tasks).where(tasks.c.id == bulk_id, tasks.c.kind == KIND))).first()
    if row is None:
        raise NotFound(f"there is no bulk change {bulk_id}; `waymark code bulk list` shows those there are.")
    return _bulk(row)


async def list_bulks(connection: AsyncConnection, limit: int = 20) -> list[Bulk]:
    """Newest first."""
    query = select(tasks).where(tasks.c.kind == KIND).order_by(tasks.c.id.desc()).limit(limit)
    return [_bulk(row) for row in await connection.execute(query)]


class _Checked:
    """Each destination is checked once: a thousand codes often share one."""

    def __init__(self, policy: DestinationPolicy) -> None:
        self._policy = policy
        self._known: dict[str, str | DestinationError] = {}

    def __call__(self, text: str) -> str:
        if text not in self._known:
            try:
                self._known[text] = check_destination(text, self._policy)
            except DestinationError as error:
                self._known[text] = error
        known = self._known[text]
        if isinstance(known, DestinationError):
            raise known
        return known


def _check_request(chosen: Selection, edit: Edit) -> None:
    given = [chosen.tag, chosen.campaign, chosen.search, chosen.codes, chosen.rows]
    if sum(value is not None for value in given) != 1:
        raise BulkError("choose the codes by one of tag, campaign, search, codes or CSV.")
    if any(value is not None and not value for value in given):
        raise BulkError("the choice of codes is empty; an empty one would mean all of them, which must be said.")
    ways = sum((edit.destination is not None, edit.find is not None, chosen.rows is not None))
    if ways != 1 or edit.find == "":
        raise BulkError("give either a destination, or what to find and replace; a CSV brings its own destinations.")
    if len(chosen.texts) > MAX_CODES:
        raise BulkError(f"that names more than {MAX_CODES:,} codes; split it.")
    twice = [text for text, count in Counter(chosen.texts).items() if count > 1]
    if twice:
        raise BulkError(f"{twice[0]!r} is named twice; name each code once.")


def _edited(content: Content, edit: Edit, checked: _Checked) -> Content:
    if edit.find is None:
        assert edit.destination is not None
        return replace(content, destination=checked(edit.destination))

    def swapped(text: str) -> str:
        return checked(text.replace(edit.find or "", edit.replace)) if (edit.find or "") in text else text

    fallback = content.options.fallback
    return Content(
        swapped(content.destination),
        tuple(_with_destinations(rule, swapped) for rule in content.rules),
        replace(content.options, fallback=swapped(fallback)) if fallback else content.options,
    )


def _with_destinations(rule: Rule, swapped: Callable[[str], str]) -> Rule:
    return replace(
        rule, variants=tuple(replace(variant, destination=swapped(variant.destination)) for variant in rule.variants)
    )


def _digest(rows: Sequence[BulkRow]) -> str:
    said = [(row.code_id, row.version, written_content(row.after)) for row in rows]
    return hashlib.sha256(orjson.dumps(said, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]


def _refuse_problems(plan: BulkPlan) -> None:
    if plan.problems:
        shown = "; ".join(f"{text}: {why}" for text, why in plan.problems[:SHOWN_PROBLEMS])
        more = len(plan.problems) - SHOWN_PROBLEMS
        raise BulkError(f"nothing was changed. {shown}" + (f" And {more:,} more like these." if more > 0 else ""))


async def _undoing(
    connection: AsyncConnection, bulk: Bulk, who: str, reason: str, now: datetime
) -> tuple[dict[int, Version], dict[int, str], tuple[str, ...]]:
    added: dict[int, Version] = {}
    shown: dict[int, str] = {}
    skipped = []
    for start in range(0, len(bulk.codes), CHUNK):
        part = bulk.codes[start : start + CHUNK]
        found = {code.id: code for code in await codes_by_id(connection, [code_id for code_id, _b, _m in part])}
        history = await versions_of(connection, [code_id for code_id, _b, _m in part])
        for code_id, before, made in part:
            code = found.get(code_id)
            if code is None:
                continue
            if code.content != history[code_id, made].content:
                skipped.append(code.code)
                continue
            origin = step_of(history[code_id, before])
            content = history[code_id, before].content
            added[code_id] = restoring(next_version(code.version + 1, content, "undo", who, reason, now), origin)
            shown[code_id] = f"{code.domain}/{code.code}"
    return added, shown, tuple(skipped)


async def _note(
    connection: AsyncConnection,
    made: Sequence[tuple[int, int, int]],
    who: str,
    reason: str,
    now: datetime,
    undoes: int | None = None,
) -> Bulk:
    values = {
        "kind": KIND,
        "state": "done",
        "done": len(made),
        "total": len(made),
        "input": {"reason": reason, "undoes": undoes},
        "result": _result(made),
        "created_at": now,
        "created_by": who,
        "finished_at": now,
    }
    task_id = int((await connection.execute(insert(tasks).values(values).returning(tasks.c.id))).scalar_one())
    return await get_bulk(connection, task_id)


def _result(made: Sequence[tuple[int, int, int]]) -> dict[str, Any]:
    return {"codes": [list(entry) for entry in made]}


def _bulk(row: Any) -> Bulk:
    return Bulk(
        id=row.id,
        count=row.total,
        reason=row.input["reason"],
        created_at=row.created_at,
        created_by=row.created_by,
        undone_by=row.result.get("undone_by"),
        undoes=row.input["undoes"],
        codes=tuple((code_id, before, made) for code_id, before, made in row.result["codes"]),
    )
