"""What tests of status pages start from: shops, jobs in every state, and a way to ask the public port for bytes."""

import asyncio
import gzip
import http.client
from collections.abc import Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from PIL import Image

from database.engine import Database, sqlite_url
from jobs.freezing import set_tracking
from jobs.job_fields import JobFields, Occasion
from jobs.jobs import move_job, put_job
from jobs.register import DETAILS, Job
from jobs.shops import ShopFields, create_shop, update_shop
from tests.running import IPHONE

ON = Occasion("Canary Ops")
CANARY = "canary"  # in every private field, in what staff call a stage, in who did it and why
PRIVATE = {name: f"{CANARY} {name}" for name in DETAILS}
HOURS = {day: [["09:00", "18:00"]] for day in ("mon", "tue", "wed", "thu", "fri")}
SHOP = ShopFields(
    name="Corner Repairs",
    country="DE",
    phone="+49 30 1234567",
    whatsapp="+49 151 1234567",
    email="hello@repairs.example",
    address="Hauptstra\u00dfe 1\n10827 Berlin",
    zone="Europe/Berlin",
    opening_hours=HOURS,
)
Found = TypeVar("Found")


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def everything(self) -> bytes:
        return repr(self.headers).encode() + self.body


def ask(port: int, path: str, method: str = "GET", **headers: str) -> Answer:
    """As a phone does it; header names with _ for -. The body as it is without compression."""
    sent = {"User-Agent": IPHONE, **{name.replace("_", "-"): value for name, value in headers.items()}}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request(method, path, headers=sent)
        answer = connection.getresponse()
        body = answer.read()
        found = {name.lower(): value for name, value in answer.getheaders()}
    packed = found.get("content-encoding") == "gzip" and body
    return Answer(answer.status, found, gzip.decompress(body) if packed else body)


def in_database(folder: Path, work: Callable[[Database], Awaitable[Found]]) -> Found:
    async def done() -> Found:
        database = await Database.open(sqlite_url(folder / "waymark.db"))
        try:
            return await work(database)
        finally:
            await database.close()

    return asyncio.run(done())


class House:
    """A data folder with shops and jobs in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def shop(self, name: str, **changes: Any) -> int:
        given = {field: getattr(SHOP, field) for field in ShopFields.__slots__}
        fields = ShopFields(**{**given, "name": name, **changes})
        return in_database(self.folder, lambda db: create_shop(db, fields, who="Canary Ops")).id

    def change_shop(self, shop_id: int, **changes: Any) -> None:
        in_database(self.folder, lambda db: update_shop(db, shop_id, ShopFields(**changes), who="Canary Ops"))

    def track(self, shop_id: int, tracking: Any) -> None:
        in_database(self.folder, lambda db: set_tracking(db, shop_id, tracking, who="Canary Ops"))

    def put(self, reference: str, **fields: Any) -> Job:
        given = JobFields(details=PRIVATE, reason=f"{CANARY} reason", **fields)
        return in_database(self.folder, lambda db: put_job(db, reference, given, ON))[0]

    def move(self, reference: str, to: str = "advance", shop: str | None = None) -> Job:
        return in_database(
            self.folder, lambda db: move_job(db, reference, to, ON, shop=shop, reason=f"{CANARY} reason")
        )

    def late(self, reference: str, **fields: Any) -> Job:
        return self.put(reference, due_at=datetime.now(UTC) - timedelta(hours=2), **fields)


def path_of(job: Job) -> str:
    assert job.token is not None
    return f"/j/{job.token.lower()}"


def picture() -> bytes:
    """A PNG, as a phone might send it."""
    made = BytesIO()
    Image.effect_noise((400, 300), 80).save(made, "PNG")
    return made.getvalue()
