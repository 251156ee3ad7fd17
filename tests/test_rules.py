"""Rules and options as JSON: what is accepted comes back the same, what is refused is named with what to do."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codes.conditions import (
    DAYS,
    DEVICES,
    FACTS,
    JOB_STATES,
    RuleError,
    read_condition,
    typed_instant,
    written_condition,
)
from codes.destinations import DestinationPolicy
from codes.options import NO_OPTIONS, Options, read_options, shown_options, with_utm_defaults, written_options
from codes.passwords import is_password, with_hashed_password
from codes.rules import Rule, read_rules, rule_in_words, written_rules
from codes.versions import Content, differences

POLICY = DestinationPolicy(frozenset({"w.example"}))
LUNCH = {
    "name": "Lunch",
    "when": [{"time": {"from": "11:30", "until": "14:30", "zone": "Asia/Dubai"}}],
    "to": "https://a.example/lunch",
}
SPLIT = {
    "name": "Test",
    "when": [],
    "split": [
        {"name": "A", "weight": 70, "to": "https://a.example/a"},
        {"name": "B", "weight": 30, "to": "https://a.example/b"},
    ],
}

# One condition and how it reads.
CONDITIONS: list[tuple[dict[str, Any], str]] = [
    (
        {"time": {"from": "18:00", "until": "02:00", "days": ["fri", "sat"], "zone": "Europe/Berlin"}},
        "time 18:00-02:00, Fri Sat, in Europe/Berlin",
    ),
    ({"time": {"from": "00:00", "until": "00:00", "zone": "UTC"}}, "time 00:00-24:00, every day, in UTC"),
    (
        {"dates": {"from": "2026-12-01", "until": "2026-12-24", "zone": "Asia/Kolkata"}},
        "date from 2026-12-01 until 2026-12-24, in Asia/Kolkata",
    ),
    ({"dates": {"until": "2026-12-01T18:30", "zone": "UTC"}}, "date until 2026-12-01T18:30, in UTC"),
    ({"country": ["AE", "SA"]}, "country is AE or SA"),
    ({"region": ["dubai"]}, "region is dubai"),
    ({"city": ["são paulo"]}, "city is são paulo"),
    ({"asn": ["5384"]}, "asn is 5384"),
    ({"device": ["mobile", "tablet"]}, "device is mobile or tablet"),
    ({"os": ["ios"]}, "os is ios"),
    ({"app": ["any"]}, "app is any"),
    ({"language": ["ar", "pt-br"]}, "language is ar or pt-br"),
    ({"referrer": ["instagram.com"]}, "referrer is instagram.com"),
    ({"job": ["ready"]}, "job is ready"),
    ({"visitor": "returning"}, "the visitor was here within 48 hours"),
    ({"visitor": "first"}, "the visitor is here for the first time"),
    ({"scans": {"below": 100}}, "one of the code's first 100 scans"),
    ({"scans": {"from": 100}}, "the code has 100 scans or more"),
    ({"scans": {"from": 5, "below": 10}}, "the code has 5 to 9 scans"),
    ({"query": {"key": "table", "values": ["7", "8"]}}, "the link has ?table=7 or 8"),
    ({"query": {"key": "table"}}, "the link has ?table"),
    ({"any": [{"country": ["AE"]}, {"language": ["ar"]}]}, "any of (country is AE; language is ar)"),
    ({"not": {"device": ["desktop"]}}, "not (device is desktop)"),
]

# (what is given, a part of what is said)
REFUSED: list[tuple[Any, str]] = [
    ("country", "an object with one key"),
    ({}, "an object with one key"),
    ({"country": ["AE"], "city": ["Dubai"]}, "an object with one key"),
    ({"planet": ["mars"]}, "there is no condition 'planet'"),
    ({"country": ["Emirates"]}, "two-letter country codes"),
    ({"country": []}, "1 to 200 values"),
    ({"country": [7]}, "two-letter country codes"),
    ({"device": ["phone"]}, "mobile, tablet, desktop, tv, other"),
    ({"language": ["arabic!"]}, "language tags"),
    ({"asn": ["AS5384"]}, "network numbers"),
    ({"job": ["finished"]}, "in-progress"),
    ({"visitor": "new"}, '"first" or "returning"'),
    ({"scans": {}}, "whole numbers"),
    ({"scans": {"below": "100"}}, "whole numbers"),
    ({"scans": {"below": True}}, "whole numbers"),
    ({"scans": {"from": 10, "below": 10}}, "more than from"),
    ({"scans": {"first": 10}}, "unknown first"),
    ({"time": {"from": "25:00"}}, "time of day such as 18:30"),
    ({"time": {"from": "6 pm"}}, "time of day such as 18:30"),
    ({"time": {"days": []}}, "days are a list"),
    ({"time": {"days": ["monday"]}}, "days are a list"),
    ({"time": {"zone": "Dubai"}}, "no time zone 'Dubai'"),
    ({"time": {"zone": "../../etc/passwd"}}, "no time zone"),
    ({"dates": {}}, "from, until, or both"),
    ({"dates": {"from": "01.12.2026"}}, "a date such as 2026-12-01"),
    ({"dates": {"from": 20261201}}, "a date such as 2026-12-01"),
    ({"dates": {"from": "2026-12-02", "until": "2026-12-01"}}, "after from"),
    ({"query": {"values": ["7"]}}, "key"),
    ({"query": {"key": "a\nb"}}, "1 to 120 characters"),
    ({"city": ["x" * 121]}, "1 to 120 characters"),
    ({"any": []}, "1 to 200 values"),
    ({"not": {"not": {"not": {"not": {"country": ["AE"]}}}}}, "more than 3 deep"),
]


@pytest.mark.parametrize(("condition", "words"), CONDITIONS, ids=[words for _given, words in CONDITIONS])
def test_a_condition_reads_well_and_comes_back_the_same(condition: dict[str, Any], words: str) -> None:
    [rule] = read_rules([{"name": "r", "when": [condition], "to": "https://a.example/"}], POLICY)
    assert rule_in_words(rule) == words
    assert written_rules([rule]) == [{"name": "r", "when": [condition], "to": "https://a.example/"}]


@pytest.mark.parametrize(("condition", "said"), REFUSED, ids=[repr(given)[:60] for given, _said in REFUSED])
def test_a_condition_that_makes_no_sense_is_refused_by_name(condition: Any, said: str) -> None:
    with pytest.raises(RuleError) as refused:
        read_rules([LUNCH, {"name": "Odd one", "when": [condition], "to": "https://a.example/"}], POLICY)
    assert "rule 2 (Odd one)" in str(refused.value)
    assert said in str(refused.value)


def test_the_table_has_every_condition() -> None:
    used = {name for condition, _words in CONDITIONS for name in condition}
    assert used == {*FACTS, "time", "dates", "visitor", "scans", "query", "any", "not"}


RULES_REFUSED: list[tuple[Any, str]] = [
    ({"name": "x"}, "rules are a list"),
    ("x", "rules are a list"),
    (["x"], "rule 1: a rule is an object"),
    ([{"name": "a", "when": [], "to": "https://a.example/", "then": 1}], "unknown then"),
    ([{"name": "a", "when": []}], "either to"),
    ([{"name": "a", "when": [], "to": "https://a.example/", "split": []}], "either to"),
    ([{"name": "a", "when": {"country": ["AE"]}, "to": "https://a.example/"}], "when is a list"),
    ([{"name": "-paused", "when": [], "to": "https://a.example/"}], "does not begin with '-'"),
    ([{"name": " ", "when": [], "to": "https://a.example/"}], "1 to 60 characters"),
    ([{"name": "a", "when": [], "to": 7}], "to is an address"),
    ([{"name": "a", "when": [], "to": "javascript:alert(1)"}], "rule 1 (a)"),
    ([{"name": "a", "when": [], "to": "https://w.example/spring"}], "rule 1 (a)"),
    ([{"name": "a", "split": [{"to": "https://a.example/"}]}], "2 to 20 variants"),
    ([{"name": "a", "split": [{"to": "https://a.example/"}, {"to": "data:x"}]}], "variant 2"),
    (
        [
            {
                "name": "a",
                "split": [{"to": "https://a.example/", "weight": 0}, {"to": "https://a.example/", "weight": 0}],
            }
        ],
        "above 0",
    ),
    (
        [{"name": "a", "split": [{"to": "https://a.example/", "weight": 1.5}, {"to": "https://a.example/"}]}],
        "whole number",
    ),
    (
        [
            {
                "name": "a",
                "split": [{"name": "x", "to": "https://a.example/"}, {"name": "x", "to": "https://b.example/"}],
            }
        ],
        "same name",
    ),
    ([LUNCH, LUNCH], "two rules are named 'Lunch'"),
    ([LUNCH] * 51, "up to 50 rules"),
]


@pytest.mark.parametrize(("rules", "said"), RULES_REFUSED, ids=[said for _rules, said in RULES_REFUSED])
def test_rules_that_make_no_sense_are_refused(rules: Any, said: str) -> None:
    with pytest.raises(RuleError) as refused:
        read_rules(rules, POLICY)
    assert said in str(refused.value)


def test_a_split_gets_names_and_keeps_its_weights() -> None:
    [rule] = read_rules(
        [{"name": "t", "split": [{"to": "https://a.example/1"}, {"to": "https://a.example/2", "weight": 3}]}], POLICY
    )
    assert [(variant.name, variant.weight) for variant in rule.variants] == [("A", 1), ("B", 3)]
    assert read_rules(written_rules([rule]), POLICY) == (rule,)


def test_destinations_are_normalised_when_saved_and_taken_as_they_are_when_read_back() -> None:
    [rule] = read_rules([{"name": "r", "to": "HTTPS://A.Example:443/x"}], POLICY)
    assert rule.variants[0].destination == "https://a.example/x"
    assert read_rules([{"name": "r", "to": "https://w.example/was-allowed-then"}], None)


OPTIONS_REFUSED: list[tuple[Any, str]] = [
    ([], "options are an object"),
    ({"colour": "red"}, "unknown option colour"),
    ({"starts_at": "tomorrow"}, "a date such as"),
    ({"starts_at": "2026-12-02T00:00Z", "ends_at": "2026-12-01T00:00Z"}, "after starts_at"),
    ({"max_scans": 0}, "whole number from 1"),
    ({"max_scans": True}, "whole number from 1"),
    ({"fallback": "javascript:alert(1)"}, "fallback: "),
    ({"paused": 7}, "paused is true, or a message"),
    ({"paused": "x" * 501}, "up to 500"),
    ({"password_hash": "secret"}, "argon2id"),
    ({"pass_query": "yes"}, "true or false"),
    ({"utm": {"sauce": "x"}}, "source, medium"),
    ({"utm": {"source": 7}}, "utm source is a text"),
    ({"scan_id": "a b"}, "query parameter"),
    ({"remember_days": 366}, "from 0 to 365"),
]


@pytest.mark.parametrize(("options", "said"), OPTIONS_REFUSED, ids=[said for _options, said in OPTIONS_REFUSED])
def test_options_that_make_no_sense_are_refused(options: Any, said: str) -> None:
    with pytest.raises(RuleError) as refused:
        read_options(options, POLICY)
    assert said in str(refused.value)


def test_options_come_back_the_same() -> None:
    given = {
        "starts_at": "2026-12-01T00:00:00+00:00",
        "ends_at": "2027-01-01T00:00:00+00:00",
        "max_scans": 100,
        "fallback": "https://a.example/over",
        "paused": "Back on Monday.",
        "password_hash": "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA",
        "pass_query": True,
        "utm": {"source": "poster", "medium": "print"},
        "scan_id": "wm",
        "remember_days": 30,
    }
    options = read_options(given, POLICY)
    assert written_options(options) == given
    assert not options.is_plain
    assert read_options({"utm": {"source": "x"}}, POLICY).is_plain
    assert written_options(NO_OPTIONS) is None
    shown = shown_options(options)
    assert shown["password"] is True
    assert "argon2" not in repr(shown)


def test_an_end_given_as_a_date_is_the_end_of_that_day() -> None:
    options = read_options({"ends_at": "2026-12-24"}, POLICY)
    assert options.ends_at is not None
    assert options.ends_at.isoformat() == "2026-12-25T00:00:00+00:00"


def test_a_campaign_fills_in_what_the_code_leaves_out() -> None:
    own = Options(utm={"source": "own"})
    assert with_utm_defaults(own, {"source": "campaign", "medium": "print"}).utm == {"source": "own", "medium": "print"}


@pytest.mark.anyio
async def test_a_password_is_kept_as_a_hash_and_only_that() -> None:
    given = await with_hashed_password({"password": "s3same", "paused": True}, None)
    assert set(given) == {"password_hash", "paused"}
    assert is_password(given["password_hash"], "s3same")
    assert not is_password(given["password_hash"], "S3same")
    assert not is_password("no hash", "s3same")
    kept = await with_hashed_password({"password": True}, given["password_hash"])
    assert kept == {"password_hash": given["password_hash"]}
    assert await with_hashed_password({"password": False}, given["password_hash"]) == {}
    assert await with_hashed_password({"password_hash": given["password_hash"]}, None) == {}, "nobody sets a hash"
    with pytest.raises(RuleError):
        await with_hashed_password({"password": 7}, None)


def test_differences_are_told_rule_by_rule_and_option_by_option() -> None:
    before = Content("https://a.example/", read_rules([LUNCH, SPLIT], POLICY), read_options({"max_scans": 5}, POLICY))
    after = Content(
        "https://b.example/",
        read_rules([{**SPLIT, "when": [{"country": ["AE"]}]}, {"name": "New", "to": "https://c.example/"}], POLICY),
        read_options({"max_scans": 6, "pass_query": True}, POLICY),
    )
    told = {(entry.what, entry.before, entry.after) for entry in differences(before, after)}
    assert told == {
        ("destination", "https://a.example/", "https://b.example/"),
        ("rule Lunch", "time 11:30-14:30, every day, in Asia/Dubai -> https://a.example/lunch", None),
        (
            "rule Test",
            "always -> A 70/100 https://a.example/a, B 30/100 https://a.example/b",
            "country is AE -> A 70/100 https://a.example/a, B 30/100 https://a.example/b",
        ),
        ("rule New", None, "always -> https://c.example/"),
        ("option max_scans", "5", "6"),
        ("option pass_query", None, "yes"),
    }
    assert differences(before, before) == []
    swapped = Content(before.destination, before.rules[::-1], before.options)
    assert [entry.what for entry in differences(before, swapped)] == ["order of rules"]


clock_texts = st.integers(0, 1439).map(lambda minute: f"{minute // 60:02d}:{minute % 60:02d}")
words = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x17F, exclude_categories=["Lu", "Lt", "Cc", "Zs"]),
    min_size=1,
    max_size=20,
)
leaves = st.one_of(
    st.fixed_dictionaries(
        {
            "time": st.fixed_dictionaries(
                {"from": clock_texts, "until": clock_texts, "zone": st.sampled_from(["UTC", "Asia/Kathmandu"])},
                optional={"days": st.lists(st.sampled_from(DAYS), min_size=1, unique=True)},
            )
        }
    ),
    st.fixed_dictionaries({"device": st.lists(st.sampled_from(DEVICES), min_size=1)}),
    st.fixed_dictionaries({"job": st.lists(st.sampled_from(JOB_STATES), min_size=1)}),
    st.fixed_dictionaries({"city": st.lists(words, min_size=1, max_size=5)}),
    st.fixed_dictionaries(
        {"query": st.fixed_dictionaries({"key": words}, optional={"values": st.lists(words, min_size=1, max_size=3)})}
    ),
    st.integers(0, 1000).map(lambda least: {"scans": {"from": least, "below": least + 5}}),
)
negated = leaves.map(lambda one: {"not": one})
conditions = st.one_of(
    leaves, negated, st.lists(st.one_of(leaves, negated), min_size=1, max_size=3).map(lambda some: {"any": some})
)


@given(conditions)
@settings(max_examples=200, deadline=None)
def test_any_condition_comes_back_the_same(given_condition: dict[str, Any]) -> None:
    condition = read_condition(given_condition, "here")
    assert read_condition(written_condition(condition), "here") == condition


def test_a_rule_without_conditions_always_holds() -> None:
    assert rule_in_words(Rule("x", (), ())) == "always"


@pytest.mark.parametrize(
    ("text", "zone", "utc"),
    [
        ("2026-03-29T03:30", "Europe/Berlin", "2026-03-29T01:30:00+00:00"),
        ("2026-10-25T02:30", "Europe/Berlin", "2026-10-25T00:30:00+00:00"),  # twice: the first is meant
        ("2026-03-29", "Europe/Berlin", "2026-03-28T23:00:00+00:00"),
        ("2026-03-29T02:30+02:00", "Europe/Berlin", "2026-03-29T00:30:00+00:00"),
    ],
)
def test_a_typed_time_is_meant_in_its_zone(text: str, zone: str, utc: str) -> None:
    assert typed_instant(text, zone, "at").isoformat() == utc


@pytest.mark.parametrize(
    ("text", "zone", "says"),
    [
        ("2026-03-29T02:30", "Europe/Berlin", "clocks are set forward over it"),
        ("2026-03-29T02:30", "Mars/Olympus", "no time zone"),
        ("tomorrow", "Europe/Berlin", "give a date such as"),
    ],
)
def test_a_typed_time_that_is_none_is_refused(text: str, zone: str, says: str) -> None:
    with pytest.raises(RuleError, match=says):
        typed_instant(text, zone, "at")
