"""What becomes of one row of an import: new, same, conflict or invalid, and why. Writes nothing, asks no database."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from codes.alphabet import CROCKFORD, MAX_LENGTH, MIN_LENGTH, CodeError, fold, reserved_reason
from codes.destinations import DestinationError, DestinationPolicy, check_destination
from codes.names import clean_tags, is_plain, plain_text
from codes.options import read_options
from codes.records import RecordError, read_at
from codes.rules import read_rules
from codes.versions import Content, Version, written_content

Verdict = Literal["new", "same", "conflict", "invalid"]
VERDICTS: Final[tuple[Verdict, ...]] = ("new", "same", "conflict", "invalid")
MAX_CODE: Final = 256
MAX_VERSIONS: Final = 100_000
ACTIONS: Final = frozenset(
    ("create", "retarget", "rules", "undo", "rollback", "schedule", "revert", "bulk", "bulk-undo", "import", "guard")
)
GUARDS: Final = frozenset(("off", "alert", "fallback"))
STATES: Final = frozenset(("waiting", "active", "done", "failed", "cancelled"))
_SLUG: Final = re.compile(r"[a-z0-9-]{3,64}")
_GENERATED: Final = re.compile(f"[{CROCKFORD}]{{{MIN_LENGTH},{MAX_LENGTH}}}")
_NOT_IN_PATH: Final = re.compile(r"[\s/?#%\\\"<>\x00-\x20\x7f-\xa0]")


class RowProblem(Exception):  # noqa: N818  a verdict on a row, caught where rows are judged
    """Why a row cannot be taken."""

    def __init__(self, verdict: Verdict, why: str) -> None:
        super().__init__(why)
        self.verdict = verdict


@dataclass(frozen=True, slots=True)
class Existing:
    """A code that is there already, or that an earlier row of the file makes."""

    code: str
    legacy: bool
    content: Content
    archived: bool
    where: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A code as it would be; ``values`` are the columns of its row but for ids, ``plans`` those of its schedule."""

    code: str
    folded: str
    legacy: bool
    content: Content
    versions: tuple[Version, ...]
    values: dict[str, Any]
    tags: tuple[str, ...]
    plans: tuple[dict[str, Any], ...]
    batches: tuple[str, ...]
    campaign: str | None
    placement: str | None
    whole: bool  # with rules, options and history: an export of ours


def candidate_from(record: Mapping[str, Any], who: str, policy: DestinationPolicy, *, keep_exact: bool) -> Candidate:
    """``keep_exact`` is for codes that another one of the file resembles. Raises RowProblem."""
    text = _text(record, "code", 10_000)
    _check_spelling(text)
    try:
        legacy = bool(record["legacy"]) if "legacy" in record else keep_exact or not is_ours(text)
        if not legacy and not is_ours(text):
            raise RowProblem("invalid", f"{text!r} cannot be found in any case: only a-z, 0-9 and hyphens can.")
        full = "versions" in record
        versions = _history(record, policy) if full else (_first_version(record, who, policy),)
        in_force = next(version for version in versions if version.number == record.get("version", 1))
        return Candidate(
            code=text,
            folded=fold(text),
            legacy=legacy,
            content=in_force.content,
            versions=versions,
            values=_values(record, versions, in_force, who),
            tags=clean_tags(_texts(record, "tags")),
            plans=tuple(_plan(plan, policy) for plan in _list(record, "plans")),
            batches=tuple(_texts(record, "batches")),
            campaign=record.get("campaign") or None,
            placement=record.get("placement") or None,
            whole=full,
        )
    except (CodeError, DestinationError, RecordError) as error:
        raise RowProblem("invalid", str(error)) from None
    except StopIteration:
        raise RowProblem("invalid", "none of its versions is the one in force.") from None


def refusal(candidate: Candidate, found: list[Existing]) -> RowProblem | None:
    """Because of what is there with this spelling or this lookup key; None when it can be made."""
    for existing in found:
        if existing.code == candidate.code or not (existing.legacy or candidate.legacy):
            if existing.archived and not candidate.values["archived_at"]:
                return RowProblem("conflict", f"{existing.code} is there already, archived.")
            if _leads_there(existing, candidate):
                return RowProblem("same", f"{existing.code} leads there already{existing.where}.")
            return RowProblem("conflict", f"{existing.code} leads to {existing.content.destination}{existing.where}.")
    for existing in found:
        if not existing.legacy:
            return RowProblem("conflict", f"it reads like {existing.code}, which is there already{existing.where}.")
    return None


def _leads_there(existing: Existing, candidate: Candidate) -> bool:
    if not candidate.whole:
        return existing.content.destination == candidate.content.destination
    return written_content(existing.content) == written_content(candidate.content)


def is_ours(text: str) -> bool:
    """Whether it can be found in any case and with look-alikes: spelled like an own slug, or as generated."""
    return _SLUG.fullmatch(text) is not None or _GENERATED.fullmatch(text) is not None


def _check_spelling(text: str) -> None:
    if not text:
        raise RowProblem("invalid", "it has no code.")
    if len(text) > MAX_CODE:
        raise RowProblem("invalid", f"its code has {len(text)} characters; up to {MAX_CODE} are answered.")
    odd = _NOT_IN_PATH.search(text)
    if odd or not is_plain(text):
        shown = "a slash" if odd and odd[0] == "/" else repr(odd[0]) if odd else "a control character"
        raise RowProblem("invalid", f"the code {text[:80]!r} holds {shown}, which a short link cannot.")
    reserved = reserved_reason(text)
    if reserved is not None:
        raise RowProblem("conflict", f"{text!r} is reserved: {reserved}.")


def _first_version(record: Mapping[str, Any], who: str, policy: DestinationPolicy) -> Version:
    destination = check_destination(_text(record, "destination", 20_000), policy)
    content = Content(destination, (), read_options(record.get("options"), policy))
    at = read_at(record.get("created_at"), "created_at") or datetime.now(UTC)
    return Version(1, content, "import", None, "", at, who)


def _history(record: Mapping[str, Any], policy: DestinationPolicy) -> tuple[Version, ...]:
    """Every destination is checked, since an undo may bring it back."""
    given = _list(record, "versions")
    if not given or len(given) > MAX_VERSIONS:
        raise RowProblem("invalid", f"it has {len(given)} versions.")
    versions = tuple(_version(entry, record, policy) for entry in given)
    if [version.number for version in versions] != list(range(1, len(versions) + 1)):
        raise RowProblem("invalid", "its versions are not numbered 1, 2, 3 ... in order.")
    return versions


def _version(given: Any, record: Mapping[str, Any], policy: DestinationPolicy) -> Version:
    if not isinstance(given, Mapping) or type(given.get("number")) is not int:
        raise RowProblem("invalid", "a version is an object with number, destination and the rest.")
    number, action = given["number"], given.get("action")
    destination = given.get("destination", record.get("destination") if number == record.get("version") else None)
    if not isinstance(destination, str) or action not in ACTIONS:
        raise RowProblem("invalid", f"version {number} lacks its destination, or has the unknown action {action!r}.")
    content = Content(
        check_destination(destination, policy),
        read_rules(given.get("rules"), policy),
        read_options(given.get("options"), policy),
    )
    restores = given.get("restores")
    if restores is not None and (type(restores) is not int or not 1 <= restores < number):
        raise RowProblem("invalid", f"version {number} restores {restores!r}, which is no version before it.")
    at = read_at(given.get("created_at"), "created_at")
    if at is None:
        raise RowProblem("invalid", f"version {number} lacks its time.")
    reason = plain_text(_text(given, "reason", 500))
    return Version(number, content, action, restores, reason, at, _text(given, "created_by", 120))


def _values(record: Mapping[str, Any], versions: tuple[Version, ...], in_force: Version, who: str) -> dict[str, Any]:
    now = datetime.now(UTC)
    archived = read_at(record.get("archived_at"), "archived_at") or (now if record.get("archived") else None)
    guard, kind = record.get("guard", "alert"), record.get("kind", "campaign")
    if guard not in GUARDS or kind not in ("campaign", "job"):
        raise RowProblem("invalid", f"the guard {guard!r} or the kind {kind!r} is unknown.")
    created = read_at(record.get("created_at"), "created_at") or versions[0].created_at
    return {
        "kind": kind,
        "name": plain_text(_text(record, "name", 1000))[:200],
        "version": in_force.number,
        "printed": record.get("printed") is True,
        "demo": record.get("demo") is True,
        "created_at": created,
        "created_by": _text(record, "created_by", 120) or who,
        "updated_at": read_at(record.get("updated_at"), "updated_at") or created,
        "archived_at": archived,
        "guard": guard,
    }


def _plan(given: Any, policy: DestinationPolicy) -> dict[str, Any]:
    if not isinstance(given, Mapping) or not isinstance(given.get("content"), Mapping):
        raise RowProblem("invalid", "a planned change is an object with content, starts_at, state and the rest.")
    content = given["content"]
    if "destination" in content:
        check_destination(str(content["destination"]), policy)
    read_rules(content.get("rules"), policy)
    read_options(content.get("options"), policy)
    starts, created = read_at(given.get("starts_at"), "starts_at"), read_at(given.get("created_at"), "created_at")
    if starts is None or created is None or given.get("state") not in STATES:
        raise RowProblem("invalid", "a planned change lacks its times, or its state is unknown.")
    return {
        "starts_at": starts,
        "ends_at": read_at(given.get("ends_at"), "ends_at"),
        "content": dict(content),
        "reason": _text(given, "reason", 500),
        "state": given["state"],
        "problem": given.get("problem"),
        "applied_version": given.get("applied_version"),
        "replaced_version": given.get("replaced_version"),
        "created_at": created,
        "created_by": _text(given, "created_by", 120),
    }


def _text(given: Mapping[str, Any], name: str, most: int) -> str:
    value = given.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > most:
        raise RowProblem("invalid", f"its {name} is no text of up to {most} characters.")
    return value


def _list(given: Mapping[str, Any], name: str) -> list[Any]:
    value = given.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise RowProblem("invalid", f"its {name} are no list.")
    return value


def _texts(given: Mapping[str, Any], name: str) -> list[str]:
    values = _list(given, name)
    if not all(isinstance(value, str) for value in values):
        raise RowProblem("invalid", f"its {name} are no list of texts.")
    return values
