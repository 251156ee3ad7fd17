"""Times in stages and promises, from moves alone."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pypdfium2
import pytest

from codes.label_text import FONT_FILE
from dashboard.labels import FONTS
from jobs.history_files import History, history_pdf
from jobs.register import Details, Job, Move
from jobs.service_report import percentile
from jobs.service_times import Service, service, stays
from jobs.shops import Shop
from jobs.workflows import BUILT_IN
from jobs.working_time import ALWAYS_OPEN, Calendar

REPAIR = BUILT_IN["repair"]
MONDAY = datetime(2026, 3, 2, 10, tzinfo=UTC)
SHOP_HOURS = Calendar("UTC", {day: [["09:00", "17:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}, ())


def at(hours: float) -> datetime:
    return MONDAY + timedelta(hours=hours)


def moves(*steps: tuple[str, float]) -> list[Move]:
    """(stage, hours after Monday 10:00), as they were recorded."""
    return [Move(n, at(h), at(h), "advance", None, stage, None, "Ops", "") for n, (stage, h) in enumerate(steps)]


def times(found: list[Move], calendar: Calendar = ALWAYS_OPEN, now: float = 100) -> list[tuple[str, float, float]]:
    spent = stays(found, REPAIR, calendar, at(now))
    return [(stay.stage, stay.wall / timedelta(hours=1), stay.working / timedelta(hours=1)) for stay in spent]


def test_working_hours_leave_out_nights_and_weekends() -> None:
    found = moves(("intake", 0), ("diagnosis", 24), ("ready", 24 * 7))
    assert times(found, SHOP_HOURS, now=24 * 7 + 1) == [
        ("intake", 24, 8),
        ("diagnosis", 24 * 6, 4 * 8),
        ("ready", 1, 1),
    ]


def test_time_in_the_last_stage_does_not_count_on() -> None:
    assert times(moves(("intake", 0), ("picked-up", 2)), now=1000) == [("intake", 2, 2), ("picked-up", 0, 0)]


def test_a_changed_estimate_is_no_stay() -> None:
    found = moves(("intake", 0), ("intake", 1), ("diagnosis", 2))
    estimate = Move(1, at(1), at(1), "estimate", "intake", "intake", at(9), "Ops", "")
    assert times([found[0], estimate, found[2]], now=3) == [("intake", 2, 2), ("diagnosis", 1, 1)]


def test_what_was_told_late_is_put_in_its_place() -> None:
    found = moves(("intake", 5), ("diagnosis", 3), ("ready", 6))  # the job was entered after its first move
    assert times(sorted(found, key=lambda move: move.at), now=6) == [
        ("intake", 0, 0),
        ("diagnosis", 3, 3),
        ("ready", 0, 0),
    ]


@pytest.mark.parametrize(
    ("steps", "promised", "expected"),
    [
        ([("intake", 0)], 5, Service(at(5), None, None)),
        ([("intake", 0), ("ready", 4)], 5, Service(at(5), at(4), True)),
        ([("intake", 0), ("ready", 6)], 5, Service(at(5), at(6), False)),
        ([("intake", 0), ("ready", 4), ("picked-up", 9)], 5, Service(at(5), at(4), True)),
        ([("intake", 0), ("ready", 4), ("repair", 5), ("ready", 9)], 5, Service(at(5), at(9), False)),
        ([("intake", 0), ("ready", 4), ("repair", 5)], 5, Service(at(5), None, None)),
        ([("intake", 0), ("ready", 4)], None, Service(None, at(4), None)),
    ],
)
def test_a_promise_is_kept_when_it_was_ready_by_then_and_stayed_so(
    steps: list[tuple[str, float]], promised: float | None, expected: Service
) -> None:
    promised_at = None if promised is None else at(promised)
    assert service(promised_at, stays(moves(*steps), REPAIR, ALWAYS_OPEN, at(20))) == expected


def test_percentiles_lie_between_ranks() -> None:
    assert [percentile([1, 2, 3, 4], share) for share in (0, 0.5, 0.9, 1)] == [1, 2.5, pytest.approx(3.7), 4]
    assert percentile([7], 0.9) == 7


@pytest.mark.skipif(not (FONTS / FONT_FILE).is_file(), reason="the label font is not built here")
@pytest.mark.parametrize("fonts", [FONTS, None], ids=["font", "no font"])
def test_the_printed_history_has_every_change_and_arabic_in_its_order(fonts: Path | None) -> None:
    found = [*moves(("intake", 0)), *moves(*[("diagnosis", n) for n in range(1, 120)])]
    spent = stays(found, REPAIR, ALWAYS_OPEN, at(120))
    details = Details(customer_name="محمد علي", serial="SN 漢 1")
    content = history_pdf(History(JOB, SHOP, REPAIR, found, spent, service(at(5), spent), details, at(120)), fonts)
    assert content.startswith(b"%PDF")
    assert content.count(b"/Type /Page\n") >= 3


def test_the_printed_history_begins_when_the_job_came_in_and_ends_with_its_last_stage() -> None:
    found = moves(("intake", -48), ("picked-up", 2))  # told on Monday at 10:00, when the job was made
    spent = stays(found, REPAIR, ALWAYS_OPEN, at(120))
    content = history_pdf(History(JOB, SHOP, REPAIR, found, spent, service(at(5), spent), Details(), at(120)), None)
    [page] = pypdfium2.PdfDocument(content)
    text = " ".join(page.get_textpage().get_text_range().split())
    assert "Received 2026-02-28 11:00" in text
    assert "now" not in text.split()


JOB = Job(
    1, 1, "Fix It", "R-1", "repair", 1, "T", "https://w.example/T", "diagnosis", at(1), "Watch", "", False, "", None, at(9),
    at(5), 2, at(0), "Ops", at(1), None,
)  # fmt: skip
SHOP = Shop(
    1, "Fix It", True, "DE", "", "", "", "Main Street 1\nBerlin", "Europe/Berlin", None, (), ("en",), False, "on", at(0),
    False, False, at(0), at(0),
)  # fmt: skip
