"""Changes that come into force by themselves and may go again: planned, cancelled, and carried out exactly once."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo, available_timezones

from sqlalchemy import Row, Select, and_, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.alphabet import CodeError
from codes.codes import checked_content
from codes.conditions import SKIPPED, is_skipped
from codes.destinations import DestinationError, DestinationPolicy
from codes.errors import Conflict, NotFound
from codes.names import plain_text
from codes.options import written_options
from codes.passwords import with_hashed_password
from codes.register import Code, get_code, get_code_by_id
from codes.rules import written_rules
from codes.versions import (
    Content,
    Version,
    add_versions,
    get_version,
    list_versions,
    next_version,
    origin_of,
    restoring,
)
from database.engine import Database
from database.schema import audit, codes, domains, scheduled_changes

OPEN: Final = ("waiting", "active")
FARTHEST: Final = timedelta(days=3660)
SLACK: Final = timedelta(minutes=1)  # clocks differ, and a form takes a moment to be sent
MAX_PROBLEM: Final = 500
table: Final = scheduled_changes


class ScheduleError(CodeError):
    """Times or contents that cannot be planned; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class NewSchedule:
    """``at`` None is now. Contents that are None stay as they will be then; all three None is nothing to do."""

    at: datetime | None = None
    until: datetime | None = None
    destination: str | None = None
    rules: Any = None
    options: Any = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Scheduled:
    """``content`` holds only what changes. ``problem`` tells what became of it when that is not what was planned."""

    id: int
    code_id: int
    code: str
    domain: str
    starts_at: datetime
    ends_at: datetime | None
    content: dict[str, Any]
    reason: str
    state: str
    problem: str | None
    applied_version: int | None
    replaced_version: int | None
    created_at: datetime
    created_by: str


def instant(text: str, zone: str | None = None) -> datetime:
    """UTC, from local time of ``zone`` (UTC when None) or with an offset of its own. Raises ScheduleError.

    A time that the change of clocks skips is refused; of one that comes twice the first is meant.
    """
    if zone is not None and zone != "UTC" and zone not in available_timezones():
        raise ScheduleError(f"there is no time zone {zone[:60]!r}; give one like Europe/Berlin or Asia/Kolkata.")
    try:
        given = datetime.fromisoformat(text.strip())
        if given.tzinfo is not None:
            return given.astimezone(UTC)
        local = given.replace(tzinfo=ZoneInfo(zone or "UTC"))
        found = local.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ScheduleError(
            f"{text[:60]!r} is no time; write it like 2026-12-24T18:00, or with an offset: 2026-12-24T18:00+01:00."
        ) from None
    if is_skipped(given, local.tzinfo):
        raise ScheduleError(f"{text} does not exist in {zone}: {SKIPPED}")
    return found


async def schedule(
    database: Database,
    text: str,
    new: NewSchedule,
    *,
    who: str,
    policy: DestinationPolicy,
    domain: str | None = None,
    now: datetime | None = None,
) -> Scheduled:
    """Plans a change. Raises ScheduleError, DestinationError, CodeError, NotFound, or Conflict when it overlaps another."""
    now = now or datetime.now(UTC)
    starts_at = _checked_times(new, now)
    options = await with_hashed_password(new.options, None)
    async with database.transaction() as connection:
        code = await get_code(connection, text, domain)
        if code.archived_at is not None:
            raise Conflict(f"code {code.code} is archived; bring it back first.")
        content = await _planned_content(connection, new, options, policy)
        await _refuse_overlap(connection, code, starts_at, new.until)
        values = {
            "code_id": code.id,
            "starts_at": starts_at,
            "ends_at": new.until,
            "content": content,
            "reason": plain_text(new.reason)[:500],
            "state": "waiting",
            "created_at": now,
            "created_by": who,
        }
        result = await connection.execute(insert(table).values(values).returning(table.c.id))
        schedule_id = int(result.scalar_one())
        await _write_audit(connection, who, "code.plan", code, schedule_id)
        return await get_scheduled(connection, schedule_id)


async def cancel(database: Database, schedule_id: int, *, who: str, code_id: int | None = None) -> Scheduled:
    """One that waits never happens; one that is in force stays in force. Raises NotFound, Conflict."""
    async with database.transaction() as connection:
        found = await get_scheduled(connection, schedule_id)
        if code_id is not None and found.code_id != code_id:
            raise NotFound(f"this code has no planned change {schedule_id}.")
        problem = None if found.state == "waiting" else "cancelled while in force: it stays as it is"
        if not await _settle(connection, found, "cancelled", problem=problem):
            raise Conflict(f"the planned change {schedule_id} is {found.state}; there is nothing left to cancel.")
        code = await get_code_by_id(connection, found.code_id)
        await _write_audit(connection, who, "code.plan-cancelled", code, schedule_id)
        return await get_scheduled(connection, schedule_id)


async def get_scheduled(connection: AsyncConnection, schedule_id: int) -> Scheduled:
    row = (await connection.execute(_query().where(table.c.id == schedule_id))).first()
    if row is None:
        raise NotFound(f"there is no planned change {schedule_id}; `waymark code schedule list` shows those there are.")
    return _scheduled(row)


async def list_scheduled(
    connection: AsyncConnection, code_id: int | None = None, *, all_states: bool = False, limit: int = 200
) -> list[Scheduled]:
    """By the time they start; those to come and in force, or with ``all_states`` also what became of the others."""
    query = _query().order_by(table.c.starts_at.desc(), table.c.id.desc()).limit(limit)
    if code_id is not None:
        query = query.where(table.c.code_id == code_id)
    if not all_states:
        query = query.where(table.c.state.in_(OPEN))
    return [_scheduled(row) for row in reversed((await connection.execute(query)).all())]


async def run_due(database: Database, policy: DestinationPolicy, now: datetime | None = None) -> int:
    """Carries out what is due, the earliest first, each in one transaction with its version: exactly once, whoever is
    killed in between. How many were."""
    now, done = now or datetime.now(UTC), 0
    async with database.reading() as connection:
        due = await _due(connection, now)
    while due:
        for scheduled in due:
            await _carry_out(database, scheduled, policy, now)
            done += 1
        async with database.reading() as connection:  # what has begun late may have to end at once
            due = await _due(connection, now)
    return done


async def _due(connection: AsyncConnection, now: datetime) -> list[Scheduled]:
    """At one and the same moment an end comes before a beginning: the next change follows on it."""
    rows = await connection.execute(
        _query()
        .where(
            or_(
                and_(table.c.state == "waiting", table.c.starts_at <= now),
                and_(table.c.state == "active", table.c.ends_at <= now),
            )
        )
        .limit(1000)
    )
    found = [_scheduled(row) for row in rows]

    def moment(scheduled: Scheduled) -> tuple[datetime, bool, int]:
        waits = scheduled.state == "waiting"
        return (scheduled.starts_at if waits else scheduled.ends_at or now), waits, scheduled.id

    return sorted(found, key=moment)


async def _carry_out(database: Database, scheduled: Scheduled, policy: DestinationPolicy, now: datetime) -> None:
    try:
        async with database.transaction() as connection:
            scheduled = await get_scheduled(connection, scheduled.id)
            if scheduled.state == "waiting":
                await _begin(connection, scheduled, policy, now)
            elif scheduled.state == "active":
                await _end(connection, scheduled, now)
    except (CodeError, DestinationError, Conflict, NotFound) as error:
        async with database.transaction() as connection:
            await _settle(connection, scheduled, "failed", problem=str(error))


async def _begin(connection: AsyncConnection, scheduled: Scheduled, policy: DestinationPolicy, now: datetime) -> None:
    if scheduled.ends_at is not None and scheduled.ends_at <= now:
        problem = "its whole time passed while Waymark was not running: it never came into force"
        await _settle(connection, scheduled, "failed", problem=problem)
        return
    code = await get_code_by_id(connection, scheduled.code_id)
    if code.archived_at is not None:
        raise Conflict(f"code {code.code} was archived meanwhile.")
    content = await _merged(connection, code, scheduled, policy)
    state = "done" if scheduled.ends_at is None else "active"
    applied, problem = code.version, "it said what was in force already"
    if content != code.content:
        applied, problem = code.version + 1, ""
    if not await _settle(connection, scheduled, state, problem=problem or None, applied=applied, replaced=code.version):
        return
    if content != code.content:
        version = next_version(applied, content, "schedule", scheduled.created_by, _reason(scheduled), now)
        await add_versions(connection, {code.id: version}, {code.id: f"{code.domain}/{code.code}"})


async def _end(connection: AsyncConnection, scheduled: Scheduled, now: datetime) -> None:
    """Brings back what was in force before, unless somebody has changed the code meanwhile."""
    assert scheduled.applied_version is not None
    assert scheduled.replaced_version is not None
    code = await get_code_by_id(connection, scheduled.code_id)
    applied = await get_version(connection, code.id, scheduled.applied_version)
    before = await get_version(connection, code.id, scheduled.replaced_version)
    if code.content != applied.content:
        current = await get_version(connection, code.id, code.version)
        problem = f"not reverted: {current.created_by} made version {code.version} meanwhile, which stays"
        await _settle(connection, scheduled, "done", problem=problem)
        return
    if not await _settle(connection, scheduled, "done") or before.content == code.content:
        return
    history = {version.number: version for version in await list_versions(connection, code.id)}
    version = _reverting(code, before, origin_of(history, before.number), scheduled, now)
    await add_versions(connection, {code.id: version}, {code.id: f"{code.domain}/{code.code}"})


def _reverting(code: Code, before: Version, origin: int, scheduled: Scheduled, now: datetime) -> Version:
    reason = f"end of planned change {scheduled.id}"
    added = next_version(code.version + 1, before.content, "revert", scheduled.created_by, reason, now)
    return restoring(added, origin)


async def _settle(
    connection: AsyncConnection,
    scheduled: Scheduled,
    state: str,
    *,
    problem: str | None = None,
    applied: int | None = None,
    replaced: int | None = None,
) -> bool:
    """False when it is no longer in the state it was read in: somebody else has dealt with it."""
    values: dict[str, Any] = {"state": state, "problem": problem and problem[:MAX_PROBLEM]}
    if applied is not None:
        values |= {"applied_version": applied, "replaced_version": replaced}
    mine = and_(table.c.id == scheduled.id, table.c.state == scheduled.state, table.c.state.in_(OPEN))
    return (await connection.execute(update(table).where(mine).values(values))).rowcount == 1


async def _merged(connection: AsyncConnection, code: Code, scheduled: Scheduled, policy: DestinationPolicy) -> Content:
    """Checked anew: what was allowed when it was planned may be one of our own domains by now."""
    given = scheduled.content
    destination = given.get("destination", "https://example.com/")
    checked = await checked_content(connection, destination, given.get("rules"), given.get("options"), policy)
    return Content(
        checked.destination if "destination" in given else code.destination,
        checked.rules if "rules" in given else code.rules,
        checked.options if "options" in given else code.options,
    )


async def _planned_content(
    connection: AsyncConnection, new: NewSchedule, options: Any, policy: DestinationPolicy
) -> dict[str, Any]:
    if new.destination is None and new.rules is None and new.options is None:
        raise ScheduleError("nothing is to change: give a destination, rules or options.")
    checked = await checked_content(
        connection,
        new.destination if new.destination is not None else "https://example.com/",
        new.rules,
        options,
        policy,
    )
    content: dict[str, Any] = {}
    if new.destination is not None:
        content["destination"] = checked.destination
    if new.rules is not None:
        content["rules"] = written_rules(checked.rules) or []
    if new.options is not None:
        content["options"] = written_options(checked.options) or {}
    return content


def _checked_times(new: NewSchedule, now: datetime) -> datetime:
    starts_at = new.at or now
    if starts_at < now - SLACK:
        raise ScheduleError(f"{starts_at:%Y-%m-%d %H:%M} UTC has passed already. Choose a time to come.")
    if new.until is not None and new.until <= max(starts_at, now):
        raise ScheduleError("the end must come after the beginning, and after now.")
    if max(starts_at, new.until or starts_at) > now + FARTHEST:
        raise ScheduleError("that is more than ten years ahead. Choose an earlier time.")
    return starts_at


async def _refuse_overlap(connection: AsyncConnection, code: Code, start: datetime, end: datetime | None) -> None:
    """Two changes may follow each other, end to beginning. One without an end is a moment, and may not lie within another's
    time: its effect would be taken back by the other's end."""
    for other in await list_scheduled(connection, code.id):
        other_end = other.ends_at or other.starts_at
        mine, theirs = (start, end or start), (other.starts_at, other_end)
        if mine[0] == theirs[0] or (mine[0] < theirs[1] and theirs[0] < mine[1]):
            raise Conflict(
                f"it overlaps with planned change {other.id} of code {code.code} ({_span(other)}). Choose another time, or "
                f"cancel that one: `waymark code schedule cancel {other.id}`."
            )


def _span(scheduled: Scheduled) -> str:
    start = f"{scheduled.starts_at:%Y-%m-%d %H:%M}"
    return f"{start} to {scheduled.ends_at:%Y-%m-%d %H:%M} UTC" if scheduled.ends_at else f"{start} UTC"


def _reason(scheduled: Scheduled) -> str:
    return scheduled.reason or f"planned change {scheduled.id}"


def _query() -> Select[Any]:
    return (
        select(table, codes.c.code, domains.c.host)
        .join(codes, codes.c.id == table.c.code_id)
        .join(domains, domains.c.id == codes.c.domain_id)
    )


def _scheduled(row: Row[Any]) -> Scheduled:
    return Scheduled(
        id=row.id,
        code_id=row.code_id,
        code=row.code,
        domain=row.host,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        content=row.content,
        reason=row.reason,
        state=row.state,
        problem=row.problem,
        applied_version=row.applied_version,
        replaced_version=row.replaced_version,
        created_at=row.created_at,
        created_by=row.created_by,
    )


async def _write_audit(connection: AsyncConnection, who: str, action: str, code: Code, schedule_id: int) -> None:
    subject = f"{code.domain}/{code.code}: planned change {schedule_id}"
    await connection.execute(insert(audit).values(at=datetime.now(UTC), who=who, action=action, subject=subject[:300]))
