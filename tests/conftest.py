"""What most tests start from: settings on a temporary folder, a migrated control database, a running private app."""

import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from analytics.live import LiveFeed
from codes.codes import Code, NewCode, create_code
from codes.destinations import DestinationPolicy
from dashboard.app import create_private_app
from database.engine import Database, sqlite_url
from tests.migrated import SHORT_URL, new_migrated, place_migrated
from tests.postgres import PostgresServer, running_postgres
from waymark.config import Config, Data, Geo, OutboundSettings, Public
from waymark.private import open_parts
from waymark.private_wiring import private_settings

AddCode = Callable[..., Awaitable[Code]]

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a script's background job, and then in all that tests start
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that start whole services first: they take longest, and none of them must be left for the end."""
    items.sort(key=lambda item: not hasattr(getattr(item, "module", None), "Running"))


class Clock:
    """A time that moves only when told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 21, 18, 40, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **units: float) -> datetime:
        self.now += timedelta(**units)
        return self.now


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> Clock:
    return Clock()


def config_in(folder: Path) -> Config:
    """The defaults, with data in ``folder``, without the monthly look for place databases and without looks at destinations."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "journal").mkdir(exist_ok=True)
    return Config(
        data=Data(dir=str(folder)),
        public=Public(base_url=SHORT_URL),
        geo=Geo(refresh_days=0),
        outbound=OutboundSettings(check_destinations=False),
    )


@pytest.fixture
def config(tmp_path: Path) -> Config:
    return config_in(tmp_path / "data")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with running_postgres() as server:
        yield server


@pytest.fixture
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A control database: SQLite, or PostgreSQL for tests that are parametrised with ``both_databases``.

    Empty, unless the test has ``db``, too.
    """
    migrated = "db" in request.fixturenames
    if getattr(request, "param", "sqlite") == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        return new_migrated(server) if migrated else server.new_database()
    if migrated:
        place_migrated(tmp_path / "waymark.db")
    return sqlite_url(tmp_path / "waymark.db")


both_databases = pytest.mark.parametrize(
    "database_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], indirect=True
)


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    """Migrated, with the default short domain w.example."""
    database = await Database.open(database_url)
    yield database
    await database.close()


@pytest.fixture
def add_code(db: Database) -> AddCode:
    async def add(destination: str = "https://example.com/", **fields: Any) -> Code:
        new = NewCode(destination, **fields)
        return await create_code(db, new, who="ops", policy=DestinationPolicy(frozenset({"w.example"})))

    return add


def running_app(config: Config) -> TestClient:
    """The private app with its real parts: use it as a context manager. Server errors come as 500, not as exceptions."""
    live = LiveFeed()
    settings = private_settings(config, "")
    app = create_private_app(settings.version, settings.allowed_hosts, open_parts(config, live))
    address = ("127.0.0.1", 50_000)
    return TestClient(
        app,
        base_url="http://localhost:8081",
        client=address,
        raise_server_exceptions=False,
        follow_redirects=False,
    )


def local_owner(config: Config) -> dict[str, str]:
    return {"Authorization": f"Bearer {(config.data_dir / 'owner.token').read_text()}"}


@pytest.fixture
def client(config: Config) -> Iterator[TestClient]:
    """A fresh installation's private app, asked by the local owner."""
    with running_app(config) as app:
        app.headers.update(local_owner(config))
        yield app
