"""Exports: everything comes back the same, and redirect maps work without Waymark."""

import re
import shutil
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from codes.batches import BatchChange, create_batch
from codes.campaigns import CampaignChange, create_campaign, update_campaign
from codes.codes import CodeChange, NewCode, change_code, create_code, get_code, undo
from codes.destinations import DestinationPolicy
from codes.domains import add_domain, ensure_default_domain
from codes.exporting import export_records
from codes.import_things import load_known
from codes.import_writing import Import, take_chunk
from codes.importing import open_source, read_rows
from codes.money import Money
from codes.placements import PlacementFields, create_placement
from codes.records import csv_head, to_csv, to_line
from codes.schedule import NewSchedule, schedule
from codes.static_maps import MapHead, nginx_map
from dashboard.exports import map_lines
from database.engine import Database, sqlite_url
from database.migrate import migrate
from database.schema import metadata
from tests.conftest import both_databases
from tests.migrated import SHORT_URL
from tests.running import free_port, wait_for

POLICY = DestinationPolicy(frozenset({"w.example"}))
TABLES = (
    *("domains", "campaigns", "placements", "print_batches", "codes", "code_tags", "versions"),
    *("batch_codes", "scheduled_changes"),
)
NOT_EXPORTED = {
    *("changes", "users", "sessions", "api_tokens", "owner_links", "audit", "tasks", "destination_checks"),
    *("count_marks", "recent_visitors", "scan_counts"),  # of scans
    # Jobs have an export of their own.
    *("shops", "jobs", "job_kinds", "job_kind_rules", "job_details", "job_moves", "expired_jobs", "frozen_jobs"),
    *("message_templates", "outgoing_events", "batch_entries", "erasures"),
}


async def fill(db: Database) -> None:
    """Something of everything."""
    await add_domain(db, "https://go.example", who="ops", policy=POLICY, not_found_url="https://example.com/lost")
    spring = await create_campaign(db, "Spring", who="ops", utm={"source": "poster"}, cost=Money(1250, "EUR"))
    old = await create_campaign(db, "Old", who="ops")
    await update_campaign(db, old.id, CampaignChange(archived=True), who="ops")
    hours = {"mon": [["09:00", "12:00"], ["13:00", "18:00"]]}
    place = PlacementFields("Caf\u00e9", "Door, left", "Europe/Paris", hours, 48.85, 2.35)
    door = await create_placement(db, place, who="ops")
    rules: list[dict[str, Any]] = [
        {"name": "night", "when": [{"country": ["FR"]}], "to": "https://example.com/fr"},
        {
            "name": "ab",
            "when": [],
            "split": [
                {"name": "A", "weight": 1, "to": "https://example.com/a"},
                {"name": "B", "weight": 3, "to": "https://example.com/b"},
            ],
        },
    ]
    options = {"max_scans": 5, "fallback": "https://example.com/over", "password": "secret", "utm": {"term": "x"}}
    new = NewCode("https://example.com/1", "ruled", None, 'A "name", with | and\u2028', ("b", "a"), rules, options)
    await create_code(db, new, who="ops", policy=POLICY)
    for number in range(3):
        change = CodeChange(f"https://example.com/{number}?q=a,b;c", reason='why, "so"')
        await change_code(db, "ruled", change, who="pat", policy=POLICY)
    await undo(db, "ruled", who="pat")
    more: dict[str, Any] = {"campaign_id": spring.id, "placement_id": door.id}
    await create_code(db, NewCode("mailto:a@example.com", "plain", **more), who="ops", policy=POLICY)
    await create_code(db, NewCode("https://example.com/", "plain", "go.example"), who="ops", policy=POLICY)
    await create_code(db, NewCode("https://example.com/gone", "gone"), who="ops", policy=POLICY)
    await create_batch(db, BatchChange("May", date(2026, 5, 1), 10, codes=("plain",)), who="ops")
    gone = CodeChange(archived=True, guard="off")
    await change_code(db, "gone", gone, who="ops", policy=POLICY)
    later = NewSchedule(datetime.now(UTC) + timedelta(days=3), destination="https://example.com/soon", reason="sale")
    async with db.reading() as connection:
        code = await get_code(connection, "plain")
    await schedule(db, code.code, later, who="ops", policy=POLICY)


async def contents(db: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, with names for ids: the rows of the tables that they point to."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    named: dict[tuple[str, int], str] = {}
    owners = {"domain_id": "domains", "campaign_id": "campaigns", "placement_id": "placements"}
    owners |= {"code_id": "codes", "batch_id": "print_batches"}
    async with db.reading() as connection:
        for name in TABLES:
            table = metadata.tables[name]
            rows = (await connection.execute(select(table).order_by(*table.primary_key.columns))).mappings().all()
            for number, row in enumerate(rows):
                if "id" in row:
                    named[name, row["id"]] = f"{name} {number}"
            found[name] = sorted(
                (
                    tuple(
                        (column, named.get((owners[column], value)) if column in owners and value else value)
                        for column, value in row.items()
                        if column != "id"
                    )
                    for row in rows
                ),
                key=repr,
            )
    return found


def write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def started(command: list[str]) -> "subprocess.Popen[bytes]":
    """After nginx itself has found nothing wrong."""
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True, timeout=30, check=False)
    assert tested.returncode == 0, tested.stderr
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


async def export_to(db: Database, path: Path) -> None:
    async with db.reading() as connection:
        written = to_csv if path.suffix == ".csv" else to_line
        lines = [written(record) async for record in export_records(connection)]
    write(path, (csv_head() if path.suffix == ".csv" else b"") + b"".join(lines))


async def import_from(db: Database, path: Path) -> list[tuple[str, str]]:
    source = open_source(path, "auto")
    async with db.reading() as connection:
        job = Import(source, await load_known(connection), "someone", POLICY)
    async with db.transaction() as connection:
        return [(entry.verdict, entry.why) for entry in await take_chunk(connection, job, list(read_rows(source)))]


def test_every_table_is_exported_or_named_as_not() -> None:
    assert set(TABLES) | NOT_EXPORTED == set(metadata.tables)


@pytest.mark.anyio
@both_databases
@pytest.mark.parametrize("kind", ["ndjson", "csv"])
async def test_an_export_makes_an_identical_database(db: Database, tmp_path: Path, kind: str) -> None:
    await fill(db)
    path = tmp_path / f"all.{kind}"
    await export_to(db, path)
    other = await Database.open(sqlite_url(tmp_path / "other.db"))
    try:
        await migrate(other)
        async with other.transaction() as connection:
            await ensure_default_domain(connection, SHORT_URL)
        verdicts = await import_from(other, path)
        assert {verdict for verdict, _why in verdicts} <= {"new", "same"}, verdicts
        before, after = await contents(db), await contents(other)
        for table in TABLES:
            assert before[table], table
            assert after[table] == before[table], table
        assert {verdict for verdict, _why in await import_from(other, path)} == {"same"}
        await export_to(other, tmp_path / f"again.{kind}")
        assert (tmp_path / f"again.{kind}").read_bytes() == path.read_bytes()
    finally:
        await other.close()


@pytest.mark.anyio
@both_databases
async def test_an_edited_export_is_checked_like_everything_else(db: Database, tmp_path: Path) -> None:
    await fill(db)
    path = tmp_path / "all.ndjson"
    await export_to(db, path)
    text = path.read_text()
    edited = text.replace("https://example.com/fr", "javascript:alert(1)").replace('"code":"ruled"', '"code":"other"')
    path.write_text(edited)
    bad = [why for verdict, why in await import_from(db, path) if verdict == "invalid"]
    assert len(bad) == 1
    assert "javascript" in bad[0]
    path.write_text(text.replace("https://example.com/gone", "https://example.com/elsewhere"))
    assert [verdict for verdict, _why in await import_from(db, path)].count("conflict") == 1


@pytest.fixture
def nginx() -> str:
    found = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if found is None:
        pytest.skip("nginx is not installed (Debian: apt install nginx-light)")
    return found


@pytest.mark.anyio
async def test_the_nginx_map_redirects_without_us(db: Database, tmp_path: Path, nginx: str) -> None:
    await fill(db)
    legacy = tmp_path / "old.csv"
    head = "keyword,url\n"
    legacy.write_text(head + "AbC,https://example.com/$1?a=b\nabc,https://example.com/2\nZz_9,https://example.com/3\n")
    assert {verdict for verdict, _why in await import_from(db, legacy)} == {"new"}
    async with db.reading() as connection:
        spring = (await get_code(connection, "plain")).campaign_id
    rules = [{"name": "fr", "when": [{"country": ["FR"]}], "to": "https://example.com/fr"}]
    busy: dict[str, Any] = {"max_scans": 5, "utm": {"term": "a b"}}
    for new in (
        NewCode("https://example.com/b?utm_source=own#top", "busy", rules=rules, options=busy, campaign_id=spring),
        NewCode("https://example.com/u?q=$1", "utm", campaign_id=spring),
        NewCode(f"https://example.com/{'x' * 4000}", "long"),
    ):
        await create_code(db, new, who="ops", policy=POLICY)
    pieces = [piece async for piece in await map_lines(db, "nginx", None)]
    (tmp_path / "waymark.map").write_bytes(b"".join(pieces))
    written = b"".join(pieces).decode()
    assert "# ruled: left out, it asks for a password\n" in written
    assert "/ruled" not in written
    assert "# busy: without rules, its limit of scans; this is its default destination\n" in written
    assert "# long: left out, it is longer than nginx takes\n" in written
    port = free_port()
    config = tmp_path / "nginx.conf"
    config.write_text(
        f"daemon off; pid {tmp_path}/nginx.pid; error_log {tmp_path}/error.log;\nevents {{}}\nhttp {{\n"
        f"  access_log off; include {tmp_path}/waymark.map;\n"
        + "".join(
            f"  {name}_temp_path {tmp_path}/t;\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        + f"  server {{ listen 127.0.0.1:{port};\n"
        "    location / { if ($waymark_target) { return 302 $waymark_target; } return 404; } }\n}\n"
    )
    command = [nginx, "-c", str(config), "-p", str(tmp_path), "-e", str(tmp_path / "error.log")]
    process = started(command)
    try:

        def asked(path: str) -> str | None:
            try:
                answer = httpx2.get(f"http://127.0.0.1:{port}{path}", trust_env=False, verify=False)
            except httpx2.TransportError:
                return None
            return answer.headers.get("location", str(answer.status_code))

        wait_for(lambda: asked("/"), "nginx", 10)
        expected = {
            "/ruled": "404",
            "/busy": "https://example.com/b?utm_source=own&utm_term=a+b#top",
            "/UTM": "https://example.com/u?q=%241&utm_source=poster",
            "/long": "404",
            "/plain": "mailto:a@example.com",
            "/AbC": "https://example.com/%241?a=b",
            "/abc": "https://example.com/2",
            "/ABC": "404",
            "/Zz_9": "https://example.com/3",
            "/gone": "404",
            "/nothing": "404",
        }
        assert {path: asked(path) for path in expected} == expected
    finally:
        process.terminate()
        process.wait(10)


def test_a_code_cannot_break_out_of_the_map() -> None:
    lines = "".join(nginx_map(MapHead("w.example", 0), []))
    assert lines.count("{") == lines.count("}")


@pytest.mark.anyio
async def test_the_redirects_file_has_a_line_for_each_code(db: Database) -> None:
    await fill(db)
    text = b"".join([piece async for piece in await map_lines(db, "_redirects", None)]).decode()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    assert "/plain mailto:a@example.com 302" in lines
    assert "# ruled: left out, it asks for a password" in text.splitlines()
    assert not any(line.startswith("/ruled") for line in lines)
    assert "# plain: without planned changes; this is its default destination" in text.splitlines()
    assert all(re.fullmatch(r"/\S+ \S+ 302", line) for line in lines)
    assert "gone" not in text
    assert b"".join([piece async for piece in await map_lines(db, "_redirects", "go.example")]).count(b" 302\n") == 2


def test_exports_over_the_api(client: TestClient) -> None:
    client.post("/api/v1/codes", json={"destination": "https://example.com/", "slug": "spring"})
    lines = client.get("/api/v1/export/codes.ndjson").text.splitlines()
    assert len(lines) == 3  # head, domain, code
    assert client.get("/api/v1/export/codes.csv").text.startswith("record,domain,code,destination,")
    assert '"/spring" "https://example.com/";' in client.get("/api/v1/export/map/nginx").text
    assert client.get("/api/v1/export/map/nginx", params={"domain": "no.example"}).status_code == 404
