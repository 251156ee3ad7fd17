"""What the public side does for phones of staff: hands them their cookie, and sends their scans of jobs to the dashboard."""

import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from jobs.staff import COOKIE, COOKIE_LIFE_S, find_staff_key, is_staff_cookie, staff_cookie, wish_in

STAFF_UNCOUNTED: Final = "staff"
_NO_STORE: Final = {"Cache-Control": "private, no-store", "Referrer-Policy": "no-referrer"}


class Staff:
    """One per worker. The key is read for each cookie that is shown, so that a new one ends all others at once."""

    def __init__(self, folder: Path, dashboard_url: str, *, secure: bool) -> None:
        self._folder = folder
        self._dashboard_url = dashboard_url.rstrip("/")
        self._secure = secure  # whether people reach us over https

    def has(self, request: Request[Any]) -> bool:
        value = request.cookies.get(COOKIE)
        if not value or not self._dashboard_url:
            return False
        key = find_staff_key(self._folder)
        return key is not None and is_staff_cookie(key, value, time.time())

    def to_job(self, token: str) -> Response:
        """Who is really meant to see it is asked there: the cookie opens nothing."""
        location = f"{self._dashboard_url}/jobs/by-code/{quote(token, safe='')}"
        return Response(status_code=302, headers={"Location": location, **_NO_STORE})

    def answer_ticket(self, ticket: str) -> Response | None:
        """None: it is none of ours, or it is over."""
        key = find_staff_key(self._folder)
        wish = wish_in(key, ticket, time.time()) if key and self._dashboard_url else None
        if key is None or wish is None:
            return None
        headers = {"Location": f"{self._dashboard_url}/staff?now={wish}", **_NO_STORE}
        response = Response(status_code=303, headers=headers)
        response.set_cookie(
            COOKIE,
            staff_cookie(key, time.time()) if wish == "on" else "",
            max_age=COOKIE_LIFE_S if wish == "on" else 0,
            httponly=True,
            samesite="lax",
            secure=self._secure,
        )
        return response
