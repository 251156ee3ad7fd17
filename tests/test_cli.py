"""The command line as people and scripts use it: the real program, mostly as a process of its own."""

import asyncio
import ctypes
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import typer
from PIL import Image

from dashboard.accounts import Accounts
from database.engine import Database, sqlite_url
from tests.geo_samples import nested, write_database
from tests.running import Running, free_port
from tests.symbols import read_symbols
from waymark import __version__
from waymark.cli import app, explained, run
from waymark.commands.geo import arrived_mb
from waymark.lock import DataFolderBusy, data_lock, is_locked
from waymark.output import Column, ExitCode, clean, fitted_widths, plain_table
from waymark.start import command_to_type

Done = subprocess.CompletedProcess[str]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WAYMARK_", "MAXMIND_"))}
    return {**kept, "PYTHONPATH": str(Path(__file__).parent.parent), **more}


def waymark(
    *words: str, cwd: Path, env: dict[str, str] | None = None, before: Callable[[], None] | None = None
) -> Done:
    """A process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "waymark.cli", *words],
        cwd=cwd,
        env=environment(**(env or {})),
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        preexec_fn=before,
    )


def without_root_rights() -> None:
    """Root ignores file modes, unless its process gives up the two capabilities that let it."""
    libc = ctypes.CDLL(None)
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        libc.prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Settings on free ports where nothing runs."""
    settings = f"[public]\nport = {free_port()}\n[private]\nport = {free_port()}\n"
    (tmp_path / "config.toml").write_text(settings)
    return tmp_path


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with Running(tmp_path_factory.mktemp("waymark")) as service:
        yield service


@dataclass(frozen=True, slots=True)
class Typed:
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        assert self.code == 0, self.err
        return json.loads(self.out)


Shell = Callable[..., Typed]


@pytest.fixture
def typed(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A command in this process, which is ten times quicker; its settings are those of ``folder`` or ``running``."""

    def type_(*words: str, at: Path | Running, env: dict[str, str] | None = None) -> Typed:
        for name in ("WAYMARK_URL", "WAYMARK_TOKEN", "WAYMARK_CONFIG"):
            monkeypatch.delenv(name, raising=False)
        for name, value in (env or {}).items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(at.folder if isinstance(at, Running) else at)
        capfd.readouterr()
        code = run(words)
        return Typed(code, *capfd.readouterr())

    return type_


# Without a running service


USAGE: list[tuple[list[str], str]] = [
    (["nope"], "no such command 'nope'"),
    (["cod", "list"], "Did you mean 'code'"),
    (["code", "add"], "missing argument 'DESTINATION'"),
    (["code", "add", "x", "--nme", "y"], "--name"),
    (["code", "list", "--limit", "0"], "--limit"),
    (["code", "show", "a/b"], "'a/b' is no code"),
    (["code", "show", "http://[w/x"], "'http://[w/x' is no code"),
    (["code", "qr", "SPRING", "--output", "spring.gif"], "names no QR format"),
    (["code", "qr", "SPRING", "--format", "terminal", "--dark", "#333"], "--dark and --light need a terminal"),
    (["code", "qr", "SPRING", "--format", "terminal", "--size-mm", "30"], "--size-mm is for files"),
    (["code", "qr", "SPRING", "--format", "bmp"], "'terminal'"),
    (["token", "add", "x", "--role", "king"], "'viewer', 'editor', 'owner'"),
    (["demo", "remove"], "--yes"),
    (["doctor", "--from", "nowhere"], "no IP address"),
    (["doctor", "--header", "nothing"], "no header"),
    (["serve", "--only", "both"], "'public', 'private'"),
    (["code", "list", "--config", "missing.toml"], "does not exist"),
]


@pytest.mark.parametrize(("words", "says"), USAGE, ids=[" ".join(words) for words, _says in USAGE])
def test_wrong_usage_is_said_in_a_sentence(folder: Path, typed: Shell, words: list[str], says: str) -> None:
    done = typed(*words, at=folder)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("error: ")
    assert says in done.err


def test_wrong_usage_as_a_process_of_its_own(folder: Path) -> None:
    done = waymark("code", "add", "--json", cwd=folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "'DESTINATION'" in json.loads(done.stderr)["error"]["message"]


def test_nothing_asked_prints_the_help(folder: Path) -> None:
    done = waymark(cwd=folder)
    assert done.returncode == 2
    assert "doctor" in done.stdout
    assert "error" not in done.stderr


def test_the_version(folder: Path) -> None:
    assert waymark("--version", cwd=folder).stdout == f"waymark {__version__}\n"
    assert json.loads(waymark("--version", "--json", cwd=folder).stdout) == {"version": __version__}


@pytest.mark.parametrize("words", [["--json", "code", "list"], ["code", "list", "--json"]], ids=["before", "after"])
def test_nothing_runs_is_exit_5_and_says_how_to_start(folder: Path, typed: Shell, words: list[str]) -> None:
    done = typed(*words, at=folder)
    assert (done.code, done.out) == (5, "")
    error = json.loads(done.err)["error"]
    assert (error["code"], error["exit_code"]) == ("unreachable", 5)
    assert "waymark serve" in error["message"]


@pytest.mark.parametrize(
    "words", [["--config", "other.toml", "code", "list"], ["code", "list", "--config", "other.toml"]]
)
def test_the_config_file_is_named_before_or_after_the_command(folder: Path, typed: Shell, words: list[str]) -> None:
    (folder / "other.toml").write_text(f"[private]\nport = {(port := free_port())}\n")
    done = typed(*words, at=folder)
    assert done.code == 5
    assert f":{port}" in done.err


@pytest.mark.parametrize("command", [["serve"], ["code", "list"], ["owner", "reset"], ["geo", "status"]])
def test_an_unknown_key_is_refused_with_a_suggestion(folder: Path, typed: Shell, command: list[str]) -> None:
    (folder / "config.toml").write_text('[data]\ndri = "x"\n')
    done = typed(*command, at=folder)
    assert (done.code, done.out) == (2, "")
    assert done.err == "error: config.toml: unknown key 'dri' in [data]. Did you mean 'dir'?\n"


@pytest.mark.parametrize("command", [["serve"], ["geo", "update", "missing.mmdb"]])
def test_a_read_only_data_folder_is_said_before_anything_starts(folder: Path, command: list[str]) -> None:
    data = folder / "waymark-data"
    data.mkdir(mode=0o500)
    done = waymark(*command, cwd=folder, before=without_root_rights)
    assert done.returncode == 2
    assert str(data) in done.stderr
    assert "Permission denied" in done.stderr
    assert "[data] dir" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_named(folder: Path, typed: Shell) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        (folder / "config.toml").write_text(f"[public]\nport = {port}\n[private]\nport = {free_port()}\n")
        done = typed("serve", at=folder)
    assert done.code == 2
    assert f"port {port} on 127.0.0.1 is taken" in done.err


def test_the_owner_file_of_somebody_else_cannot_be_used(folder: Path) -> None:
    (folder / "waymark-data").mkdir()
    (folder / "waymark-data" / "owner.token").touch(mode=0o000)
    done = waymark("code", "list", cwd=folder, before=without_root_rights)
    assert done.returncode == 1
    assert "cannot be read by this user" in done.stderr
    assert "WAYMARK_TOKEN" in done.stderr


@pytest.mark.parametrize(
    ("env", "code", "says"),
    [
        ({"WAYMARK_URL": "http://127.0.0.1:1"}, 2, "WAYMARK_TOKEN is not"),
        ({"WAYMARK_URL": "w.example", "WAYMARK_TOKEN": "wm_x"}, 2, "no address"),
        ({"WAYMARK_URL": "http://127.0.0.1:1", "WAYMARK_TOKEN": "wm_x"}, 5, "http://127.0.0.1:1"),
        ({"WAYMARK_TOKEN": "wm_\u2026"}, 2, "characters that no token has"),
    ],
    ids=["address without token", "no address", "nobody there", "copied with an ellipsis"],
)
def test_another_machine_by_environment(folder: Path, typed: Shell, env: dict[str, str], code: int, says: str) -> None:
    done = typed("code", "list", at=folder, env=env)
    assert done.code == code
    assert says in done.err


class Stranger(BaseHTTPRequestHandler):
    """Some other program's web page."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<h1>It works</h1>")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the parent's name for it
        pass


def test_another_program_on_the_port_is_not_taken_for_waymark(folder: Path, typed: Shell) -> None:
    with HTTPServer(("127.0.0.1", 0), Stranger) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        done = typed("code", "list", at=folder, env={"WAYMARK_URL": url, "WAYMARK_TOKEN": "wm_x"})
        server.shutdown()
    assert done.code == 5
    assert "not Waymark's private side" in done.err


def test_ctrl_c_is_quiet(folder: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        env = environment(WAYMARK_URL=f"http://127.0.0.1:{silent.getsockname()[1]}", WAYMARK_TOKEN="wm_x")
        command = [sys.executable, "-m", "waymark.cli", "code", "list"]
        with subprocess.Popen(command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            silent.settimeout(30)
            connection, _peer = silent.accept()
            with closing(connection):
                connection.recv(65_536)  # the command waits for an answer now
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (130, b"", b"")


def test_a_reader_that_left_is_no_error(folder: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "waymark.cli", "geo", "status"],
        cwd=folder,
        env=environment(),
        stdout=writing,
        stderr=subprocess.PIPE,
        timeout=60,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("waymark.cli", "'httpx2', 'fastapi', 'sqlalchemy', 'duckdb', 'rich'"),
        ("waymark.public", "'httpx2', 'fastapi', 'pydantic', 'duckdb', 'alembic'"),
    ],
)
def test_what_starts_often_loads_nothing_heavy(folder: Path, module: str, heavy: str) -> None:
    program = f"import {module}, sys; print([name for name in ({heavy}) if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment(), capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "[]\n"


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


EVERY_COMMAND = dict(commands(typer.main.get_command(app)))


def test_the_list_of_commands_is_the_promised_one() -> None:
    codes = {f"code {verb}" for verb in ("add", "list", "show", "retarget", "history", "undo", "qr")}
    tokens = {f"token {verb}" for verb in ("add", "list", "revoke")}
    others = {"serve", "doctor", "owner reset", "geo update", "geo status", "demo add", "demo remove"}
    assert codes | tokens | others <= set(EVERY_COMMAND)


@pytest.mark.parametrize("name", EVERY_COMMAND)
def test_every_command_takes_json_and_config_and_says_what_it_does(name: str) -> None:
    options = {option for parameter in EVERY_COMMAND[name].params for option in parameter.opts}
    assert {"--json", "--config"} <= options
    assert EVERY_COMMAND[name].help


def test_a_mistake_of_ours_is_no_traceback() -> None:
    message, code = explained(KeyError("seq"))
    assert code == ExitCode.FAILURE
    assert "KeyError" in message
    assert "WAYMARK_DEBUG" in message


# The owner's way in, with the service stopped


def test_an_owner_link_without_a_data_folder(folder: Path, typed: Shell) -> None:
    done = typed("owner", "reset", at=folder)
    assert (done.code, done.out) == (1, "")
    assert "waymark serve" in done.err


def test_an_owner_link_with_the_service_stopped(folder: Path, typed: Shell) -> None:
    """Made in the database itself; the one before is dead."""
    data = folder / "waymark-data"
    data.mkdir()
    first, second = (typed("owner", "reset", "--json", at=folder).document for _ in range(2))
    assert (second["purpose"], second["expires_in_s"]) == ("setup", 3600)

    async def found() -> list[Any]:
        database = await Database.open(sqlite_url(data / "waymark.db"))
        try:
            tokens = [link["url"].rpartition("/")[2] for link in (first, second)]
            return [await Accounts(database).find_owner_link(token) for token in tokens]
        finally:
            await database.close()

    dead, alive = asyncio.run(found())
    assert dead is None
    assert alive is not None


def test_no_owner_link_while_somebody_else_holds_the_data_folder(folder: Path, typed: Shell) -> None:
    data = folder / "waymark-data"
    data.mkdir()
    with data_lock(data):
        assert is_locked(data)
        done = typed("owner", "reset", at=folder)
    assert done.code == 1
    assert f"in use by process {os.getpid()}" in done.err
    assert not is_locked(data)


def test_the_lock_is_for_one_at_a_time(tmp_path: Path) -> None:
    with data_lock(tmp_path), pytest.raises(DataFolderBusy), data_lock(tmp_path):
        pass
    with data_lock(tmp_path):
        assert is_locked(tmp_path)


# Place databases


def test_a_place_database_from_a_file(folder: Path, typed: Shell) -> None:
    given = write_database(folder / "given.mmdb", {"203.0.113.0/24": nested("Munich")}, "DBIP-City-Lite")
    assert "missing" in typed("geo", "status", at=folder).out
    installed = typed("geo", "update", str(given), "--json", at=folder).document
    assert [entry["kind"] for entry in installed["installed"]] == ["city"]
    status = {entry["kind"]: entry for entry in typed("geo", "status", "--json", at=folder).document["databases"]}
    assert (status["city"]["available"], status["city"]["provider"]) == (True, "DB-IP")
    assert not status["asn"]["available"]
    shown = typed("geo", "status", at=folder).out
    assert shown.splitlines()[1].split()[:3] == ["city", "ok", "DB-IP"]
    assert "asn: Run `waymark geo update`" in shown
    quick = typed("geo", "update", "--if-missing", at=folder)
    assert (quick.code, quick.out, quick.err) == (0, "", "")


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("broken.mmdb", "not a place database"),
        ("missing.mmdb", "cannot be read"),
        ("maxmind", "MAXMIND_LICENSE_KEY"),
        ("npm", "npm ci"),
        ("http://127.0.0.1:1/city.mmdb", "could not be fetched"),
    ],
)
def test_a_place_database_that_cannot_be_had(folder: Path, typed: Shell, source: str, says: str) -> None:
    (folder / "broken.mmdb").write_bytes(b"garbage" * 1000)
    done = typed("geo", "update", source, at=folder)
    assert (done.code, done.out) == (1, "")
    assert says in done.err


def test_the_start_never_fails_for_want_of_places(folder: Path) -> None:
    (folder / "waymark-data").mkdir(mode=0o500)
    done = waymark("geo", "update", "--if-missing", cwd=folder, before=without_root_rights)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("warning: no place database was fetched")


def test_what_has_arrived_of_a_download(tmp_path: Path) -> None:
    (tmp_path / ".0123.part").write_bytes(b"x" * 2_500_000)
    (tmp_path / "city-20261101-0123abcd.mmdb").write_bytes(b"x" * 1_000_000)
    assert arrived_mb(tmp_path) == 2.5
    assert arrived_mb(tmp_path / "missing") == 0


# With a running service


def failure(done: Typed, code: int) -> str:
    """The message of a command that was given --json."""
    assert (done.code, done.out) == (code, ""), done
    error = json.loads(done.err)["error"]
    assert error["exit_code"] == code
    return str(error["message"])


def test_a_code_from_creation_to_undo(running: Running, typed: Shell) -> None:
    names = ["--slug", "SPRING-26", "--name", "Spring", "--tag", "b", "--tag", "a"]
    made = typed("code", "add", "https://example.com/spring", *names, "--json", at=running).document
    assert made["short_url"].endswith("/spring-26")
    assert (made["name"], made["tags"], made["version"]) == ("Spring", ["a", "b"], 1)
    retargeted = typed("code", "retarget", "spring-26", "https://example.com/summer", "--reason", "sale", at=running)
    assert "https://example.com/summer" in retargeted.out
    history = typed("code", "history", "SPRING-26", "--json", at=running).document["versions"]
    assert [(version["version"], version["reason"]) for version in history] == [(2, "sale"), (1, "")]
    undone = typed("code", "undo", "spring-26", "--json", at=running).document
    assert undone["destination"] == "https://example.com/spring"
    shown = typed("code", "show", made["short_url"], "--json", at=running).document
    assert (shown.pop("check")["state"], shown.pop("scheduled")) == ("off", [])  # looks are switched off in tests
    assert shown == undone
    lines = typed("code", "history", "spring-26", at=running).out.splitlines()
    assert lines[0].split() == ["Version", "Since", "Change", "What", "changed", "By"]
    assert "undo (back to 1)" in lines[1]
    assert "destination: https://example.com/summer -> https://example.com/spring" in lines[1]
    assert "retarget: sale" in lines[2]


def test_the_list_of_codes(running: Running, typed: Shell) -> None:
    typed("code", "add", "https://example.com/a", "--slug", "list-a", "--name", "Caf\u00e9 \u202e", at=running)
    typed("code", "add", "https://example.com/b", "--slug", "list-b", at=running)
    assert typed("code", "list", "--search", "list-", "--json", at=running).document["total"] == 2
    titles, newest, oldest = typed("code", "list", "--search", "list-", at=running).out.splitlines()
    assert titles.split() == ["Code", "Name", "Destination", "Tags", "Version", "Changed"]
    assert newest.startswith("list-b  ")
    assert "Caf\u00e9 \\u202e" in oldest
    assert typed("code", "list", "--search", "no such code", at=running) == Typed(0, "", "")
    assert len(typed("code", "list", "--limit", "1", at=running).out.splitlines()) == 2


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["code", "show", "absent"], 3, "no code 'absent'"),
        (["code", "retarget", "absent", "https://example.com"], 3, "no code 'absent'"),
        (["code", "show", "http://other.example/ABSENT"], 3, "on other.example"),
        (["code", "add", "https://example.com", "--slug", "taken"], 4, "already exists"),
        (["code", "undo", "taken"], 4, "nothing to undo"),
        (["code", "rollback", "taken", "9"], 3, "has no version 9"),
        (["code", "check", "taken"], 4, "not looked at"),
        (["code", "retarget", "taken", "https://example.com/x", "--at", "2001-01-01"], 2, "has passed already"),
        (["code", "retarget", "taken", "https://example.com/x", "--until", "soon"], 2, "is no time"),
        (["code", "retarget", "taken", "https://x.example", "--at", "2031-01-01", "--zone", "Mars"], 2, "no time zone"),
        (["code", "schedule", "cancel", "999"], 3, "no planned change 999"),
        (["code", "bulk", "retarget", "--to", "https://example.com"], 2, "choose the codes"),
        (["code", "bulk", "retarget", "--code", "absent", "--to", "https://example.com", "--yes"], 2, "no such code"),
        (["code", "bulk", "retarget", "--csv", "absent.csv"], 2, "cannot be read"),
        (["code", "bulk", "undo", "999"], 3, "no bulk change 999"),
        (["code", "add", "javascript:alert(1)"], 2, "javascript"),
        (["code", "add", "https://example.com", "--slug", "no good"], 2, "Try 'no-good'"),
        (["code", "qr", "taken", "--output", "q.png", "--dark", "#eeeeee"], 2, "luminance"),
        (["code", "qr", "taken", "--output", "missing/q.svg"], 1, "cannot be written"),
        (["token", "revoke", "absent"], 3, "no token named 'absent'"),
        (["token", "add", " "], 2, "printable"),
        (["serve"], 1, "already"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_exit_codes(running: Running, typed: Shell, words: list[str], code: int, says: str) -> None:
    typed("code", "add", "https://example.com", "--slug", "taken", at=running)
    assert says in failure(typed(*words, "--json", at=running), code)


def test_tokens(running: Running, typed: Shell) -> None:
    made = typed("token", "add", "CI", "--role", "editor", "--json", at=running).document
    assert sorted(made) == ["name", "role", "token"]
    assert (made["name"], made["role"]) == ("ci", "editor")
    assert "--replace" in failure(typed("token", "add", "ci", "--json", at=running), 4)
    piped = typed("token", "add", "ci", "--role", "viewer", "--replace", at=running).out.removesuffix("\n")
    assert piped.startswith("wm_")
    replaced = typed("code", "list", "--json", at=running, env={"WAYMARK_TOKEN": made["token"]})
    assert "does not accept the token in WAYMARK_TOKEN" in failure(replaced, 1)
    remote = {"WAYMARK_URL": running.dashboard_url, "WAYMARK_TOKEN": piped}
    assert typed("code", "list", at=running.folder.parent, env=remote).code == 0
    forbidden = typed("code", "add", "https://example.com", "--json", at=running, env=remote)
    assert "needs the role editor" in failure(forbidden, 1)
    tokens = typed("token", "list", "--json", at=running).document["tokens"]
    assert [entry["name"] for entry in tokens] == ["ci"]
    assert typed("token", "revoke", "CI", at=running).out == "revoked ci\n"
    assert typed("token", "list", "--json", at=running).document == {"tokens": []}


def test_a_short_address_is_not_the_api(running: Running, typed: Shell) -> None:
    env = {"WAYMARK_URL": running.short_url, "WAYMARK_TOKEN": "wm_x"}
    done = typed("code", "list", "--json", at=running, env=env)
    assert "not that of the short links" in failure(done, 5)


def test_from_another_folder_the_missing_owner_file_is_named(running: Running, typed: Shell, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(f"[private]\nport = {running.private_port}\n")
    done = typed("code", "list", at=tmp_path)
    assert done.code == 1
    assert f"no owner token in {tmp_path}" in done.err


def test_an_owner_link_from_the_running_service(running: Running, typed: Shell) -> None:
    """Whatever token the environment holds: it is the machine's owner who asks."""
    done = typed("owner", "reset", at=running, env={"WAYMARK_TOKEN": "wm_x"})
    assert done.out.startswith(f"{running.dashboard_url}/setup/")
    assert len(done.out.splitlines()) == 1


def test_qr_codes(running: Running, typed: Shell) -> None:
    url = typed("code", "add", "https://example.com/qr", "--slug", "qr-code", "--json", at=running).document[
        "short_url"
    ]
    for name, start in (("a.svg", b"<svg"), ("a.png", b"\x89PNG"), ("a.pdf", b"%PDF"), ("a.eps", b"%!PS")):
        path = running.folder / name
        style = ["--output", str(path), "--size-mm", "30", "--dark", "#003366"]
        written = typed("code", "qr", "qr-code", *style, "--json", at=running).document
        assert (written["bytes"], written["format"]) == (path.stat().st_size, name[2:])
        assert path.read_bytes().startswith(start)
    [found] = read_symbols(Image.open(running.folder / "a.png"))
    assert found.text.lower() == url
    assert typed("code", "qr", "qr-code", at=running).out.startswith("<svg")
    assert typed("code", "qr", "qr-code", "--format", "png", "--json", at=running).document["encoding"] == "base64"
    drawn = typed("code", "qr", "qr-code", "--format", "terminal", at=running).out
    assert drawn.splitlines()[-1] == url
    assert "\x1b" not in drawn


def test_demo_data(running: Running, typed: Shell) -> None:
    added = typed("demo", "add", "--json", at=running).document
    assert added["codes"] > 3
    codes = typed("code", "list", "--limit", "500", "--json", at=running).document["codes"]
    assert sum(code["demo"] for code in codes) == added["codes"]
    assert typed("demo", "remove", "--yes", "--json", at=running).document["codes"] == added["codes"]


# On a terminal


def on_terminal(running: Running, *words: str, columns: int = 80, **env: str) -> tuple[int, str]:
    """(exit code, what the terminal showed)."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "waymark.cli", *words, "--config", str(running.config)]
    more = {"TERM": "xterm-256color", "COLUMNS": str(columns), "LINES": "40", **env}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(**more)) as process:
        os.close(theirs)
        shown, deadline = b"", time.monotonic() + 60
        while time.monotonic() < deadline:
            if not select.select([ours], [], [], 0.2)[0]:
                continue
            try:
                data = os.read(ours, 65536)
            except OSError:  # Linux's way to say that the other end is closed
                break
            if b"[y/N]" in data:
                os.write(ours, b"n\n")
            shown += data
        os.close(ours)
    return process.returncode, shown.decode().replace("\r\n", "\n")


def test_a_narrow_terminal_still_shows_whole_codes(running: Running) -> None:
    long = "a-name-that-goes-on-and-on-" * 5
    running.cli("code", "add", f"https://example.com/{long}", "--slug", "narrow-terminal-26", "--name", long)
    code, shown = on_terminal(running, "code", "list", "--search", "narrow", NO_COLOR="1")
    assert code == 0
    [line] = [line for line in shown.splitlines() if line.startswith("narrow-terminal-26")]
    assert len(line) <= 80
    assert line.count("…") == 2


def test_colours_and_their_absence(running: Running) -> None:
    running.cli("code", "add", "https://example.com", "--slug", "colours")
    assert "\x1b[38;5;16;48;5;231m" in on_terminal(running, "code", "qr", "colours")[1]
    for words in (["code", "qr", "colours"], ["code", "show", "absent"]):
        assert "\x1b[3" not in on_terminal(running, *words, NO_COLOR="1")[1]
    assert "\x1b[1;31merror" in on_terminal(running, "code", "show", "absent")[1]


def test_no_binary_on_a_terminal(running: Running) -> None:
    running.cli("code", "add", "https://example.com", "--slug", "binary")
    code, shown = on_terminal(running, "code", "qr", "binary", "--format", "png", NO_COLOR="1")
    assert code == 2
    assert "--output FILE" in shown


def test_removal_asks_first(running: Running) -> None:
    code, shown = on_terminal(running, "demo", "remove", NO_COLOR="1")
    assert code == 1
    assert "nothing was removed" in shown


# How things are written


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("plain", "plain"),
        (None, ""),
        (["a", "b"], "a, b"),
        (3, "3"),
        ("two\nlines", "two\\nlines"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("\u202eevil", "\\u202eevil"),
        ("no\xa0break", "no break"),
        ("\u0645\u06cc\u200c\u062e\u0648", "\u0645\u06cc\u200c\u062e\u0648"),
    ],
)
def test_cleaned_values(value: object, shown: str) -> None:
    assert clean(value) == shown


def test_a_plain_table_is_aligned_by_what_a_terminal_shows() -> None:
    columns = [Column("Code"), Column("Scans", right=True), Column("Name")]
    rows = [["spring", "1,200", "東京"], ["x", "3", ""]]
    assert plain_table(columns, rows) == "Code    Scans  Name\nspring  1,200  東京\nx           3\n"


@pytest.mark.parametrize(
    ("room", "widths"),
    [(100, [6, 40, 20]), (60, [6, 30, 20]), (40, [6, 15, 15]), (10, [6, 8, 8])],
    ids=["all fits", "the long one gives", "both give", "no room at all"],
)
def test_widths_on_a_terminal(room: int, widths: list[int]) -> None:
    columns = [Column("Code"), Column("Destination", narrow="cut"), Column("Name", narrow="fold")]
    assert fitted_widths(columns, [["spring", "d" * 40, "n" * 20]], room) == widths


def test_the_line_to_try_names_a_command_that_this_shell_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "a b" / "waymark"
    program.parent.mkdir()
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.chdir(tmp_path)
    assert command_to_type(str(program)) == "'a b/waymark'"
    monkeypatch.chdir(program.parent)
    assert command_to_type(str(program)) == "./waymark"
    monkeypatch.setenv("PATH", str(program.parent))
    assert command_to_type(str(program)) == "waymark"
    assert command_to_type("/somewhere/cli.py") == "waymark"


def test_help_names_the_setting_that_an_option_replaces(typed: Shell, folder: Path) -> None:
    told = " ".join(typed("serve", "--help", at=folder).out.replace("│", " ").split())
    assert "instead of `workers` in config.toml" in told
