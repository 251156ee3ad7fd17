"""The pages of the rules of one job, and of those that new jobs of a kind start with: where a scan of the slip leads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Final

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from codes.alphabet import CodeError
from codes.destinations import DestinationError
from codes.errors import Conflict
from codes.job_codes import change_job_rules, undo_job_rules
from codes.register import JOB_DESTINATION, get_code_by_id
from codes.rules import Rule, RuleError, read_rules
from codes.versions import earlier_step, list_versions
from dashboard.access import Identity, TheParts
from dashboard.api.job_rules import code_id_of
from dashboard.api.jobs import asked_job
from dashboard.formats import counted
from dashboard.forms import read_form
from dashboard.job_cards import shops_by_id
from dashboard.job_forms import whole
from dashboard.job_views import job_path, shop_query
from dashboard.parts import Parts
from dashboard.path_parts import PathReference
from dashboard.periods import zone_for
from dashboard.rule_editor import RulesEditor, editor_for, given_rules, is_saving
from dashboard.rule_forms import MAX_FIELDS, STATE_NAMES, rules_of
from dashboard.show import sentence, show
from dashboard.signed_in import Reader, Writer
from jobs.kind_rules import count_slips, find_kind_rules, put_kind_rules, undo_kind_rules
from jobs.kinds import get_workflow
from jobs.register import Job
from redirector.decision import decision_for
from redirector.routes import Route
from redirector.simulation import Imagined

router = APIRouter(include_in_schema=False)

OTHERWISE: Final = "every scan shows the job's page"


@dataclass(frozen=True, slots=True)
class WayView:
    """Where a scan leads while a job stands so: by which rule, to which addresses with their share; none is its page."""

    state: str
    rule: str
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class JobRulesPage:
    """``ways`` are those of what is typed, or else ``mistake`` says why there are none. ``undo`` says what an undo brings
    back, "" when there is nothing. Of a kind also how many jobs there are, and whether they shall get the rules.
    """

    template: ClassVar[str] = "job_rules.html"
    active: ClassVar[str] = "jobs"
    title: str
    trail: tuple[tuple[str, str], ...]
    editor: RulesEditor
    undo_action: str
    undo: str
    ways: tuple[WayView, ...]
    mistake: str
    done: str
    kind: str = ""
    jobs: str = ""
    to_all: bool = False


@router.get("/kinds/{kind}/rules")
async def kind_rules(kind: str, request: Request, who: Reader, parts: TheParts) -> Response:
    return await _kind_page(kind, request, who, parts)


@router.post("/kinds/{kind}/rules")
async def change_kind_rules(kind: str, request: Request, who: Writer, parts: TheParts) -> Response:
    """Every button sends the whole form; only "save" and "json" change anything."""
    fields = await read_form(request, who, max_fields=MAX_FIELDS)
    if not is_saving(fields):
        return await _kind_page(kind, request, who, parts, sent=fields)
    try:
        _rules, changed = await put_kind_rules(
            parts.database,
            kind,
            given_rules(fields),
            who=who.name,
            policy=parts.settings.policy,
            to_all=bool(fields.get("to_all")),
            expected_version=fields.get("version", ""),
        )
    except (CodeError, DestinationError, Conflict) as error:
        return await _kind_page(kind, request, who, parts, sent=fields, error=error, status=_status(error))
    return RedirectResponse(f"/kinds/{kind}/rules?saved={changed}", 303)


@router.post("/kinds/{kind}/rules/undo")
async def undo_rules_of_kind(kind: str, request: Request, who: Writer, parts: TheParts) -> Response:
    fields = await read_form(request, who)
    try:
        _rules, changed = await undo_kind_rules(
            parts.database, kind, who=who.name, expected_version=fields.get("version", "")
        )
    except Conflict as error:
        return await _kind_page(kind, request, who, parts, error=error, status=409)
    return RedirectResponse(f"/kinds/{kind}/rules?undone={changed}", 303)


@router.get("/jobs/{reference}/rules")
async def job_rules(reference: PathReference, request: Request, who: Writer, parts: TheParts) -> Response:
    return await _job_page(await _find(reference, request, parts), request, who, parts)


@router.post("/jobs/{reference}/rules")
async def change_rules_of_job(reference: PathReference, request: Request, who: Writer, parts: TheParts) -> Response:
    fields = await read_form(request, who, max_fields=MAX_FIELDS)
    job = await _find(reference, request, parts)
    if not is_saving(fields):
        return await _job_page(job, request, who, parts, sent=fields)
    try:
        await change_job_rules(
            parts.database,
            code_id_of(job),
            job.reference,
            given_rules(fields),
            who=who.name,
            policy=parts.settings.policy,
            expected_version=whole(fields.get("version")),
        )
    except (CodeError, DestinationError, Conflict) as error:
        return await _job_page(job, request, who, parts, sent=fields, error=error, status=_status(error))
    return await _back(job, parts, "saved")


@router.post("/jobs/{reference}/rules/undo")
async def undo_rules_of_job(reference: PathReference, request: Request, who: Writer, parts: TheParts) -> Response:
    fields = await read_form(request, who)
    job = await _find(reference, request, parts)
    try:
        version = whole(fields.get("version"))
        await undo_job_rules(parts.database, code_id_of(job), job.reference, who=who.name, expected_version=version)
    except Conflict as error:
        return await _job_page(job, request, who, parts, error=error, status=409)
    return await _back(job, parts, "undone")


def ways_of(rules: Sequence[Rule], now: datetime) -> tuple[WayView, ...]:
    """Of a scan of which nothing is known but how the job stands."""
    route, named = Route(0, 0, "", False, 1, JOB_DESTINATION, tuple(rules)), {rule.name: rule for rule in rules}
    views = []
    for state, words in STATE_NAMES.items():
        rule = named.get(decision_for(route, Imagined({"job": state}), now).rule or "")
        ways = rule.variants if rule else ()
        shares = [f"{way.name} ({way.weight}): " if way.name else "" for way in ways]
        addresses = tuple(share + way.destination for share, way in zip(shares, ways, strict=True))
        views.append(WayView(words, rule.name if rule else "", addresses))
    return tuple(views)


async def _kind_page(
    kind: str,
    request: Request,
    who: Identity,
    parts: Parts,
    *,
    sent: Mapping[str, str] | None = None,
    error: Exception | None = None,
    status: int = 200,
) -> Response:
    async with parts.database.reading() as connection:
        workflow, kept = await get_workflow(connection, kind), await find_kind_rules(connection, kind)
        open_jobs, finished = await count_slips(connection, kind)
    path = f"/kinds/{kind}"
    editor = _editor(f"{path}/rules", kept.version, kept.rules, request, sent, error)
    ways, mistake = _typed_ways(editor)
    jobs = [counted(open_jobs, "open job")] if open_jobs else []
    jobs += [counted(finished, "finished job")] if finished else []
    page = JobRulesPage(
        title=f"Rules of {workflow.name}",
        trail=(("Jobs", "/jobs"), ("Kinds", "/kinds"), (workflow.name, path)),
        editor=editor,
        undo_action=f"{path}/rules/undo",
        undo=_names(kept.before),
        ways=ways,
        mistake=mistake,
        done=_done(request, "New jobs of this kind start with them."),
        kind=workflow.name,
        jobs=" and ".join(jobs),
        to_all=bool(sent and sent.get("to_all")),
    )
    return show(request, page, who, status=status)


async def _job_page(
    job: Job,
    request: Request,
    who: Identity,
    parts: Parts,
    *,
    sent: Mapping[str, str] | None = None,
    error: Exception | None = None,
    status: int = 200,
) -> Response:
    shops = await shops_by_id(parts)
    async with parts.database.reading() as connection:
        code = await get_code_by_id(connection, code_id_of(job))
        history = {version.number: version for version in await list_versions(connection, code.id)}
    origin = earlier_step(history, code.version)
    path, of_shop = job_path(job, {}), shop_query(job, shops)
    editor = _editor(f"{path}/rules{of_shop}", str(code.version), code.rules, request, sent, error)
    ways, mistake = _typed_ways(editor)
    page = JobRulesPage(
        title=f"Rules of {job.reference}",
        trail=(("Jobs", "/jobs"), (job.reference, path + of_shop)),
        editor=editor,
        undo_action=f"{path}/rules/undo{of_shop}",
        undo=_names(history[origin].content.rules) if origin else "",
        ways=ways,
        mistake=mistake,
        done=_done(request, "Scans of the slip follow them within a second."),
    )
    return show(request, page, who, status=status)


def _editor(
    action: str,
    version: str,
    rules: Sequence[Rule],
    request: Request,
    sent: Mapping[str, str] | None,
    error: Exception | None,
) -> RulesEditor:
    zone = zone_for(request.cookies.get("tz")).key
    return editor_for(action, version, OTHERWISE, rules, zone, sent=sent, error=error, first_kind="job")


def _typed_ways(editor: RulesEditor) -> tuple[tuple[WayView, ...], str]:
    """And what is wrong with what is typed. Addresses are looked at only when the rules are saved."""
    try:
        return ways_of(read_rules(rules_of(editor.drafts), None), datetime.now(UTC)), ""
    except RuleError as error:
        return (), sentence(error)


def _names(rules: Sequence[Rule] | None) -> str:
    if rules is None:
        return ""
    return ", ".join(rule.name for rule in rules) or "no rules"


def _done(request: Request, saved: str) -> str:
    """What the address that a form led to says has just been done."""
    given = request.query_params
    jobs = whole(given.get("saved") or given.get("undone")) or 0
    also = f" {counted(jobs, 'job')} got them, too." if jobs else ""
    if "undone" in given:
        return f"Undone: the rules before are back{', also on ' + counted(jobs, 'job') if jobs else ''}."
    return f"Saved. {saved}{also}" if "saved" in given else ""


async def _find(reference: str, request: Request, parts: Parts) -> Job:
    async with parts.database.reading() as connection:
        return await asked_job(connection, reference, request.query_params.get("shop") or None)


async def _back(job: Job, parts: Parts, mark: str) -> Response:
    of_shop = shop_query(job, await shops_by_id(parts))
    return RedirectResponse(f"{job_path(job, {})}/rules{of_shop}{'&' if of_shop else '?'}{mark}=0", 303)


def _status(error: Exception) -> int:
    return 409 if isinstance(error, Conflict) else 422
