"""A job's page from the first look to its end, with PostgreSQL as control database and two public workers."""

from functools import partial
from pathlib import Path

import pytest

from tests.postgres import PostgresServer
from tests.running import Running, wait_for
from tests.status_samples import Answer, ask, picture

pytestmark = [pytest.mark.slow, pytest.mark.ci, pytest.mark.together, pytest.mark.postgres]


def test_a_customer_follows_a_job_to_its_end(tmp_path: Path, postgres: PostgresServer) -> None:
    with Running(tmp_path, f'[database]\nurl = "{postgres.new_database()}"\n', workers=2) as waymark:
        everywhere = partial(wait_for_all, waymark)
        photo = tmp_path / "photo.png"
        photo.write_bytes(picture())
        shown = ("--hours", "mon-fri 09:00-18:00", "--show-note", "--show-photo")
        waymark.cli("shop", "update", "--name", "Corner Repairs", "--phone", "+49 30 1234567", *shown)
        token = waymark.cli_json("job", "add", "R-1", "--item", "Lamp", "--note", "Bulb", "--serial", "unseen")["token"]
        scanned = wait_for(
            lambda: found if (found := ask(waymark.public_port, f"/{token}")).status == 302 else None, "a scan"
        )
        path = scanned.headers["location"]
        first = everywhere(path, 200, "<h1><bdi>Received")
        for part in ("Corner Repairs", "On track", "Lamp", "Bulb", "calendar.ics", "tel:+49301234567"):
            assert part in first.text
        assert "unseen" not in first.text

        waymark.cli("job", "photo", "R-1", str(photo))
        everywhere(path, 200, "photo.jpg")
        assert ask(waymark.public_port, f"{path}/photo.jpg").body.startswith(b"\xff\xd8")
        waymark.cli("job", "advance", "R-1", "--reason", "unseen")
        moved = everywhere(path, 200, "<h1><bdi>Being examined")
        assert moved.headers["etag"] != first.headers["etag"]
        assert "<li><bdi>Received</bdi>" in moved.text
        waymark.cli("job", "add", "R-1", "--due", "2031-03-05T16:30")
        everywhere(f"{path}/calendar.ics", 200, "DTSTART:20310305T163000Z")

        waymark.cli("shop", "tracking", "frozen")
        waymark.cli("job", "move", "R-1", "ready")
        assert "<h1><bdi>Being examined" in everywhere(path, 200, "no longer updated").text
        waymark.cli("shop", "tracking", "withdrawn")
        everywhere(path, 410, "no longer available")
        waymark.cli("shop", "tracking", "on")
        everywhere(path, 200, "<h1><bdi>Ready for pick-up")
        waymark.cli("job", "delete", "R-1", "--yes")
        gone = everywhere(path, 404, "")
        assert gone.body == ask(waymark.public_port, "/j/unknown").body
        assert "unseen" not in waymark.log.read_text()


def wait_for_all(waymark: Running, path: str, status: int, part: str) -> Answer:
    """Each connection may reach another worker: until all of a dozen say it."""

    def said() -> Answer | None:
        answers = [ask(waymark.public_port, path, Accept_Language="en") for _ in range(12)]
        return answers[0] if all((answer.status, part in answer.text) == (status, True) for answer in answers) else None

    return wait_for(said, f"{status} with {part!r}")
