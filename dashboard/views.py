"""What the templates show: one dataclass per page, built by pure functions from report JSON. No I/O, no requests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Protocol
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from dashboard.addresses import code_path, domain_query
from dashboard.cards import Card, ReportView, report_view
from dashboard.charts import WorldMap
from dashboard.formats import Moment, moment, number
from dashboard.history_rows import AlertView, CheckView, PlannedView, VersionView
from dashboard.periods import RANGES, Period, zone_names
from dashboard.scan_rows import ScanRow, scan_rows

BOTS = {"exclude": "Without bots", "include": "With bots", "only": "Only bots"}
ROLES = {
    "viewer": "Viewer: sees scans and codes",
    "editor": "Editor: also creates and retargets",
    "owner": "Owner: everything",
}
CODE_COLUMNS = {
    "code": "Code",
    "name": "Name",
    "destination": "Destination",
    "scans": "Scans, 30 days",
    "created": "Created",
}
_DESCENDING_FIRST = ("scans", "created")
_BOTS_NOTES = {"exclude": "set aside", "include": "counted in"}
_DAYS_SHOWN_WHEN_EMPTY = "90d"


@dataclass(frozen=True, slots=True)
class Shell:
    """What surrounds every signed-in page. `theme` is the cookie of that name: light, dark, or empty (the system's)."""

    csrf: str
    user_name: str
    user_email: str
    role: str = "owner"
    theme: str = ""
    notice: str = ""
    version: str = ""

    @property
    def may_edit(self) -> bool:
        return self.role in ("editor", "owner")


@dataclass(frozen=True, slots=True)
class Form:
    """A form as sent: what was typed, and what is wrong with it by field; the key "" is about the form as a whole."""

    values: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)

    def value(self, name: str, default: str = "") -> str:
        return self.values.get(name, default)

    def error(self, name: str) -> str:
        return self.errors.get(name, "")


@dataclass(frozen=True, slots=True)
class Suggestions:
    """For the pickers of a filter: codes with their names, campaigns, placements (venues among them)."""

    codes: tuple[tuple[str, str], ...] = ()
    campaigns: tuple[str, ...] = ()
    placements: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FilterView:
    """The range, zone, bots and what else a page was asked for. Without `suggested` nothing more can be picked on it."""

    path: str
    period: Period
    zone: ZoneInfo
    bots: str = "exclude"
    code: str = ""
    campaign: str = ""
    placement: str = ""
    batch: str = ""
    suggested: Suggestions | None = None
    domain: str = ""  # of the code, in the address of a page that is about one code

    @property
    def ranges(self) -> Mapping[str, str]:
        return RANGES

    @property
    def bot_choices(self) -> Mapping[str, str]:
        return BOTS

    @property
    def zones(self) -> tuple[str, ...]:
        return zone_names()

    @property
    def picked(self) -> Mapping[str, str]:
        """What was picked, by name, for whoever wants all of it back."""
        found = {"code": self.code, "campaign": self.campaign, "placement": self.placement, "print batch": self.batch}
        return {name: value for name, value in found.items() if value}

    def url(self, **changes: str) -> str:
        """This page with other filters: `filter.url(range="90d")`. A named range drops the custom dates."""
        asked = {"range": self.period.name, "bots": self.bots, "code": self.code, "tz": self.zone.key}
        asked |= {"campaign": self.campaign, "placement": self.placement, "batch": self.batch, "domain": self.domain}
        if self.period.name == "custom":
            asked |= {"from": self.period.first_value, "to": self.period.last_value}
        asked |= changes
        if asked["range"] != "custom":
            asked = {name: value for name, value in asked.items() if name not in ("from", "to")}
        return f"{self.path}?{urlencode({name: value for name, value in asked.items() if value})}"


@dataclass(frozen=True, slots=True)
class EmptyView:
    """Why there is nothing to see, and what to do next: (words, address) of each way out."""

    title: str
    text: str
    actions: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class OverviewPage:
    template: ClassVar[str] = "overview.html"
    active: ClassVar[str] = "overview"
    filter: FilterView
    report: ReportView | None
    empty: EmptyView | None
    live: tuple[ScanRow, ...]
    live_path: str
    alerts: tuple[AlertView, ...] = ()


@dataclass(frozen=True, slots=True)
class CodeView:
    """A code as a page shows it; `path` is its own page, under which its forms and QR files live."""

    code: str
    domain: str
    name: str
    short_url: str
    destination: str
    tags: tuple[str, ...]
    made: Moment
    version: int
    scans: int | None = None
    belongs: tuple[str, ...] = ()  # campaign, placement, printed, archived
    other_domain: str = ""  # when it is not on the default one

    @property
    def path(self) -> str:
        return code_path(self.code)

    @property
    def of_domain(self) -> str:
        """What each address below `path` ends with."""
        return domain_query(self.other_domain)

    @property
    def title(self) -> str:
        return self.name or self.code

    @property
    def short_link(self) -> str:
        return self.short_url.removeprefix("https://").removeprefix("http://")


@dataclass(frozen=True, slots=True)
class CodePage:
    """`qr` maps svg, png, pdf, eps to addresses; `retarget` and `edit` carry what a refused form said."""

    template: ClassVar[str] = "code.html"
    active: ClassVar[str] = "codes"
    code: CodeView
    versions: tuple[VersionView, ...]
    qr: Mapping[str, str]
    filter: FilterView
    report: ReportView | None
    empty: EmptyView | None
    live: tuple[ScanRow, ...]
    live_path: str
    retarget: Form
    edit: Form
    check: CheckView | None = None
    planned: tuple[PlannedView, ...] = ()
    details: tuple[Card, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    key: str
    title: str
    url: str
    sorted: str


@dataclass(frozen=True, slots=True)
class CodesPage:
    """`columns[..].sorted` is an aria-sort word: ascending, descending or none."""

    template: ClassVar[str] = "codes.html"
    active: ClassVar[str] = "codes"
    codes: tuple[CodeView, ...]
    columns: Mapping[str, Column]
    search: str
    sort: str
    order: str
    total: int
    first: int
    last: int
    previous_url: str
    next_url: str


@dataclass(frozen=True, slots=True)
class NewCodePage:
    template: ClassVar[str] = "code_new.html"
    active: ClassVar[str] = "codes"
    domains: tuple[str, ...]
    form: Form


@dataclass(frozen=True, slots=True)
class TokenView:
    id: str
    name: str
    role: str
    made: Moment
    used: Moment | None


@dataclass(frozen=True, slots=True)
class TokensPage:
    """`created` is (name, token) right after one was made: the only time it is shown."""

    template: ClassVar[str] = "tokens.html"
    active: ClassVar[str] = "tokens"
    tokens: tuple[TokenView, ...]
    form: Form
    created: tuple[str, str] | None = None

    @property
    def roles(self) -> Mapping[str, str]:
        return ROLES


@dataclass(frozen=True, slots=True)
class PlaceDatabaseView:
    """`state` is ok, old, missing or broken; `remedy` what to do unless it is ok."""

    kind: str
    state: str
    source: str = ""
    file: str = ""
    built: str = ""
    age_days: int | None = None
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class PlacesPage:
    template: ClassVar[str] = "places.html"
    active: ClassVar[str] = "places"
    databases: tuple[PlaceDatabaseView, ...]
    attribution: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class DocsPage:
    template: ClassVar[str] = "docs.html"
    active: ClassVar[str] = "docs"
    openapi_url: str


@dataclass(frozen=True, slots=True)
class LoginPage:
    template: ClassVar[str] = "login.html"
    csrf: str
    form: Form = field(default_factory=Form)
    next: str = ""
    notice: str = ""
    theme: str = ""


@dataclass(frozen=True, slots=True)
class PasswordPage:
    """Behind a one-time address: `kind` is "setup" for the first owner or "reset" for a new password."""

    template: ClassVar[str] = "password.html"
    kind: str
    action: str
    csrf: str
    form: Form = field(default_factory=Form)
    min_length: int = 12
    theme: str = ""


class Page(Protocol):
    """What can be shown: a template, and whatever that template asks for."""

    template: ClassVar[str]


def overview_page(
    reports: Mapping[str, Any],
    chosen: FilterView,
    world: WorldMap,
    live: Sequence[Mapping[str, Any]],
    live_path: str,
    now: datetime,
    *,
    any_codes: bool,
    previous: Mapping[str, int] | None = None,
    bots: int | None = None,
    alerts: Sequence[AlertView] = (),
) -> OverviewPage:
    """`reports` by name (timeseries, devices, hours, regions, referrers, networks) for one and the same filter.

    `previous` is the total of the period before, `bots` how many bot scans the range holds; either may be unknown.
    """
    report, empty = report_or_empty(reports, chosen, world, previous, bots, any_codes=any_codes)
    return OverviewPage(chosen, report, empty, scan_rows(live, chosen.zone, now), live_path, tuple(alerts))


def code_page(
    code: CodeView,
    versions: Sequence[VersionView],
    qr: Mapping[str, str],
    reports: Mapping[str, Any],
    chosen: FilterView,
    world: WorldMap,
    live: Sequence[Mapping[str, Any]],
    live_path: str,
    now: datetime,
    *,
    previous: Mapping[str, int] | None = None,
    bots: int | None = None,
    retarget: Form | None = None,
    edit: Form | None = None,
    check: CheckView | None = None,
    planned: Sequence[PlannedView] = (),
    details: Sequence[Card] = (),
) -> CodePage:
    """One code; `versions` newest first. The other arguments as in `overview_page`."""
    report, empty = report_or_empty(with_parts(reports, versions), chosen, world, previous, bots)
    return CodePage(
        code,
        tuple(versions),
        qr,
        chosen,
        report,
        empty,
        scan_rows(live, chosen.zone, now),
        live_path,
        retarget or Form(),
        edit or Form(values={"name": code.name, "tags": ", ".join(code.tags)}),
        check,
        tuple(planned),
        tuple(details),
    )


def code_view(code: Mapping[str, Any], zone: ZoneInfo, now: datetime, other_domain: str = "") -> CodeView:
    """From a code's API JSON; `scans` (of the last 30 days) may be absent."""
    return CodeView(
        code=code["code"],
        domain=code.get("domain") or "",
        name=code.get("name") or "",
        short_url=code["short_url"],
        destination=code["destination"],
        tags=tuple(code.get("tags") or ()),
        made=moment(code["created_at"], zone, now),
        version=code["version"],
        scans=code.get("scans"),
        belongs=_belongs(code),
        other_domain=other_domain,
    )


def _belongs(code: Mapping[str, Any]) -> tuple[str, ...]:
    marks = ("printed" if code.get("printed") else "", "archived" if code.get("archived_at") else "")
    return tuple(text for text in (code.get("campaign"), code.get("placement"), *marks) if text)


def codes_page(
    codes: Sequence[CodeView], total: int, *, search: str, sort: str, order: str, page: int, page_size: int
) -> CodesPage:
    """One page (from 1) of the list; `sort` is a key of CODE_COLUMNS, `order` asc or desc."""

    def url(**changes: str | int) -> str:
        asked: dict[str, str | int] = {"q": search, "sort": sort, "order": order, **changes}
        return f"/codes?{urlencode({name: value for name, value in asked.items() if value})}"

    def column(key: str, title: str) -> Column:
        first = "desc" if key in _DESCENDING_FIRST else "asc"
        turned = ("asc" if order == "desc" else "desc") if key == sort else first
        words = {"asc": "ascending", "desc": "descending"}[order] if key == sort else "none"
        return Column(key, title, url(sort=key, order=turned), words)

    first = (page - 1) * page_size + 1 if codes else 0
    last = first + len(codes) - 1 if codes else 0
    return CodesPage(
        codes=tuple(codes),
        columns={key: column(key, title) for key, title in CODE_COLUMNS.items()},
        search=search,
        sort=sort,
        order=order,
        total=total,
        first=first,
        last=last,
        previous_url=url(page=page - 1) if page > 1 else "",
        next_url=url(page=page + 1) if last < total else "",
    )


def with_parts(reports: Mapping[str, Any], versions: Sequence[VersionView]) -> Mapping[str, Any]:
    """The same reports, with what each version changed in the changes of the timeseries."""
    parts = {
        version.number: [change.what[:1].lower() + change.what[1:] for change in version.changes]
        for version in versions
    }
    series = reports["timeseries"]
    changes = [{**change, "parts": parts.get(change["version"])} for change in series["changes"]]
    return {**reports, "timeseries": {**series, "changes": changes}}


def report_or_empty(
    reports: Mapping[str, Any],
    chosen: FilterView,
    world: WorldMap,
    previous: Mapping[str, int] | None,
    bots: int | None,
    *,
    any_codes: bool = True,
) -> tuple[ReportView | None, EmptyView | None]:
    """One of them: the figures, or why there are none."""
    if not reports["timeseries"]["total"]["scans"]:
        return None, _empty(chosen, bots, any_codes=any_codes)
    shown_bots = None if chosen.bots == "only" else bots  # then the scans themselves are the bots
    return report_view(reports, chosen.zone, world, previous, shown_bots, _BOTS_NOTES.get(chosen.bots, "")), None


def _empty(chosen: FilterView, bots: int | None, *, any_codes: bool) -> EmptyView:
    if not any_codes:
        text = "A code is what you print. Create the first one, scan it, and the scan appears here within a second."
        jobs = ("Follow a repair, an order or a ticket", "/jobs")
        return EmptyView("No codes yet", text, (("Create the first code", "/codes/new"), jobs))
    wider = (("Look at the last 90 days", chosen.url(range=_DAYS_SHOWN_WHEN_EMPTY)),)
    if chosen.period.name == _DAYS_SHOWN_WHEN_EMPTY:
        wider = (("Look at today", chosen.url(range="today")),)
    where = "".join(f" of {value}" for value in chosen.picked.values())
    if chosen.bots == "exclude" and bots:
        text = f"Only bots scanned in this time: {number(bots).exact}, set aside and not counted as people."
        return EmptyView(f"No scans{where} by people", text, (("Show the bots", chosen.url(bots="only")), *wider))
    text = f"Nothing was scanned in {chosen.period.dates}. Try a longer range, or scan a code to see it arrive."
    everything = chosen.url(code="", campaign="", placement="", batch="")
    drop = (("Show all codes", everything),) if chosen.picked and chosen.suggested is not None else ()
    return EmptyView(f"No scans{where} in this range", text, (*wider, *drop))
