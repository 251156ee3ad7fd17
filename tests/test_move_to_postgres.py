"""A whole installation moves from SQLite to PostgreSQL by its own export and import: nothing is lost, nothing changes."""

from pathlib import Path

import pytest

from codes.domains import ensure_default_domain
from database.engine import Database, sqlite_url
from database.migrate import migrate
from tests.migrated import SHORT_URL
from tests.postgres import PostgresServer
from tests.running import IPHONE, Running, wait_for
from tests.test_export import TABLES, contents, fill


def with_address(waymark: Running) -> Running:
    """Both answer for the same short domain, whatever their ports are."""
    settings = waymark.config.read_text()
    waymark.config.write_text(settings.replace("[private]\n", f'base_url = "{SHORT_URL}"\n[private]\n', 1))
    return waymark


def location(waymark: Running, path: str, host: str) -> str | None:
    return waymark.scan(path, User_Agent=IPHONE, Host=host).headers.get("Location")


@pytest.mark.anyio
@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.together
@pytest.mark.postgres
@pytest.mark.parametrize("kind", ["ndjson", "csv"])
async def test_an_export_from_sqlite_makes_the_same_service_on_postgresql(
    tmp_path: Path, postgres: PostgresServer, kind: str
) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    old = with_address(Running(tmp_path / "old"))
    old.data.mkdir(mode=0o700)
    url = postgres.new_database()
    new = with_address(Running(tmp_path / "new", f'[database]\nurl = "{url}"\n'))
    exported, again = tmp_path / f"all.{kind}", tmp_path / f"again.{kind}"
    before = await Database.open(sqlite_url(old.data / "waymark.db"))
    await migrate(before)
    async with before.transaction() as connection:
        await ensure_default_domain(connection, SHORT_URL)
    await fill(before)
    try:
        with old:
            old.cli("batch", "update", "May", "--printed")
            old.cli("export", str(exported))
        with new:
            done = new.cli_json("import", str(exported), "--yes")
            assert (done["conflict"], done["invalid"]) == (0, 0), done["rows"]
            new.cli("export", str(again))
            assert again.read_bytes() == exported.read_bytes()
            after = await Database.open(url)
            try:
                was, is_now = await contents(before), await contents(after)
            finally:
                await after.close()
            for table in TABLES:
                assert was[table], table
                assert is_now[table] == was[table], table
            wait_for(lambda: location(new, "/plain", "go.example") == "https://example.com/", "the other domain's code")
            assert location(new, "/plain", "w.example") == "mailto:a@example.com"
            repeated = new.cli_json("import", str(exported), "--yes")
            assert (repeated["new"], repeated["same"]) == (0, repeated["total"])
    finally:
        await before.close()
