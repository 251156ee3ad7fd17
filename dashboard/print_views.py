"""What the pages about printing show: symbols in their looks, label sheets and how far they are. No I/O, no requests."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar
from zoneinfo import ZoneInfo

from codes.sheets import Wording
from codes.stocks import STOCKS
from dashboard.addresses import domain_query
from dashboard.formats import Moment, moment
from dashboard.tasks import Task
from dashboard.views import Form

LEVELS: Mapping[str, str] = {"l": "L, 7 %", "m": "M, 15 %", "q": "Q, 25 %", "h": "H, 30 %"}
FORMATS: Mapping[str, str] = {"svg": "SVG", "png": "PNG", "pdf": "PDF", "eps": "EPS", "zpl": "ZPL"}
WORDINGS: Mapping[Wording, str] = {
    "name_and_link": "Name and link",
    "name": "Name",
    "link": "Link",
    "none": "Nothing",
}
CHOICES: Mapping[str, str] = {
    "codes": "These codes",
    "tag": "All with the tag",
    "batch": "All of the print batch",
    "search": "All that a search finds",
}
STATES: Mapping[str, str] = {
    "waiting": "waiting",
    "running": "being made",
    "done": "ready",
    "failed": "failed",
    "cancelled": "cancelled",
}
MEASURES: Mapping[str, str] = {
    "width_mm": "Sheet width",
    "height_mm": "Sheet height",
    "columns": "Columns",
    "rows": "Rows",
    "label_width_mm": "Label width",
    "label_height_mm": "Label height",
    "left_mm": "First label from the left",
    "top_mm": "First label from the top",
    "pitch_x_mm": "From label to label, across",
    "pitch_y_mm": "From label to label, down",
}


@dataclass(frozen=True, slots=True)
class SymbolPage:
    """One symbol and every choice about it. Without a code it is a static one, and ``warning`` says what that means."""

    template: ClassVar[str] = "symbol.html"
    active: ClassVar[str] = "codes"
    path: str
    title: str
    code: str
    form: Form
    domain: str = ""  # when it is not the default one
    image: str = ""  # data: address of the preview
    says: str = ""
    advice: str = ""
    warning: str = ""
    logo: str = ""  # base64, carried from one preview to the next

    @property
    def action(self) -> str:
        return f"{self.path}/qr{self.of_domain}" if self.code else "/static-code"

    @property
    def of_domain(self) -> str:
        return domain_query(self.domain)

    @property
    def levels(self) -> Mapping[str, str]:
        return LEVELS

    @property
    def formats(self) -> Mapping[str, str]:
        return FORMATS


@dataclass(frozen=True, slots=True)
class SheetView:
    id: int
    state: str
    done: int
    total: int
    stock: str
    problem: str
    made: Moment
    who: str
    has_file: bool

    @property
    def is_open(self) -> bool:
        return self.state in ("waiting", "running")

    @property
    def state_words(self) -> str:
        return STATES[self.state]


def sheet_views(tasks: Iterable[Task], zone: ZoneInfo, now: datetime, keep_days: int) -> tuple[SheetView, ...]:
    return tuple(
        SheetView(
            id=task.id,
            state=task.state,
            done=task.done,
            total=task.total,
            stock=task.input.get("stock") or "own measures",
            problem=task.problem or "",
            made=moment(task.created_at, zone, now),
            who=task.created_by,
            has_file=task.state == "done" and now - task.created_at < timedelta(days=keep_days),
        )
        for task in tasks
    )


@dataclass(frozen=True, slots=True)
class LabelsPage:
    """``preview`` is the data: address of the first sheet as a picture."""

    template: ClassVar[str] = "labels.html"
    active: ClassVar[str] = "labels"
    form: Form
    sheets: tuple[SheetView, ...]
    preview: str = ""
    domains: tuple[str, ...] = ()
    logo: str = ""  # base64, carried from one preview to the next

    @property
    def stocks(self) -> Mapping[str, str]:
        return {**{stock.key: stock.name for stock in STOCKS.values()}, "custom": "Other labels (measures below)"}

    @property
    def choices(self) -> Mapping[str, str]:
        return CHOICES

    @property
    def wordings(self) -> Mapping[Wording, str]:
        return WORDINGS

    @property
    def levels(self) -> Mapping[str, str]:
        return LEVELS

    @property
    def measures(self) -> Mapping[str, str]:
        return MEASURES


PrintPage = SymbolPage | LabelsPage
