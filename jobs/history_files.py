"""A job's history as files, for disputes: CSV, and PDF to be printed. For staff: names and reasons are in it."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from codes.label_text import is_right_to_left, new_document, set_direction
from jobs.register import Details, Job, Move
from jobs.service_times import Service, Stay
from jobs.shops import Shop
from jobs.workflows import Workflow

if TYPE_CHECKING:
    from fpdf import FPDF

PAGE_MM: Final = (210.0, 297.0)
MARGIN_MM: Final = 15.0
BOTTOM_MM: Final = 280.0
LINE_MM: Final = 4.6
SMALL_PT, PLAIN_PT, TITLE_PT = 8.0, 9.5, 16.0
_CSV_HEAD: Final = (
    "reference",
    "happened_at",
    "recorded_at",
    "action",
    "from_stage",
    "to_stage",
    "expected_at",
    "by",
    "reason",
)
_FORMULA: Final = ("=", "+", "-", "@", "\t")
_MOVES: Final = (("When", 33.0), ("What", 22.0), ("Stage", 40.0), ("Expected then", 33.0), ("By", 22.0), ("Why", 30.0))
_STAYS: Final = (("Stage", 60.0), ("From", 35.0), ("Until", 35.0), ("Hours", 25.0), ("Opening hours", 25.0))


@dataclass(frozen=True, slots=True)
class History:
    job: Job
    shop: Shop
    workflow: Workflow
    moves: Sequence[Move]
    stays: Sequence[Stay]
    service: Service
    details: Details
    printed_at: datetime


def history_csv(job: Job, moves: Sequence[Move]) -> bytes:
    """Times in UTC. No spreadsheet takes a cell of it for a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(_CSV_HEAD)
    for move in moves:
        times = (move.at.isoformat(), move.recorded_at.isoformat())
        stages = (move.action, move.from_stage or "", move.to_stage)
        eta = move.eta_at.isoformat() if move.eta_at else ""
        writer.writerow([*map(_inert, (job.reference, *times, *stages, eta, move.who, move.reason))])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def history_pdf(history: History, fonts: Path | None) -> bytes:
    """A4; times in the shop's zone. Blocking. Raises SheetsUnavailable when what draws it is not installed."""
    with new_document(*PAGE_MM, fonts) as document:
        document.set_title(f"Job {history.job.reference}")
        sheet = _Sheet(document)
        sheet.line(f"Job {history.job.reference}", TITLE_PT, 8)
        sheet.line(", ".join([history.shop.name, *history.shop.address.splitlines()]), SMALL_PT, 8)
        for label, value in _facts(history):
            sheet.row([(label, 45.0), (value, 135.0)], PLAIN_PT)
        zone = ZoneInfo(history.shop.zone)
        sheet.line("Time in each stage", PLAIN_PT + 2, 9, above=4)
        sheet.row(_STAYS, SMALL_PT, ruled=True)
        for stay in history.stays:
            until = _clock(stay.until, zone) or ("" if stay.phase == "done" else "now")
            texts = (stay.name, _clock(stay.since, zone), until, _hours(stay.wall), _hours(stay.working))
            sheet.row([(text, width) for text, (_, width) in zip(texts, _STAYS, strict=True)], SMALL_PT)
        sheet.line("Every change", PLAIN_PT + 2, 9, above=4)
        sheet.row(_MOVES, SMALL_PT, ruled=True)
        for move in history.moves:
            stage = history.workflow.find_stage(move.to_stage)
            name = stage.name if stage else move.to_stage
            texts_of = (_clock(move.at, zone), move.action, name, _clock(move.eta_at, zone), move.who, move.reason)
            sheet.row([(text, width) for text, (_, width) in zip(texts_of, _MOVES, strict=True)], SMALL_PT)
        printed = f"As of {_clock(history.printed_at, zone)}; times of {history.shop.zone}."
        sheet.line(printed, SMALL_PT, 6, above=4)
        return bytes(document.output())


class _Sheet:
    """Writes downwards, on to the next page when one is full."""

    def __init__(self, document: "FPDF") -> None:
        self._document = document
        self._y = BOTTOM_MM

    def line(self, text: str, size_pt: float, height_mm: float, above: float = 0.0) -> None:
        self._y += above
        self._make_room(height_mm)
        self._cell(text, MARGIN_MM, PAGE_MM[0] - 2 * MARGIN_MM, size_pt, height_mm)
        self._y += height_mm

    def row(self, cells: Sequence[tuple[str, float]], size_pt: float, *, ruled: bool = False) -> None:
        height = max(self._height(text, width, size_pt) for text, width in cells)
        self._make_room(height)
        x = MARGIN_MM
        for text, width in cells:
            self._cell(text, x, width - 2, size_pt, LINE_MM)
            x += width
        self._y += height
        if ruled:
            self._document.set_draw_color(150)
            self._document.line(MARGIN_MM, self._y, x, self._y)
            self._y += 1

    def _make_room(self, height_mm: float) -> None:
        if self._y + height_mm > BOTTOM_MM:
            self._document.add_page()
            self._y = MARGIN_MM

    def _height(self, text: str, width: float, size_pt: float) -> float:
        if not text:
            return LINE_MM
        if not self._document.page:
            self._make_room(LINE_MM)
        self._prepare(text, size_pt)
        shown = self._writable(text)
        height = self._document.multi_cell(width - 2, LINE_MM, shown, dry_run=True, output="HEIGHT")
        assert isinstance(height, float | int)
        return max(LINE_MM, height)

    def _cell(self, text: str, x: float, width: float, size_pt: float, height_mm: float) -> None:
        if not text:
            return
        self._prepare(text, size_pt)
        self._document.set_xy(x, self._y)
        shown = self._writable(text)
        is_paragraph = self._document.get_string_width(shown) > width
        align = "R" if is_paragraph and is_right_to_left(text) else "L"
        self._document.multi_cell(width, height_mm, shown, align=align)

    def _prepare(self, text: str, size_pt: float) -> None:
        set_direction(self._document, right_to_left=is_right_to_left(text))
        self._document.set_font_size(size_pt)

    def _writable(self, text: str) -> str:
        """What the font has no letter for becomes a question mark: a history with a gap is better than none."""
        from fpdf.fonts import TTFFont

        font = self._document.current_font
        if isinstance(font, TTFFont):
            known = font.cmap
            return "".join(char if ord(char) in known or char in "\n\u200c\u200d" else "?" for char in text)
        return text.encode("cp1252", "replace").decode("cp1252")


def _facts(history: History) -> list[tuple[str, str]]:
    job, told, zone = history.job, history.service, ZoneInfo(history.shop.zone)
    kept = {True: "yes", False: "no", None: "not yet known" if told.promised_at else "nothing was promised"}[told.kept]
    details = history.details
    found = [
        ("Item", job.item),
        ("Kind", history.workflow.name),
        ("Serial number", details.serial),
        ("Accessories", details.accessories),
        ("Customer", details.customer_name),
        ("Received", _clock(history.stays[0].since if history.stays else job.created_at, zone)),
        ("Promised at first", _clock(told.promised_at, zone)),
        ("Promised last", _clock(job.eta_at, zone)),
        ("Finished", _clock(told.finished_at, zone)),
        ("First promise kept", kept),
        ("Handed over", _clock(job.completed_at, zone)),
    ]
    return [(label, value) for label, value in found if value]


def _clock(at: datetime | None, zone: ZoneInfo) -> str:
    return at.astimezone(zone).strftime("%Y-%m-%d %H:%M") if at else ""


def _hours(length: timedelta) -> str:
    return f"{length.total_seconds() / 3600:.1f}"


def _inert(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
