"""The public Starlette app: a scan is looked up, decided, journaled, and only then answered with a 302."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypedDict
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route as PathRoute

from codes.alphabet import reserved_reason, typed_candidates
from jobs.languages import language_for
from redirector.decision import decision_for
from redirector.facts import ProxyTrust, uncounted_reason
from redirector.hot import Hot
from redirector.journal import SEGMENT_AGE_S, WHOLE_ADDRESS_AGE_S, Durability, Journal, JournalError
from redirector.lookup import Lookup, Unavailable
from redirector.pages import PAGE_HEADERS, away_page, entry_page, unknown_page
from redirector.recorder import Recorder, decided_part, told_by
from redirector.visitors import Visitors

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


class State(TypedDict):
    recorder: Recorder
    lookup: Lookup
    hot: Hot


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
            segment_age_s=WHOLE_ADDRESS_AGE_S if settings.full_address else SEGMENT_AGE_S,
        )
        visitors = Visitors(settings.data_dir / "visitor-salts.json")
        lookup = Lookup(settings.database_url, settings.data_dir / "routes.snapshot")
        try:
            journal.open()
        except JournalError as error:
            log.critical("%s", error)
            raise
        visitors.refresh()
        tasks = [
            asyncio.create_task(journal.run()),
            asyncio.create_task(lookup.run()),
            asyncio.create_task(_keep_salts(visitors)),
        ]
        # Connections wait in the socket's queue meanwhile: better than telling somebody to try again.
        with suppress(TimeoutError):
            await asyncio.wait_for(lookup.can_answer.wait(), ANSWER_WITHIN_S)
        try:
            recorder = Recorder(
                journal, visitors, settings.trust, settings.query_keys, full_address=settings.full_address
            )
            yield {"recorder": recorder, "lookup": lookup, "hot": Hot(lookup.table, recorder)}
        finally:
            for task in tasks:
                task.cancel()
            for ended in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(ended, Exception):  # it died long ago: the journal is drained all the same
                    log.error("public worker: %r", ended)
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
        return _unknown(request, text)
    try:
        route = await lookup.find(request.headers.get("host", ""), text)
    except Unavailable:
        recorder.journal.counters.unavailable += 1
        return _away(request)
    if route is None:
        return _unknown(request, text)
    decision = decision_for(route)
    headers, trust = request.headers, recorder.trust
    told = told_by(
        user_agent=headers.get("user-agent", ""),
        referrer=headers.get("referer", ""),
        accept_language=headers.get("accept-language", ""),
        sec_gpc=headers.get("sec-gpc", ""),
        host=headers.get("host", ""),
    )
    client = recorder.client(
        request.client.host if request.client else "", headers.getlist(trust.header) if trust.networks else ()
    )
    line = recorder.line(
        decided_part(route, decision),
        told,
        client,
        query_string=request.scope["query_string"].decode("latin-1"),
        uncounted=uncounted_reason(request.method, headers),
    )
    recorder.journal.append_scan(line)
    await recorder.journal.durable()
    return Response(status_code=302, headers={"Location": decision.destination, **NO_STORE})


async def entry(request: Request[State]) -> Response:
    """The typed-code field; what was typed is looked up in every likely spelling, then scanned like a printed one."""
    typed = request.query_params.get("c", "")
    if not typed:
        return _page(entry_page(_language(request)))
    lookup = request.state["lookup"]
    try:
        for candidate in typed_candidates(typed):
            if await lookup.find(request.headers.get("host", ""), candidate):
                return RedirectResponse("/" + quote(candidate, safe=""), 303, headers=NO_STORE)
    except Unavailable:
        return _away(request)
    return _unknown(request, typed)


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
    PathRoute("/robots.txt", robots),
    PathRoute("/favicon.ico", nothing),
    PathRoute("/{code}", redirect),
    PathRoute("/{code}/", redirect),
]


async def _keep_salts(visitors: Visitors) -> None:
    while True:
        await asyncio.sleep(1)
        visitors.refresh()


def _language(request: Request[Any]) -> str:
    return language_for(request.headers.get("accept-language", ""), chosen=request.query_params.get("hl"))


def _page(html: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return HTMLResponse(html, status, headers={**PAGE_HEADERS, **(headers or {})})


def _unknown(request: Request[State], typed: str) -> Response:
    request.state["recorder"].journal.counters.not_found += 1
    return _page(unknown_page(_language(request), typed), 404)


def _away(request: Request[State]) -> Response:
    return _page(away_page(_language(request)), 503, {"Retry-After": "3"})


async def _not_found(request: Request[Any], _error: Exception) -> Response:
    return _page(unknown_page(_language(request), ""), 404)


async def _not_allowed(_request: Request[Any], error: Exception) -> Response:
    allow = (getattr(error, "headers", None) or {}).get("Allow", "GET, HEAD")
    return PlainTextResponse("Only GET and HEAD are answered here.\n", 405, headers={"Allow": allow, **NO_STORE})


async def _broken(request: Request[Any], error: Exception) -> Response:
    log.error("public request failed: %r", error)
    return _page(away_page(_language(request)), 500)
