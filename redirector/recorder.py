"""Turns what one request to a known code said into one journal line. Both ways of answering call the same functions."""

import secrets
import time
from collections.abc import Sequence
from functools import lru_cache
from itertools import count
from typing import Final, NamedTuple

from redirector.decision import Decision
from redirector.facts import (
    ProxyTrust,
    client_address,
    cut_address,
    first_language,
    kept_query,
    trimmed_agent,
    trimmed_referrer,
)
from redirector.journal import Journal
from redirector.records import View, json_items, json_text, line_of, view_line
from redirector.routes import Route
from redirector.visitors import Visitors

MAX_CACHED: Final = 1_000  # characters: more than what is read of either, and a bound on what the caches hold
MAX_HOST: Final = 260

# Texts that many phones share; bounded, and pure functions of public headers.
_first_language = lru_cache(maxsize=2_000)(first_language)
_trimmed_referrer = lru_cache(maxsize=2_000)(trimmed_referrer)


class Told(NamedTuple):
    """What a request's headers say, but for its address: the same for every phone of a kind. Parts are JSON."""

    user_agent: str  # whole, for the visitor id
    gpc: bool
    headers: str  # user agent, referrer, language as they are written
    host: str


class Client(NamedTuple):
    address: str
    cut: str


Stamp = tuple[str, int]  # a scan's id, and when it came (UTC microseconds)


class Recorder:
    """One per worker. Header values come as text, decoded as Latin-1, "" for absent ones."""

    def __init__(
        self, journal: Journal, visitors: Visitors, trust: ProxyTrust, query_keys: frozenset[str], *, full_address: bool
    ) -> None:
        self.journal = journal
        self.trust = trust
        self.visitors = visitors
        self._query_keys = query_keys
        self._full_address = full_address
        self._tag = f"{secrets.randbits(24):06x}"
        self._numbers = count(secrets.randbits(20))

    def client(self, peer: str, forwarded: Sequence[str]) -> Client:
        """Of a connection, or of a request where a proxy is trusted."""
        address = client_address(peer, forwarded, self.trust).address if self.trust.networks else peer
        return Client(address, cut_address(address))

    def stamp(self) -> Stamp:
        at_us = time.time_ns() // 1000
        return f"{at_us // 1000:012x}{self._tag}{next(self._numbers) & 0xFFFFFF:06x}", at_us

    def written_address(self, client: Client, *, gpc: bool) -> str:
        """What the journal says of where a scan came from."""
        return client.address if self._full_address and not gpc else client.cut

    def line(
        self,
        decided: str,
        told: Told,
        client: Client,
        *,
        query_string: str = "",
        uncounted: str | None = None,
        stamp: Stamp | None = None,
    ) -> bytes:
        """``decided`` is what ``decided_part`` gave; ``stamp`` was made before where the decision needed it."""
        scan_id, at_us = stamp or self.stamp()
        address, cut = client
        return line_of(
            scan_id,
            at_us,
            decided,
            "null" if uncounted is None else json_text(uncounted),
            address if self._full_address and not told.gpc else cut,
            told.headers,
            json_text(kept_query(query_string, self._query_keys)) if query_string else "{}",
            "true" if told.gpc else "false",
            "" if told.gpc else self.visitors.visitor_id(address, told.user_agent, at_us),
            told.host,
        )

    def view(self, job_id: int, user_agent: str, client: Client, *, gpc: bool, uncounted: str | None) -> bytes:
        """The line of one look at a job's page."""
        at_us = time.time_ns() // 1000
        visitor = "" if gpc else self.visitors.visitor_id(client.address, user_agent, at_us)
        return view_line(View(at_us, job_id, uncounted, visitor))


def told_by(user_agent: str, referrer: str, accept_language: str, sec_gpc: str, host: str) -> Told:
    gpc = sec_gpc.strip() == "1"
    headers = json_items(
        trimmed_agent(user_agent, gpc=gpc),
        _trimmed_referrer(referrer[:MAX_CACHED]) if referrer else "",
        _first_language(accept_language[:MAX_CACHED]) if accept_language else "",
    )
    return Told(user_agent, gpc, headers, json_text(host[:MAX_HOST].lower()))


def decided_part(route: Route, decision: Decision) -> str:
    return json_items(route.code_id, decision.version, decision.rule, decision.variant)
