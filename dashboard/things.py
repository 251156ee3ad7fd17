"""Campaigns, placements, print batches and domains as the pages have them: rows, facts, and forms read and filled."""

from datetime import date
from typing import Final
from urllib.parse import quote, urlencode

from codes import batches, campaigns, domains, placements
from codes.alphabet import CodeError
from codes.errors import NotFound
from codes.groups import batch_group, campaign_group, placement_group
from codes.money import read_money
from codes.opening_hours import read_typed_hours, typed_hours
from codes.options import UTM_FIELDS
from dashboard.access import Identity
from dashboard.batch_members import members_view
from dashboard.kinds import Fields, Kind, Thing
from dashboard.organise_views import FieldView, RowView
from dashboard.parts import Parts


def id_in(key: str) -> int:
    if not key.isascii() or not key.isdecimal() or len(key) > 15:
        raise NotFound("there is no such page.")
    return int(key)


def codes_link(narrowing: str) -> tuple[str, str]:
    return "Its codes", f"/codes?{urlencode({'q': narrowing})}"


def overview_link(text: str = "Its scans on the overview", **picked: str) -> tuple[str, str]:
    return text, f"/?{urlencode(picked)}"


async def _campaign_rows(parts: Parts, archived: bool) -> tuple[RowView, ...]:
    async with parts.database.reading() as connection:
        found = await campaigns.list_campaigns(connection, archived=archived)
    return tuple(
        RowView(
            f"/campaigns/{one.id}",
            (one.name, _utm(one.utm), str(one.cost or ""), f"{one.codes:,}"),
            one.archived_at is not None,
        )
        for one in found
    )


async def _campaign(parts: Parts, key: str) -> Thing:
    async with parts.database.reading() as connection:
        one = await campaigns.get_campaign(connection, id_in(key))
    values = {"name": one.name, "cost": str(one.cost or "")} | {name: one.utm.get(name, "") for name in UTM_FIELDS}
    facts = (("UTM", _utm(one.utm) or "none"), ("Cost", str(one.cost or "not known")), ("Codes", f"{one.codes:,}"))
    links = (codes_link(f'campaign:"{one.name}"'), overview_link(campaign=one.name))
    picked = {"campaign": one.name}
    archived = one.archived_at is not None
    return Thing(one.name, facts, links, values, archived, group=campaign_group(one.id), picked=picked)


async def _create_campaign(parts: Parts, who: Identity, fields: Fields) -> str:
    made = await campaigns.create_campaign(
        parts.database,
        fields.get("name", ""),
        who=who.name,
        utm={name: fields.get(name, "") for name in UTM_FIELDS},
        cost=read_money(fields.get("cost", "")),
    )
    return str(made.id)


async def _update_campaign(parts: Parts, who: Identity, key: str, fields: Fields) -> None:
    cost = read_money(fields.get("cost", ""))
    change = campaigns.CampaignChange(
        fields.get("name", ""), {name: fields.get(name, "") for name in UTM_FIELDS}, cost, cost is None
    )
    await campaigns.update_campaign(parts.database, id_in(key), change, who=who.name)


async def _archive_campaign(parts: Parts, who: Identity, key: str, archived: bool, _force: bool) -> None:
    change = campaigns.CampaignChange(archived=archived)
    await campaigns.update_campaign(parts.database, id_in(key), change, who=who.name)


async def _placement_rows(parts: Parts, archived: bool) -> tuple[RowView, ...]:
    async with parts.database.reading() as connection:
        found = await placements.list_placements(connection, archived=archived)
    return tuple(
        RowView(
            f"/placements/{one.id}",
            (one.label, one.zone, typed_hours(one.opening_hours), f"{one.codes:,}"),
            one.archived_at is not None,
        )
        for one in found
    )


async def _placement(parts: Parts, key: str) -> Thing:
    async with parts.database.reading() as connection:
        one = await placements.get_placement(connection, id_in(key))
    at = "" if one.latitude is None else f"{one.latitude}, {one.longitude}"
    hours = typed_hours(one.opening_hours)
    values = {"venue": one.venue, "spot": one.spot, "zone": one.zone, "hours": hours, "at": at}
    facts = (
        ("Time zone", one.zone),
        ("Open", hours or "not known"),
        ("Coordinates", at or "not known"),
        ("Codes", f"{one.codes:,}"),
    )
    links = (
        codes_link(f'placement:"{one.label}"'),
        overview_link(placement=one.label),
        overview_link(f"All of {one.venue} on the overview", placement=one.venue),
    )
    picked = {"placement": one.label}
    archived = one.archived_at is not None
    return Thing(one.label, facts, links, values, archived, group=placement_group(one.id), picked=picked)


def _placement_fields(fields: Fields) -> placements.PlacementFields:
    hours = read_typed_hours(fields.get("hours", ""))
    at = fields.get("at", "").strip()
    try:
        latitude, longitude = (float(part) for part in at.split(",")) if at else (None, None)
    except ValueError:
        raise CodeError(f"{at[:40]!r} is no pair of coordinates; write 52.52, 13.37.") from None
    cleared = {"opening_hours"} if hours is None else set()
    return placements.PlacementFields(
        venue=fields.get("venue", ""),
        spot=fields.get("spot", ""),
        zone=fields.get("zone", "").strip(),
        opening_hours=hours,
        latitude=latitude,
        longitude=longitude,
        cleared=frozenset(cleared if at else cleared | {"latitude", "longitude"}),
    )


async def _create_placement(parts: Parts, who: Identity, fields: Fields) -> str:
    return str((await placements.create_placement(parts.database, _placement_fields(fields), who=who.name)).id)


async def _update_placement(parts: Parts, who: Identity, key: str, fields: Fields) -> None:
    await placements.update_placement(parts.database, id_in(key), _placement_fields(fields), who=who.name)


async def _archive_placement(parts: Parts, who: Identity, key: str, archived: bool, _force: bool) -> None:
    change = placements.PlacementFields(archived=archived)
    await placements.update_placement(parts.database, id_in(key), change, who=who.name)


async def _batch_rows(parts: Parts, archived: bool) -> tuple[RowView, ...]:
    async with parts.database.reading() as connection:
        found = await batches.list_batches(connection, archived=archived)
    return tuple(
        RowView(
            f"/batches/{one.id}",
            (
                one.name,
                one.printed_on.isoformat() + (", locked" if one.printed else ""),
                f"{one.quantity:,}",
                str(one.cost or ""),
                f"{one.codes:,}",
            ),
            one.archived_at is not None,
        )
        for one in found
    )


async def _batch(parts: Parts, key: str) -> Thing:
    async with parts.database.reading() as connection:
        one = await batches.get_batch(connection, id_in(key))
        members = await batches.codes_in_batch(connection, one.id)
    values = {
        "name": one.name,
        "printed_on": one.printed_on.isoformat(),
        "quantity": str(one.quantity),
        "cost": str(one.cost or ""),
        "note": one.note,
    }
    facts = (
        ("Printed", one.printed_on.isoformat()),
        ("Quantity", f"{one.quantity:,}"),
        ("Cost", str(one.cost or "not known")),
        ("Note", one.note),
        ("Codes", f"{len(members):,}"),
    )
    links, picked = (overview_link(batch=one.name),), {"batch": one.name}
    archived = one.archived_at is not None
    return Thing(
        one.name,
        facts,
        links,
        values,
        archived,
        members=members_view(one, members),
        group=batch_group(one.id),
        picked=picked,
    )


def _batch_change(fields: Fields) -> batches.BatchChange:
    try:
        day = date.fromisoformat(fields.get("printed_on", ""))
    except ValueError:
        raise CodeError("the day of printing is written like 2026-05-31.") from None
    quantity = fields.get("quantity", "").strip()
    if not (quantity.isascii() and quantity.isdecimal() and len(quantity) < 12):
        raise CodeError("the quantity is a whole number, without points or commas.")
    cost = read_money(fields.get("cost", ""))
    texts = tuple(dict.fromkeys(fields.get("codes", "").replace(",", " ").split()))
    return batches.BatchChange(
        fields.get("name", ""), day, int(quantity), cost, cost is None, fields.get("note", ""), codes=texts
    )


async def _create_batch(parts: Parts, who: Identity, fields: Fields) -> str:
    return str((await batches.create_batch(parts.database, _batch_change(fields), who=who.name)).id)


async def _update_batch(parts: Parts, who: Identity, key: str, fields: Fields) -> None:
    await batches.update_batch(parts.database, id_in(key), _batch_change(fields), who=who.name)


async def _archive_batch(parts: Parts, who: Identity, key: str, archived: bool, _force: bool) -> None:
    await batches.update_batch(parts.database, id_in(key), batches.BatchChange(archived=archived), who=who.name)


async def _domain_rows(parts: Parts, archived: bool) -> tuple[RowView, ...]:
    async with parts.database.reading() as connection:
        found = await domains.list_domains(connection, archived=archived)
        counts = await domains.count_codes_by_domain(connection)
    return tuple(
        RowView(
            f"/domains/{quote(one.host, safe='')}",
            (one.host, "yes" if one.is_default else "", one.not_found_url or "our page", f"{counts.get(one.id, 0):,}"),
            one.archived_at is not None,
        )
        for one in found
    )


async def _domain(parts: Parts, key: str) -> Thing:
    async with parts.database.reading() as connection:
        one = await domains.find_domain(connection, key)
        counts = await domains.count_codes_by_domain(connection)
    if one is None:
        raise NotFound(f"there is no short domain {key[:260]!r}.")
    facts = (
        ("Address", f"{one.scheme}://{one.host}"),
        ("Default", "yes: new codes get it" if one.is_default else "no"),
        ("Unknown codes", one.not_found_url or "see our own page, with a field to type the code"),
        ("Codes", f"{counts.get(one.id, 0):,}"),
    )
    values = {"not_found_url": one.not_found_url or ""}
    return Thing(
        one.host,
        facts,
        (codes_link(f"domain:{one.host}"),),
        values,
        one.archived_at is not None,
        not one.is_default,
        "Also when codes on it are printed",
    )


async def _create_domain(parts: Parts, who: Identity, fields: Fields) -> str:
    target = fields.get("not_found_url", "")
    made = await domains.add_domain(
        parts.database,
        fields.get("address", "").strip(),
        who=who.name,
        policy=parts.settings.policy,
        not_found_url=target,
    )
    return made.host


async def _update_domain(parts: Parts, who: Identity, key: str, fields: Fields) -> None:
    change = domains.DomainChange(not_found_url=fields.get("not_found_url", ""))
    await domains.update_domain(parts.database, key, change, who=who.name, policy=parts.settings.policy)


async def _archive_domain(parts: Parts, who: Identity, key: str, archived: bool, force: bool) -> None:
    change = domains.DomainChange(archived=archived, force=force)
    await domains.update_domain(parts.database, key, change, who=who.name, policy=parts.settings.policy)


def _utm(utm: Fields) -> str:
    return " ".join(f"{name}={value}" for name, value in utm.items())


_COST: Final = FieldView("cost", "Cost", "Such as 1250.00 EUR.")

KINDS: Final = (
    Kind(
        "campaigns",
        "Campaigns",
        "campaign",
        "What codes are printed for. Its UTM fields go to every destination that has none of its own.",
        ("Name", "UTM", "Cost", "Codes"),
        (
            FieldView("name", "Name", required=True, attrs={"maxlength": "200"}),
            *(FieldView(name, f"utm_{name}", attrs={"maxlength": "200"}) for name in UTM_FIELDS),
            _COST,
        ),
        _campaign_rows,
        _campaign,
        _create_campaign,
        _update_campaign,
        _archive_campaign,
    ),
    Kind(
        "placements",
        "Placements",
        "placement",
        "Where codes hang: a spot in a venue.",
        ("Venue / spot", "Time zone", "Open", "Codes"),
        (
            FieldView("venue", "Venue", required=True, attrs={"maxlength": "200"}),
            FieldView("spot", "Spot", "Where in the venue.", required=True, attrs={"maxlength": "200"}),
            FieldView("zone", "Time zone", "Such as Europe/Berlin.", required=True),
            FieldView("hours", "Opening hours", "Such as mon-fri 09:00-18:00; sat 10:00-14:00"),
            FieldView("at", "Coordinates", "Such as 52.52, 13.37"),
        ),
        _placement_rows,
        _placement,
        _create_placement,
        _update_placement,
        _archive_placement,
    ),
    Kind(
        "batches",
        "Print batches",
        "print batch",
        "One order at the printer's. Its codes are locked as printed.",
        ("Name", "Printed", "Quantity", "Cost", "Codes"),
        (
            FieldView("name", "Name", required=True, attrs={"maxlength": "200"}),
            FieldView("printed_on", "Day of printing", required=True, type="date"),
            FieldView("quantity", "Quantity", required=True, attrs={"inputmode": "numeric"}),
            _COST,
            FieldView("note", "Note", "Printer, paper, order number.", attrs={"maxlength": "500"}),
            FieldView("codes", "Codes to put in", "Separated by spaces."),
        ),
        _batch_rows,
        _batch,
        _create_batch,
        _update_batch,
        _archive_batch,
    ),
    Kind(
        "domains",
        "Domains",
        "domain",
        "Short domains that are answered here. Each may send its unknown codes to a page of its own.",
        ("Domain", "Default", "Unknown codes go to", "Codes"),
        (
            FieldView("address", "Address", "Such as https://go.example; its name must lead here.", required=True),
            FieldView("not_found_url", "Unknown codes go to", "An address; empty for our own page."),
        ),
        _domain_rows,
        _domain,
        _create_domain,
        _update_domain,
        _archive_domain,
        editable=("not_found_url",),
        owners_add=True,
    ),
)
