"""The page of a code's history, plans and checks, and the page of bulk changes. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from codes.checks import GUARDS
from dashboard.formats import Moment
from dashboard.history_rows import CheckView, DifferenceView, PlannedView, VersionView
from dashboard.periods import zone_names
from dashboard.views import Form


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """`plan` carries what a refused form said, `problem` what a refused button said."""

    template: ClassVar[str] = "history.html"
    active: ClassVar[str] = "codes"
    code: str
    title: str
    path: str
    destination: str
    version: int
    versions: tuple[VersionView, ...]
    planned: tuple[PlannedView, ...]
    check: CheckView
    guard: str
    looks: bool
    zone: str
    plan: Form = field(default_factory=Form)
    problem: str = ""
    of_domain: str = ""  # what addresses below the path end with

    @property
    def guards(self) -> Mapping[str, str]:
        return GUARDS

    @property
    def zones(self) -> tuple[str, ...]:
        return zone_names()


@dataclass(frozen=True, slots=True)
class BulkRowView:
    code: str
    path: str
    version: int
    changes: tuple[DifferenceView, ...]
    archived: bool = False


@dataclass(frozen=True, slots=True)
class PreviewView:
    """What would change; `digest` makes sure that exactly this happens. `more` rows are not listed."""

    digest: str
    changed: int
    unchanged: int
    rows: tuple[BulkRowView, ...]
    more: int
    problems: tuple[tuple[str, str], ...]
    archived: int = 0
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class BulkView:
    id: int
    made: Moment
    who: str
    why: str
    codes: int
    undone_by: int | None
    undoes: int | None


@dataclass(frozen=True, slots=True)
class BulkPage:
    template: ClassVar[str] = "bulk.html"
    active: ClassVar[str] = "codes"
    form: Form
    preview: PreviewView | None
    bulks: tuple[BulkView, ...]

    @property
    def ways(self) -> Mapping[str, str]:
        return {"tag": "Tag", "campaign": "Campaign", "search": "Search", "codes": "List of codes", "csv": "CSV"}
