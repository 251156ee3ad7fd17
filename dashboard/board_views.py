"""What the board of jobs shows: columns by stage with the first jobs of each, or one list in pages. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import ClassVar, Final
from urllib.parse import urlencode

from dashboard.job_views import JobCard
from dashboard.views import Form
from jobs.register import Job
from jobs.shops import Shop
from jobs.workflows import Phase, Workflow

CARDS_PER_COLUMN: Final = 10
PAGE_SIZE: Final = 50
SHOWS: Final = {"": "Board", "list": "Open jobs", "late": "Late jobs", "done": "Done jobs"}
SORTS: Final = {"due": "Due first", "newest": "Newest first"}

Counts = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address of the board asks for; "" for nothing. A stage alone means its list."""

    q: str = ""
    kind: str = ""
    shop: str = ""
    show: str = ""
    stage: str = ""
    sort: str = ""

    @property
    def is_board(self) -> bool:
        return not self.show and not self.stage

    @property
    def order(self) -> str:
        """Finished ones are looked for where they were put last."""
        return self.sort or ("newest" if self.show == "done" else "due")

    @property
    def narrows(self) -> bool:
        return bool(self.q or self.kind or self.shop or self.show or self.stage)

    @property
    def given(self) -> dict[str, str]:
        return {name: value for name, value in asdict(self).items() if value}

    def path(self, base: str = "/jobs", **changes: str) -> str:
        asked = {name: value for name, value in {**self.given, **changes}.items() if value}
        return f"{base}?{urlencode(asked)}" if asked else base


def asked_from(given: Mapping[str, str]) -> Asked:
    found = {name: given.get(name, "").strip()[:200] for name in Asked.__dataclass_fields__}
    found["show"] = found["show"] if found["show"] in SHOWS else ""
    found["sort"] = found["sort"] if found["sort"] in SORTS else ""
    return Asked(**found)


@dataclass(frozen=True, slots=True)
class Column:
    name: str
    phase: str
    count: int
    path: str  # of all jobs at this stage
    cards: tuple[JobCard, ...]

    @property
    def more(self) -> int:
        return self.count - len(self.cards)


@dataclass(frozen=True, slots=True)
class Board:
    kind: str
    name: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True)
class StageLink:
    """Narrows a list to one stage; ``is_chosen``: it is narrowed so."""

    name: str
    count: int
    path: str
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class ListView:
    """One page of a list, by stage of each kind. ``first`` and ``last`` count from 1."""

    cards: tuple[JobCard, ...]
    stages: tuple[tuple[str, tuple[StageLink, ...]], ...]
    first: int
    last: int
    previous_path: str
    next_path: str


@dataclass(frozen=True, slots=True)
class Signal:
    """What the shop might do something about: how many, of what, and the first of them."""

    title: str
    text: str
    cards: tuple[JobCard, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """The signals there are something in, and the lines about calls; "" when nobody looked yet, or the store cannot say."""

    signals: tuple[Signal, ...] = ()
    calls_saved: str = ""
    assumption: str = ""


@dataclass(frozen=True, slots=True)
class JobsPage:
    """Open jobs as ``boards``, or ``listed``; ``total`` of them match, and ``late`` open ones are overdue."""

    template: ClassVar[str] = "jobs.html"
    active: ClassVar[str] = "jobs"
    boards: tuple[Board, ...]
    listed: ListView | None
    total: int
    late: int
    asked: Asked
    kinds: Mapping[str, str]
    shops: tuple[str, ...]
    zone: str
    without_hours: Shop | None  # one whose estimates, of jobs that are shown, count every hour
    form: Form
    form_open: bool
    overview: Overview

    @property
    def shows(self) -> Mapping[str, str]:
        return SHOWS

    @property
    def sorts(self) -> Mapping[str, str]:
        return SORTS


def boards_of(
    heads: Iterable[tuple[Job, JobCard]], counts: Counts, workflows: Mapping[str, Workflow], asked: Asked
) -> tuple[Board, ...]:
    """A board for each kind there are jobs of; a column for each stage, optional ones only with jobs."""
    cards: dict[tuple[str, str], list[JobCard]] = {}
    for job, card in heads:
        cards.setdefault((job.kind, job.stage), []).append(card)
    boards = []
    for kind in _kinds(counts, workflows):
        columns = tuple(
            Column(name, phase, count, asked.path(kind=kind, stage=key), tuple(cards.get((kind, key), ())))
            for key, name, phase, count in _stages(kind, counts[kind], workflows)
        )
        boards.append(Board(kind, _name(kind, workflows), columns))
    return tuple(boards)


def list_view(
    cards: Iterable[JobCard], counts: Counts, workflows: Mapping[str, Workflow], asked: Asked, page: int, total: int
) -> ListView:
    """``page`` from 1; ``counts`` are of all stages, whichever is chosen."""
    shown = tuple(cards)
    first = (page - 1) * PAGE_SIZE + 1 if shown else 0
    last = first + len(shown) - 1 if shown else 0
    stages = tuple(
        (_name(kind, workflows), _links(kind, counts[kind], workflows, asked)) for kind in _kinds(counts, workflows)
    )
    previous = asked.path(page=str(page - 1) if page > 2 else "") if page > 1 else ""
    return ListView(shown, stages, first, last, previous, asked.path(page=str(page + 1)) if last < total else "")


def _links(
    kind: str, counts: Mapping[str, int], workflows: Mapping[str, Workflow], asked: Asked
) -> tuple[StageLink, ...]:
    """The chosen one leads back to all stages."""
    links = []
    for key, name, _phase, count in _stages(kind, counts, workflows):
        chosen = (asked.kind, asked.stage) == (kind, key)
        back = {"stage": "", "show": asked.show or "list"}
        if count or chosen:
            links.append(StageLink(name, count, asked.path(**back if chosen else {"kind": kind, "stage": key}), chosen))
    return tuple(links)


def _kinds(counts: Counts, workflows: Mapping[str, Workflow]) -> list[str]:
    return [kind for kind in [*workflows, *(counts.keys() - workflows.keys())] if kind in counts]


def _stages(
    kind: str, counts: Mapping[str, int], workflows: Mapping[str, Workflow]
) -> list[tuple[str, str, Phase, int]]:
    """(key, name, phase, count) in the order of the workflow; those that it does not know come last."""
    workflow = workflows.get(kind)
    stages = workflow.stages if workflow else ()
    known: list[tuple[str, str, Phase, int]] = [
        (stage.key, stage.name, stage.phase, counts.get(stage.key, 0))
        for stage in stages
        if counts.get(stage.key) or not (stage.optional or stage.phase == "done")
    ]
    keys = {stage.key for stage in stages}
    return [*known, *((key, key, "working", count) for key, count in counts.items() if key not in keys)]


def _name(kind: str, workflows: Mapping[str, Workflow]) -> str:
    return workflows[kind].name if kind in workflows else kind
