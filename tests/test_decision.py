"""The decision: rule cases with clocks, weeks and dates, what is unknown, splits, parameters; and that it stays safe."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codes.destinations import DestinationPolicy, check_destination
from codes.options import Options, read_options
from codes.parameters import with_parameters
from codes.rules import read_rules
from redirector.decision import Decision, decision_for, plain_decision
from redirector.routes import Route
from redirector.simulation import Imagined, simulate

POLICY = DestinationPolicy(frozenset({"w.example"}))
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)  # a Friday
YES = "https://a.example/yes"
ELSE = "https://a.example/else"


def route_with(*rules: dict[str, Any], **options: Any) -> Route:
    return Route(7, 1, "spring", False, 3, ELSE, read_rules(list(rules), POLICY), read_options(options, POLICY))


def holds(condition: dict[str, Any], at: datetime = NOON, **facts: Any) -> bool:
    route = route_with({"name": "r", "when": [condition], "to": YES})
    return decision_for(route, Imagined(**facts), at).destination == YES


def local(text: str, zone: str, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC)


BERLIN, NEW_YORK, KOLKATA, KATHMANDU, DUBAI = (
    "Europe/Berlin",
    "America/New_York",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Asia/Dubai",
)
# (zone, from, until, days, local moment, fold, whether it holds)
TIMES: list[tuple[str, str, str, str, str, int, bool]] = [
    # The plain case and its edges: until is excluded.
    (DUBAI, "18:00", "23:00", "", "2026-11-20T18:00", 0, True),
    (DUBAI, "18:00", "23:00", "", "2026-11-20T17:59:59", 0, False),
    (DUBAI, "18:00", "23:00", "", "2026-11-20T22:59:59", 0, True),
    (DUBAI, "18:00", "23:00", "", "2026-11-20T23:00", 0, False),
    # Half-hour and 45-minute zones.
    (KOLKATA, "09:30", "10:00", "", "2026-06-01T09:30", 0, True),
    (KOLKATA, "09:30", "10:00", "", "2026-06-01T09:29", 0, False),
    (KATHMANDU, "00:00", "00:45", "", "2026-06-01T00:44", 0, True),
    (KATHMANDU, "00:00", "00:45", "", "2026-06-01T00:45", 0, False),
    # Past midnight: the days are those on which the span begins.
    (BERLIN, "22:00", "02:00", "fri", "2026-11-20T23:30", 0, True),
    (BERLIN, "22:00", "02:00", "fri", "2026-11-21T01:59", 0, True),
    (BERLIN, "22:00", "02:00", "fri", "2026-11-21T02:00", 0, False),
    (BERLIN, "22:00", "02:00", "fri", "2026-11-20T01:00", 0, False),
    (BERLIN, "22:00", "02:00", "fri", "2026-11-21T22:30", 0, False),
    (BERLIN, "22:00", "02:00", "sun", "2026-11-23T01:00", 0, True),  # Monday morning belongs to Sunday
    (BERLIN, "22:00", "02:00", "mon", "2026-11-23T01:00", 0, False),
    # Week boundaries.
    (BERLIN, "00:00", "24:00", "mon", "2026-11-23T00:00", 0, True),
    (BERLIN, "00:00", "24:00", "mon", "2026-11-22T23:59:59", 0, False),
    (BERLIN, "00:00", "24:00", "sun", "2026-11-22T23:59:59", 0, True),
    (BERLIN, "00:00", "24:00", "sun", "2026-11-23T00:00", 0, False),
    # 24:00 and 00:00 as an end are the end of the day; the same time twice is the whole day from there on.
    (BERLIN, "18:00", "24:00", "", "2026-11-20T23:59", 0, True),
    (BERLIN, "18:00", "00:00", "", "2026-11-20T23:59", 0, True),
    (BERLIN, "18:00", "24:00", "", "2026-11-21T00:00", 0, False),
    (BERLIN, "06:00", "06:00", "fri", "2026-11-21T05:59", 0, True),
    (BERLIN, "06:00", "06:00", "fri", "2026-11-21T06:00", 0, False),
    # The clock goes forward: 02:00 to 03:00 does not come.
    (BERLIN, "01:00", "02:00", "", "2026-03-29T01:59", 0, True),
    (BERLIN, "01:00", "03:30", "", "2026-03-29T03:15", 0, True),
    (BERLIN, "03:00", "04:00", "", "2026-03-29T03:00", 0, True),
    (NEW_YORK, "01:30", "03:00", "sun", "2026-03-08T01:59", 0, True),
    (NEW_YORK, "01:30", "03:00", "sun", "2026-03-08T03:00", 0, False),
    # The clock goes back: 02:00 to 03:00 comes twice and holds both times.
    (BERLIN, "02:00", "03:00", "", "2026-10-25T02:30", 0, True),
    (BERLIN, "02:00", "03:00", "", "2026-10-25T02:30", 1, True),
    (BERLIN, "03:00", "04:00", "", "2026-10-25T03:00", 0, True),
    (NEW_YORK, "22:00", "01:30", "sat", "2026-11-01T01:15", 0, True),
    (NEW_YORK, "22:00", "01:30", "sat", "2026-11-01T01:15", 1, True),
    (NEW_YORK, "22:00", "01:30", "sat", "2026-11-01T01:45", 1, False),
    # The same moment is another day elsewhere.
    ("Pacific/Kiritimati", "00:00", "06:00", "sat", "2026-11-21T02:00", 0, True),
    ("Pacific/Pago_Pago", "00:00", "06:00", "thu", "2026-11-19T02:00", 0, True),
]


@pytest.mark.parametrize(
    ("zone", "start", "until", "days", "moment", "fold", "expected"),
    TIMES,
    ids=[f"{row[0]} {row[1]}-{row[2]} {row[3]} at {row[4]}{'b' if row[5] else ''}" for row in TIMES],
)
def test_times_of_day(zone: str, start: str, until: str, days: str, moment: str, fold: int, expected: bool) -> None:
    condition: dict[str, Any] = {"from": start, "until": until, "zone": zone}
    if days:
        condition["days"] = days.split()
    assert holds({"time": condition}, local(moment, zone, fold)) is expected


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK, KOLKATA, KATHMANDU])
def test_a_span_holds_at_exactly_its_minutes_through_a_year_of_clock_changes(zone: str) -> None:
    """Compared with counting on the wall clock, every 15 minutes of the weeks in which clocks change."""
    route = route_with(
        {"name": "r", "when": [{"time": {"from": "22:30", "until": "02:15", "days": ["sat"], "zone": zone}}], "to": YES}
    )
    for start in (
        datetime(2026, 3, 6, tzinfo=UTC),
        datetime(2026, 3, 27, tzinfo=UTC),
        datetime(2026, 10, 23, tzinfo=UTC),
    ):
        for step in range(4 * 24 * 4):
            at = start + timedelta(minutes=15 * step)
            wall = at.astimezone(ZoneInfo(zone))
            begins = wall.weekday() == 5 and (wall.hour, wall.minute) >= (22, 30)
            goes_on = wall.weekday() == 6 and (wall.hour, wall.minute) < (2, 15)
            assert (decision_for(route, Imagined(), at).rule == "r") is (begins or goes_on), wall


# (from, until, zone, local moment, whether it holds)
DATES: list[tuple[str | None, str | None, str, str, bool]] = [
    ("2026-12-01", "2026-12-24", BERLIN, "2026-12-01T00:00", True),
    ("2026-12-01", "2026-12-24", BERLIN, "2026-11-30T23:59:59", False),
    ("2026-12-01", "2026-12-24", BERLIN, "2026-12-24T23:59:59", True),  # the last day is part of it
    ("2026-12-01", "2026-12-24", BERLIN, "2026-12-25T00:00", False),
    ("2026-12-01T18:30", None, KOLKATA, "2026-12-01T18:29", False),
    ("2026-12-01T18:30", None, KOLKATA, "2030-01-01T00:00", True),
    (None, "2026-12-01T18:30", KATHMANDU, "2026-12-01T18:29:59", True),
    (None, "2026-12-01T18:30", KATHMANDU, "2026-12-01T18:30", False),
    ("2026-03-29", "2026-03-29", BERLIN, "2026-03-29T23:30", True),  # a day of 23 hours
    ("2026-10-25", "2026-10-25", BERLIN, "2026-10-25T23:30", True),  # and one of 25
]


@pytest.mark.parametrize(("start", "until", "zone", "moment", "expected"), DATES, ids=str)
def test_dates(start: str | None, until: str | None, zone: str, moment: str, expected: bool) -> None:
    given_dates = {name: value for name, value in (("from", start), ("until", until)) if value}
    assert holds({"dates": {**given_dates, "zone": zone}}, local(moment, zone)) is expected


# (condition, facts, whether it holds)
FACT_CASES: list[tuple[dict[str, Any], dict[str, Any], bool]] = [
    ({"country": ["AE", "SA"]}, {"known": {"country": "ae"}}, True),
    ({"country": ["AE", "SA"]}, {"known": {"country": "de"}}, False),
    ({"country": ["AE"]}, {}, False),
    ({"not": {"country": ["AE"]}}, {"known": {"country": "de"}}, True),
    ({"not": {"country": ["AE"]}}, {}, False),  # unknown: neither it nor its opposite
    ({"city": ["São Paulo"]}, {"known": {"city": "são paulo"}}, True),
    ({"region": ["Dubai"]}, {"known": {"region": "dubai"}}, True),
    ({"asn": ["5384"]}, {"known": {"asn": "5384"}}, True),
    ({"device": ["mobile", "tablet"]}, {"known": {"device": "tablet"}}, True),
    ({"os": ["iOS"]}, {"known": {"os": "ios"}}, True),
    ({"app": ["any"]}, {"known": {"app": "instagram"}}, True),
    ({"app": ["any"]}, {"known": {"app": ""}}, False),
    ({"not": {"app": ["any"]}}, {"known": {"app": ""}}, True),
    ({"app": ["wechat"]}, {"known": {"app": "instagram"}}, False),
    ({"language": ["pt"]}, {"known": {"language": "pt-br"}}, True),
    ({"language": ["pt-br"]}, {"known": {"language": "pt"}}, False),
    ({"language": ["por"]}, {"known": {"language": "pt"}}, False),
    ({"referrer": ["instagram.com"]}, {"known": {"referrer": "l.instagram.com"}}, True),
    ({"referrer": ["instagram.com"]}, {"known": {"referrer": "notinstagram.com"}}, False),
    ({"visitor": "returning"}, {"is_returning": True}, True),
    ({"visitor": "returning"}, {"is_returning": False}, False),
    ({"visitor": "first"}, {"is_returning": False}, True),
    ({"visitor": "first"}, {}, False),
    ({"visitor": "returning"}, {}, False),
    ({"scans": {"below": 100}}, {"scans": 99}, True),
    ({"scans": {"below": 100}}, {"scans": 100}, False),
    ({"scans": {"from": 100}}, {"scans": 100}, True),
    ({"scans": {"from": 5, "below": 10}}, {"scans": 4}, False),
    ({"scans": {"below": 100}}, {}, False),
    ({"query": {"key": "table"}}, {"query": {"table": ""}}, True),
    ({"query": {"key": "table"}}, {}, False),
    ({"query": {"key": "table", "values": ["7", "8"]}}, {"query": {"table": "8"}}, True),
    ({"query": {"key": "table", "values": ["7"]}}, {"query": {"table": "70"}}, False),
    ({"job": ["ready"]}, {"known": {"job": "ready"}}, True),
    ({"job": ["ready"]}, {}, False),
    ({"any": [{"country": ["AE"]}, {"language": ["ar"]}]}, {"known": {"language": "ar"}}, True),  # one is unknown
    ({"any": [{"country": ["AE"]}, {"language": ["ar"]}]}, {"known": {"language": "fr"}}, False),
    ({"not": {"any": [{"country": ["AE"]}, {"language": ["ar"]}]}}, {"known": {"language": "fr"}}, False),
    (
        {"not": {"any": [{"country": ["AE"]}, {"language": ["ar"]}]}},
        {"known": {"language": "fr", "country": "fr"}},
        True,
    ),
]


@pytest.mark.parametrize(("condition", "facts", "expected"), FACT_CASES, ids=str)
def test_conditions_on_facts(condition: dict[str, Any], facts: dict[str, Any], expected: bool) -> None:
    assert holds(condition, **facts) is expected


def test_the_first_rule_that_holds_wins_and_the_trace_tells_why_the_others_did_not() -> None:
    route = route_with(
        {"name": "Night", "when": [{"time": {"from": "20:00", "until": "04:00"}}], "to": "https://a.example/night"},
        {"name": "Emirates", "when": [{"country": ["AE"]}, {"device": ["mobile"]}], "to": YES},
        {"name": "Everyone", "when": [], "to": "https://a.example/all"},
    )
    decision = decision_for(route, Imagined({"country": "ae", "device": "mobile"}), NOON)
    assert (decision.destination, decision.version, decision.rule, decision.variant) == (YES, 3, "Emirates", None)
    assert [(step.rule, step.held, step.failed is None) for step in decision.trace] == [
        ("Night", False, False),
        ("Emirates", True, True),
    ]
    assert decision_for(route, Imagined({"country": "de"}), NOON).rule == "Everyone"


def test_without_facts_every_code_still_leads_somewhere() -> None:
    rules = [
        {"name": str(number), "when": [condition], "to": YES}
        for number, (condition, _facts, _expected) in enumerate(FACT_CASES)
        if next(iter(condition)) not in ("time", "dates")
    ]
    decision = decision_for(route_with(*rules), Imagined(), NOON)
    assert (decision.destination, decision.rule) == (ELSE, None)
    assert len(decision.trace) == len(rules)


LATER, BEFORE = "2026-11-21T00:00+00:00", "2026-11-20T00:00+00:00"
# (options, scans before, unlocked, (destination, page, rule))
OPTION_CASES: list[tuple[dict[str, Any], int | None, bool, tuple[str | None, str | None, str | None]]] = [
    ({}, None, False, (YES, None, "r")),
    ({"paused": True}, None, False, (None, "paused", "-paused")),
    ({"paused": True, "fallback": "https://b.example/"}, None, False, (None, "paused", "-paused")),
    ({"starts_at": LATER}, None, False, (None, "early", "-early")),
    ({"starts_at": BEFORE}, None, False, (YES, None, "r")),
    ({"ends_at": BEFORE}, None, False, (YES, None, "r")),  # a date stands for the end of its day
    ({"ends_at": "2026-11-20T12:00+00:00"}, None, False, (None, "ended", "-ended")),
    ({"ends_at": "2026-11-20T12:00:01+00:00"}, None, False, (YES, None, "r")),
    ({"starts_at": LATER, "fallback": "https://b.example/"}, None, False, ("https://b.example/", None, "-early")),
    ({"max_scans": 3}, 2, False, (YES, None, "r")),
    ({"max_scans": 3}, 3, False, (None, "used-up", "-used-up")),
    ({"max_scans": 3}, None, False, (YES, None, "r")),  # nobody knows: open
    ({"max_scans": 3, "fallback": "https://b.example/"}, 3, False, ("https://b.example/", None, "-used-up")),
]


@pytest.mark.parametrize(("options", "scans", "unlocked", "expected"), OPTION_CASES, ids=str)
def test_options(
    options: dict[str, Any], scans: int | None, unlocked: bool, expected: tuple[str | None, str | None, str | None]
) -> None:
    if options.get("ends_at") == BEFORE:
        options = {"ends_at": "2026-11-20"}
    route = route_with({"name": "r", "when": [], "to": YES}, **options)
    decision = decision_for(route, Imagined(scans=scans, unlocked=unlocked), NOON)
    assert (decision.destination, decision.page, decision.rule) == expected


def test_a_password_is_asked_first_and_a_closed_code_asks_for_none() -> None:
    locked = Options(password_hash="$argon2id$x")
    route = route_with({"name": "r", "when": [], "to": YES})._replace(options=locked)
    assert decision_for(route, Imagined(), NOON).page == "password"
    assert decision_for(route, Imagined(unlocked=True), NOON).destination == YES
    closed = route._replace(options=replace(locked, ends_at=NOON))
    assert decision_for(closed, Imagined(), NOON).page == "ended"


# Splits


class Visitor(Imagined):
    def __init__(self, key: str) -> None:
        object.__setattr__(self, "key", key)
        super().__init__()

    def sticky_key(self) -> str | None:
        key: str = self.key  # type: ignore[attr-defined]
        return key


@settings(max_examples=30, deadline=None)
@given(
    weights=st.lists(st.integers(0, 1000), min_size=2, max_size=8).filter(any), name=st.text("abcXYZ 09", min_size=1)
)
def test_weights_hold_and_every_visitor_keeps_the_same_way(weights: list[int], name: str) -> None:
    ways = [{"weight": weight, "to": f"https://a.example/{number}"} for number, weight in enumerate(weights)]
    route = route_with({"name": f"r{name.strip()}", "when": [], "split": ways})
    visitors = [f"{number:016x}" for number in range(2_000)]
    found = Counter(decision_for(route, Visitor(key), NOON).variant for key in visitors)
    assert found == Counter(decision_for(route, Visitor(key), NOON).variant for key in visitors)
    for variant in route.rules[0].variants:
        share = variant.weight / sum(weights)
        spread = (len(visitors) * share * (1 - share)) ** 0.5
        assert abs(found[variant.name] - len(visitors) * share) <= 6 * spread + 1e-9


def test_two_splits_are_drawn_apart() -> None:
    ways = [{"to": "https://a.example/1"}, {"to": "https://a.example/2"}]
    one, other = (route_with({"name": name, "when": [], "split": ways}) for name in ("one", "other"))
    same = sum(
        decision_for(one, Visitor(f"{n:016x}"), NOON).variant == decision_for(other, Visitor(f"{n:016x}"), NOON).variant
        for n in range(2_000)
    )
    assert 850 < same < 1_150


@pytest.mark.parametrize(("draw", "variant"), [(0.0, "A"), (0.69, "A"), (0.7, "B"), (0.999999, "B")])
def test_who_has_no_key_is_drawn(draw: float, variant: str) -> None:
    ways = [{"weight": 70, "to": YES}, {"weight": 30, "to": ELSE}]
    assert decision_for(route_with({"name": "r", "split": ways}), Imagined(draw=draw), NOON).variant == variant


# Parameters

# (destination, options, query of the short link, expected)
PARAMETERS: list[tuple[str, dict[str, Any], str, str]] = [
    ("https://a.example/", {"utm": {"source": "wall"}}, "", "https://a.example/?utm_source=wall"),
    ("https://a.example/?utm_source=own", {"utm": {"source": "wall"}}, "", "https://a.example/?utm_source=own"),
    ("https://a.example/?utm_source=", {"utm": {"source": "wall"}}, "", "https://a.example/?utm_source="),
    ("https://a.example/p?x=1#top", {"utm": {"medium": "a b"}}, "", "https://a.example/p?x=1&utm_medium=a+b#top"),
    ("https://a.example/p?#top", {"utm": {"term": "ü&="}}, "", "https://a.example/p?utm_term=%C3%BC%26%3D#top"),
    ("https://a.example/", {"pass_query": True}, "table=7&x=", "https://a.example/?table=7&x="),
    ("https://a.example/?x=1", {"pass_query": True}, "x=2&y=3", "https://a.example/?x=1&y=3"),
    ("https://a.example/", {}, "table=7", "https://a.example/"),
    (
        "https://a.example/",
        {"pass_query": True, "utm": {"source": "wall"}},
        "utm_source=qr",
        "https://a.example/?utm_source=qr",
    ),
    ("mailto:anna@a.example", {"pass_query": True, "utm": {"source": "wall"}}, "x=1", "mailto:anna@a.example"),
    ("tel:+4912345678", {"utm": {"source": "wall"}}, "", "tel:+4912345678"),
    ("https://a.example/", {"scan_id": "sid"}, "", f"https://a.example/?sid={'0' * 24}"),
    ("https://a.example/?sid=own", {"scan_id": "sid"}, "", "https://a.example/?sid=own"),
]


@pytest.mark.parametrize(("destination", "options", "query", "expected"), PARAMETERS, ids=str)
def test_parameters(destination: str, options: dict[str, Any], query: str, expected: str) -> None:
    route = route_with(**options)._replace(destination=destination)
    assert decision_for(route, Imagined(query_string=query), NOON).destination == expected


def test_a_forged_scan_id_does_not_stand_twice() -> None:
    final = with_parameters("https://a.example/", Options(pass_query=True, scan_id="sid"), "sid=forged", "0" * 24)
    assert final == f"https://a.example/?sid={'0' * 24}"


def test_a_plain_route_is_decided_as_any_other() -> None:
    for options in ({}, {"utm": {"source": "wall"}}):
        route = route_with(**options)
        assert route.is_plain
        assert (
            plain_decision(route)
            == decision_for(route, Imagined(), NOON)
            == Decision(with_parameters(ELSE, route.options), 3, None, None)
        )


# For every input

query_strings = st.text(max_size=300).map(lambda text: text.encode(errors="replace").decode("utf-8", "replace"))
destinations = st.sampled_from(
    [
        YES,
        "https://a.example/p?x=1#top",
        "https://a.example/?",
        "https://xn--mnchen-3ya.example/%0D%0A",
        "mailto:a@b.example",
    ]
)


@settings(max_examples=300, deadline=None)
@given(
    destination=destinations, query=query_strings, value=st.text(min_size=1, max_size=50), length=st.integers(0, 4_200)
)
def test_what_is_sent_is_always_a_destination_that_is_allowed(
    destination: str, query: str, value: str, length: int
) -> None:
    options = Options(pass_query=True, utm={"source": value, "medium": "x" * min(length, 200)}, scan_id="sid")
    final = with_parameters(destination, options, query + "&long=" + "y" * length, "0" * 24)
    assert check_destination(final, POLICY) == final
    assert "\r" not in final
    assert "\n" not in final
    assert final.isascii()


condition_cases = st.sampled_from([condition for condition, _facts, _expected in FACT_CASES])
known_facts = st.dictionaries(
    st.sampled_from(["country", "city", "device", "os", "app", "language", "referrer", "asn", "job"]),
    st.sampled_from(["ae", "de", "mobile", "ios", "", "ar", "pt-br", "instagram", "5384", "ready", "instagram.com"]),
)


@settings(max_examples=300, deadline=None)
@given(
    when=st.lists(st.lists(condition_cases, max_size=3), max_size=6),
    known=known_facts,
    scans=st.none() | st.integers(0, 200),
    returning=st.none() | st.booleans(),
)
def test_the_trace_names_the_rule_that_fired_and_the_words_agree(
    when: list[list[dict[str, Any]]], known: Mapping[Any, str], scans: int | None, returning: bool | None
) -> None:
    rules = [
        {"name": f"r{number}", "when": conditions, "to": f"https://a.example/{number}"}
        for number, conditions in enumerate(when)
    ]
    route = route_with(*rules)
    facts = Imagined(known, scans=scans, is_returning=returning)
    simulation = simulate(route, facts, NOON)
    decision = simulation.decision
    assert decision == decision_for(route, facts, NOON)
    held = [step.rule for step in decision.trace if step.held]
    assert held == ([decision.rule] if decision.rule else [])
    assert [step.rule for step in decision.trace] == [rule.name for rule in route.rules][: len(decision.trace)]
    if decision.rule is None:
        assert decision.destination == ELSE
        assert len(decision.trace) == len(rules)
    else:
        assert decision.destination == f"https://a.example/{decision.rule[1:]}"
    assert [line.what for line in simulation.lines if line.held] == [
        f"rule {decision.rule}" if decision.rule else "destination"
    ]
    assert all(line.why for line in simulation.lines)


def test_the_simulation_says_what_time_it_was_there() -> None:
    route = route_with(
        {"name": "Dinner", "when": [{"time": {"from": "18:00", "until": "23:00", "zone": DUBAI}}], "to": YES},
    )
    simulation = simulate(route, Imagined(), local("2026-11-20T17:10", DUBAI))
    assert [(line.what, line.held, line.why) for line in simulation.lines] == [
        (
            "rule Dinner",
            False,
            "time 18:00-23:00, every day, in Asia/Dubai does not hold: it is Fri 2026-11-20 17:10 there",
        ),
        ("destination", True, "no rule held: the code's own destination"),
    ]
