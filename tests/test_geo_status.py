"""What `waymark geo status` has to tell."""

from datetime import timedelta
from pathlib import Path

import pytest

from geo.databases import find_edition, note_path
from geo.refresh import update
from geo.status import STALE_DAYS, DatabaseStatus, remedy_for, status
from tests.geo_samples import nested, write_database


def test_without_databases(tmp_path: Path) -> None:
    """Both kinds are named, each with the command that gets it."""
    city, asn = status(tmp_path / "missing")
    assert (city.kind, asn.kind) == ("city", "asn")
    for shown in (city, asn):
        assert not shown.available
        assert shown.age_days is None
        assert shown.remedy == remedy_for(shown.kind)
        assert "waymark geo update" in shown.remedy


def installed(folder: Path, days: int) -> DatabaseStatus:
    """The city database's status this many days after it was built."""
    given = write_database(folder / "given.mmdb", {"203.0.113.0/24": nested("Munich")}, "DBIP-City-Lite")
    update(folder / "geo", str(given))
    edition = find_edition(folder / "geo", "city")
    assert edition is not None
    return status(folder / "geo", edition.built_on + timedelta(days=days))[0]


def test_source_date_and_age(tmp_path: Path) -> None:
    shown = installed(tmp_path, days=3)
    assert shown.available
    assert (shown.source, shown.origin, shown.provider, shown.licence) == ("file", "given.mmdb", "DB-IP", "CC BY 4.0")
    assert (shown.age_days, shown.stale, shown.problem, shown.remedy) == (3, False, None, None)
    assert shown.attribution is not None
    assert shown.attribution.url == "https://db-ip.com"


@pytest.mark.parametrize(
    ("days", "age", "stale"), [(-1, 0, False), (STALE_DAYS, STALE_DAYS, False), (STALE_DAYS + 1, STALE_DAYS + 1, True)]
)
def test_stale_means_a_monthly_edition_was_missed(tmp_path: Path, days: int, age: int, stale: bool) -> None:
    shown = installed(tmp_path, days)
    assert (shown.age_days, shown.stale, shown.remedy is not None) == (age, stale, stale)
    assert shown.available


@pytest.mark.parametrize("content", [b"", b"garbage" * 100, None], ids=["empty", "garbage", "missing"])
def test_a_broken_file_is_said_to_be(tmp_path: Path, content: bytes | None) -> None:
    installed(tmp_path, 0)
    for path in (tmp_path / "geo").glob("*.mmdb"):
        path.unlink()
        if content is not None:
            path.write_bytes(content)
    shown = status(tmp_path / "geo")[0]
    assert not shown.available
    assert shown.problem is not None
    assert shown.remedy is not None
    assert shown.origin == "given.mmdb"


def test_a_broken_note_is_said_to_be(tmp_path: Path) -> None:
    installed(tmp_path, 0)
    note_path(tmp_path / "geo", "city").write_bytes(b"{")
    shown = status(tmp_path / "geo")[0]
    assert not shown.available
    assert shown.problem is not None
    assert shown.remedy is not None
