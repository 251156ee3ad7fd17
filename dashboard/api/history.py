"""The history of a code: its versions with what each changed, undo and rollback."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from codes.codes import rollback, undo
from codes.options import shown_options
from codes.register import get_code
from codes.rules import written_rules
from codes.versions import Content, Difference, Version, differences, list_versions
from dashboard.access import Editor, TheParts, Viewer
from dashboard.api.codes import CodeOut, Domain, code_out

router = APIRouter(tags=["codes"])

NOTHING = Content("")  # before the first version


class DifferenceOut(BaseModel):
    """In words; null where there was, or is, nothing."""

    what: str
    before: str | None
    after: str | None


class VersionOut(BaseModel):
    """``changes`` are against the version before. ``restores`` is the version whose contents came back."""

    version: int
    destination: str
    rules: list[dict[str, Any]]
    options: dict[str, Any]
    action: str
    restores: int | None
    reason: str
    created_at: datetime
    created_by: str
    changes: list[DifferenceOut]


class VersionPage(BaseModel):
    code: str
    versions: list[VersionOut]


class Undo(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field("", max_length=500)


class RollbackIn(BaseModel):
    """``expected``, when given, must be the version in force: it guards against lost updates."""

    model_config = ConfigDict(extra="forbid")

    version: int = Field(ge=1, le=2**31)
    reason: str = Field("", max_length=500)
    expected: int | None = None


@router.get("/codes/{code}/versions")
async def code_versions(code: str, _who: Viewer, parts: TheParts, domain: Domain = None) -> VersionPage:
    """Newest first."""
    async with parts.database.reading() as connection:
        found = await get_code(connection, code, domain)
        history = await list_versions(connection, found.id)
    return VersionPage(code=found.code, versions=versions_out(history))


@router.post("/codes/{code}/undo")
async def undo_code(
    code: str, who: Editor, parts: TheParts, domain: Domain = None, body: Undo | None = None
) -> CodeOut:
    """Brings back what was in force before, as a new version."""
    reason = body.reason if body else ""
    return code_out(await undo(parts.database, code, who=who.name, domain=domain, reason=reason))


@router.post("/codes/{code}/rollback")
async def rollback_code(code: str, body: RollbackIn, who: Editor, parts: TheParts, domain: Domain = None) -> CodeOut:
    """Brings back any earlier version, as a new one."""
    changed = await rollback(
        parts.database,
        code,
        body.version,
        who=who.name,
        domain=domain,
        reason=body.reason,
        expected_version=body.expected,
    )
    return code_out(changed)


def versions_out(history: Sequence[Version]) -> list[VersionOut]:
    """``history`` is whole and newest first."""
    before = [*(version.content for version in history[1:]), NOTHING]
    return [version_out(version, then) for version, then in zip(history, before, strict=True)]


def version_out(version: Version, before: Content) -> VersionOut:
    return VersionOut(
        version=version.number,
        destination=version.destination,
        rules=written_rules(version.content.rules) or [],
        options=shown_options(version.content.options),
        action=version.action,
        restores=version.restores,
        reason=version.reason,
        created_at=version.created_at,
        created_by=version.created_by,
        changes=[difference_out(entry) for entry in differences(before, version.content)],
    )


def difference_out(difference: Difference) -> DifferenceOut:
    return DifferenceOut(what=difference.what, before=difference.before or None, after=difference.after)
