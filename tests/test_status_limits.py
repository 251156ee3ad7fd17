"""What the public side of jobs never does: read what is private, show it, lose its limits, or fail with the database away."""

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event, update
from starlette.testclient import TestClient

from analytics.store import ScanStore
from codes.rules import read_rules, written_rules
from database.engine import Database
from database.schema import versions
from jobs.jobs import expire_jobs, set_photo
from jobs.kinds import put_workflow
from jobs.languages import LANGUAGES
from jobs.photos import photo_from
from jobs.register import Job
from jobs.workflows import read_workflow
from redirector import job_memory, status_pages
from redirector.app import PublicSettings
from redirector.records import View
from tests.running import IPHONE, wait_for
from tests.status_samples import CANARY, ON, House, in_database, path_of, picture
from tests.store_samples import agent_reader, ingest_journal, migrated_database
from tests.test_public_app import answering, records, scans, settings_for

STAGES = [
    {"key": "in", "name": f"{CANARY} in", "public": {"en": "Taken in"}, "phase": "waiting", "hours": 4},
    {
        "key": "away",
        "name": f"{CANARY} away",
        "public": {"en": "Away"},
        "phase": "working",
        "hours": 4,
        "optional": True,
    },
    {"key": "ready", "name": f"{CANARY} ready", "public": {"en": "There"}, "phase": "ready", "hours": None},
    {"key": "out", "name": f"{CANARY} out", "public": {"en": "Handed out"}, "phase": "done", "hours": None},
]


@pytest.fixture
def house(tmp_path: Path) -> House:
    async def make() -> None:
        await (await migrated_database(tmp_path)).close()

    asyncio.run(make())
    made = House(tmp_path)
    made.shop("Corner Repairs", show_note=True, show_photo=True)
    return made


@contextmanager
def asked(settings: PublicSettings) -> Iterator[TestClient]:
    with answering(settings) as client:
        client.headers["user-agent"] = IPHONE
        yield client


def full_house(house: House) -> dict[str, Job]:
    """A job in each state, each with everything private filled in."""
    workflow = read_workflow("dress", f"{CANARY} dress", STAGES)
    in_database(house.folder, lambda db: put_workflow(db, workflow, who="Canary Ops"))
    shop: dict[str, Any] = {"shop": "Corner Repairs", "item": "Lamp", "public_note": "Bulb is missing"}
    found = {
        "open": house.put("R-1", **shop),
        "late": house.late("R-2", **shop),
        "own": house.put("R-3", kind="dress", **shop),
        "expired": house.put("R-4", **shop),
    }
    house.move("R-3", "away", "Corner Repairs")
    photo = photo_from(picture())
    in_database(house.folder, lambda db: set_photo(db, "R-1", photo, ON, "Corner Repairs"))
    in_database(house.folder, lambda db: expire_jobs(db, [found["expired"].id], at=datetime.now(UTC)))
    for tracking in ("frozen", "withdrawn"):
        shop_id = house.shop(f"Shop {tracking}")
        found[tracking] = house.put(f"S-{tracking}", shop=f"Shop {tracking}", item="Radio")
        house.track(shop_id, tracking)
    return found


def test_nothing_private_is_in_any_byte_that_leaves_or_stays(house: House, caplog: pytest.LogCaptureFixture) -> None:
    found = full_house(house)
    with asked(settings_for(house.folder)) as client:
        seen = []
        for job in found.values():
            paths = [
                f"/{job.token}",
                *(path_of(job) + part for part in ("", "/", "/photo.jpg", "/calendar.ics", "/none")),
            ]
            for path in paths:
                for language in LANGUAGES:
                    for agent in (IPHONE, "WhatsApp/2.24", "curl/8.5"):
                        headers = {"accept-language": language, "user-agent": agent}
                        answer = client.get(path, headers=headers)
                        seen.append(repr(answer.headers.raw).encode() + answer.content)
                seen.append(repr(client.head(path).headers.raw).encode() + client.post(path).content)
        statuses = {client.get(path_of(job)).status_code for job in found.values()}
    assert statuses == {200, 410}
    assert len(seen) > 200
    assert [text for text in seen if CANARY.encode() in text.lower()] == []
    # The codes are the customers' secrets: not in the journal, not in the log.
    tokens = [job.token.lower() for job in found.values() if job.token]
    kept = caplog.text.lower() + "".join(
        path.read_text().lower() for path in (house.folder / "journal").glob("*.jsonl")
    )
    assert '["view"' in kept
    assert CANARY not in kept
    assert [token for token in tokens if token in kept] == []


def test_the_public_side_never_asks_for_what_is_private(house: House) -> None:
    asked_for: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked_for.append(statement.lower())

    found = full_house(house)
    event.listen(Engine, "before_cursor_execute", note)
    try:
        with asked(settings_for(house.folder)) as client:
            for job in found.values():
                for part in ("", "/photo.jpg", "/logo.png", "/calendar.ics"):
                    client.get(path_of(job) + part)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    read = " ".join(asked_for)
    assert "from jobs" in read
    assert "from job_moves" in read
    for private in (
        "job_details",
        "internal_note",
        "outgoing_events",
        "job_moves.who",
        "job_moves.reason",
        "created_by",
    ):
        assert private not in read, private


def test_unknown_tokens_are_limited_and_known_ones_never_are(house: House) -> None:
    job = house.put("R-1", shop="Corner Repairs")
    with asked(settings_for(house.folder, miss_burst=3, misses_per_minute=1)) as client:
        statuses = [client.get(f"/j/{number:016d}").status_code for number in range(5)]
        assert statuses == [404, 404, 404, 429, 429]
        for malformed in ("%00-malformed", "a" * 600, "%E2%80%8B"):
            assert client.get(f"/j/{malformed}").status_code == 429
        assert client.get("/j/0000000000000009/photo.jpg").status_code == 429
        assert [client.get(path_of(job)).status_code for _ in range(5)] == [200] * 5
        assert client.get("/never-printed").status_code == 429  # one limit for codes and tokens


def test_a_page_that_was_made_is_not_shown_once_the_job_has_moved(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_pages, "FRESH_FOR_S", 1e9)
    job = house.put("R-1", shop="Corner Repairs")
    with asked(settings_for(house.folder)) as client:
        assert "<h1><bdi>Received" in client.get(path_of(job)).text
        house.move("R-1", "ready", "Corner Repairs")
        wait_for(lambda: "<h1><bdi>Ready" in client.get(path_of(job)).text, "the move")


def test_while_the_database_refuses_pages_that_were_read_still_answer(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest jobs are read at the start; here there is room for one."""
    monkeypatch.setattr(job_memory, "MAX_JOBS", 1)
    other, job = house.put("R-1", shop="Corner Repairs"), house.put("R-2", shop="Corner Repairs")
    with asked(settings_for(house.folder)) as client:
        known = client.get(path_of(job)).text
        with closing(sqlite3.connect(house.folder / "waymark.db")) as broken:
            broken.execute("ALTER TABLE jobs RENAME TO lost")
        away = client.get(path_of(other))
        assert (away.status_code, away.headers["retry-after"]) == (503, "3")
        assert client.get(path_of(job)).text == known
        assert client.get(f"/{other.token}").headers["location"] == path_of(other)


RULES = [
    {"name": state, "when": [{"job": [state]}], "to": f"https://example.com/{state}"}
    for state in ("in-progress", "ready", "done", "late")
]


async def with_rules(database: Database) -> None:
    """On every code."""
    async with database.transaction() as connection:
        await connection.execute(update(versions).values(rules=written_rules(read_rules(RULES, None))))


def test_rules_ask_how_the_codes_own_job_stands(house: House) -> None:
    house.put("R-1", shop="Corner Repairs")
    house.late("R-2", shop="Corner Repairs")
    in_database(house.folder, with_rules)
    with asked(settings_for(house.folder)) as client:

        def leads(job: Job) -> str:
            return str(client.get(f"/{job.token}").headers["location"])

        def leads_to(job: Job, state: str) -> bool:
            return leads(job).endswith(f"/{state}")

        assert leads(house.put("R-1", shop="Corner Repairs")) == "https://example.com/in-progress"
        late = house.put("R-2", shop="Corner Repairs")
        assert leads(late) == "https://example.com/late"
        for to, state in (("ready", "ready"), ("deliver", "done")):
            house.move("R-2", to, "Corner Repairs")
            wait_for(partial(leads_to, late, state), state)
        assert client.get(path_of(late)).status_code == 200  # the page is there whatever the rules say


def test_views_reach_the_scan_store_apart_from_scans(house: House, tmp_path_factory: pytest.TempPathFactory) -> None:
    job = house.put("R-1", shop="Corner Repairs")
    with asked(settings_for(house.folder)) as client:
        client.get(f"/{job.token}")
        client.get(path_of(job))
        client.get(path_of(job), headers={"sec-gpc": "1"})
        client.head(path_of(job))
    said = [record for record in records(house.folder) if isinstance(record, View)]
    assert (len(said), len(scans(house.folder))) == (3, 1)
    store = ScanStore.open(tmp_path_factory.mktemp("store") / "scans.duckdb")

    async def ingest() -> tuple[list[Any], list[Any]]:
        await ingest_journal(store, house.folder / "journal", house.folder / "geo")
        rows = await store.query(
            "SELECT job_id, viewed_at, visitor, counted, uncounted_reason FROM job_views ORDER BY viewed_at"
        )
        accounts = await store.query("SELECT answered, recorded, seen_scans, counters FROM accounting")
        return rows, accounts

    agent_reader()
    rows, [account] = asyncio.run(ingest())
    store.close()
    assert [row[0] for row in rows] == [job.id] * 3
    assert [row[2] is not None for row in rows] == [True, False, True]
    assert [row[3:] for row in rows] == [(True, None), (True, None), (False, "head")]
    assert account[:3] == (1, 1, 1)
    assert re.search(r'"views":3,"views_lost":0', account[3])
