"""docs/integrate.md: its commands, as they stand there, against a real process."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.running import Running

PAGE = Path(__file__).parent.parent / "docs" / "integrate.md"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(tmp_path_factory.mktemp("integrate")) as process:
        yield process


def commands() -> list[str]:
    """Of the page's shell blocks, each with its lines joined."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [command for block in blocks for command in re.split(r"\n(?=curl|export|waymark)", block.strip())]


def said(running: Running, command: str, folder: Path, **environment: str) -> str:
    done = subprocess.run(
        ["bash", "-c", f"set -e; {command}"],
        cwd=folder,
        env={**os.environ, **environment, "no_proxy": "*"},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_a_developer_gets_from_a_token_to_a_deleted_job_by_the_page_alone(running: Running, tmp_path: Path) -> None:
    first, *rest = commands()
    assert first.startswith("waymark token add till --role editor")
    token = running.cli_json(*first.split()[1:])["token"]
    exported = [command for command in rest if command.startswith("export")]
    assert [command.partition("=")[0] for command in exported] == ["export WAYMARK", "export TOKEN"]
    environment = {"WAYMARK": f"http://localhost:{running.private_port}/api/v1", "TOKEN": token}
    calls = [command for command in rest if command.startswith("curl")]
    assert len(calls) + 3 == len(commands())
    answers = [said(running, call, tmp_path, **environment) for call in calls]
    found: list[Any] = [json.loads(answer) if answer[:1] in "{[" and answer else answer for answer in answers]
    assert not [answer for answer in found if isinstance(answer, dict) and "status" in answer], found
    put, qr, slip, stickers, advanced, moved, back, *later = found
    messages, batch, listed, one, history, history_csv, events, photo, deleted, slashed, slashed_on = later
    assert put["status_url"].startswith(running.short_url)
    assert (qr, (tmp_path / "slip.png").read_bytes()[:4]) == ("", b"\x89PNG")
    assert (slip, (tmp_path / "slip.bin").read_bytes()[:3]) == ("", b"\x1dv0")
    assert (stickers["state"], stickers["total"]) == ("done", 1)
    assert (advanced["stage"], moved["stage"], moved["revision"]) == ("diagnosis", "ready", 3)
    assert back["revision"] == 4
    assert [message["channel"] for message in messages["messages"]] == ["sms", "whatsapp", "email"]
    assert (batch["done"], batch["refused"]) == (3, 0)
    again = calls[found.index(batch)]
    assert json.loads(said(running, again, tmp_path, **environment))["seen"] == 3
    assert [job["reference"] for job in listed["jobs"]] == ["R-1043"]
    assert (one["stage"], history["stays"][0]["wall_hours"]) == ("diagnosis", 2.5)
    assert history_csv.count("R-1043") == 2
    assert [event["event"] for event in events["events"]][:2] == ["job.created", "job.moved"]
    assert events["next"] == events["events"][-1]["id"]
    assert photo["has_photo"]
    assert deleted == ""
    assert (slashed["reference"], slashed_on["reference"], slashed_on["revision"]) == (*["RE-2026/1042"] * 2, 2)
    assert [job["reference"] for job in running.get("/jobs")["jobs"]] == ["RE-2026/1042", "R-1042"]
    assert running.get("/jobs/R-1042")["completed_at"]
