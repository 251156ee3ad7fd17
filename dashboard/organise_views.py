"""What the pages for campaigns, placements, print batches and domains show: one shape for all four. No I/O."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from dashboard.views import Form

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
