"""The pages of the kinds of jobs: their stages, in order, with what customers read at each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from codes.errors import Conflict
from dashboard import job_tasks
from dashboard.access import Identity, TheParts
from dashboard.ask_page import AskPage
from dashboard.forms import read_form
from dashboard.kind_forms import (
    MAX_FIELDS,
    PHASES,
    KindDraft,
    changed,
    draft_of,
    estimate_words,
    read_draft,
    read_kind,
)
from dashboard.parts import Parts
from dashboard.show import sentence, show
from dashboard.signed_in import Reader, Writer
from dashboard.views import Form
from jobs.expected import Expected, Stale
from jobs.kinds import (
    DEFAULT_KIND,
    count_by_kind,
    count_by_stage,
    create_workflow,
    first_language,
    get_workflow,
    list_workflows,
)
from jobs.languages import LANGUAGES, direction_of
from jobs.workflows import (
    BUILT_IN,
    MAX_STAGES,
    MIN_STAGES,
    Phase,
    Workflow,
    WorkflowError,
    read_workflow,
    suggested_key,
    written_stages,
)

router = APIRouter(include_in_schema=False)
CHANGED_MEANWHILE: Final = (
    "Somebody else has changed this kind meanwhile; nothing was saved. Look at it in another window: saving again puts "
    "yours in its place."
)


@dataclass(frozen=True, slots=True)
class KindView:
    """``origin``: "built in", "changed" (a built-in one) or "your own"."""

    kind: str
    name: str
    path: str
    origin: str
    stages: tuple[str, ...]
    jobs: int


@dataclass(frozen=True, slots=True)
class KindsPage:
    template: ClassVar[str] = "kinds.html"
    active: ClassVar[str] = "jobs"
    kinds: tuple[KindView, ...]
    form: Form


@dataclass(frozen=True, slots=True)
class StageView:
    """``jobs`` stand at it, so it cannot be removed; ``trail`` is what customers read in the shop's own language. It
    ``is_open`` when there is something to look at: new, changed or wrong.
    """

    key: str
    jobs: int
    trail: str
    optional: bool
    is_open: bool


@dataclass(frozen=True, slots=True)
class KindPage:
    """``form`` is what is typed, saved or not; ``focus`` names the field or button that the keyboard goes on with."""

    template: ClassVar[str] = "kind.html"
    active: ClassVar[str] = "jobs"
    phases: ClassVar[Mapping[Phase, str]] = PHASES
    fewest: ClassVar[int] = MIN_STAGES
    most: ClassVar[int] = MAX_STAGES
    kind: KindView
    form: Form
    stages: tuple[StageView, ...]
    version: str
    focus: str
    unsaved: bool
    saved: bool
    languages: Mapping[str, str]
    estimate: str

    @property
    def first_language(self) -> str:
        return next(iter(self.languages))

    @property
    def direction(self) -> str:
        return direction_of(self.first_language)


@router.get("/kinds")
async def kinds(request: Request, who: Reader, parts: TheParts) -> Response:
    return await _kinds_page(request, who, parts)


@router.post("/kinds")
async def add_kind(request: Request, who: Writer, parts: TheParts) -> Response:
    """As another one, to be changed from there."""
    fields = await read_form(request, who)
    name = fields.get("name", "").strip()
    async with parts.database.reading() as connection:
        known = await list_workflows(connection)
    like = known.get(fields.get("like", ""), known[DEFAULT_KIND])
    try:
        kind = suggested_key(name, known, "own")
        made = read_workflow(kind, name, written_stages(like.stages), like.keep_done_days, like.keep_idle_days)
        await create_workflow(parts.database, made, who=who.name)
    except (WorkflowError, Conflict) as error:
        problem = "A kind has a name of 1 to 80 characters." if isinstance(error, WorkflowError) else sentence(error)
        return await _kinds_page(request, who, parts, Form(fields, {"name": problem}), 422)
    return RedirectResponse(f"/kinds/{kind}", 303)


@router.get("/kinds/{kind}")
async def kind_page(kind: str, request: Request, who: Reader, parts: TheParts) -> Response:
    return await _kind_page(kind, request, who, parts)


@router.post("/kinds/{kind}")
async def change_kind(kind: str, request: Request, who: Writer, parts: TheParts) -> Response:
    """Every button sends the whole form; only "save" changes the kind."""
    fields = await read_form(request, who, max_fields=MAX_FIELDS)
    draft, button = read_draft(fields), fields.get("do", "save")
    if button != "save":
        focus = changed(draft, button)
        return await _kind_page(kind, request, who, parts, draft=draft, focus=focus, version=fields.get("version", ""))
    async with parts.database.reading() as connection:
        language = await first_language(connection)
    read, errors = read_kind(kind, draft, language)
    if read is None:
        was = fields.get("version", "")
        return await _kind_page(kind, request, who, parts, draft=draft, errors=errors, version=was, status=422)
    try:
        began = Expected(frozenset({fields.get("version", "")}))
        await job_tasks.change_kind(parts.database, read, who.name, began)
    except Conflict as error:
        wrong = {"": CHANGED_MEANWHILE if isinstance(error, Stale) else sentence(error)}
        return await _kind_page(kind, request, who, parts, draft=draft, errors=wrong, status=409)
    return RedirectResponse(f"/kinds/{kind}?saved=1", 303)


@router.get("/kinds/{kind}/reset")
async def ask_reset(kind: str, request: Request, who: Writer, parts: TheParts) -> Response:
    return await _ask_page(kind, request, who, parts)


@router.post("/kinds/{kind}/reset")
async def reset(kind: str, request: Request, who: Writer, parts: TheParts) -> Response:
    """Back to the built-in one; one of your own goes."""
    await read_form(request, who)
    try:
        await job_tasks.reset_kind(parts.database, kind, who.name)
    except Conflict as error:
        return await _ask_page(kind, request, who, parts, sentence(error), 409)
    return RedirectResponse(f"/kinds/{kind}?saved=1" if kind in BUILT_IN else "/kinds", 303)


async def _kinds_page(
    request: Request, who: Identity, parts: Parts, form: Form | None = None, status: int = 200
) -> Response:
    async with parts.database.reading() as connection:
        found, counted = await list_workflows(connection), await count_by_kind(connection)
    views = tuple(_view(workflow, counted.get(kind, 0)) for kind, workflow in found.items())
    return show(request, KindsPage(views, form or Form()), who, status=status)


async def _kind_page(
    kind: str,
    request: Request,
    who: Identity,
    parts: Parts,
    *,
    draft: KindDraft | None = None,
    errors: Mapping[str, str] | None = None,
    focus: str = "",
    version: str | None = None,
    status: int = 200,
) -> Response:
    """``version`` is the one that the draft began with; None: what is shown is to take the place of the one there is."""
    async with parts.database.reading() as connection:
        workflow, counted = await get_workflow(connection, kind), await count_by_stage(connection, kind)
        language = await first_language(connection)
    shown = draft or draft_of(workflow)
    kept = {stage["key"]: stage for stage in draft_of(workflow).stages}
    wrong = {field.partition("-")[0] for field in errors or ()}
    stages = [
        StageView(
            key=stage["key"],
            jobs=counted.get(stage["key"], 0),
            trail=stage[language],
            optional=bool(stage["optional"]),
            is_open=stage != kept.get(stage["key"]) or f"s{place}" in wrong or focus.startswith(f"s{place}-"),
        )
        for place, stage in enumerate(shown.stages)
    ]
    page = KindPage(
        kind=_view(workflow, sum(counted.values())),
        form=Form(shown.values, errors or {}),
        stages=tuple(stages),
        version=workflow.version if version is None else version,
        focus=focus or next(iter(errors or ()), ""),
        unsaved=draft is not None,
        saved="saved" in request.query_params,
        languages={language: LANGUAGES[language], **LANGUAGES},
        estimate=estimate_words(shown),
    )
    return show(request, page, who, status=status)


async def _ask_page(
    kind: str, request: Request, who: Identity, parts: Parts, problem: str = "", status: int = 200
) -> Response:
    async with parts.database.reading() as connection:
        workflow = await get_workflow(connection, kind)
    view = _view(workflow, 0)
    quotes: tuple[str, ...] = ()
    if workflow.kind in BUILT_IN:
        title, button = f"Go back to the built-in {BUILT_IN[kind].name}?", "Go back to the built-in stages"
        text = (
            "Names, stages, hours and days are as they came with Waymark again, and new jobs start without rules. "
            "What you changed of this kind is lost."
        )
        quotes = (" → ".join(stage.name for stage in BUILT_IN[kind].stages),)
    else:
        title, button = f"Delete {workflow.name}?", "Delete this kind"
        text = "Its stages and what customers read at them go for good. Jobs of other kinds stay as they are."
    page = AskPage(
        title=title,
        trail=(("Kinds of jobs", "/kinds"), (workflow.name, view.path)),
        text=text,
        quotes=quotes,
        problem=problem,
        action=f"{view.path}/reset",
        button=button,
        back=view.path,
    )
    return show(request, page, who, status=status)


def _view(workflow: Workflow, jobs: int) -> KindView:
    came = BUILT_IN.get(workflow.kind)
    origin = "your own" if came is None else "built in" if came == workflow else "changed"
    names = tuple(stage.name for stage in workflow.stages)
    return KindView(workflow.kind, workflow.name, f"/kinds/{workflow.kind}", origin, names, jobs)
