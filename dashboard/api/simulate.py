"""What an imagined scan of a code would get, and why: against today's version or any earlier one. Nothing is recorded."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal
from urllib.parse import parse_qsl

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import select

from codes.conditions import FACTS, Fact, read_condition, typed_instant
from codes.options import with_utm_defaults
from codes.register import Code, get_code
from codes.versions import Version, get_version, list_versions
from dashboard.access import TheParts, Viewer
from dashboard.api.codes import Domain
from dashboard.parts import Parts
from database.schema import campaigns
from redirector.decision import LET_THROUGH_UNCOUNTED
from redirector.routes import Route
from redirector.simulation import Imagined, Simulation, simulate

router = APIRouter(tags=["codes"])

Text = Annotated[str | None, Field(max_length=120)]
_COUNT = (
    f"SELECT count(*) FROM scans WHERE code_id = ? AND scanned_at < ? AND (counted OR uncounted_reason = "
    f"'{LET_THROUGH_UNCOUNTED}') AND bot_reason IS NULL AND (rule IS NULL OR NOT starts_with(rule, '-'))"
)


class ImaginedIn(BaseModel):
    """A scan that somebody imagines. What is left out is unknown, as it may be with a real one, unless said otherwise."""

    model_config = ConfigDict(extra="forbid")

    version: Annotated[int, Field(ge=1, le=2**31)] | Literal["now", "then"] = Field(
        "now", description="A number, the version in force now, or the one in force then, at the time of the scan."
    )
    at: Annotated[str | None, Field(max_length=40)] = Field(
        None, description="Such as 2026-11-20T20:10, in ``zone`` unless it has an offset; now when left out."
    )
    zone: Annotated[str, Field(max_length=64)] = "UTC"
    country: Text = Field(None, examples=["AE"])
    region: Text = None
    city: Text = None
    asn: Text = None
    device: Text = Field(None, examples=["mobile"])
    os: Text = Field(None, examples=["ios"])
    app: Text = Field(None, description="In-app browser; empty for none. None when a device is given.")
    language: Text = None
    referrer: Text = Field(None, description="Host name.")
    job: Text = None
    visitor: Literal["first", "returning"] | None = None
    scans: int | None = Field(
        None, ge=0, le=10**12, description="Scans before this one; as many as there were, when left out."
    )
    query: Annotated[str, Field(max_length=2000)] = Field("", description="Behind the ? of the short URL.")
    unlocked: bool = Field(False, description="The code's password was given.")
    draw: float = Field(0.0, ge=0, lt=1, description="Which way of a split: 0 is the first, 0.99 the last.")


class LineOut(BaseModel):
    what: str
    held: bool
    why: str


class SimulationOut(BaseModel):
    """``destination`` is null when a page is shown: paused, early, ended, used-up, password."""

    code: str
    version: int
    at: datetime
    destination: str | None
    page: str | None
    rule: str | None
    variant: str | None
    trace: list[LineOut]


@router.post("/codes/{code}/simulate")
async def simulate_scan(
    code: str, body: ImaginedIn, _who: Viewer, parts: TheParts, domain: Domain = None
) -> SimulationOut:
    """What that scan would have got, and why; nothing is counted."""
    return await simulation_of(parts, code, body, domain)


async def simulation_of(parts: Parts, code: str, asked: ImaginedIn, domain: str | None = None) -> SimulationOut:
    """Raises NotFound, RuleError."""
    at = _time_of(asked)
    async with parts.database.reading() as connection:
        found = await get_code(connection, code, domain)
        if isinstance(asked.version, int):
            version = await get_version(connection, found.id, asked.version)
        else:
            history = await list_versions(connection, found.id)
            version = _version_at(history, at) if asked.version == "then" else history[0]
        utm = (await connection.execute(select(campaigns.c.utm).where(campaigns.c.id == found.campaign_id))).scalar()
    scans = asked.scans if asked.scans is not None else await _scans_before(parts, found, at)
    route = _route(found, version, utm or {})
    simulation = simulate(route, _imagined(asked, scans), at)
    return _simulation_out(found, at, simulation)


def _time_of(asked: ImaginedIn) -> datetime:
    read_condition({"time": {"zone": asked.zone}}, "zone")  # raises for a zone that does not exist
    return datetime.now(UTC) if not asked.at else typed_instant(asked.at, asked.zone, "at")


def _version_at(history: Sequence[Version], at: datetime) -> Version:
    """``history`` is newest first; before the first version it is that one."""
    return next((version for version in history if version.created_at <= at), history[-1])


async def _scans_before(parts: Parts, code: Code, at: datetime) -> int:
    rows = await parts.store.query(_COUNT, [code.id, at.astimezone(UTC).replace(tzinfo=None)])
    return int(rows[0][0])


def _route(code: Code, version: Version, utm: dict[str, str]) -> Route:
    content = version.content
    options = with_utm_defaults(content.options, utm)
    return Route(code.id, 0, code.code, code.legacy, version.number, content.destination, content.rules, options)


def _imagined(asked: ImaginedIn, scans: int) -> Imagined:
    known: dict[Fact, str] = {}
    for fact in FACTS:
        value = getattr(asked, fact)
        if value is not None and (value.strip() or fact == "app"):
            known[fact] = value.strip().lower()
            if known[fact]:
                read_condition({fact: known[fact]}, "the scan")  # raises for what no scan can be
    if "app" not in known and ("device" in known or "os" in known):
        known["app"] = ""  # somebody who says "an iPhone" means its camera and browser
    pairs = parse_qsl(asked.query.removeprefix("?"), keep_blank_values=True)
    return Imagined(
        known,
        dict(reversed(pairs)),
        asked.query.removeprefix("?"),
        None if asked.visitor is None else asked.visitor == "returning",
        scans,
        asked.unlocked,
        asked.draw,
    )


def _simulation_out(code: Code, at: datetime, simulation: Simulation) -> SimulationOut:
    decision = simulation.decision
    return SimulationOut(
        code=code.code,
        version=decision.version,
        at=at,
        destination=decision.destination,
        page=decision.page,
        rule=decision.rule,
        variant=decision.variant,
        trace=[LineOut(what=line.what, held=line.held, why=line.why) for line in simulation.lines],
    )
