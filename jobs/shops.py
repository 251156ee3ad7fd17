"""Shops: what their customers see of them on every status page, and whether there are status pages at all."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal
from zoneinfo import available_timezones

from sqlalchemy import Row, Select, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.alphabet import CodeError
from codes.errors import Conflict, NotFound
from codes.names import checked_name, is_plain, plain_text
from codes.opening_hours import Hours, read_hours
from database.audit import write_audit
from database.changes import numbered_in_order, record_changes
from database.engine import Database
from database.schema import domains, shops
from jobs.languages import LANGUAGES
from jobs.working_time import Calendar, read_holidays

MAX_NAME: Final = 120
DEFAULT_ZONE: Final = "UTC"
LOOKS_PER_CALL: Final = 10
MAX_LOOKS_PER_CALL: Final = 1000

Tracking = Literal["on", "frozen", "withdrawn"]

_PHONE: Final = re.compile(r"\+?[0-9][0-9 ()./-]{1,38}")
_EMAIL: Final = re.compile(r"[^@\s<>\"']{1,64}@[^@\s<>\"']{1,180}\.[^@\s<>\"']{1,20}")
_COUNTRY: Final = re.compile(r"[A-Z]{2}")
_COLUMNS: Final = [column for column in shops.c if column.name not in ("logo", "as_frozen")]


class ShopError(CodeError):
    """Settings of a shop that cannot be used; the message says which, why and what to do."""


@dataclass(frozen=True, slots=True)
class Shop:
    id: int
    name: str
    is_default: bool
    country: str
    phone: str
    whatsapp: str
    email: str
    address: str
    zone: str
    opening_hours: Hours | None
    holidays: tuple[dict[str, str], ...]
    languages: tuple[str, ...]
    has_logo: bool
    tracking: Tracking
    tracking_at: datetime
    show_note: bool
    show_photo: bool
    created_at: datetime
    updated_at: datetime
    looks_per_call: int = LOOKS_PER_CALL
    _calendar: Calendar | None = field(default=None, init=False, repr=False, compare=False)

    def __hash__(self) -> int:
        return hash((self.id, self.updated_at))  # what else it has cannot be hashed

    @property
    def language(self) -> str:
        """Its own: what a customer reads whose browser asks for none that we have."""
        return self.languages[0]

    @property
    def calendar(self) -> Calendar:
        """Made once: it is asked for with each of its jobs."""
        made = self._calendar
        if made is None:
            made = Calendar(self.zone, self.opening_hours, self.holidays)
            object.__setattr__(self, "_calendar", made)
        return made


@dataclass(frozen=True, slots=True)
class ShopFields:
    """As given for a new one. For a change None leaves a field as it is; ``cleared`` names those to take away."""

    name: str | None = None
    country: str | None = None
    phone: str | None = None
    whatsapp: str | None = None
    email: str | None = None
    address: str | None = None
    zone: str | None = None
    opening_hours: Any = None
    holidays: Any = None
    languages: Any = None
    logo: bytes | None = None  # PNG of ours
    show_note: bool | None = None
    show_photo: bool | None = None
    looks_per_call: int | None = None
    cleared: frozenset[str] = frozenset()  # opening_hours, logo


async def ensure_default_shop(connection: AsyncConnection) -> Shop:
    """The one that jobs go to without being told. Made at first need, named for the short domain until somebody names it."""
    found = await _first(connection, _query().where(shops.c.is_default.is_(True)))
    if found is not None:
        return found
    host = (await connection.execute(select(domains.c.host).where(domains.c.is_default.is_(True)))).scalar_one()
    now = datetime.now(UTC)
    values = {**_new_values(now), "name": host[:MAX_NAME], "is_default": True}
    made = await connection.execute(insert(shops).values(values).returning(shops.c.id))
    shop_id = int(made.scalar_one())
    await record_changes(connection, "shop", [shop_id])
    return await get_shop(connection, shop_id)


async def create_shop(database: Database, given: ShopFields, *, who: str) -> Shop:
    """Raises CodeError, or Conflict when the name is taken."""
    if given.name is None:
        raise ShopError("a shop needs its name.")
    now = datetime.now(UTC)
    values = {**_new_values(now), **_values(given)}
    async with database.transaction() as connection:
        await ensure_default_shop(connection)
        await numbered_in_order(connection)
        try:
            made = await connection.execute(insert(shops).values(is_default=False, **values).returning(shops.c.id))
        except IntegrityError as error:
            raise _taken(values["name"]) from error
        shop_id = int(made.scalar_one())
        await record_changes(connection, "shop", [shop_id])
        await write_audit(connection, who, "shop.create", values["name"])
        return await get_shop(connection, shop_id)


async def update_shop(database: Database, shop_id: int, given: ShopFields, *, who: str) -> Shop:
    """On every page of it within a second. Raises NotFound, CodeError, Conflict."""
    async with database.transaction() as connection:
        return await update_shop_in(connection, shop_id, given, who=who)


async def update_shop_in(connection: AsyncConnection, shop_id: int, given: ShopFields, *, who: str) -> Shop:
    """``update_shop`` within a transaction. Numbers first: who makes a job holds them, and then asks for its shop."""
    await numbered_in_order(connection)
    before = await get_shop(connection, shop_id)
    values = _values(given) | dict.fromkeys(given.cleared)
    if not values:
        return before
    values["updated_at"] = datetime.now(UTC)
    try:
        await connection.execute(update(shops).where(shops.c.id == shop_id).values(values))
    except IntegrityError as error:
        raise _taken(str(values.get("name"))) from error
    await record_changes(connection, "shop", [shop_id])
    await write_audit(connection, who, "shop.update", before.name)
    return await get_shop(connection, shop_id)


async def list_shops(connection: AsyncConnection) -> list[Shop]:
    """The default first, then by name."""
    rows = await connection.execute(_query().order_by(shops.c.is_default.desc(), shops.c.name))
    return [_shop(row) for row in rows]


async def get_shop(connection: AsyncConnection, shop_id: int) -> Shop:
    found = await _first(connection, _query().where(shops.c.id == shop_id))
    if found is None:
        raise NotFound(f"there is no shop with id {shop_id}. `waymark shop list` shows those there are.")
    return found


async def get_shop_named(connection: AsyncConnection, name: str) -> Shop:
    name = name.strip()
    found = await _first(connection, _query().where(shops.c.name == name)) if is_plain(name) else None
    if found is None:
        raise NotFound(f"there is no shop {name[:200]!r}. `waymark shop list` shows those there are.")
    return found


async def find_shop_logo(connection: AsyncConnection, shop_id: int) -> bytes | None:
    """PNG."""
    found: bytes | None = (await connection.execute(select(shops.c.logo).where(shops.c.id == shop_id))).scalar()
    return found


def _query() -> Select[Any]:
    return select(*_COLUMNS, shops.c.logo.is_not(None).label("has_logo"))


async def _first(connection: AsyncConnection, query: Select[Any]) -> Shop | None:
    row = (await connection.execute(query.limit(1))).first()
    return None if row is None else _shop(row)


def _shop(row: Row[Any]) -> Shop:
    values = dict(row._mapping)  # noqa: SLF001  SQLAlchemy's documented name for it
    return Shop(**values | {"holidays": tuple(row.holidays), "languages": tuple(row.languages)})


def _new_values(now: datetime) -> dict[str, Any]:
    return {
        **dict.fromkeys(("country", "phone", "whatsapp", "email", "address"), ""),
        "zone": DEFAULT_ZONE,
        "opening_hours": None,
        "holidays": [],
        "languages": list(LANGUAGES),
        "logo": None,
        "tracking": "on",
        "tracking_at": now,
        "show_note": False,
        "show_photo": False,
        "looks_per_call": LOOKS_PER_CALL,
        "created_at": now,
        "updated_at": now,
    }


def _values(given: ShopFields) -> dict[str, Any]:
    if unknown := given.cleared - {"opening_hours", "logo"}:
        raise ShopError(f"{', '.join(sorted(unknown))} of a shop cannot be taken away; give another value.")
    read: dict[str, Any] = {}
    if given.name is not None:
        read["name"] = checked_name(given.name, "a shop", MAX_NAME)
    for name in ("phone", "whatsapp"):
        if (number := getattr(given, name)) is not None:
            read[name] = _phone(number, name)
    for name, checked in _CHECKED.items():
        if (value := getattr(given, name)) is not None:
            read[name] = checked(value)
    kept = {name: value for name in ("logo", "show_note", "show_photo") if (value := getattr(given, name)) is not None}
    return read | kept


def _phone(text: str, name: str) -> str:
    number = plain_text(text)
    if number and not _PHONE.fullmatch(number):
        raise ShopError(f"{name}: {number[:40]!r} is no telephone number; write it as +49 30 1234567.")
    if name == "whatsapp" and number and not number.startswith("+"):
        raise ShopError(f"whatsapp: {number!r} needs its country code, as in +49 151 1234567.")
    return number


def _email(text: str) -> str:
    address = plain_text(text)
    if address and not _EMAIL.fullmatch(address):
        raise ShopError(f"email: {address[:80]!r} is no e-mail address; write it as hello@example.com.")
    return address


def _country(text: str) -> str:
    country = plain_text(text).upper()
    if country and not _COUNTRY.fullmatch(country):
        raise ShopError(f"country: {country[:20]!r} is no country code of two letters, such as DE.")
    return country


def _address(text: str) -> str:
    lines = [plain_text(line) for line in text.splitlines()]
    address = "\n".join(line for line in lines if line)
    if len(address) > 500:
        raise ShopError("address: up to 500 characters.")
    return address


def _zone(text: str) -> str:
    if text not in available_timezones():
        raise ShopError(f"zone: {text[:60]!r} is no time zone; write it as Europe/Berlin.")
    return text


def _languages(given: Any) -> list[str]:
    chosen = list(dict.fromkeys(given)) if isinstance(given, list | tuple) else []
    if not chosen or any(language not in LANGUAGES for language in chosen):
        raise ShopError(f"languages: give one or more of {', '.join(LANGUAGES)}, the shop's own first.")
    return chosen


def _looks_per_call(given: int) -> int:
    if not 1 <= given <= MAX_LOOKS_PER_CALL:
        raise ShopError(f"looks_per_call: a whole number from 1 to {MAX_LOOKS_PER_CALL}, not {given}.")
    return given


_CHECKED: Final[dict[str, Callable[[Any], Any]]] = {
    "email": _email,
    "country": _country,
    "address": _address,
    "zone": _zone,
    "opening_hours": read_hours,
    "holidays": lambda given: list(read_holidays(given)),
    "languages": _languages,
    "looks_per_call": _looks_per_call,
}


def _taken(name: str) -> Conflict:
    return Conflict(f"there is a shop {name!r} already. Choose another name.")
