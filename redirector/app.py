"""The public Starlette app: a scan is looked up, decided, journaled, and only then answered with a 302."""

import asyncio
import logging
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypedDict
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route as PathRoute

from codes.alphabet import reserved_reason, typed_candidates
from jobs.languages import chosen_language, in_language, language_for
from jobs.status_sources import JobSource
from jobs.status_style import SCRIPT, SCRIPT_HEADERS, SCRIPT_PATH
from redirector.decision import plain_decision
from redirector.facts import ProxyTrust, uncounted_reason
from redirector.hot import Hot
from redirector.journal import SEGMENT_AGE_S, WHOLE_ADDRESS_AGE_S, Durability, Journal, JournalError
from redirector.lookup import Lookup, Unavailable
from redirector.misses import MissLimit, TooManyMisses
from redirector.pages import PAGE_HEADERS, away_page, entry_page, limited_page, unknown_page
from redirector.recorder import Client, Recorder, decided_part, told_by
from redirector.routes import Route
from redirector.ruled import Ruled
from redirector.scan_facts import Readers
from redirector.staff import STAFF_UNCOUNTED, Staff
from redirector.status_pages import StatusPages
from redirector.visitors import Visitors
from redirector.watched import Watched

log = logging.getLogger(__name__)

MAX_CODE: Final = 256
ANSWER_WITHIN_S: Final = 2.0
NO_STORE: Final = {"Cache-Control": "private, no-store"}


@dataclass(frozen=True, slots=True)
class PublicSettings:
    """Plain values from the configuration; paths are absolute."""

    worker: int
    database_url: str
    data_dir: Path
    trust: ProxyTrust
    query_keys: frozenset[str]
    full_address: bool  # whole addresses in the journal, for better places, until the segment is enriched
    durability: Durability
    flush_ms: int
    segment_bytes: int
    spill_lines: int
    miss_burst: int = 0  # unknown codes a network may ask for at once, and then each minute; 0: no limit
    misses_per_minute: int = 0
    reserve_bytes: int = 0  # of disk, that the journal leaves to others
    secure: bool = False  # short URLs are https: then so are cookies
    dashboard_url: str = ""  # where scans of jobs by phones of staff go


class State(TypedDict):
    recorder: Recorder
    lookup: Lookup
    hot: Hot
    ruled: Ruled
    status: StatusPages
    staff: Staff


def create_public_app(settings: PublicSettings) -> Starlette:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, Any]]:
        journal = Journal(
            settings.data_dir / "journal",
            f"public-{settings.worker}",
            durability=settings.durability,
            flush_ms=settings.flush_ms,
            segment_bytes=settings.segment_bytes,
            spill_lines=settings.spill_lines,
            reserve_bytes=settings.reserve_bytes,
            segment_age_s=WHOLE_ADDRESS_AGE_S if settings.full_address else SEGMENT_AGE_S,
        )
        visitors = Visitors(settings.data_dir / "visitor-salts.json")
        limit = MissLimit(settings.miss_burst, settings.misses_per_minute)
        lookup = Lookup(settings.database_url, settings.data_dir / "routes.snapshot", limit)
        try:
            journal.open()
        except JournalError as error:
            log.critical("%s", error)
            raise
        visitors.refresh()
        recorder = Recorder(journal, visitors, settings.trust, settings.query_keys, full_address=settings.full_address)
        hot = Hot(lookup.table, recorder)
        lookup.watched = Watched(journal, hot.flush)
        status = StatusPages(lookup, recorder)
        staff = Staff(settings.data_dir, settings.dashboard_url, secure=settings.secure)
        readers = Readers(settings.data_dir / "geo")
        ruled = Ruled(recorder, lookup.watched, readers, status.find_state, secure=settings.secure)
        tasks = [
            asyncio.create_task(journal.run()),
            asyncio.create_task(lookup.run()),
            asyncio.create_task(_refresh(visitors, ruled.readers)),
        ]
        # Connections wait in the socket's queue meanwhile: better than telling somebody to try again.
        with suppress(TimeoutError):
            await asyncio.wait_for(lookup.can_answer.wait(), ANSWER_WITHIN_S)
        try:
            yield {
                "recorder": recorder,
                "lookup": lookup,
                "hot": hot,
                "ruled": ruled,
                "status": status,
                "staff": staff,
            }
        finally:
            for task in tasks:
                task.cancel()
            for ended in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(ended, Exception):  # it died long ago: the journal is drained all the same
                    log.error("public worker: %r", ended)
            ruled.close()
            journal.close()
            await lookup.close()

    app = Starlette(
        routes=ROUTES, lifespan=lifespan, exception_handlers={404: _not_found, 405: _not_allowed, 500: _broken}
    )
    app.router.redirect_slashes = False
    return app


async def redirect(request: Request[State]) -> Response:
    text = request.path_params["code"]
    lookup, recorder = request.state["lookup"], request.state["recorder"]
    if len(text) > MAX_CODE or reserved_reason(text):
        if request.method == "POST":
            raise HTTPException(405)
        return _unknown(request, text)
    client = _client(request)
    try:
        route = await lookup.find(request.headers.get("host", ""), text, client.cut)
    except Unavailable:
        recorder.journal.counters.unavailable += 1
        return _away(request)
    except TooManyMisses as error:
        return _limited(request, text, error)
    if request.method == "POST" and not _takes_forms(route):
        raise HTTPException(405)
    if route is None:
        return _unknown(request, text, lookup.not_found_url(request.headers.get("host", "")))
    by_staff = route.is_job and request.state["staff"].has(request)
    if not route.is_plain and not by_staff:
        return await request.state["ruled"].answer(request, route, client, _language(request))
    decision = plain_decision(route)
    headers = request.headers
    told = told_by(
        user_agent=headers.get("user-agent", ""),
        referrer=headers.get("referer", ""),
        accept_language=headers.get("accept-language", ""),
        sec_gpc=headers.get("sec-gpc", ""),
        host=headers.get("host", ""),
    )
    line = recorder.line(
        decided_part(route, decision),
        told,
        client,
        query_string=request.scope["query_string"].decode("latin-1"),
        uncounted=uncounted_reason(request.method, headers) or (STAFF_UNCOUNTED if by_staff else None),
    )
    recorder.journal.append_scan(line)
    await recorder.journal.durable()
    if by_staff:
        return request.state["staff"].to_job(text)
    location = in_language(decision.destination or "", request.query_params.get("hl"))
    return Response(status_code=302, headers={"Location": location, **NO_STORE})


async def entry(request: Request[State]) -> Response:
    """The typed-code field; what was typed is looked up in every likely spelling, then scanned like a printed one."""
    typed = request.query_params.get("c", "")
    if not typed:
        return _page(entry_page(_language(request), chosen=_chosen(request) is not None))
    host, candidates = request.headers.get("host", ""), typed_candidates(typed)
    try:
        found = await request.state["lookup"].find_first(host, candidates, _client(request).cut)
    except Unavailable:
        return _away(request)
    except TooManyMisses as error:
        return _limited(request, typed, error)
    if found is None:
        return _unknown(request, typed)
    code, route = found
    chosen = _chosen(request) if route.is_job else None
    return RedirectResponse(f"/{quote(code, safe='')}{f'?hl={chosen}' if chosen else ''}", 303, headers=NO_STORE)


async def job_page(request: Request[State]) -> Response:
    """A job's page, or what belongs to it. Every token that leads to none goes this way, to this one answer."""
    pages, client = request.state["status"], _client(request)
    token, part = request.path_params["token"], request.path_params.get("part", "")
    try:
        source = await pages.find(request.headers.get("host", ""), token, client.cut)
        if source is not None and not part:
            if isinstance(source, JobSource) and request.state["staff"].has(request):
                return request.state["staff"].to_job(source.token)
            return pages.page(request, source, client)
        found = await pages.part(request, source, part, client.cut) if source is not None else None
    except Unavailable:
        request.state["recorder"].journal.counters.unavailable += 1
        return _away(request)
    except TooManyMisses as error:
        return _limited(request, "", error)
    return _unknown(request, "") if found is None else found


async def staff_ticket(request: Request[State]) -> Response:
    """From the dashboard: makes this phone one of staff, or ends that."""
    found = request.state["staff"].answer_ticket(request.path_params["ticket"])
    return _unknown(request, "") if found is None else found


async def status_script(_request: Request[State]) -> Response:
    return Response(SCRIPT, headers=SCRIPT_HEADERS, media_type="text/javascript")


async def health(_request: Request[State]) -> Response:
    return JSONResponse({"status": "ok"}, headers=NO_STORE)


async def ready(request: Request[State]) -> Response:
    """200 when every code can be answered and scans reach the disk; 503 with the reason otherwise."""
    lookup, journal = request.state["lookup"], request.state["recorder"].journal
    checks = {
        "routes": "complete" if lookup.table.complete else "loading",
        "codes": len(lookup.table),
        "database": "ok" if lookup.database_ok else "unreachable",
        "journal": "ok" if journal.healthy else "waiting for the disk",
    }
    status = 200 if lookup.table.complete and journal.healthy else 503
    return JSONResponse({"ready": status == 200, **checks}, status, headers=NO_STORE)


async def robots(_request: Request[State]) -> Response:
    return PlainTextResponse("User-agent: *\nDisallow: /\n", headers={"Cache-Control": "max-age=86400"})


async def nothing(_request: Request[State]) -> Response:
    return Response(status_code=404, headers={"Cache-Control": "max-age=86400"})


ROUTES: Final = [
    PathRoute("/", entry),
    PathRoute("/-/health", health),
    PathRoute("/-/ready", ready),
    PathRoute("/-/staff/{ticket}", staff_ticket),
    PathRoute("/robots.txt", robots),
    PathRoute("/favicon.ico", nothing),
    PathRoute(SCRIPT_PATH, status_script),
    PathRoute("/j/{token}", job_page),
    PathRoute("/j/{token}/", job_page),
    PathRoute("/j/{token}/{part}", job_page),
    PathRoute("/{code}", redirect, methods=["GET", "POST"]),
    PathRoute("/{code}/", redirect, methods=["GET", "POST"]),
]


async def _refresh(visitors: Visitors, readers: Readers) -> None:
    while True:
        await asyncio.sleep(1)
        visitors.refresh()
        readers.refresh()


def _language(request: Request[Any]) -> str:
    return language_for(request.headers.get("accept-language", ""), chosen=request.query_params.get("hl"))


def _chosen(request: Request[Any]) -> str | None:
    return chosen_language(request.query_params.get("hl"))


def _takes_forms(route: Route | None) -> bool:
    return route is not None and route.options is not None and route.options.password_hash is not None


def _client(request: Request[State]) -> Client:
    recorder = request.state["recorder"]
    forwarded = request.headers.getlist(recorder.trust.header) if recorder.trust.networks else ()
    return recorder.client(request.client.host if request.client else "", forwarded)


def _page(html: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return HTMLResponse(html, status, headers={**PAGE_HEADERS, **(headers or {})})


def _unknown(request: Request[State], typed: str, instead: str | None = None) -> Response:
    """What is no code leaves no scan, wherever its domain sends it. Who typed it sees the field again, to correct it."""
    request.state["recorder"].journal.counters.not_found += 1
    if instead is not None:
        return Response(status_code=302, headers={"Location": instead, **NO_STORE})
    return _page(unknown_page(_language(request), typed, chosen=_chosen(request) is not None), 404)


def _limited(request: Request[State], typed: str, error: TooManyMisses) -> Response:
    request.state["recorder"].journal.counters.limited += 1
    wait_s = max(1, math.ceil(error.retry_after_s))
    page = limited_page(_language(request), typed, chosen=_chosen(request) is not None)
    return _page(page, 429, {"Retry-After": str(wait_s)})


def _away(request: Request[State]) -> Response:
    return _page(away_page(_language(request)), 503, {"Retry-After": "3"})


async def _not_found(request: Request[Any], _error: Exception) -> Response:
    return _page(unknown_page(_language(request), ""), 404)


async def _not_allowed(_request: Request[Any], _error: Exception) -> Response:
    """Also for what only the page of a password sends: it knows."""
    return PlainTextResponse("Only GET and HEAD are answered here.\n", 405, headers={"Allow": "GET, HEAD", **NO_STORE})


async def _broken(request: Request[Any], error: Exception) -> Response:
    log.error("public request failed: %r", error)
    return _page(away_page(_language(request)), 500)
