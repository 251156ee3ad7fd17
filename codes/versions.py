"""What a version of a code says, how two differ, and how a new one is added. Versions are never changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Row, bindparam, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.errors import Conflict, NotFound
from codes.names import plain_text
from codes.options import NO_OPTIONS, Options, read_options, shown_options, written_options
from codes.rules import Rule, read_rules, rule_in_words, written_rules
from database.changes import record_changes
from database.rows import insert_rows
from database.schema import audit, codes, versions


@dataclass(frozen=True, slots=True)
class Content:
    """Where scans go: by the first rule that holds, else to the destination, within the options."""

    destination: str
    rules: tuple[Rule, ...] = ()
    options: Options = NO_OPTIONS


@dataclass(frozen=True, slots=True)
class Version:
    number: int
    content: Content
    action: str
    restores: int | None
    reason: str
    created_at: datetime
    created_by: str

    @property
    def destination(self) -> str:
        return self.content.destination


@dataclass(frozen=True, slots=True)
class Difference:
    """In words; None where there was, or is, nothing."""

    what: str
    before: str | None
    after: str | None


async def list_versions(connection: AsyncConnection, code_id: int) -> list[Version]:
    """Newest first."""
    rows = await connection.execute(
        select(versions).where(versions.c.code_id == code_id).order_by(versions.c.number.desc())
    )
    return [version_from(row) for row in rows]


async def get_version(connection: AsyncConnection, code_id: int, number: int) -> Version:
    query = select(versions).where(versions.c.code_id == code_id, versions.c.number == number)
    row = (await connection.execute(query)).first()
    if row is None:
        raise NotFound(f"this code has no version {number}; `waymark code history` lists those it has.")
    return version_from(row)


async def versions_of(connection: AsyncConnection, code_ids: Sequence[int]) -> dict[tuple[int, int], Version]:
    """All of each, by code and number."""
    rows = await connection.execute(select(versions).where(versions.c.code_id.in_(code_ids)))
    return {(row.code_id, row.number): version_from(row) for row in rows}


async def add_versions(connection: AsyncConnection, added: Mapping[int, Version], shown: Mapping[int, str]) -> None:
    """One more version of each code, by its id; ``number`` is that of the version to come and must be the next one.

    ``shown`` names the codes in the audit log. Raises Conflict when somebody else was faster.
    """
    rows = [{"code_id": code_id, **version_values(version)} for code_id, version in added.items()]
    if not rows:
        return
    try:
        await insert_rows(connection, versions, list(rows[0]), [tuple(row.values()) for row in rows])
    except IntegrityError as error:  # PostgreSQL lets two writers get this far
        raise Conflict("a code was changed by somebody else at this moment; look at it, then try again.") from error
    in_force = update(codes).where(codes.c.id == bindparam("of_code"))
    in_force = in_force.values(version=bindparam("number"), updated_at=bindparam("at"))
    await connection.execute(
        in_force, [{"of_code": code_id, "number": one.number, "at": one.created_at} for code_id, one in added.items()]
    )
    now = datetime.now(UTC)
    entries = [
        (now, version.created_by, f"code.{version.action}", shown[code_id][:300]) for code_id, version in added.items()
    ]
    await insert_rows(connection, audit, ("at", "who", "action", "subject"), entries)
    await record_changes(connection, "code", list(added))


def differences(before: Content, after: Content) -> list[Difference]:
    """What changes from one to the other, rule by rule and option by option; empty when nothing does."""
    found = []
    if before.destination != after.destination:
        found.append(Difference("destination", before.destination, after.destination))
    old, new = ({rule.name: rule for rule in content.rules} for content in (before, after))
    found += [
        Difference(f"rule {name}", _rule_text(old.get(name)), _rule_text(new.get(name)))
        for name in dict.fromkeys([*old, *new])
        if old.get(name) != new.get(name)
    ]
    order = [
        [rule.name for rule in content.rules if rule.name in old and rule.name in new] for content in (before, after)
    ]
    if order[0] != order[1]:
        found.append(Difference("order of rules", ", ".join(order[0]), ", ".join(order[1])))
    return found + _option_differences(before.options, after.options)


def origin_of(history: Mapping[int, Version], number: int) -> int:
    """The version that a chain of undos leads back to."""
    restores = history[number].restores
    return number if restores is None else restores


def step_of(version: Version) -> int:
    """Where an undo of this version begins: undos count as the version they brought back, so that the next goes further.

    A rollback, an end of a planned change and a fallback are steps of their own: what was there before them comes back.
    """
    return version.number if version.restores is None or version.action != "undo" else version.restores


def earlier_step(history: Mapping[int, Version], number: int) -> int | None:
    """The version that an undo of this one brings back; None at the first."""
    base = step_of(history[number])
    return None if base == 1 else step_of(history[base - 1])


def next_version(
    number: int, content: Content, action: str, who: str, reason: str, at: datetime | None = None
) -> Version:
    return Version(number, content, action, None, reason, at or datetime.now(UTC), who)


def restoring(version: Version, restores: int | None) -> Version:
    return replace(version, restores=restores)


def content_from(destination: str, rules: Any, options: Any) -> Content:
    """Of stored columns, which were checked when they were saved."""
    if rules is None and options is None:
        return Content(destination)
    return Content(destination, read_rules(rules, None), read_options(options, None))


def written_content(content: Content) -> dict[str, Any]:
    """As it is stored; equal contents are written alike."""
    return {
        "destination": content.destination,
        "rules": written_rules(content.rules),
        "options": written_options(content.options),
    }


def version_from(row: Row[Any]) -> Version:
    content = content_from(row.destination, row.rules, row.options)
    return Version(row.number, content, row.action, row.restores, row.reason, row.created_at, row.created_by)


def version_values(version: Version) -> dict[str, Any]:
    return {
        "number": version.number,
        **written_content(version.content),
        "action": version.action,
        "restores": version.restores,
        "reason": plain_text(version.reason),
        "created_at": version.created_at,
        "created_by": version.created_by,
    }


def _rule_text(rule: Rule | None) -> str | None:
    if rule is None:
        return None
    total = sum(variant.weight for variant in rule.variants)
    ways = [
        variant.destination
        if variant.name is None
        else f"{variant.name} {variant.weight}/{total} {variant.destination}"
        for variant in rule.variants
    ]
    return f"{rule_in_words(rule)} -> {', '.join(ways)}"


def _option_differences(before: Options, after: Options) -> list[Difference]:
    old, new = shown_options(before), shown_options(after)
    changed = [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]
    found = [Difference(f"option {name}", _option_text(old.get(name)), _option_text(new.get(name))) for name in changed]
    if before.password_hash and after.password_hash and before.password_hash != after.password_hash:
        found.append(Difference("option password", "set", "another one"))
    return found


def _option_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={text}" for name, text in value.items())
    if isinstance(value, Sequence):
        return ", ".join(map(str, value))
    return "yes" if value is True else str(value)
