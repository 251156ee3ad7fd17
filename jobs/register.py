"""Jobs as they are kept: find and read them. Changes nothing; what is private is read apart."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.alphabet import fold
from codes.errors import NotFound
from codes.names import is_plain
from codes.register import short_url
from database.schema import codes, domains, job_details, job_moves, jobs, shops

MAX_REFERENCE: Final = 80
_COLUMNS: Final = [column for column in jobs.c if column.name not in ("photo", "late_told_at")]


@dataclass(frozen=True, slots=True)
class Job:
    id: int
    shop_id: int
    shop: str  # by name
    reference: str
    kind: str
    code_id: int | None
    token: str | None  # its code: who has it, sees the page
    short_url: str | None  # what the QR holds
    stage: str
    stage_at: datetime
    item: str
    public_note: str
    has_photo: bool
    language: str
    due_at: datetime | None
    eta_at: datetime | None
    promised_at: datetime | None
    revision: int
    created_at: datetime
    created_by: str
    updated_at: datetime
    completed_at: datetime | None

    @property
    def status_url(self) -> str | None:
        """The page itself, where the QR leads."""
        return f"{self.short_url.removesuffix(self.token)}j/{self.token}" if self.short_url and self.token else None


@dataclass(frozen=True, slots=True)
class Details:
    """For staff, and for messages to the customer it belongs to. Never on a page of the public side."""

    customer_name: str = ""
    customer_phone: str = ""
    customer_email: str = ""
    customer_address: str = ""
    price: str = ""
    deposit: str = ""
    serial: str = ""
    passcode: str = ""
    accessories: str = ""
    internal_note: str = ""
    technician: str = ""


DETAILS: Final = tuple(field.name for field in fields(Details))


@dataclass(frozen=True, slots=True)
class Move:
    id: int
    at: datetime
    recorded_at: datetime
    action: str
    from_stage: str | None
    to_stage: str
    eta_at: datetime | None
    who: str
    reason: str


async def find_job(connection: AsyncConnection, reference: str, shop_id: int | None = None) -> Job | None:
    """Without a shop of the default one, and of no other: a deletion that is sent again must find nothing."""
    if not is_plain(reference):
        return None
    of_shop = shops.c.is_default if shop_id is None else jobs.c.shop_id == shop_id
    query = job_query().where(jobs.c.reference == reference, of_shop)
    row = (await connection.execute(query)).first()
    return None if row is None else job_from(row)


async def get_job(connection: AsyncConnection, reference: str, shop_id: int | None = None) -> Job:
    found = await find_job(connection, reference, shop_id)
    if found is None:
        others = await list_jobs_called(connection, [reference]) if shop_id is None and is_plain(reference) else []
        raise no_such_job(reference, others)
    return found


def no_such_job(reference: str, others: Sequence[Job]) -> NotFound:
    """``others`` are those of this reference, where no shop was named."""
    text = f"there is no job {reference[:100]!r}"
    if others:
        names = ", ".join(repr(job.shop) for job in others[:5])
        return NotFound(
            f"{text} in the default shop, which is meant when none is named; there is one in {names}: name it."
        )
    return NotFound(f"{text}. `waymark job list` shows those there are.")


async def get_job_by_id(connection: AsyncConnection, job_id: int) -> Job:
    row = (await connection.execute(job_query().where(jobs.c.id == job_id))).first()
    if row is None:
        raise NotFound(f"there is no job with id {job_id}.")
    return job_from(row)


async def list_jobs_called(connection: AsyncConnection, references: Sequence[str]) -> list[Job]:
    """Those of the default shop first."""
    query = job_query().where(jobs.c.reference.in_(references)).order_by(shops.c.is_default.desc(), jobs.c.id)
    return [job_from(row) for row in await connection.execute(query)] if references else []


async def get_jobs_by_id(connection: AsyncConnection, job_ids: Sequence[int]) -> dict[int, Job]:
    """Those of them that there are."""
    rows = await connection.execute(job_query().where(jobs.c.id.in_(job_ids)))
    return {row.id: job_from(row) for row in rows}


async def find_job_by_token(connection: AsyncConnection, token: str) -> Job | None:
    """As scans find codes: case and look-alikes do not matter."""
    if not is_plain(token):
        return None
    row = (await connection.execute(job_query().where(codes.c.folded == fold(token), codes.c.kind == "job"))).first()
    return None if row is None else job_from(row)


async def list_moves(connection: AsyncConnection, job_id: int) -> list[Move]:
    """In the order they happened."""
    return (await list_moves_of(connection, [job_id])).get(job_id, [])


async def list_moves_of(connection: AsyncConnection, job_ids: Sequence[int]) -> dict[int, list[Move]]:
    """By job id, each in the order they happened."""
    query = select(job_moves).where(job_moves.c.job_id.in_(job_ids)).order_by(job_moves.c.at, job_moves.c.id)
    names = [field.name for field in fields(Move)]
    found: dict[int, list[Move]] = {}
    for row in await connection.execute(query):
        found.setdefault(row.job_id, []).append(Move(*(getattr(row, name) for name in names)))
    return found


async def get_details(connection: AsyncConnection, job_id: int) -> Details:
    row = (await connection.execute(select(job_details).where(job_details.c.job_id == job_id))).first()
    return Details() if row is None else Details(*(getattr(row, name) for name in DETAILS))


async def list_details(connection: AsyncConnection, job_ids: Sequence[int]) -> dict[int, Details]:
    """By job id."""
    rows = await connection.execute(select(job_details).where(job_details.c.job_id.in_(job_ids)))
    return {row.job_id: Details(*(getattr(row, name) for name in DETAILS)) for row in rows}


async def find_photo(connection: AsyncConnection, job_id: int) -> bytes | None:
    """JPEG."""
    found: bytes | None = (await connection.execute(select(jobs.c.photo).where(jobs.c.id == job_id))).scalar()
    return found


def details_values(details: Details) -> dict[str, str]:
    return asdict(details)


def job_query() -> Select[Any]:
    return (
        select(
            *_COLUMNS,
            jobs.c.photo.is_not(None).label("has_photo"),
            shops.c.name.label("shop"),
            codes.c.code.label("token"),
            domains.c.scheme,
            domains.c.host,
        )
        .join(shops, shops.c.id == jobs.c.shop_id)
        .outerjoin(codes, codes.c.id == jobs.c.code_id)
        .outerjoin(domains, domains.c.id == codes.c.domain_id)
    )


def job_from(row: Row[Any]) -> Job:
    values = dict(row._mapping)  # noqa: SLF001  SQLAlchemy's documented name for it
    scheme, host, token = values.pop("scheme"), values.pop("host"), values["token"]
    return Job(**values, short_url=short_url(scheme, host, token) if token else None)
