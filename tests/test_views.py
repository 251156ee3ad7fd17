"""What the dashboard's pages show: numbers, periods, chart geometry, cards, and every template with real shapes."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboard import cards, charts, detail_cards, formats, history_rows, periods, rendering, scan_rows, views
from dashboard.error_views import error_page

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 21, 18, 40, tzinfo=UTC)
WORLD = charts.WorldMap(960, 422, 180.724, 480, 235.923, (("DE", "Germany", "M0,0Z"), ("US", "United States", "M9,9Z")))

SCAN: dict[str, Any] = {
    "id": "0192",
    "at": "2026-11-21T18:39:30.000000Z",
    "code": "SPRING",
    "short_url": "https://w.example/SPRING",
    "code_name": "Spring poster",
    "version": 1,
    "destination": "https://shop.example/",
    "counted": True,
    "uncounted_reason": None,
    "bot": False,
    "bot_reason": None,
    "datacenter": False,
    "relay": False,
    "device": "mobile",
    "os": "iOS",
    "browser": "Mobile Safari",
    "app": None,
    "country": "DE",
    "region": "Bavaria",
    "city": "Munich",
    "demo": False,
}
BARE_SCAN = dict.fromkeys(SCAN) | {"id": "1", "at": SCAN["at"], "code": "X", "counted": True}


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1k"),
        (1234, "1.2k"),
        (12_345, "12.3k"),
        (123_456, "123k"),
        (999_999, "999k"),
        (1_000_000, "1M"),
        (2_500_000_000, "2.5B"),
    ],
)
def test_compact_numbers(value: int, shown: str) -> None:
    assert formats.compact(value) == shown


@given(st.integers(0, 10**12))
def test_compact_numbers_stay_short_and_never_promise_more(value: int) -> None:
    shown = formats.compact(value)
    size = {"k": 10**3, "M": 10**6, "B": 10**9}.get(shown[-1], 1)
    assert len(shown) <= 5
    assert float(shown.rstrip("kMB")) * size <= value


@pytest.mark.parametrize(
    ("part", "whole", "shown"),
    [(0, 0, "0 %"), (1, 3, "33 %"), (5, 100, "5.0 %"), (1, 5000, "< 0.1 %"), (7, 7, "100 %")],
)
def test_shares(part: int, whole: int, shown: str) -> None:
    assert formats.share(part, whole) == shown


@pytest.mark.parametrize(
    ("value", "before", "expected"),
    [
        (150, 100, formats.Change("50 % more", "up")),
        (999, 100, formats.Change("899 % more", "up")),
        (55_519, 100, formats.Change("555 times as many", "up")),
        (50, 100, formats.Change("50 % fewer", "down")),
        (1001, 1000, formats.Change("no change", "same")),
        (5, 0, None),
        (5, None, None),
    ],
)
def test_changes(value: int, before: int | None, expected: formats.Change | None) -> None:
    assert formats.change(value, before) == expected


def test_a_moment_is_shown_in_the_readers_zone() -> None:
    at = formats.moment("2026-11-21T18:39:30.123456Z", BERLIN, NOW)
    assert (at.iso, at.short, at.ago) == ("2026-11-21T18:39:30.123Z", "21 Nov, 19:39", "29 s ago")
    assert at.full == "Sat 21 Nov 2026, 19:39:30 (Europe/Berlin)"
    assert formats.moment("2025-02-03T00:00:00Z", BERLIN, NOW).short == "3 Feb 2025"


@pytest.mark.parametrize(
    ("name", "first", "last", "start", "end"),
    [
        ("today", None, None, "2026-11-21T00:00:00+01:00", "2026-11-22T00:00:00+01:00"),
        ("yesterday", None, None, "2026-11-20T00:00:00+01:00", "2026-11-21T00:00:00+01:00"),
        ("7d", None, None, "2026-11-15T00:00:00+01:00", "2026-11-22T00:00:00+01:00"),
        (None, None, None, "2026-10-23T00:00:00+02:00", "2026-11-22T00:00:00+01:00"),
        ("month", None, None, "2026-11-01T00:00:00+01:00", "2026-11-22T00:00:00+01:00"),
        ("custom", "2026-10-25", "2026-10-25", "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00"),
        (None, "2026-11-19T15:00", "2026-11-20T12:00", "2026-11-19T15:00:00+01:00", "2026-11-20T12:00:00+01:00"),
        ("custom", "2026-11-20T12:00:00+00:00", "2026-11-20", "2026-11-20T13:00:00+01:00", "2026-11-21T00:00:00+01:00"),
        ("custom", "1066-01-01", "9999-12-30", "2000-01-01T01:00:00+01:00", "2026-11-22T00:00:00+01:00"),
    ],
)
def test_periods(name: str | None, first: str | None, last: str | None, start: str, end: str) -> None:
    period = periods.period_for(name, first, last, BERLIN, NOW)
    assert (period.start.isoformat(), period.end.isoformat(), period.problem) == (start, end, None)


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("fortnight", None, None),
        ("custom", "", ""),
        ("custom", "2026-11-20", None),
        ("custom", "tomorrow", "2026-11-20"),
        ("custom", "2026-11-20", "2026-11-18"),
        ("custom", "2027-01-01", "2027-01-02"),
        ("custom", "9999-12-31", "9999-12-31"),
    ],
)
def test_a_period_that_makes_no_sense_says_so_and_shows_30_days(name: str, first: str | None, last: str | None) -> None:
    period = periods.period_for(name, first, last, BERLIN, NOW)
    assert period.problem
    assert period.name == "30d"


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_dates_give_a_period_that_starts_before_it_ends(first: str, last: str) -> None:
    period = periods.period_for("custom", first, last, BERLIN, NOW)
    assert period.start < period.end
    assert period.dates
    assert period.first_value <= period.last_value


@pytest.mark.parametrize(
    ("name", "first", "last", "dates", "values"),
    [
        ("today", None, None, "Sat 21 Nov 2026", ("2026-11-21", "2026-11-21")),
        ("7d", None, None, "15 Nov to 21 Nov 2026", ("2026-11-15", "2026-11-21")),
        ("custom", "2025-12-30", "2026-01-02", "30 Dec 2025 to 2 Jan 2026", ("2025-12-30", "2026-01-02")),
        (
            "custom",
            "2026-11-19T15:00",
            "2026-11-20T12:00",
            "19 Nov, 15:00 to Fri 20 Nov 2026, 12:00",
            ("2026-11-19T15:00", "2026-11-20T12:00"),
        ),
    ],
)
def test_a_period_in_words_and_as_form_values_asks_for_itself_again(
    name: str, first: str | None, last: str | None, dates: str, values: tuple[str, str]
) -> None:
    period = periods.period_for(name, first, last, BERLIN, NOW)
    assert period.dates == dates
    assert (period.first_value, period.last_value) == values
    again = periods.period_for("custom", *values, BERLIN, NOW)
    assert (again.start, again.end) == (period.start, period.end)


def test_the_period_before_is_as_long_as_what_has_passed() -> None:
    today = periods.period_for("today", None, None, BERLIN, NOW)
    start, end = today.before(NOW)
    assert start.isoformat() == "2026-11-20T00:00:00+01:00"
    assert end - start == timedelta(hours=19, minutes=40)
    yesterday = periods.period_for("yesterday", None, None, BERLIN, NOW)
    assert yesterday.before(NOW) == (yesterday.start - timedelta(days=1), yesterday.start)


@pytest.mark.parametrize(("name", "key"), [("Asia/Tokyo", "Asia/Tokyo"), ("", "UTC"), (None, "UTC"), ("../x", "UTC")])
def test_unknown_zones_become_utc(name: str | None, key: str) -> None:
    assert periods.zone_for(name).key == key


@given(st.integers(0, 10**9))
def test_ticks_are_whole_start_at_zero_and_cover_the_values(most: int) -> None:
    values = charts.ticks(most)
    steps = {after - before for before, after in pairwise(values)}
    assert values[0] == 0
    assert values[-1] >= most
    assert len(steps) == 1
    assert 2 <= len(values) <= 6


@pytest.mark.parametrize(
    ("values", "line"),
    [([], ""), ([5], "M0 50L1000 50"), ([0, 10, 5], "M0 100L500 0L1000 50"), ([0, 0], "M0 100L1000 100")],
)
def test_line_paths(values: list[int], line: str) -> None:
    assert charts.line_path(values, 10) == line
    assert charts.area_path(values, 10) == (f"{line}L1000 100L0 100Z" if line else "")


@pytest.mark.parametrize(("value", "bucket"), [(0, 0), (1, 1), (12, 1), (13, 2), (99, 8), (100, 8)])
def test_heat_buckets(value: int, bucket: int) -> None:
    assert charts.heat_bucket(value, 100) == bucket


@pytest.mark.parametrize(("value", "bucket"), [(0, 0), (1, 1), (25, 3), (100, 6)])
def test_map_buckets(value: int, bucket: int) -> None:
    assert charts.map_bucket(value, 100) == bucket


# Expected values: d3-geo's geoEqualEarth with the same scale and translation.
@pytest.mark.parametrize(
    ("latitude", "longitude", "x", "y"),
    [(0, 0, 480, 235.92), (48.1, 11.6, 506.4, 71.25), (-33.9, 151.2, 857.11, 356.15), (40.7, -74, 302.55, 93.72)],
)
def test_places_land_where_the_outlines_were_drawn(latitude: float, longitude: float, x: float, y: float) -> None:
    assert WORLD.position(latitude, longitude) == pytest.approx((x, y), abs=0.06)


def test_time_labels_within_days_meet_midnight() -> None:
    start = datetime(2026, 11, 19, 21, tzinfo=BERLIN)
    chart = charts.time_chart(_timeseries("hour", [start + timedelta(hours=i) for i in range(72)]), BERLIN)
    assert [tick.text for tick in chart.x_ticks] == ["20 Nov", "12:00", "21 Nov", "12:00", "22 Nov", "12:00"]
    assert all(0 <= tick.percent <= 100 for tick in chart.x_ticks)


def test_version_changes_are_marked_at_the_point_they_fall_in() -> None:
    days = [datetime(2026, 11, day, tzinfo=BERLIN) for day in range(1, 6)]
    report = _timeseries("day", days) | {
        "changes": [
            {"at": "2026-10-01T00:00:00Z", "code": "X", "version": 1, "destination": "https://a.example/"},
            {"at": "2026-11-03T11:00:00Z", "code": "X", "version": 2, "destination": "https://b.example/"}
            | {"action": "retarget", "who": "Ada", "reason": "sold out"},
            {"at": "2026-11-05T22:30:00Z", "code": "X", "version": 3, "destination": "https://c.example/"}
            | {"action": "undo", "restores": 1, "who": "Ben", "reason": ""},
            {"at": "2026-11-05T22:40:00Z", "code": "X", "version": 4, "destination": "https://c.example/"}
            | {"action": "rules", "who": "Ben", "reason": "", "parts": ["rule lunch", "option pause"]},
            {"at": "2026-11-06T00:00:00+01:00", "code": "X", "version": 5, "destination": "https://d.example/"},
        ],
        "to": "2026-11-06T00:00:00+01:00",
    }
    markers = charts.time_chart(report, BERLIN).markers
    found = [(marker.version, marker.index, marker.percent, marker.number) for marker in markers]
    assert found == [(2, 2, 50, "2"), (3, 4, 100, ""), (4, 4, 100, "4")]  # two numbers do not fit at one place
    assert [marker.text for marker in markers] == [
        "Version 2, 3 Nov, 12:00: Retargeted to https://b.example/, by Ada (sold out)",
        "Version 3, 5 Nov, 23:30: Undone, back to version 1 to https://c.example/, by Ben",
        "Version 4, 5 Nov, 23:40: Rules changed (rule lunch, option pause), by Ben",
    ]


def test_changes_of_the_last_month_of_a_year_are_marked_to_its_last_day() -> None:
    """Months are of different lengths: the last point's stretch ends where the report does."""
    months = [datetime(2026, month, 1, tzinfo=BERLIN) for month in (1, 2, 3)]
    change = {"at": "2026-03-31T21:00:00Z", "code": "X", "version": 2, "destination": "https://b.example/"}
    report = _timeseries("month", months) | {"changes": [change], "to": "2026-04-01T00:00:00+02:00"}
    [marker] = charts.time_chart(report, BERLIN).markers
    assert (marker.index, marker.percent) == (2, 100)
    [alone] = charts.time_chart(_timeseries("month", months[2:]) | {"changes": [change]}, BERLIN).markers
    assert (alone.index, alone.percent) == (0, 50)


def _decided(**counts: int) -> list[dict[str, Any]]:
    """Entries of a rules or variants report, by label."""
    return [
        {"rule": name.partition(": ")[0], "variant": name.partition(": ")[2], "number": None, "label": name}
        | {"scans": scans, "visitors": scans}
        for name, scans in counts.items()
    ]


def test_variants_are_shown_with_their_share_of_their_split_and_those_not_drawn_yet() -> None:
    report = {"total": {"scans": 100}, "variants": _decided(**{"Trial: A": 30, "Trial: B": 10})}
    card = detail_cards.variants_card(report, [("Trial", "A"), ("Trial", "C")])
    assert card is not None
    assert card.title == "Variants of Trial"
    assert [(row.name, row.scans.value, row.mark) for row in card.rows] == [
        ("A", 30, "75 %"),
        ("B", 10, "25 %"),
        ("C", 0, "0 %"),
    ]
    two = detail_cards.variants_card({"total": {"scans": 9}, "variants": _decided(**{"Trial: A": 3, "Door: A": 6})})
    assert two is not None
    assert [(row.name, row.mark) for row in two.rows] == [("Door: A", "100 %"), ("Trial: A", "100 %")]
    assert detail_cards.variants_card({"total": {"scans": 9}, "variants": []}) is None


def test_rules_are_shown_by_number_and_name_and_the_default_target_with_them() -> None:
    default = {"rule": None, "number": None, "label": "Default target", "scans": 5, "visitors": 5}
    report = {"total": {"scans": 20}, "rules": [{**_decided(Lunch=15)[0], "number": 2}, default]}
    card = detail_cards.rules_card(report, ["rule 1", "Lunch"])
    assert card is not None
    assert [(row.name, row.scans.value, row.mark, row.unknown) for row in card.rows] == [
        ("Rule 2: Lunch", 15, "75 %", False),
        ("Default target", 5, "25 %", True),
        ("rule 1", 0, "0 %", False),
    ]
    assert detail_cards.rules_card({"total": {"scans": 5}, "rules": [default]}) is None


def test_a_report_without_its_database_shows_the_remedy_and_no_rows() -> None:
    missing = {"available": False, "remedy": "Run `waymark geo update`.", "total": {"scans": 3}}
    networks = cards.networks_card(missing | {"networks": []})
    places = cards.places_view(missing | {"countries": []}, WORLD)
    assert (networks.rows, networks.remedy) == ((), "Run `waymark geo update`.")
    assert (places.countries, places.remedy) == ((), "Run `waymark geo update`.")


def test_long_cards_fold_what_is_beyond_the_first_rows() -> None:
    card = cards.referrers_card(_ranked("referrers", "referrer", 12))
    assert (len(card.rows), len(card.more)) == (7, 5)
    assert not cards.referrers_card(_ranked("referrers", "referrer", 8)).more


def test_bars_are_measured_against_the_longest_and_shares_against_all_scans() -> None:
    report = {
        "total": {"scans": 10},
        "referrers": [
            {"referrer": None, "scans": 8, "visitors": 7},
            {"referrer": "news.example", "scans": 2, "visitors": 2},
        ],
    }
    first, second = cards.referrers_card(report).rows
    assert (first.percent, first.share, first.unknown) == (100, "80 %", True)
    assert (second.percent, second.share, second.name) == (25, "20 %", "news.example")


def test_a_country_of_unknown_regions_only_has_nothing_to_unfold() -> None:
    unknown = {"city": None, "scans": 2, "visitors": 2, "latitude": None, "longitude": None}
    country = {
        "country": "DE",
        "name": "Germany",
        "scans": 2,
        "visitors": 2,
        "regions": [{"region": None, "scans": 2, "visitors": 2, "cities": [unknown]}],
    }
    report = {"available": True, "remedy": None, "total": {"scans": 2}, "countries": [country], "attribution": []}
    view = cards.places_view(report, WORLD)
    assert view.countries[0].inside == ()
    assert [(shape.country, shape.bucket, shape.title) for shape in view.shapes] == [
        ("DE", 6, "Germany: 2 scans"),
        ("US", 0, None),
    ]


@pytest.mark.parametrize(
    ("changes", "place", "device", "badges"),
    [
        ({}, "Munich", "iOS · Mobile Safari", []),
        ({"app": "Instagram"}, "Munich", "iOS · Instagram", []),
        ({"city": None, "region": None}, "Germany", "iOS · Mobile Safari", []),
        ({"city": None, "region": None, "country": None}, "Unknown place", "iOS · Mobile Safari", []),
        ({"os": None, "browser": None}, "Munich", "mobile", []),
        (
            {"bot": True, "bot_reason": "library", "datacenter": True},
            "Munich",
            "iOS · Mobile Safari",
            ["bot", "data centre"],
        ),
        ({"counted": False, "uncounted_reason": "prefetch"}, "Munich", "iOS · Mobile Safari", ["not counted"]),
        ({"relay": True, "demo": True}, "Munich", "iOS · Mobile Safari", ["relay", "demo"]),
    ],
)
def test_lines_of_the_live_list(changes: dict[str, Any], place: str, device: str, badges: list[str]) -> None:
    row = scan_rows.scan_row(SCAN | changes, BERLIN, NOW)
    assert (row.place, row.device, [badge.text for badge in row.badges]) == (place, device, badges)


def test_a_scan_of_which_nothing_is_known_is_still_a_line() -> None:
    row = scan_rows.scan_row(BARE_SCAN, BERLIN, NOW)
    assert (row.place, row.device, row.code_path) == ("Unknown place", "Unknown device", "/codes/X")


def test_filter_addresses_keep_what_was_chosen_and_drop_what_no_longer_applies() -> None:
    chosen = _filter("custom", "2026-11-01", "2026-11-02", bots="only", code="SPRING")
    assert chosen.url(bots="include") == (
        "/?range=custom&bots=include&code=SPRING&tz=Europe%2FBerlin&from=2026-11-01&to=2026-11-02"
    )
    assert chosen.url(range="90d") == "/?range=90d&bots=only&code=SPRING&tz=Europe%2FBerlin"


@pytest.mark.parametrize(
    ("case", "any_codes", "bots", "title", "first_action"),
    [
        ("no codes at all", False, None, "No codes yet", "/codes/new"),
        ("only bots came", True, 12, "No scans by people", "/?range=30d&bots=only&tz=Europe%2FBerlin"),
        ("nothing came", True, 0, "No scans in this range", "/?range=90d&bots=exclude&tz=Europe%2FBerlin"),
    ],
)
def test_an_empty_overview_says_why_and_what_to_do(
    case: str, any_codes: bool, bots: int | None, title: str, first_action: str
) -> None:
    page = views.overview_page(_reports(0), _filter(), WORLD, [], "/live-feed", NOW, any_codes=any_codes, bots=bots)
    assert page.report is None, case
    assert page.empty is not None
    assert (page.empty.title, page.empty.actions[0][1]) == (title, first_action)


def test_the_code_list_turns_the_sorted_column_around_and_pages() -> None:
    code = views.code_view(_code(), BERLIN, NOW)
    page = views.codes_page([code] * 5, 12, search="po ster", sort="code", order="asc", page=2, page_size=5)
    assert (page.first, page.last, page.columns["code"].sorted) == (6, 10, "ascending")
    assert page.columns["code"].url == "/codes?q=po+ster&sort=code&order=desc"
    assert page.columns["scans"].url == "/codes?q=po+ster&sort=scans&order=desc"
    assert page.previous_url == "/codes?q=po+ster&sort=code&order=asc&page=1"
    assert page.next_url == "/codes?q=po+ster&sort=code&order=asc&page=3"
    last = views.codes_page([code] * 2, 12, search="", sort="code", order="asc", page=3, page_size=5)
    assert (last.first, last.last, last.next_url) == (11, 12, "")


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("run `geo <x>` now", "run <code>geo &lt;x&gt;</code> now"),
        ("a <b> and a lone ` tick", "a &lt;b&gt; and a lone ` tick"),
    ],
)
def test_commands_in_backticks_become_code_and_the_rest_is_escaped(text: str, html: str) -> None:
    assert str(rendering.with_code(text)) == html


PAGES = [
    "overview",
    "empty overview",
    "code",
    "refused retarget",
    "codes",
    "no codes",
    "nothing found",
    "new code",
    "refused code",
    "tokens",
    "new token",
    "places",
    "docs",
    "login",
    "refused login",
    "setup",
    "reset",
    "error",
]


@pytest.mark.parametrize("case", PAGES)
@pytest.mark.parametrize("role", ["viewer", "owner"])
def test_pages_render_under_a_strict_policy_and_with_their_labels(case: str, role: str) -> None:
    """No inline script or style, ids unique and present where referred to, a CSRF field in every POST form."""
    html = _render(_page(case), role)
    page = _Markup()
    page.feed(html)
    page.close()
    assert not page.inline
    assert len(page.ids) == len(set(page.ids))
    assert page.referred <= set(page.ids)
    assert page.posts_without_csrf == 0
    assert page.headings[0] == 1
    assert all(after <= before + 1 for before, after in pairwise(page.headings))


def test_what_people_typed_is_escaped_and_kept() -> None:
    html = _render(_page("refused retarget"))
    assert 'value="javascript:alert(&#34;1&#34;)"' in html
    assert "Refused: &lt;it runs code&gt;" in html
    assert "Spring &lt;poster&gt;" in html
    assert "N &lt;i&gt;" in html


@pytest.mark.parametrize("case", ["overview", "code", "codes", "no codes"])
def test_viewers_are_not_offered_what_they_may_not_do(case: str) -> None:
    changes = re.compile(r'/codes/new|/retarget|/undo|/edit"')
    assert changes.search(_render(_page(case), "owner"))
    assert not changes.search(_render(_page(case), "viewer"))


def test_every_chart_has_its_figures_as_text() -> None:
    html = _render(_page("overview"))
    assert html.count("<tr data-at=") == 21
    assert len(re.findall(r'<td class="h\d"', html)) == 7 * 24
    assert "World map. Scans from 1 country, most from Germany." in html
    assert "IP by X" in html


def test_assets_are_found_by_their_hashed_names(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"app.js": "app-0123456789.js"}')
    world = {"width": 1, "height": 1, "projection": {"scale": 1, "x": 0, "y": 0}, "countries": []}
    (tmp_path / "world.json").write_text(json.dumps(world))
    assert rendering.load_assets(tmp_path).path("app.js") == "/static/app-0123456789.js"


@pytest.mark.parametrize("present", [(), ("manifest.json",)])
def test_a_missing_or_half_made_build_is_told_apart_from_a_bug(tmp_path: Path, present: tuple[str, ...]) -> None:
    for name in present:
        (tmp_path / name).write_text("{}")
    with pytest.raises(rendering.AssetsMissing, match="npm ci && npm run build"):
        rendering.load_assets(tmp_path)


class _Names(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return name


class _Markup(HTMLParser):
    """Collects what the policy forbids and what accessibility needs."""

    def __init__(self) -> None:
        super().__init__()
        self.inline: list[str] = []
        self.ids: list[str] = []
        self.referred: set[str] = set()
        self.headings: list[int] = []
        self.posts_without_csrf = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        handlers = [name for name in values if name.startswith("on") or name == "style"]
        if handlers or tag == "style" or (tag == "script" and "src" not in values):
            self.inline.append(f"<{tag} {handlers}>")
        if "id" in values:
            self.ids.append(values["id"])
        for name in ("for", "aria-labelledby", "aria-describedby", "list"):
            self.referred |= set(values.get(name, "").split())
        if values.get("href", "").startswith("#"):
            self.referred.add(values["href"][1:])
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        self.posts_without_csrf += tag == "form" and values.get("method") == "post"
        self.posts_without_csrf -= tag == "input" and values.get("name") == "csrf"


def _render(page: views.Page, role: str = "owner") -> str:
    environment = rendering.create_environment(rendering.Assets(Path(), _Names(), WORLD))
    shell = views.Shell("token", "Ada Field", "ada@shop.example", role=role, theme="dark", notice="Saved.", version="1")
    return rendering.render(environment, page, shell)


def _page(case: str) -> views.Page:
    refused = views.Form(
        {"destination": 'javascript:alert("1")'}, {"destination": "Refused: <it runs code>", "": "No."}
    )
    made = formats.moment(NOW, BERLIN, NOW)
    token = views.TokenView("1", "deploy", "editor", made, None)
    match case:
        case "overview" | "empty overview":
            scans = 3 if case == "overview" else 0
            live = [SCAN, BARE_SCAN] if scans else []
            return views.overview_page(
                _reports(scans),
                _filter(),
                WORLD,
                live,
                "/live-feed",
                NOW,
                any_codes=True,
                previous={"scans": 5},
                bots=2,
            )
        case "code" | "refused retarget":
            return _code_page(None if case == "code" else refused)
        case "codes" | "no codes" | "nothing found":
            codes = [views.code_view(_code() | {"scans": None}, BERLIN, NOW)] if case == "codes" else []
            search = "x" if case == "nothing found" else ""
            return views.codes_page(codes, len(codes), search=search, sort="code", order="asc", page=1, page_size=5)
        case "new code" | "refused code":
            domains = ("w.example", "go.example") if case == "new code" else ("w.example",)
            return views.NewCodePage(domains, refused if case == "refused code" else views.Form())
        case "tokens":
            return views.TokensPage((), views.Form())
        case "new token":
            return views.TokensPage((token,), refused, ("deploy", "wm_secret"))
        case "places":
            ok = views.PlaceDatabaseView("Cities", "ok", "DB-IP City Lite", "city.mmdb", "1 Jun 2026", 1)
            missing = views.PlaceDatabaseView("Networks", "missing", remedy="Run `waymark geo update`.")
            return views.PlacesPage((ok, missing), ({"text": "IP by X", "url": "https://x.example"},))
        case "docs":
            return views.DocsPage("/api/v1/openapi.json")
        case "login" | "refused login":
            return views.LoginPage(
                "token", refused if case == "refused login" else views.Form(), "/codes", "Signed out."
            )
        case "setup" | "reset":
            return views.PasswordPage(case, "/setup/abc", "token", refused)
        case _:
            return error_page(404)


def _code_page(retarget: views.Form | None) -> views.CodePage:
    rows: list[Mapping[str, Any]] = [
        {"version": 2, "destination": "https://b.example/", "created_at": "2026-11-05T10:00:00Z", "created_by": "Ada"},
        {"version": 1, "destination": "https://a.example/", "created_at": "2026-08-01T09:00:00Z", "reason": "first"},
    ]
    return views.code_page(
        views.code_view(_code(), BERLIN, NOW),
        [history_rows.version_view(row, 2, BERLIN, NOW) for row in rows],
        {kind: f"/codes/SPRING/qr.{kind}" for kind in ("svg", "png", "pdf", "eps")},
        _reports(3),
        _filter(),
        WORLD,
        [SCAN],
        "/live-feed?code=SPRING",
        NOW,
        retarget=retarget,
    )


def _timeseries(interval: str, stamps: list[datetime], scans: int = 3) -> dict[str, Any]:
    points = [{"at": at.isoformat(), "scans": scans, "visitors": scans // 2} for at in stamps]
    total = {"scans": scans * len(points), "visitors": scans // 2 * len(points)}
    return {"interval": interval, "points": points, "changes": [], "total": total}


def _ranked(report: str, key: str, count: int) -> dict[str, Any]:
    rows = [{key: f"name {i}", "scans": count - i, "visitors": 1} for i in range(count)]
    return {"total": {"scans": 100, "visitors": 50}, report: rows}


def _reports(scans: int) -> dict[str, Any]:
    days = [datetime(2026, 11, day, tzinfo=BERLIN) for day in range(1, 22)]
    timeseries = _timeseries("day", days, scans)
    total = timeseries["total"]
    row = {"name": "mobile", "scans": total["scans"], "visitors": total["visitors"]}
    city = {"city": "Munich", "latitude": 48.1, "longitude": 11.6, **total}
    country = {
        "country": "DE",
        "name": "Germany",
        **total,
        "regions": [{"region": "Bavaria", **total, "cities": [city]}],
    }
    place = {"available": True, "remedy": None, "attribution": [{"text": "IP by X", "url": "https://x.example"}]}
    return {
        "timeseries": timeseries,
        "devices": {"total": total, "devices": [row], "os": [row | {"name": None}], "browsers": [row], "apps": []},
        "hours": {"total": total, "cells": [[scans] * 24] * 7},
        "regions": {"total": total, "countries": [country], **place},
        "referrers": {"total": total, "referrers": [{"referrer": None, **total}]},
        "networks": {"total": total, "networks": [{"asn": 1, "network": "N <i>", **total}], **place},
    }


def _filter(
    name: str = "30d", first: str | None = None, last: str | None = None, bots: str = "exclude", code: str = ""
) -> views.FilterView:
    return views.FilterView("/", periods.period_for(name, first, last, BERLIN, NOW), BERLIN, bots, code)


def _code() -> dict[str, Any]:
    return {
        "code": "SPRING",
        "short_url": "https://w.example/SPRING",
        "destination": "https://shop.example/?a=1&b=<2>",
        "version": 2,
        "name": "Spring <poster>",
        "tags": ["poster", "spring & summer"],
        "domain": "w.example",
        "created_at": "2026-08-01T09:00:00Z",
        "scans": 12,
    }
