"""Whether destinations answer: one look at them, told in words, and what is known of each code. Advisory: refuses nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Row, Select, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from codes.outbound import Outbound, OutboundError
from codes.register import NOT_OF_JOBS
from codes.versions import Content
from database.schema import codes, destination_checks, domains, versions

GUARDS: Final = {
    "alert": "Alert after three failures",
    "fallback": "Alert, and go back to the last version that answers",
    "off": "Do not look",
}
ALERT_AFTER: Final = 3  # failures in a row
MAX_DESTINATIONS: Final = 10  # of one code, looked at
MAX_PROBLEM: Final = 300
WARY: Final = frozenset({401, 403, 405, 406, 418, 429, 451, 999})  # what sites answer to programs, not to people

State = Literal["off", "waiting", "fine", "failing", "alert", "unknown"]


@dataclass(frozen=True, slots=True)
class Finding:
    """``problem`` is None when all is well. One that is not ``conclusive`` says why nobody could look."""

    status: int | None = None
    problem: str | None = None
    conclusive: bool = True

    @property
    def failed(self) -> bool:
        return self.problem is not None and self.conclusive


FINE: Final = Finding()


@dataclass(frozen=True, slots=True)
class DestinationCheck:
    """What is known of the version in force; ``good_version`` is the last one whose destinations all answered."""

    code_id: int
    version: int
    checked_at: datetime | None
    next_at: datetime
    status: int | None
    problem: str | None
    failures: int
    good_version: int | None
    alerted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Alert:
    """``fell_back`` when an earlier version was brought back, else the destination in force does not answer."""

    code: str
    domain: str
    name: str
    destination: str
    problem: str
    since: datetime
    fell_back: bool


def destinations_of(content: Content) -> tuple[str, ...]:
    """Every web address that scans may be sent to, the main one first."""
    ways = [variant.destination for rule in content.rules for variant in rule.variants if variant.weight]
    found = [content.destination, *ways, *([content.options.fallback] if content.options.fallback else [])]
    return tuple(dict.fromkeys(url for url in found if url.startswith(("http://", "https://"))))[:MAX_DESTINATIONS]


async def check_url(url: str, outbound: Outbound, own_hosts: frozenset[str]) -> Finding:
    try:
        answer = await outbound.get(url, own_hosts=own_hosts)
    except OutboundError as error:
        return Finding(problem=str(error)[:MAX_PROBLEM], conclusive=error.trouble not in ("refused", "address"))
    if answer.status < 400 or answer.status in WARY:
        return Finding(answer.status)
    led = "" if len(answer.hops) == 1 else f" after {len(answer.hops) - 1} redirects"
    return Finding(answer.status, f"it answers {answer.status}{led}: {answer.url}"[:MAX_PROBLEM])


def verdict(findings: Mapping[str, Finding]) -> Finding:
    """Of several destinations: the first failure, else what could not be looked at, else how the first one answered."""
    for kind in (lambda one: one.failed, lambda one: one.problem is not None):
        for url, finding in findings.items():
            if kind(finding):
                where = "" if len(findings) == 1 else f"{url}: "
                return Finding(finding.status, f"{where}{finding.problem}"[:MAX_PROBLEM], finding.conclusive)
    return next(iter(findings.values()), FINE)


async def find_check(connection: AsyncConnection, code_id: int) -> DestinationCheck | None:
    query = select(destination_checks).where(destination_checks.c.code_id == code_id)
    row = (await connection.execute(query)).first()
    return _check(row) if row else None


def state_of(check: DestinationCheck | None, guard: str, version: int) -> State:
    """``version`` is the one in force: what is known of an earlier one says nothing about it."""
    if guard == "off":
        return "off"
    if check is None or check.version != version or check.checked_at is None:
        return "waiting"
    if check.alerted_at is not None:
        return "alert"
    if check.problem is None:
        return "fine"
    return "failing" if check.failures else "unknown"


async def list_alerts(connection: AsyncConnection, limit: int = 100) -> list[Alert]:
    """The newest first: codes whose destination does not answer, and codes that were sent back to an earlier one."""
    rows = await connection.execute(_alerts().limit(limit))
    return [_alert(row) for row in rows]


def _alerts() -> Select[Any]:
    in_force = (versions.c.code_id == codes.c.id) & (versions.c.number == codes.c.version)
    checks = destination_checks
    known = (checks.c.code_id == codes.c.id) & (checks.c.version == codes.c.version)
    return (
        select(
            codes.c.code,
            codes.c.name,
            codes.c.version,
            domains.c.host,
            versions.c.destination,
            versions.c.action,
            versions.c.reason,
            versions.c.created_at,
            checks.c.problem,
            checks.c.alerted_at,
        )
        .join(domains, domains.c.id == codes.c.domain_id)
        .join(versions, in_force)
        .join(checks, known)
        .where(NOT_OF_JOBS, codes.c.archived_at.is_(None), codes.c.guard != "off")
        .where(or_(checks.c.alerted_at.is_not(None), versions.c.action == "guard"))
        .order_by(versions.c.created_at.desc(), codes.c.id)
    )


def _alert(row: Row[Any]) -> Alert:
    fell_back = row.alerted_at is None
    return Alert(
        code=row.code,
        domain=row.host,
        name=row.name,
        destination=row.destination,
        problem=row.reason if fell_back else row.problem or "",
        since=row.created_at if fell_back else row.alerted_at,
        fell_back=fell_back,
    )


def _check(row: Row[Any]) -> DestinationCheck:
    return DestinationCheck(
        row.code_id,
        row.version,
        row.checked_at,
        row.next_at,
        row.status,
        row.problem,
        row.failures,
        row.good_version,
        row.alerted_at,
    )
