"""What the pages for campaigns, placements, print batches and domains show: one shape for all four. No I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from dashboard.cards import Card, ReportView
from dashboard.scan_rows import ScanRow
from dashboard.views import EmptyView, FilterView, Form

SECTIONS = (
    ("campaigns", "Campaigns", "/campaigns"),
    ("placements", "Placements", "/placements"),
    ("batches", "Print batches", "/batches"),
    ("domains", "Domains", "/domains"),
    ("exchange", "Import and export", "/exchange"),
)


@dataclass(frozen=True, slots=True)
class FieldView:
    name: str
    label: str
    hint: str = ""
    required: bool = False
    type: str = "text"
    attrs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RowView:
    """The first cell leads to the thing's own page."""

    path: str
    cells: tuple[str, ...]
    archived: bool


@dataclass(frozen=True, slots=True)
class ThingsPage:
    """All of a kind, and the form for one more; ``may_add`` False hides it."""

    template: ClassVar[str] = "organise.html"
    active: ClassVar[str] = "organise"
    section: str
    title: str
    one: str
    lead: str
    path: str
    columns: tuple[str, ...]
    rows: tuple[RowView, ...]
    fields: tuple[FieldView, ...]
    form: Form
    archived: bool
    may_add: bool

    @property
    def sections(self) -> Sequence[tuple[str, str, str]]:
        return SECTIONS


@dataclass(frozen=True, slots=True)
class ScansView:
    """What was scanned of its codes, as the overview shows it of all."""

    filter: FilterView
    report: ReportView | None
    empty: EmptyView | None
    details: tuple[Card, ...]
    live: tuple[ScanRow, ...]
    live_path: str


@dataclass(frozen=True, slots=True)
class MemberView:
    """A code in a print batch."""

    code: str
    domain: str
    name: str
    path: str


@dataclass(frozen=True, slots=True)
class MembersView:
    """What a print batch holds; `more` are not listed. While it is `printed` none can be taken out."""

    codes: tuple[MemberView, ...]
    more: int
    printed: bool
    labels: str  # address of the page that prints labels of them


@dataclass(frozen=True, slots=True)
class ThingPage:
    """One of them: its form filled in, facts beside it, and the way to its codes."""

    template: ClassVar[str] = "organise_thing.html"
    active: ClassVar[str] = "organise"
    section: str
    kind: str
    title: str
    list_path: str
    path: str
    facts: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...]
    fields: tuple[FieldView, ...]
    form: Form
    archived: bool
    may_archive: bool
    force: str = ""  # what stands beside the box that forces archiving; "" for no box
    members: MembersView | None = None
    problem: str = ""  # with the members
    scans: ScansView | None = None

    @property
    def sections(self) -> Sequence[tuple[str, str, str]]:
        return SECTIONS


@dataclass(frozen=True, slots=True)
class CodeThingsPage:
    """Where one code belongs, and whether it is answered. Choices are all that are not archived, and its own."""

    template: ClassVar[str] = "code_organise.html"
    active: ClassVar[str] = "codes"
    code: str
    title: str
    path: str
    campaigns: tuple[str, ...]
    placements: tuple[str, ...]
    batches: tuple[tuple[str, str], ...]  # those it is in: name, path
    printed: bool
    archived: bool
    form: Form
    archive_form: Form
    of_domain: str = ""  # what addresses below the path end with
