"""Templates of messages: which variables there are, what is checked before one is kept, and the table of a shop's own."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.alphabet import CodeError
from codes.errors import NotFound
from codes.names import plain_text
from database.audit import write_audit
from database.changes import numbered_in_order
from database.engine import Database
from database.schema import message_templates
from jobs.expected import WHATEVER, Expected, version_of
from jobs.languages import LANGUAGES
from jobs.message_texts import CHANNELS, EVENTS, Channel, Event, built_in_text
from jobs.shops import get_shop

VARIABLES: Final = ("tracking", "stage", "eta", "shop", "item", "customer", "reference")
MAX_SUBJECT: Final = 200
MAX_TEXT: Final = 2000

_PART: Final = re.compile(r"\{([^{}]*)\}|[{}]")
_SPACED: Final = re.compile(r"( ?)\{(\w+)\}")


class TemplateError(CodeError):
    """A template that cannot be used; the message says where, why and what to do. ``part``: "subject", "text" or ""."""

    def __init__(self, problem: str, part: str = "") -> None:
        super().__init__(f"{part}: {problem}" if part else problem)
        self.part = part
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Template:
    """``updated_at`` and ``updated_by`` are None for one that came with Waymark."""

    event: Event
    channel: Channel
    language: str
    subject: str
    text: str
    updated_at: datetime | None = None
    updated_by: str | None = None

    @property
    def is_own(self) -> bool:
        return self.updated_at is not None

    @property
    def version(self) -> str:
        """Another one for other words."""
        return version_of(self.subject, self.text)


def built_in(event: Event, channel: Channel, language: str) -> Template:
    return Template(event, channel, language, *built_in_text(event, channel, language))


def checked_template(template: Template) -> Template:
    """In the form it is kept in. Raises TemplateError."""
    if template.event not in EVENTS or template.channel not in CHANNELS or template.language not in LANGUAGES:
        raise TemplateError(
            f"messages are about {', '.join(EVENTS)}, by {', '.join(CHANNELS)}, in {', '.join(LANGUAGES)}; there is none"
            f" for {template.event[:40]}, {template.channel[:40]}, {template.language[:40]}."
        )
    subject, text = plain_text(template.subject), checked_text(template.text)
    if template.channel == "email":
        if not 1 <= len(subject) <= MAX_SUBJECT:
            raise TemplateError(f"an e-mail needs one, of 1 to {MAX_SUBJECT} characters.", "subject")
        check_variables(subject, "subject")
    elif subject:
        raise TemplateError(f"{template.channel} messages have none; leave it out.", "subject")
    return Template(template.event, template.channel, template.language, subject, text)


def checked_text(given: str) -> str:
    """A message's text in the form it is kept in. Raises TemplateError."""
    text = "\n".join(plain_text(line) for line in given.splitlines()).strip()
    if not 1 <= len(text) <= MAX_TEXT:
        raise TemplateError(f"a message has 1 to {MAX_TEXT} characters; this one has {len(text)}.", "text")
    check_variables(text, "text")
    return text


def check_variables(text: str, where: str) -> None:
    """Raises TemplateError for a variable that there is not, or a brace without its other half."""
    for found in _PART.finditer(text):
        if found[1] is None:
            near = text[max(0, found.start() - 10) : found.end() + 10].replace("\n", " ")
            other = "}" if found[0] == "{" else "{"
            raise TemplateError(
                f"the {found[0]} in {near!r} has no {other}. Braces stand around variables only, as in {{tracking}}.",
                where,
            )
        name = found[1].strip()
        if name != found[1] or name not in VARIABLES:
            alike = get_close_matches(name.lower(), VARIABLES, 1)
            known = ", ".join(f"{{{variable}}}" for variable in VARIABLES)
            hint = f"did you mean {{{alike[0]}}}?" if alike else f"there are {known}."
            raise TemplateError(f"there is no variable {{{found[1][:40]}}}: {hint}", where)


def filled(text: str, values: Mapping[str, str]) -> str:
    """Where a value is empty, the space before it goes, too: "Hello {customer}," is "Hello," then."""
    return _SPACED.sub(lambda found: f"{found[1]}{value}" if (value := values[found[2]]) else "", text)


async def list_templates(connection: AsyncConnection, shop_id: int) -> list[Template]:
    """One for each event, channel and language: the shop's own where it has one."""
    query = select(message_templates).where(message_templates.c.shop_id == shop_id)
    own = {(row.event, row.channel, row.language): _template(row) for row in await connection.execute(query)}
    return [
        own.get((event, channel, language)) or built_in(event, channel, language)
        for event in EVENTS
        for channel in CHANNELS
        for language in LANGUAGES
    ]


async def get_template(
    connection: AsyncConnection, shop_id: int, event: Event, channel: Channel, language: str
) -> Template:
    """The shop's own, else the one that came with Waymark."""
    query = select(message_templates).where(*_of(shop_id, event, channel, language))
    row = (await connection.execute(query)).first()
    return built_in(event, channel, language) if row is None else _template(row)


async def put_template(
    database: Database, shop_id: int, template: Template, *, who: str, expected: Expected = WHATEVER
) -> Template:
    """Takes the place of the one there was. Raises TemplateError, NotFound (shop), Stale."""
    checked = checked_template(template)
    kept = Template(checked.event, checked.channel, checked.language, checked.subject, checked.text, _now(), who)
    async with database.transaction() as connection:
        shop = await get_shop(connection, shop_id)
        await _check(connection, shop_id, kept, expected)
        await connection.execute(delete(message_templates).where(*_key(shop_id, kept)))
        values = {name: getattr(kept, name) for name in Template.__dataclass_fields__}
        await connection.execute(insert(message_templates).values(shop_id=shop_id, **values))
        await write_audit(connection, who, "template.update", f"{shop.name}: {_name(kept)}")
    return kept


async def reset_template(
    database: Database,
    shop_id: int,
    event: Event,
    channel: Channel,
    language: str,
    *,
    who: str,
    expected: Expected = WHATEVER,
) -> Template:
    """Back to the one that came with Waymark. Raises Stale, and NotFound when the shop has none of its own."""
    original = built_in(event, channel, language)
    async with database.transaction() as connection:
        shop = await get_shop(connection, shop_id)
        await _check(connection, shop_id, original, expected)
        gone = await connection.execute(delete(message_templates).where(*_key(shop_id, original)))
        if not gone.rowcount:
            raise NotFound(f"{shop.name} has no template of its own for {_name(original)}.")
        await write_audit(connection, who, "template.reset", f"{shop.name}: {_name(original)}")
    return original


async def _check(connection: AsyncConnection, shop_id: int, asked: Template, expected: Expected) -> None:
    await numbered_in_order(connection)  # nobody else changes it until this is done
    kept = await get_template(connection, shop_id, asked.event, asked.channel, asked.language)
    expected.check(kept.version, f"the text for {_name(asked)}")


def _name(template: Template) -> str:
    return f"{template.event}, {template.channel}, {template.language}"


def _key(shop_id: int, template: Template) -> tuple[ColumnElement[bool], ...]:
    return _of(shop_id, template.event, template.channel, template.language)


def _of(shop_id: int, event: str, channel: str, language: str) -> tuple[ColumnElement[bool], ...]:
    table = message_templates.c
    return table.shop_id == shop_id, table.event == event, table.channel == channel, table.language == language


def _template(row: Row[Any]) -> Template:
    return Template(*(getattr(row, name) for name in Template.__dataclass_fields__))


def _now() -> datetime:
    return datetime.now(UTC)
