"""A Waymark of the bench's own: a folder with settings and codes, its two sides on free ports, questions to its API."""

import asyncio
import http.client
import json
import secrets
import sqlite3
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from bench.plan import DESTINATION, HOST
from bench.processes import BenchError, Child, free_port, listening, running, wait_for
from dashboard.access import COOKIE
from dashboard.accounts import Accounts
from database.engine import Database, sqlite_url
from database.migrate import migrate
from redirector.routes import DomainName, Route
from redirector.snapshot import write_snapshot

STATED_WITHIN_S: Final = 5.0  # a worker states its own counts once a second
WHEN: Final = "2026-01-01 00:00:00.000000"

_NUMBERS: Final = "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)"
_CODES: Final = (
    f"{_NUMBERS} INSERT INTO codes (id, domain_id, code, folded, legacy, kind, name, version, printed, demo, created_at, "
    "created_by, updated_at) SELECT n, 1, printf('c%07d', n), printf('c%07d', n), 0, 'campaign', 'Poster ' || n, 1, 0, 0, "
    "?, 'bench', ? FROM numbers"
)
_VERSIONS: Final = (
    f"{_NUMBERS} INSERT INTO versions (code_id, number, destination, action, reason, created_at, created_by) "
    "SELECT n, 1, ? || n, 'create', '', ?, 'bench' FROM numbers"
)


def code_name(number: int) -> str:
    return f"c{number:07d}"


def answers(port: int, path: str, host: str = HOST) -> int | None:
    """The status of one GET on a connection of its own; None when nothing answers."""
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
            connection.request("GET", path, headers={"Host": host, "Connection": "close"})
            return connection.getresponse().status
    except OSError:
        return None


class Installation:
    def __init__(self, folder: Path, codes: int, *, durability: str = "process", geo: Path | None = None) -> None:
        self.folder = folder
        self.data = folder / "data"
        self.codes = codes
        self.public_port, self.private_port = free_port(), free_port()
        self.config = folder / "config.toml"
        self.data.mkdir(parents=True)
        self.config.write_text(
            f'[public]\nport = {self.public_port}\nbase_url = "http://{HOST}"\n'
            f'[private]\nport = {self.private_port}\n[data]\ndir = "data"\n[journal]\ndurability = "{durability}"\n'
            "[geo]\nrefresh_days = 0\n"
        )
        if geo is not None:
            (self.data / "geo").symlink_to(geo.resolve(), target_is_directory=True)
        self._fill()

    @property
    def journal(self) -> Path:
        return self.data / "journal"

    @property
    def snapshot(self) -> Path:
        return self.data / "routes.snapshot"

    @contextmanager
    def public(self, cores: set[int] | None = None) -> Iterator[Child]:
        """One worker, as `waymark serve` starts it; back when it has every code in memory and writes its journal."""
        with self.public_starting(cores) as child:
            wait_for(lambda: self.status_of("/-/ready") == 200, "the public side is ready", child=child)
            first = self.status_of(f"/{code_name(1)}")
            if first != 302:
                raise BenchError(f"the public side answers a known code with {first}; it said:\n{child.said()}")
            yield child

    @contextmanager
    def public_starting(self, cores: set[int] | None = None) -> Iterator[Child]:
        with listening(self.public_port) as listener:
            command = _python("waymark.public", "--worker", "0", *self._options(listener.fileno()))
            with running(command, self.folder / "public.log", cores, listener.fileno()) as child:
                listener.close()
                yield child

    @contextmanager
    def private(self, cores: set[int] | None = None) -> Iterator[Child]:
        with listening(self.private_port) as listener:
            command = _python("waymark.private", *self._options(listener.fileno()))
            with running(command, self.folder / "private.log", cores, listener.fileno()) as child:
                listener.close()
                wait_for(self._private_answers, "the private side answers", child=child)
                yield child

    @contextmanager
    def served(self, workers: int = 1) -> Iterator[Child]:
        """Both sides under the supervisor, as most people run them."""
        command = _python("waymark.cli", "serve", f"--workers={workers}", "--config", str(self.config))
        with running(command, self.folder / "serve.log") as child:
            wait_for(
                lambda: self.status_of("/-/ready") == 200 and self._private_answers(), "Waymark is up", child=child
            )
            yield child

    def status_of(self, path: str) -> int | None:
        return answers(self.public_port, path)

    def get(self, path: str, **query: Any) -> Any:
        with closing(self.api()) as api:
            return api.get(path, **query)

    def api(self) -> "Api":
        return Api(self.private_port, (self.data / "owner.token").read_text().strip())

    def sign_in(self) -> str:
        """The session cookie of an owner made for this; before the private side is started."""
        return asyncio.run(_signed_in(self.data / "waymark.db"))

    def write_snapshot(self) -> None:
        """As the private side would: it is what a start reads first."""
        with closing(sqlite3.connect(self.data / "waymark.db")) as connection:
            rows = connection.execute(
                "SELECT code_id, folded, destination FROM codes JOIN versions ON code_id = codes.id"
            )
            routes = (Route(code_id, 1, code, False, 1, destination) for code_id, code, destination in rows)
            write_snapshot(self.snapshot, 0, [DomainName(1, HOST, True)], routes)

    def runs(self) -> list[str]:
        """Each run of a public worker that has written to the journal, oldest first."""
        return sorted({path.name.rsplit(".", 2)[0] for path in self.journal.glob("*.jsonl")})

    def journaled(self) -> int:
        """Scans in the journal, counted by lines, without the product's own words."""
        found = 0
        for path in self.journal.glob("*.jsonl"):
            with path.open("rb") as lines:
                found += sum(line.startswith(b'["scan"') for line in lines)
        return found

    def recount(self, journaled: int, already: int = 0, within_s: float = 120.0) -> dict[str, Any]:
        """The accounting of all runs, once that many scans of the journal are in the store. Needs the private side."""
        with closing(self.api()) as api:
            stored = journaled + already
            wait_for(lambda: api.get("/status")["scans"] >= stored, f"{stored} scans are stored", within_s)
            deadline = time.monotonic() + STATED_WITHIN_S
            while True:
                accounting: dict[str, Any] = api.get("/accounting")
                found = sum(run["found"] for run in accounting["runs"])
                if (accounting["exact"] and found == journaled) or time.monotonic() > deadline:
                    return accounting
                time.sleep(0.1)

    def _fill(self) -> None:
        path = self.data / "waymark.db"
        asyncio.run(_make_database(path))
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute(
                "INSERT INTO domains (id, host, scheme, is_default, created_at) VALUES (1, ?, 'http', 1, ?)",
                (HOST, WHEN),
            )
            connection.execute(_CODES, (self.codes, WHEN, WHEN))
            connection.execute(_VERSIONS, (self.codes, DESTINATION, WHEN))

    def _private_answers(self) -> bool:
        return answers(self.private_port, "/-/health", host="127.0.0.1") == 200

    def _options(self, fd: int) -> list[str]:
        return ["--fd", str(fd), "--config", str(self.config)]


class Api:
    """One kept connection to the API, as the local owner."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
        self._headers = {"Authorization": f"Bearer {token}"}

    def get(self, path: str, **query: Any) -> Any:
        return self._answer("GET", path, None, query)

    def post(self, path: str, body: bytes | Mapping[str, Any], **query: Any) -> Any:
        """A mapping goes as JSON, bytes as they are."""
        if isinstance(body, bytes):
            return self._answer("POST", path, body, query)
        return self._answer("POST", path, json.dumps(body).encode(), query, {"Content-Type": "application/json"})

    def _answer(
        self,
        method: str,
        path: str,
        body: bytes | None,
        query: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        asked = f"/api/v1{path}?{urlencode(query)}"
        self._connection.request(method, asked, body, {**self._headers, **(headers or {})})
        answer = self._connection.getresponse()
        said = answer.read()
        if answer.status not in (200, 201):
            raise BenchError(f"{path} was answered with {answer.status}: {said[:300]!r}")
        return json.loads(said)

    def timed(self, path: str, **query: Any) -> float:
        start = time.perf_counter()
        self.get(path, **query)
        return time.perf_counter() - start

    def page(self, path: str, cookie: str, **query: Any) -> bytes:
        """A page of the dashboard, as somebody who has signed in."""
        self._connection.request("GET", f"{path}?{urlencode(query)}", headers={"Cookie": f"{COOKIE}={cookie}"})
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise BenchError(f"{path} was answered with {answer.status}: {body[:300]!r}")
        return body

    def close(self) -> None:
        self._connection.close()


async def _make_database(path: Path) -> None:
    database = await Database.open(sqlite_url(path))
    await migrate(database)
    await database.close()


async def _signed_in(path: Path) -> str:
    database = await Database.open(sqlite_url(path))
    try:
        accounts = Accounts(database)
        token, _purpose = await accounts.create_owner_link()
        owner = await accounts.use_setup_link(
            token, email="bench@example.com", name="Bench", password=secrets.token_hex(16)
        )
        return await accounts.create_session(owner)
    finally:
        await database.close()


def _python(module: str, *options: str) -> list[str]:
    return [sys.executable, "-m", module, *options]
