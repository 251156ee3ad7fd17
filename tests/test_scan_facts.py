"""Facts of one scan: read from what the request says, never more than the record will know, None where nothing is known."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from codes.conditions import Fact
from codes.rules import read_rules
from redirector.journal import Journal
from redirector.needs import NOTHING, Needs, needs_of
from redirector.routes import Route
from redirector.scan_facts import Readers, Said, ScanFacts
from redirector.watched import Watched
from tests.running import INSTAGRAM, IPHONE
from tests.store_samples import install_places


@pytest.fixture(scope="module")
def readers(tmp_path_factory: pytest.TempPathFactory) -> Readers:
    found = Readers(install_places(tmp_path_factory.mktemp("places") / "geo"))
    asyncio.run(found.ready(Needs(agent=True, place=True)))
    return found


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(Journal(tmp_path / "journal", "public-0"), lambda: None)


def facts_of(readers: Readers, watched: Watched, visitor: Any = ("a" * 16, None), **said: Any) -> ScanFacts:
    whole: dict[str, Any] = {
        "user_agent": IPHONE,
        "referrer": "",
        "accept_language": "",
        "gpc": False,
        "query_string": "",
        "address": "",
    }
    return ScanFacts(Said(**(whole | said)), 1, readers, watched, "0" * 24, visitor)


CASES: list[tuple[dict[str, Any], dict[Fact, str | None]]] = [
    (
        {},
        {"device": "mobile", "os": "ios", "app": "", "language": None, "referrer": None, "country": None, "asn": None},
    ),
    ({"user_agent": ""}, {"device": None, "os": None, "app": None}),
    ({"user_agent": "  "}, {"device": None}),
    ({"user_agent": INSTAGRAM}, {"app": "instagram", "device": "mobile"}),
    ({"user_agent": INSTAGRAM, "gpc": True}, {"app": None, "device": "mobile", "os": "ios"}),
    ({"address": "203.0.113.0/24"}, {"country": "de", "region": "bavaria", "city": "munich", "asn": "3320"}),
    ({"address": "203.0.113.0/24", "gpc": True}, {"country": "de", "region": "bavaria", "city": None, "asn": "3320"}),
    ({"address": "198.51.100.9"}, {"country": "fr", "city": "lyon"}),
    ({"address": "2001:db8:2::/48"}, {"country": "us", "region": None, "city": None, "asn": None}),
    ({"address": "nonsense"}, {"country": None, "asn": None}),
    ({"accept_language": "pt-BR,pt;q=0.9,en;q=0.8"}, {"language": "pt-br"}),
    ({"accept_language": ";;q="}, {"language": None}),
    ({"referrer": "https://www.News.example:8443/a?b#c"}, {"referrer": "news.example"}),
    ({"referrer": "javascript:alert(1)"}, {"referrer": None}),
    ({"referrer": "https://[" + "a" * 600}, {"referrer": None}),
    ({}, {"job": None}),
]


@pytest.mark.parametrize(("said", "expected"), CASES, ids=str)
def test_facts(readers: Readers, watched: Watched, said: dict[str, Any], expected: dict[Fact, str | None]) -> None:
    facts = facts_of(readers, watched, **said)
    assert {fact: facts.find(fact) for fact in expected} == expected


def test_the_query_gives_the_first_of_several_values(readers: Readers, watched: Watched) -> None:
    facts = facts_of(readers, watched, query_string="a=1&a=2&b=&c=%C3%BC+x")
    assert facts.query == {"a": "1", "b": "", "c": "ü x"}


def test_nothing_is_opened_before_a_code_asks_for_it(tmp_path: Path, watched: Watched) -> None:
    fresh = Readers(tmp_path / "geo")
    asyncio.run(fresh.ready(NOTHING))
    assert (fresh.agents, fresh.located) == (None, None)
    assert facts_of(fresh, watched, address="203.0.113.0/24").find("country") is None


def test_a_swapped_place_database_is_taken_up(tmp_path: Path, watched: Watched) -> None:
    late = Readers(tmp_path / "data" / "geo")
    asyncio.run(late.ready(Needs(place=True)))
    assert facts_of(late, watched, address="203.0.113.0/24").find("city") is None
    install_places(tmp_path / "data" / "geo")
    late.refresh()
    assert facts_of(late, watched, address="203.0.113.0/24").find("city") == "munich"


def test_with_gpc_nobody_is_recognised(readers: Readers, watched: Watched) -> None:
    facts = facts_of(readers, watched, visitor=None)
    assert (facts.returning(), facts.sticky_key()) == (None, None)
    assert 0 <= facts.chance() < 1


def test_yesterdays_id_goes_on_for_who_was_here_yesterday(readers: Readers, watched: Watched) -> None:
    route = Route(
        1, 1, "x", False, 1, "https://a.example/", read_rules([{"when": [{"visitor": "first"}], "to": "x:"}], None)
    )
    watched.keep([route])
    today, yesterday = "a" * 16, "b" * 16
    assert facts_of(readers, watched, (today, yesterday)).sticky_key() == today
    watched.note(1, yesterday, by_bot=False)
    facts = facts_of(readers, watched, (today, yesterday))
    assert (facts.returning(), facts.sticky_key()) == (True, yesterday)
    assert facts_of(readers, watched, ("c" * 16, None)).returning() is None  # nobody has said yet who was here


NEEDS: list[tuple[list[dict[str, Any]], Needs]] = [
    ([], NOTHING),
    ([{"query": {"key": "a"}}, {"language": ["ar"]}, {"referrer": ["a.example"]}], NOTHING),
    ([{"device": ["tv"]}], Needs(agent=True)),
    ([{"not": {"any": [{"city": ["Dubai"]}, {"asn": ["1"]}]}}], Needs(place=True)),
    ([{"any": [{"not": {"scans": {"below": 5}}}, {"app": ["any"]}]}], Needs(agent=True, counts=True)),
    ([{"visitor": "first"}], Needs(visitors=True)),
]


@pytest.mark.parametrize(("when", "expected"), NEEDS, ids=str)
def test_what_rules_need(when: list[dict[str, Any]], expected: Needs) -> None:
    rules = read_rules([{"name": "r", "when": when, "to": "https://a.example/"}], None)
    assert needs_of(Route(1, 1, "x", False, 1, "https://a.example/", rules)) == expected
