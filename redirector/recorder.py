"""Turns what one request to a known code said into one journal line. Both ways of answering call the same function."""

import secrets
import time
from collections.abc import Sequence
from functools import lru_cache
from itertools import count
from typing import Final

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
from redirector.records import Scan, scan_line
from redirector.routes import Route
from redirector.visitors import Visitors

MAX_CACHED: Final = 1_000  # characters: more than what is read of either, and a bound on what the caches hold

# Texts that many phones share; bounded, and pure functions of public headers.
_first_language = lru_cache(maxsize=2_000)(first_language)
_trimmed_referrer = lru_cache(maxsize=2_000)(trimmed_referrer)


class Recorder:
    """One per worker. Header values come as text, decoded as Latin-1, "" for absent ones."""

    def __init__(
        self, journal: Journal, visitors: Visitors, trust: ProxyTrust, query_keys: frozenset[str], *, full_address: bool
    ) -> None:
        self.journal = journal
        self.trust = trust
        self._visitors = visitors
        self._query_keys = query_keys
        self._full_address = full_address
        self._tag = f"{secrets.randbits(24):06x}"
        self._numbers = count(secrets.randbits(20))

    def line(
        self,
        route: Route,
        decision: Decision,
        *,
        uncounted: str | None,
        peer: str,
        forwarded: Sequence[str],
        user_agent: str,
        referrer: str,
        accept_language: str,
        query_string: str,
        sec_gpc: str,
        host: str,
    ) -> bytes:
        at_us = time.time_ns() // 1000
        address = client_address(peer, forwarded, self.trust).address if self.trust.networks else peer
        gpc = sec_gpc.strip() == "1"
        scan = Scan(
            f"{at_us // 1000:012x}{self._tag}{next(self._numbers) & 0xFFFFFF:06x}",
            at_us,
            route.code_id,
            decision.version,
            decision.rule,
            decision.variant,
            uncounted,
            address if self._full_address and not gpc else cut_address(address),
            trimmed_agent(user_agent, gpc=gpc),
            _trimmed_referrer(referrer[:MAX_CACHED]) if referrer else "",
            _first_language(accept_language[:MAX_CACHED]) if accept_language else "",
            kept_query(query_string, self._query_keys) if query_string else {},
            gpc,
            "" if gpc else self._visitors.visitor_id(address, user_agent, at_us),
            host[:260].lower(),
        )
        return scan_line(scan)
