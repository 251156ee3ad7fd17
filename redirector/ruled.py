"""Answers scans of codes with rules or options: gathers the facts, decides, records, and sends on or shows a page."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qs, quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from codes.options import NO_OPTIONS
from codes.passwords import is_password
from jobs.languages import in_language
from redirector.decision import LET_THROUGH_UNCOUNTED, Decision, decision_for, is_own_rule
from redirector.facts import uncounted_reason
from redirector.misses import MissLimit
from redirector.needs import Needs
from redirector.notices import PASSWORD_HEADERS, STATUS, notice_page, password_page
from redirector.pages import PAGE_HEADERS
from redirector.recorder import Client, Recorder, Stamp, decided_part, told_by
from redirector.routes import Route
from redirector.scan_facts import Readers, Said, ScanFacts
from redirector.watched import Watched

COOKIE: Final = "waymark_seen"
NO_STORE: Final = {"Cache-Control": "private, no-store"}
MAX_FORM_BYTES: Final = 4_096
HASHES_AT_ONCE: Final = 2  # each takes 19 MB and a core for some 20 ms
MAX_WAITING: Final = 50
_COOKIE_VALUE: Final = re.compile(r"[0-9a-f]{16}")

FindJobState = Callable[[Route], Awaitable[str | None]]


class PasswordLimit:
    """Wrong passwords per network, and per code from everywhere; right ones cost nothing. Per worker, like its memory."""

    def __init__(self) -> None:
        self._networks = MissLimit(10, 6)
        self._codes = MissLimit(60, 30)

    def take(self, code_id: int, network: str) -> float:
        """Seconds to wait; 0 when this try was taken."""
        if not self._networks.take(network):
            return max(1.0, self._networks.retry_after_s(network))
        if not self._codes.take(str(code_id)):
            self._networks.give_back(network)
            return max(1.0, self._codes.retry_after_s(str(code_id)))
        return 0.0

    def give_back(self, code_id: int, network: str) -> None:
        self._networks.give_back(network)
        self._codes.give_back(str(code_id))


class _Scan(NamedTuple):
    """One request to one code, before it is decided."""

    request: Request[Any]
    route: Route
    needs: Needs
    client: Client
    said: Said
    stamp: Stamp
    job_state: str | None


class Ruled:
    """One per worker."""

    def __init__(
        self, recorder: Recorder, watched: Watched, readers: Readers, find_job_state: FindJobState, *, secure: bool
    ) -> None:
        self.readers = readers
        self._recorder = recorder
        self._watched = watched
        self._find_job_state = find_job_state
        self._secure = secure  # whether people reach us over https
        self._limit = PasswordLimit()
        self._hashing = ThreadPoolExecutor(HASHES_AT_ONCE, thread_name_prefix="password")
        self._waiting = 0

    async def answer(self, request: Request[Any], route: Route, client: Client, language: str) -> Response:
        needs = self._watched.needs_for(route)
        await self.readers.ready(needs)
        await self._watched.ready(route, needs)
        if request.method == "POST":
            return await self._answer_form(request, route, needs, client, language)
        scan = await self._scan(request, route, needs, client)
        return await self._recorded(
            scan, self._facts(scan), uncounted_reason(request.method, request.headers), language
        )

    def close(self) -> None:
        self._hashing.shutdown(wait=False, cancel_futures=True)

    async def _answer_form(
        self, request: Request[Any], route: Route, needs: Needs, client: Client, language: str
    ) -> Response:
        """A right password is let through; its record is not counted, since the page that asked was the scan."""
        scan = await self._scan(request, route, needs, client)
        closed = decision_for(route, self._facts(scan), _time_of(scan.stamp)).page != "password"
        if not closed:
            problem = await self._problem(request, route, client, language)
            if problem is not None:
                return problem
            scan = await self._scan(request, route, needs, client)
        facts = self._facts(scan, unlocked=True)
        return await self._recorded(scan, facts, LET_THROUGH_UNCOUNTED, language)

    async def _problem(self, request: Request[Any], route: Route, client: Client, language: str) -> Response | None:
        """None when the password is right."""
        given = await _password_in(request)
        wait_s = self._limit.take(route.code_id, client.cut)
        if wait_s or self._waiting >= MAX_WAITING:
            page = password_page(language, too_many=True)
            return HTMLResponse(page, 429, {**PASSWORD_HEADERS, "Retry-After": str(int(wait_s) + 1)})
        self._waiting += 1
        try:
            password_hash = (route.options or NO_OPTIONS).password_hash or ""
            loop = asyncio.get_running_loop()
            is_right = await loop.run_in_executor(self._hashing, is_password, password_hash, given)
        finally:
            self._waiting -= 1
        if is_right:
            self._limit.give_back(route.code_id, client.cut)
            return None
        self._recorder.journal.counters.wrong_passwords += 1
        return HTMLResponse(password_page(language, wrong=True), 403, PASSWORD_HEADERS)

    async def _scan(self, request: Request[Any], route: Route, needs: Needs, client: Client) -> _Scan:
        headers = request.headers
        job_state = await self._find_job_state(route) if needs.job else None
        gpc = headers.get("sec-gpc", "").strip() == "1"
        said = Said(
            headers.get("user-agent", ""),
            headers.get("referer", ""),
            headers.get("accept-language", ""),
            gpc,
            request.scope["query_string"].decode("utf-8", "replace"),
            self._recorder.written_address(client, gpc=gpc),
        )
        return _Scan(request, route, needs, client, said, self._recorder.stamp(), job_state)

    def _facts(self, scan: _Scan, *, unlocked: bool = False) -> ScanFacts:
        scan_id, at_us = scan.stamp
        visitor = new_cookie = cookie = None
        if scan.needs.visitors and not scan.said.gpc:
            address, user_agent = scan.client.address, scan.said.user_agent
            visitor = self._recorder.visitors.recent_ids(address, user_agent, at_us)
            if scan.route.options and scan.route.options.remember_days:
                cookie = _cookie_of(scan.request)
                # Made like a visitor id, but not the same: the cookie outlives the salt, and is then linked to nothing.
                new_cookie = self._recorder.visitors.recent_ids(
                    address, f"{user_agent}\ncookie {scan.route.code_id}", at_us
                )
        return ScanFacts(
            scan.said,
            scan.route.code_id,
            self.readers,
            self._watched,
            scan_id,
            visitor,
            cookie=cookie,
            new_cookie=new_cookie,
            unlocked=unlocked,
            job_state=scan.job_state,
        )

    async def _recorded(self, scan: _Scan, facts: ScanFacts, uncounted: str | None, language: str) -> Response:
        """From the decision to the journal nothing is awaited: two scans cannot both be the hundredth."""
        route, request = scan.route, scan.request
        decision = decision_for(route, facts, _time_of(scan.stamp))
        let_through = decision.page is None and not is_own_rule(decision.rule)
        counts = let_through and uncounted in (None, LET_THROUGH_UNCOUNTED)
        key = facts.sticky_key() if counts and facts.remembers else None
        if counts and (scan.needs.counts or scan.needs.visitors):
            self._watched.note(route.code_id, facts.visitor_id, by_bot=facts.is_bot)
        line = self._recorder.line(
            decided_part(route, decision),
            told_by(
                scan.said.user_agent,
                scan.said.referrer,
                scan.said.accept_language,
                request.headers.get("sec-gpc", ""),
                request.headers.get("host", ""),
            ),
            scan.client,
            query_string=request.scope["query_string"].decode("latin-1"),
            uncounted=uncounted,
            stamp=scan.stamp,
        )
        self._recorder.journal.append_scan(line)
        await self._recorder.journal.durable()
        response = _response(decision, route, language, request)
        if key is not None:
            response.headers["Set-Cookie"] = self._cookie(request, route, key)
        return response

    def _cookie(self, request: Request[Any], route: Route, value: str) -> str:
        """For this code alone, in the spelling that was scanned."""
        days = route.options.remember_days if route.options else 0
        path = "/" + quote(request.path_params["code"], safe="")
        secure = "; Secure" if self._secure else ""
        return f"{COOKIE}={value}; Path={path}; Max-Age={days * 86_400}; HttpOnly; SameSite=Lax{secure}"


def _response(decision: Decision, route: Route, language: str, request: Request[Any]) -> Response:
    if decision.page is None:
        status = 303 if request.method == "POST" else 302
        location = in_language(decision.destination or "", request.query_params.get("hl"))
        return Response(status_code=status, headers={"Location": location, **NO_STORE})
    if decision.page == "password":
        return HTMLResponse(password_page(language), STATUS["password"], PASSWORD_HEADERS)
    message = (route.options.paused if route.options and decision.page == "paused" else None) or ""
    return HTMLResponse(notice_page(language, decision.page, message), STATUS[decision.page], PAGE_HEADERS)


def _time_of(stamp: Stamp) -> datetime:
    return datetime.fromtimestamp(stamp[1] / 1_000_000, UTC)


def _cookie_of(request: Request[Any]) -> str | None:
    value = request.cookies.get(COOKIE, "")
    return value if _COOKIE_VALUE.fullmatch(value) else None


async def _password_in(request: Request[Any]) -> str:
    """ "" for anything that is not our small form."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM_BYTES:
            return ""
    try:
        fields = parse_qs(body.decode(), max_num_fields=4)
    except ValueError:
        return ""
    return fields.get("password", [""])[0]
