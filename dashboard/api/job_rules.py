"""Rules of a job's code over the API: where a scan of the slip goes by how the job stands, instead of to its page."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from codes.errors import Conflict
from codes.job_codes import change_job_rules
from codes.register import Code, get_code_by_id
from codes.rules import written_rules
from dashboard.access import Editor, TheParts
from dashboard.api.codes import Rules
from dashboard.api.jobs import Reference, ShopName, asked_job
from jobs.register import Job

router = APIRouter(tags=["jobs"])


class JobRulesIn(BaseModel):
    """All rules there shall be; an empty list takes them away."""

    model_config = ConfigDict(extra="forbid")

    rules: Rules = Field(examples=[[{"name": "Done", "when": [{"job": ["done"]}], "to": "https://example.com/review"}]])
    reason: str = Field("", max_length=500)


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
        return _rules_out(job, await get_code_by_id(connection, _code_id(job)))


@router.put("/jobs/{reference}/rules")
async def put_rules(
    reference: Reference, body: JobRulesIn, who: Editor, parts: TheParts, shop: ShopName = None
) -> JobRulesOut:
    """Live within a second. The condition `job` is in-progress, late, ready or done."""
    async with parts.database.reading() as connection:
        job = await asked_job(connection, reference, shop)
    policy = parts.settings.policy
    code = await change_job_rules(
        parts.database, _code_id(job), job.reference, body.rules, who=who.name, policy=policy, reason=body.reason
    )
    return _rules_out(job, code)


def _code_id(job: Job) -> int:
    if job.code_id is None:
        raise Conflict(f"job {job.reference} has no code: tracking was off when it was made. Switch it on first.")
    return job.code_id


def _rules_out(job: Job, code: Code) -> JobRulesOut:
    return JobRulesOut(reference=job.reference, version=code.version, rules=written_rules(code.rules) or [])
