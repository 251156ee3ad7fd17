"""From a journaled scan to a stored row, step by step: device, bot verdict, place, network, referrer, privacy."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlsplit

from geo.addresses import middle_of
from geo.places import Network, Place, Places
from redirector.agents import AgentReader
from redirector.decision import LET_THROUGH_UNCOUNTED
from redirector.facts import prefix_of
from redirector.records import Scan
from redirector.staff import STAFF_UNCOUNTED

Row = dict[str, Any]
BY_PEOPLE: Final = (LET_THROUGH_UNCOUNTED, STAFF_UNCOUNTED)  # not counted, but no programs


class Enricher:
    """Holds the caches; ``to_row`` itself has no other state. One per enrichment process."""

    def __init__(self, agents: AgentReader, places: Places, *, keep_prefix: bool = False) -> None:
        self._agents = agents
        self._places = places
        self._keep_prefix = keep_prefix
        self._located = self._fresh_cache()

    def refresh_places(self) -> None:
        """Call every few seconds: takes up a swapped place database."""
        if self._places.refresh():
            self._located = self._fresh_cache()

    def to_row(self, scan: Scan) -> Row:
        row: Row = {
            "id": scan.id,
            "at_us": scan.at_us,
            "code_id": scan.code_id,
            "version": scan.version,
            "rule": scan.rule,
            "variant": scan.variant,
            "counted": scan.uncounted is None,
            "uncounted_reason": scan.uncounted,
            "language": scan.language or None,
            "query": scan.query,
            "gpc": scan.gpc,
            "visitor": int(scan.visitor, 16) if scan.visitor else None,
            "host": scan.host or None,
            "demo": scan.demo,
            "prefix": prefix_of(scan.address) if self._keep_prefix else None,
        }
        self._put_agent(row, scan)
        self._put_location(row, scan)
        _put_referrer(row, scan.referrer)
        return row

    def _put_agent(self, row: Row, scan: Scan) -> None:
        agent = self._agents.read(scan.user_agent)
        row["device"] = agent.device
        row["os"], row["os_version"] = agent.os, agent.os_version
        row["browser"], row["browser_version"] = agent.browser, agent.browser_version
        row["app"] = agent.app
        # What the request was weighs more than what it called itself.
        row["bot_reason"] = (None if scan.uncounted in BY_PEOPLE else scan.uncounted) or agent.bot_reason

    def _put_location(self, row: Row, scan: Scan) -> None:
        place, network = self._located(scan.address)
        row["country"] = place.country if place else None
        row["region"] = place.region if place else None
        exact = place if place and not scan.gpc else None  # Sec-GPC: country and region at most
        row["city"] = exact.city if exact else None
        row["latitude"] = exact.latitude if exact else None
        row["longitude"] = exact.longitude if exact else None
        row["asn"] = network.asn if network else None
        row["network"] = network.name if network else None
        row["datacenter"] = network.datacenter if network else False
        row["relay"] = network.relay if network else False

    def _fresh_cache(self) -> Callable[[str], tuple[Place | None, Network | None]]:
        places = self._places

        @lru_cache(maxsize=100_000)
        def located(prefix: str) -> tuple[Place | None, Network | None]:
            if not prefix:
                return None, None
            middle = middle_of(prefix)
            return places.find_place(middle), places.find_network(middle)

        return located


def _put_referrer(row: Row, referrer: str) -> None:
    row["referrer"] = referrer or None
    try:
        host = urlsplit(referrer).hostname if referrer else None
    except ValueError:  # a damaged line may hold any text here
        host = None
    row["referrer_host"] = host.removeprefix("www.") if host else None
