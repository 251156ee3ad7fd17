"""Groups of codes whose scans can be asked for as one: campaigns, placements, venues, print batches."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.batches import get_batch, list_batches
from codes.campaigns import find_campaign, get_campaign, list_campaigns
from codes.errors import NotFound
from codes.money import Money
from codes.names import plain_text
from codes.placements import BETWEEN, find_placement, list_placements
from codes.register import Code
from database.schema import batch_codes, placements

Found = TypeVar("Found")
# Tags hold no control characters: groups and tags never meet, though they are kept side by side.
_MARK: Final = "\n"


def campaign_group(campaign_id: int) -> str:
    return f"{_MARK}campaign {campaign_id}"


def placement_group(placement_id: int) -> str:
    return f"{_MARK}placement {placement_id}"


def venue_group(venue: str) -> str:
    """All spots of it."""
    return f"{_MARK}venue {venue}"


def batch_group(batch_id: int) -> str:
    return f"{_MARK}batch {batch_id}"


async def groups_by_code(connection: AsyncConnection, found: Sequence[Code]) -> dict[int, tuple[str, ...]]:
    """Of each of these codes, as of now."""
    ids = [code.id for code in found]
    places = {code.placement_id for code in found if code.placement_id is not None}
    of_places = select(placements.c.id, placements.c.venue).where(placements.c.id.in_(places))
    venues = {row.id: row.venue for row in await connection.execute(of_places)} if places else {}
    printed = select(batch_codes).where(batch_codes.c.code_id.in_(ids)).order_by(batch_codes.c.batch_id)
    batches: dict[int, list[str]] = {}
    for row in await connection.execute(printed):
        batches.setdefault(row.code_id, []).append(batch_group(row.batch_id))
    return {code.id: (*_groups(code, venues), *batches.get(code.id, ())) for code in found}


async def get_groups(
    connection: AsyncConnection, *, campaign: str | None = None, placement: str | None = None, batch: str | None = None
) -> tuple[str, ...]:
    """Of those that are named; "" names none. A placement is venue / spot, or a venue for all its spots. Raises NotFound."""
    groups: list[str] = []
    if campaign and (name := plain_text(campaign)):
        groups.append(await _campaign_group(connection, name))
    if placement and (label := plain_text(placement)):
        groups.append(await _placement_group(connection, label))
    if batch and (name := plain_text(batch)):
        found = _named(name, await list_batches(connection, archived=True), lambda one: one.name)
        if found is None:
            raise NotFound(f"there is no print batch {name[:200]!r}. `waymark batch list` shows those there are.")
        groups.append(batch_group(found.id))
    return tuple(groups)


async def find_cost(connection: AsyncConnection, group: str) -> Money | None:
    """What the campaign or the print batch cost, when that is known."""
    kind, _, number = group.removeprefix(_MARK).partition(" ")
    if group.startswith(_MARK) and kind == "campaign":
        return (await get_campaign(connection, int(number))).cost
    if group.startswith(_MARK) and kind == "batch":
        return (await get_batch(connection, int(number))).cost
    return None


async def _campaign_group(connection: AsyncConnection, name: str) -> str:
    found = await find_campaign(connection, name)
    if found is None:
        found = _named(name, await list_campaigns(connection, archived=True), lambda one: one.name)
    if found is None:
        raise NotFound(f"there is no campaign {name[:200]!r}. `waymark campaign list` shows those there are.")
    return campaign_group(found.id)


async def _placement_group(connection: AsyncConnection, label: str) -> str:
    found = await find_placement(connection, label) if BETWEEN in label else None
    if found is None:
        everywhere = await list_placements(connection, archived=True)
        found = _named(label, everywhere, lambda one: one.label)
        venue = _named(label, sorted({one.venue for one in everywhere}), lambda one: one)
        if found is None and venue is not None:
            return venue_group(venue)
    if found is None:
        raise NotFound(
            f"there is no placement {label[:200]!r}; name one as venue{BETWEEN}spot, or a venue for all its spots. "
            "`waymark placement list` shows those there are."
        )
    return placement_group(found.id)


def _named(name: str, things: Iterable[Found], name_of: Callable[[Found], str]) -> Found | None:
    """The one of that name; else the only one that differs from it in case alone."""
    alike = [thing for thing in things if name_of(thing).casefold() == name.casefold()]
    exact = [thing for thing in alike if name_of(thing) == name]
    return exact[0] if exact else alike[0] if len(alike) == 1 else None


def _groups(code: Code, venues: Mapping[int, str]) -> Iterable[str]:
    if code.campaign_id is not None:
        yield campaign_group(code.campaign_id)
    if code.placement_id is not None:
        yield placement_group(code.placement_id)
        if code.placement_id in venues:
            yield venue_group(venues[code.placement_id])
