"""Answers for the pages of jobs: which page in which language, made once and kept a moment; what it is made of is elsewhere."""

import gzip
import re
import time
from collections import OrderedDict
from datetime import UTC, date, datetime
from functools import partial
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response

from codes.alphabet import typed_candidates
from jobs.calendars import calendar_of
from jobs.languages import language_for
from jobs.shops import Shop, find_shop_logo
from jobs.status import StatusPage, state_for_rules, status_page
from jobs.status_html import ended_html, preview_html, status_html
from jobs.status_sources import ExpiredSource, JobSource, Source, find_shown_photo
from jobs.status_style import STATUS_HEADERS
from jobs.texts import Texts, texts_for
from redirector.bots import bot_reason_for
from redirector.facts import uncounted_reason
from redirector.job_memory import JobMemory
from redirector.lookup import Lookup, Unavailable
from redirector.packing import packed
from redirector.recorder import Client, Recorder
from redirector.routes import Route

POLL_HEADER: Final = "waymark-poll"
MAX_MADE: Final = 4_000
FRESH_FOR_S: Final = 5.0  # how a job stands changes with time alone
NO_GZIP: Final = re.compile(r"gzip\s*;\s*q=0(\.0*)?\s*(,|$)")
NEVER_A_CODE: Final = ("-",)
PART_HEADERS: Final = {
    name: value for name, value in STATUS_HEADERS.items() if name not in ("Content-Security-Policy", "Vary")
}


class _Made(NamedTuple):
    source: Source  # the very object it was made of
    page: StatusPage
    day: date  # at the shop: dates that are near are written shorter
    body: bytes  # compressed
    tag: str
    until: float  # before it is looked at again


class StatusPages:
    """One per worker."""

    def __init__(self, lookup: Lookup, recorder: Recorder) -> None:
        self._lookup = lookup
        self._jobs: JobMemory = lookup.jobs
        self._recorder = recorder
        self._made: OrderedDict[tuple[int, str], _Made] = OrderedDict()

    async def find(self, host: str, token: str, network: str) -> Source | None:
        """By its code, however it is typed: one way for all tokens there may be. Raises Unavailable, TooManyMisses."""
        found = await self._lookup.find_first(host, typed_candidates(token) or NEVER_A_CODE, network)
        if found is None or not found[1].is_job:
            return None
        return await self._jobs.find(found[1].code_id)

    async def find_state(self, route: Route) -> str | None:
        """For rules on a job's own code. None: it is none, or nobody can say now."""
        try:
            source = await self._jobs.find(route.code_id) if route.is_job else None
        except Unavailable:
            return None
        return state_for_rules(source, _now()) if isinstance(source, JobSource) else None

    def page(self, request: Request[Any], source: Source, client: Client) -> Response:
        if isinstance(source, ExpiredSource) or source.shop.tracking == "withdrawn":
            return self._ended(request, source)
        reason = bot_reason_for(request.headers.get("user-agent", ""))
        if reason == "preview":
            self._record(request, source, client, reason)
            return _html(preview_html(source.shop, _texts(request, source.shop)).encode())
        made = self._made_of(source, _texts(request, source.shop))
        asked = request.headers.get("if-none-match")
        if asked is None and POLL_HEADER not in request.headers:
            self._record(request, source, client, reason)
        if asked is not None and made.tag in asked:
            return Response(status_code=304, headers={**STATUS_HEADERS, "ETag": made.tag})
        accepted = request.headers.get("accept-encoding", "")
        if "gzip" in accepted and not NO_GZIP.search(accepted):
            return _html(made.body, {"ETag": made.tag, "Content-Encoding": "gzip"})
        return _html(gzip.decompress(made.body), {"ETag": made.tag})

    async def part(self, request: Request[Any], source: Source, name: str, network: str) -> Response | None:
        """Photo, logo or calendar of a page; None when it has none. Raises Unavailable."""
        if isinstance(source, ExpiredSource) or source.shop.tracking == "withdrawn":
            return self._ended(request, source)
        page = status_page(source, _now())
        if name == "calendar.ics":
            body = calendar_of(source, page, _texts(request, source.shop))
            return Response(body, headers=PART_HEADERS, media_type="text/calendar")
        if name == "photo.jpg" and page.has_photo:
            question = partial(find_shown_photo, job_id=source.job_id)
            found, kind = await self._lookup.ask(("photo", source.job_id), network, question), "image/jpeg"
        elif name == "logo.png" and source.shop.has_logo:
            question = partial(find_shop_logo, shop_id=source.shop.id)
            found, kind = await self._lookup.ask(("logo", source.shop.id), network, question), "image/png"
        else:
            return None
        return Response(found, headers=PART_HEADERS, media_type=kind) if found else None

    def _ended(self, request: Request[Any], source: Source) -> Response:
        html = ended_html(source.shop, _texts(request, source.shop), _now(), expired=isinstance(source, ExpiredSource))
        return Response(html, 410, headers=STATUS_HEADERS, media_type="text/html")

    def _made_of(self, source: JobSource, texts: Texts) -> _Made:
        key, now = (source.job_id, texts.language), time.monotonic()
        made = self._made.get(key)
        if made is None or made.source is not source or made.until < now:
            self._made[key] = made = self._anew(source, texts, made)._replace(until=now + FRESH_FOR_S)
            if len(self._made) > MAX_MADE:
                self._made.popitem(last=False)
        self._made.move_to_end(key)
        return made

    def _anew(self, source: JobSource, texts: Texts, made: _Made | None) -> _Made:
        """The same again when nothing on it has changed since, which costs a fifth."""
        at = _now()
        page, day = status_page(source, at), at.astimezone(ZoneInfo(source.shop.zone)).date()
        if made is not None and made.source is source and (made.page, made.day) == (page, day):
            return made
        html, tag = status_html(source, page, texts, at)
        return _Made(source, page, day, packed(html), tag, 0.0)

    def _record(self, request: Request[Any], source: JobSource, client: Client, bot_reason: str | None) -> None:
        headers = request.headers
        line = self._recorder.view(
            source.job_id,
            headers.get("user-agent", ""),
            client,
            gpc=headers.get("sec-gpc", "").strip() == "1",
            uncounted=uncounted_reason(request.method, headers) or bot_reason,
        )
        self._recorder.journal.append_view(line)


def _texts(request: Request[Any], shop: Shop) -> Texts:
    header, chosen = request.headers.get("accept-language", ""), request.query_params.get("hl")
    return texts_for(language_for(header, shop.language, chosen, shop.languages), shop.country)


def _html(body: bytes, headers: dict[str, str] | None = None) -> Response:
    return Response(body, headers={**STATUS_HEADERS, **(headers or {})}, media_type="text/html")


def _now() -> datetime:
    return datetime.now(UTC)
