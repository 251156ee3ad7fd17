"""What the pages need to know of a kind of thing (campaigns, placements, print batches, domains) and of one of them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from dashboard.access import Identity
from dashboard.organise_views import FieldView, MembersView, RowView
from dashboard.parts import Parts

Fields = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Thing:
    """One, as its page shows it; ``values`` fill its form."""

    title: str
    facts: tuple[tuple[str, str], ...]
    links: tuple[tuple[str, str], ...]
    values: Fields
    archived: bool
    may_archive: bool = True
    force: str = ""
    members: MembersView | None = None
    group: str = ""  # of its codes, as reports know it; "" for none
    picked: Fields = field(default_factory=dict)  # the same as a picker and the API have it


@dataclass(frozen=True, slots=True)
class Kind:
    """``key`` is the last part of a thing's path; ``create`` answers with it. What is wrong is raised."""

    section: str
    title: str
    one: str
    lead: str
    columns: tuple[str, ...]
    fields: tuple[FieldView, ...]
    rows: Callable[[Parts, bool], Awaitable[tuple[RowView, ...]]]
    thing: Callable[[Parts, str], Awaitable[Thing]]
    create: Callable[[Parts, Identity, Fields], Awaitable[str]]
    update: Callable[[Parts, Identity, str, Fields], Awaitable[None]]
    archive: Callable[[Parts, Identity, str, bool, bool], Awaitable[None]]
    editable: tuple[str, ...] = ()  # of the fields; empty: all
    owners_add: bool = False

    @property
    def path(self) -> str:
        return f"/{self.section}"
