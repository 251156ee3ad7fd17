"""What is known of one scan, found out only when a rule asks: device, place, visitor, count. Knows no more than the record."""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from codes.conditions import Fact
from geo.addresses import middle_of
from geo.places import Network, Place, Places
from redirector.bots import bot_reason_for
from redirector.facts import first_language, trimmed_agent, trimmed_referrer
from redirector.needs import Needs
from redirector.watched import Watched

if TYPE_CHECKING:  # its rules are a third of a second and 20 MB, which workers without such codes do not pay
    from redirector.agents import Agent, AgentReader

MAX_PLACED: Final = 50_000
Located = Callable[[str], tuple[Place | None, Network | None]]


class Readers:
    """A worker's reader of user agents and its place databases, each opened by the first code that asks for it."""

    def __init__(self, geo: Path) -> None:
        self.agents: AgentReader | None = None
        self.located: Located | None = None
        self._geo = geo
        self._places: Places | None = None
        self._opening = asyncio.Lock()

    async def ready(self, needs: Needs) -> None:
        if (needs.agent and self.agents is None) or (needs.place and self.located is None):
            async with self._opening:
                if needs.agent and self.agents is None:
                    self.agents = await asyncio.to_thread(_agent_reader)
                if needs.place and self.located is None:
                    self._places = await asyncio.to_thread(Places, self._geo)
                    self.located = _located_by(self._places)

    def refresh(self) -> None:
        """Takes up a swapped place database; a few stat calls otherwise."""
        if self._places is not None and self._places.refresh():
            self.located = _located_by(self._places)


class Said(NamedTuple):
    """What a request says, as text; "" for what it leaves out."""

    user_agent: str
    referrer: str
    accept_language: str
    gpc: bool
    query_string: str
    address: str  # as the journal has it, cut or whole


class ScanFacts:
    """Implements redirector.decision.Facts. ``visitor`` are today's and yesterday's daily ids, None with Sec-GPC."""

    def __init__(
        self,
        said: Said,
        code_id: int,
        readers: Readers,
        watched: Watched,
        scan_id: str,
        visitor: tuple[str, str | None] | None,
        *,
        cookie: str | None = None,
        new_cookie: tuple[str, str | None] | None = None,
        unlocked: bool = False,
        job_state: str | None = None,
    ) -> None:
        self.scan_id = scan_id
        self.unlocked = unlocked
        self.query_string = said.query_string
        self._said = said
        self._code_id = code_id
        self._readers = readers
        self._watched = watched
        self._visitor = visitor
        self._cookie = cookie
        self._new_cookie = new_cookie
        self._job_state = job_state
        self._found: dict[Fact, str | None] = {}

    @property
    def visitor_id(self) -> str | None:
        return self._visitor[0] if self._visitor else None

    @property
    def remembers(self) -> bool:
        """A cookie is to be set: it is not there yet, and may be."""
        return self._new_cookie is not None and not self._cookie

    @cached_property
    def query(self) -> Mapping[str, str]:
        """The first value of each parameter."""
        pairs = parse_qsl(self.query_string, keep_blank_values=True) if self.query_string else []
        return dict(reversed(pairs))

    @cached_property
    def is_bot(self) -> bool:
        return bot_reason_for(self._user_agent) is not None

    def find(self, fact: Fact) -> str | None:
        try:
            return self._found[fact]
        except KeyError:
            found = self._found[fact] = self._find(fact)
            return found

    def _find(self, fact: Fact) -> str | None:
        match fact:
            case "language":
                return first_language(self._said.accept_language) or None
            case "referrer":
                return _referrer_host(self._said.referrer)
            case "device" | "os" | "app":
                return self._of_agent(fact)
            case "country" | "region" | "city":
                return self._of_place(fact)
            case "asn":
                network = self._located[1]
                return str(network.asn) if network and network.asn else None
            case "job":
                return self._job_state

    def returning(self) -> bool | None:
        if self._visitor is None:
            return None
        return True if self._cookie else self._watched.is_seen(self._code_id, self._visitor)

    def count(self) -> int | None:
        return self._watched.count(self._code_id)

    def sticky_key(self) -> str | None:
        if self._visitor is None:
            return None
        if self._cookie:
            return self._cookie
        today, yesterday = self._new_cookie or self._visitor
        was_here = self._watched.is_seen(self._code_id, (self._visitor[1],))
        return yesterday if was_here and yesterday else today

    def chance(self) -> float:
        return secrets.randbelow(1 << 53) / (1 << 53)

    @cached_property
    def _user_agent(self) -> str:
        return trimmed_agent(self._said.user_agent, gpc=self._said.gpc)

    @cached_property
    def _agent(self) -> "Agent | None":
        reader = self._readers.agents
        return reader.read(self._user_agent) if reader is not None and self._user_agent.strip() else None

    @cached_property
    def _located(self) -> tuple[Place | None, Network | None]:
        located = self._readers.located
        return located(self._said.address) if located is not None and self._said.address else (None, None)

    def _of_agent(self, fact: Fact) -> str | None:
        agent = self._agent
        if agent is None:
            return None
        if fact == "device":
            return agent.device
        if fact == "os":
            return agent.os.lower() if agent.os else None
        return None if self._said.gpc else (agent.app or "").lower()  # what is kept of a user agent names no app

    def _of_place(self, fact: Fact) -> str | None:
        place = self._located[0]
        if place is None or (fact == "city" and self._said.gpc):
            return None
        name = place.country if fact == "country" else place.region if fact == "region" else place.city
        return name.lower() if name else None


def _agent_reader() -> "AgentReader":
    from redirector.agents import AgentReader  # see TYPE_CHECKING above

    return AgentReader(cache_size=20_000)


def _located_by(places: Places) -> Located:
    @lru_cache(maxsize=MAX_PLACED)
    def located(address: str) -> tuple[Place | None, Network | None]:
        middle = middle_of(address)
        return places.find_place(middle), places.find_network(middle)

    return located


def _referrer_host(referrer: str) -> str | None:
    try:
        host = urlsplit(trimmed_referrer(referrer)).hostname if referrer else None
    except ValueError:  # cut off amid an address
        host = None
    return host.removeprefix("www.") if host else None
