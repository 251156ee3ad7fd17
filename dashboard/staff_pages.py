"""Makes a phone one of staff: a scan of a slip then leads to the dashboard instead of the customer's page."""

import time
from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import urlsplit

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from dashboard.access import TheParts
from dashboard.forms import read_form
from dashboard.show import show
from dashboard.signed_in import Keeper, Reader
from database.audit import write_audit
from jobs.staff import ensure_staff_key, renew_staff_key, staff_ticket

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class StaffPage:
    """``ticket`` is the address on the short domain that the browser goes to next; ``now`` what it has just done there."""

    template: ClassVar[str] = "staff.html"
    active: ClassVar[str] = "staff"
    short_host: str
    now: str
    may_end_all: bool
    dashboard_url: str
    ticket: str = ""

    @property
    def is_only_here(self) -> bool:
        """Phones could not follow a scan to this address."""
        return urlsplit(self.dashboard_url).hostname in ("localhost", "127.0.0.1", "::1")


@router.get("/staff")
async def staff(request: Request, who: Reader, parts: TheParts) -> Response:
    now = request.query_params.get("now", "")
    host = urlsplit(parts.settings.short_url).netloc
    return show(request, StaffPage(host, now, who.may("owner"), parts.settings.dashboard_url), who)


@router.post("/staff")
async def change(request: Request, who: Reader, parts: TheParts) -> Response:
    """A form may not lead to another host: the page that answers it goes there by itself, and has the link."""
    fields = await read_form(request, who)
    key = ensure_staff_key(parts.settings.data_dir)
    ticket = staff_ticket(key, "off" if fields.get("wish") == "off" else "on", time.time())
    address = f"{parts.settings.short_url.rstrip('/')}/-/staff/{ticket}"
    page = StaffPage(urlsplit(address).netloc, "", who.may("owner"), parts.settings.dashboard_url, address)
    response = show(request, page, who)
    response.headers["Refresh"] = f"0; url={address}"
    return response


@router.post("/staff/end-all")
async def end_all(request: Request, who: Keeper, parts: TheParts) -> Response:
    await read_form(request, who)
    renew_staff_key(parts.settings.data_dir)
    async with parts.database.transaction() as connection:
        await write_audit(connection, who.name, "staff.end", "all phones")
    return RedirectResponse("/staff?now=ended", 303)
