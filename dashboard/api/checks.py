"""Whether destinations answer: what is known of a code, a look at it now, and all alerts."""

from datetime import datetime

from fastapi import APIRouter
from pydantic import BaseModel

from codes.checks import Alert, DestinationCheck, State, find_check, list_alerts, state_of
from codes.errors import Conflict
from codes.register import Code, get_code
from dashboard.access import Editor, TheParts, Viewer
from dashboard.api.codes import Domain

router = APIRouter(tags=["checks"])


class CheckOut(BaseModel):
    """``state``: off (not looked at), waiting (not yet), fine, failing (less than three times), alert, unknown (nobody may
    look: the address is not public and not in [outbound] allow)."""

    code: str
    version: int
    guard: str
    state: State
    status: int | None
    problem: str | None
    checked_at: datetime | None
    next_at: datetime | None
    failures: int
    good_version: int | None
    alerted_at: datetime | None


class AlertOut(BaseModel):
    """``fell_back``: an earlier version was brought back because the one after it did not answer."""

    code: str
    domain: str
    name: str
    destination: str
    problem: str
    since: datetime
    fell_back: bool


class AlertList(BaseModel):
    enabled: bool  # false: [outbound] check_destinations is off
    alerts: list[AlertOut]


@router.get("/codes/{code}/check")
async def show_check(code: str, _who: Viewer, parts: TheParts, domain: Domain = None) -> CheckOut:
    async with parts.database.reading() as connection:
        found = await get_code(connection, code, domain)
        return check_out(found, await find_check(connection, found.id), enabled=parts.guardian.enabled)


@router.post("/codes/{code}/check")
async def check_now(code: str, _who: Editor, parts: TheParts, domain: Domain = None) -> CheckOut:
    """Looks at the destinations of the version in force and answers with what it found; changes nothing."""
    async with parts.database.reading() as connection:
        found = await get_code(connection, code, domain)
    if not parts.guardian.enabled or found.guard == "off":
        raise Conflict(
            f"destinations of code {found.code} are not looked at: [outbound] check_destinations or its own guard is off."
        )
    return check_out(found, await parts.guardian.check_now(found), enabled=True)


@router.get("/alerts")
async def alerts(_who: Viewer, parts: TheParts) -> AlertList:
    """Codes whose destination failed three times in a row, and codes sent back to an earlier one; newest first."""
    async with parts.database.reading() as connection:
        found = await list_alerts(connection)
    return AlertList(enabled=parts.guardian.enabled, alerts=[alert_out(alert) for alert in found])


def check_out(code: Code, check: DestinationCheck | None, *, enabled: bool) -> CheckOut:
    known = check if check is not None and check.version == code.version else None
    return CheckOut(
        code=code.code,
        version=code.version,
        guard=code.guard,
        state=state_of(check, code.guard if enabled else "off", code.version),
        status=known.status if known else None,
        problem=known.problem if known else None,
        checked_at=known.checked_at if known else None,
        next_at=known.next_at if known else None,
        failures=known.failures if known else 0,
        good_version=check.good_version if check else None,
        alerted_at=known.alerted_at if known else None,
    )


def alert_out(alert: Alert) -> AlertOut:
    return AlertOut(**{name: getattr(alert, name) for name in AlertOut.model_fields})
