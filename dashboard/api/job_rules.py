"""Rules of jobs' codes over the API, one by one or by kind: where a slip leads by how a job stands."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from codes.errors import Conflict
from codes.job_codes import change_job_rules, undo_job_rules
from codes.register import Code, get_code_by_id
from codes.rules import written_rules
from dashboard.access import Editor, TheParts, Viewer
from dashboard.api.codes import Rules
from dashboard.api.jobs import Reference, ShopName, asked_job
from dashboard.api.kinds import KindName
from jobs.kind_rules import find_kind_rules, put_kind_rules, undo_kind_rules
from jobs.kinds import get_workflow
from jobs.register import Job

router = APIRouter(tags=["jobs"])


class JobRulesIn(BaseModel):
    """All rules there shall be; an empty list takes them away."""

    model_config = ConfigDict(extra="forbid")

    rules: Rules = Field(examples=[[{"name": "Done", "when": [{"job": ["done"]}], "to": "https://example.com/review"}]])
    reason: str = Field("", max_length=500)


class KindRulesIn(JobRulesIn):
    to_all: bool = Field(False, description="Put them on all jobs of this kind, whatever rules those have now.")


class UndoIn(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field("", max_length=500)


class KindRulesOut(BaseModel):
    """``changed_jobs``: how many jobs that there were got them."""

    kind: str
    rules: list[dict[str, Any]]
    changed_jobs: int


class JobRulesOut(BaseModel):
    """When none of them holds, a scan gets the job's page."""

    reference: str
    version: int
    rules: list[dict[str, Any]]


@router.get("/jobs/{reference}/rules")
async def show_rules(reference: Reference, _who: Editor, parts: TheParts, shop: ShopName = None) -> JobRulesOut:
    """In the order in which they are asked."""
    async with parts.database.reading() as connection:
        job = await asked_job(connection, reference, shop)
        return _rules_out(job, await get_code_by_id(connection, code_id_of(job)))


@router.put("/jobs/{reference}/rules")
async def put_rules(
    reference: Reference, body: JobRulesIn, who: Editor, parts: TheParts, shop: ShopName = None
) -> JobRulesOut:
    """Live within a second. The condition `job` is in-progress, late, ready or done."""
    async with parts.database.reading() as connection:
        job = await asked_job(connection, reference, shop)
    policy = parts.settings.policy
    code = await change_job_rules(
        parts.database, code_id_of(job), job.reference, body.rules, who=who.name, policy=policy, reason=body.reason
    )
    return _rules_out(job, code)


@router.post("/jobs/{reference}/rules/undo")
async def undo_rules(
    reference: Reference, who: Editor, parts: TheParts, body: UndoIn | None = None, shop: ShopName = None
) -> JobRulesOut:
    """Brings back the rules that there were before; the body may be left out."""
    async with parts.database.reading() as connection:
        job = await asked_job(connection, reference, shop)
    reason = body.reason if body else ""
    code = await undo_job_rules(parts.database, code_id_of(job), job.reference, who=who.name, reason=reason)
    return _rules_out(job, code)


@router.get("/kinds/{kind}/rules")
async def show_kind_rules(kind: KindName, _who: Viewer, parts: TheParts) -> KindRulesOut:
    """What the slips of new jobs start with."""
    async with parts.database.reading() as connection:
        await get_workflow(connection, kind)
        rules = (await find_kind_rules(connection, kind)).rules
    return KindRulesOut(kind=kind, rules=written_rules(rules) or [], changed_jobs=0)


@router.put("/kinds/{kind}/rules")
async def change_kind_rules(kind: KindName, body: KindRulesIn, who: Editor, parts: TheParts) -> KindRulesOut:
    """For the jobs to come; with ``to_all`` also for those there are, of which each can be undone by itself."""
    rules, changed = await put_kind_rules(
        parts.database,
        kind,
        body.rules,
        who=who.name,
        policy=parts.settings.policy,
        to_all=body.to_all,
        reason=body.reason,
    )
    return KindRulesOut(kind=kind, rules=written_rules(rules) or [], changed_jobs=changed)


@router.post("/kinds/{kind}/rules/undo")
async def undo_kind(kind: KindName, who: Editor, parts: TheParts, body: UndoIn | None = None) -> KindRulesOut:
    """Brings back the rules before the last change, also to the jobs that got them with it and were left alone since; the
    body may be left out.
    """
    reason = body.reason if body else ""
    rules, changed = await undo_kind_rules(parts.database, kind, who=who.name, reason=reason)
    return KindRulesOut(kind=kind, rules=written_rules(rules) or [], changed_jobs=changed)


def code_id_of(job: Job) -> int:
    """Raises Conflict."""
    if job.code_id is None:
        raise Conflict(f"job {job.reference} has no code: tracking was off when it was made. Switch it on first.")
    return job.code_id


def _rules_out(job: Job, code: Code) -> JobRulesOut:
    return JobRulesOut(reference=job.reference, version=code.version, rules=written_rules(code.rules) or [])
