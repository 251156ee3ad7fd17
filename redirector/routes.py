"""The routes in memory: (domain, code) -> where it points. Plain dictionaries; reading the database is elsewhere."""

import time
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, NamedTuple

from codes.alphabet import fold
from codes.options import Options
from codes.rules import Rule

UNKNOWN_FOR_S: Final = 5.0
MAX_UNKNOWN: Final = 10_000
_EXACT: Final = "EXACT "  # in front of legacy codes; folded text has no capitals, so nobody can type it


class Route(NamedTuple):
    """A tuple and no dataclass: a million of them are made at start, and these are made three times as fast."""

    code_id: int
    domain_id: int
    code: str  # exact spelling for legacy codes, folded for the rest
    legacy: bool
    version: int
    destination: str
    rules: tuple[Rule, ...] = ()
    options: Options | None = None  # with the campaign's UTM fields; None: none

    @property
    def is_job(self) -> bool:
        """It leads to the page of its job; nobody else's destination is relative."""
        return self.destination.startswith("/")

    @property
    def is_plain(self) -> bool:
        """Every scan gets the same answer, so it can be made ready once."""
        return not self.rules and (self.options is None or self.options.is_plain)


@dataclass(frozen=True, slots=True)
class DomainName:
    id: int
    host: str
    is_default: bool
    not_found_url: str | None = None  # where its unknown codes go


class RouteTable:
    """Single-threaded. ``complete`` is True once every code is in it, so that a miss is an answer."""

    def __init__(self) -> None:
        self.complete = False
        self.seq = 0  # the change feed's position this table stands for
        self.changes = 0  # rises whenever an answer given before may be wrong now
        self._by_key: dict[tuple[int, str], Route] = {}
        self._by_id: dict[int, tuple[int, str]] = {}
        self._hosts: dict[str, DomainName] = {}
        self._default: DomainName | None = None
        self._unknown: OrderedDict[tuple[int, str], float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._by_key)

    def domain_for(self, host: str) -> DomainName | None:
        """The Host header only selects among configured domains; anything else is the default one."""
        named = host.lower()
        return self._hosts.get(named) or self._hosts.get(named.rpartition(":")[0]) or self._default

    def set_domains(self, names: Iterable[DomainName]) -> None:
        known = list(names)
        self.changes += 1
        self._hosts = {name.host: name for name in known}
        self._default = next((name for name in known if name.is_default), None)

    def domains(self) -> list[DomainName]:
        return list(self._hosts.values())

    def find(self, domain_id: int, text: str) -> Route | None:
        """The exact legacy spelling first, then folded."""
        return self._by_key.get((domain_id, _EXACT + text)) or self._by_key.get((domain_id, fold(text)))

    def put(self, route: Route) -> None:
        key = (route.domain_id, _EXACT + route.code if route.legacy else route.code)
        old = self._by_id.get(route.code_id)
        if old is not None and old != key:
            self.remove(route.code_id)
        held = self._by_key.get(key)
        if route.legacy or (held is not None and held != route):
            self.changes += 1
        self._by_key[key] = route
        self._by_id[route.code_id] = key
        if self._unknown:
            self._unknown.pop(key, None)

    def remove(self, code_id: int) -> None:
        key = self._by_id.pop(code_id, None)
        held = self._by_key.get(key) if key else None
        if key and held and held.code_id == code_id:  # a demo code made anew has the key of the one before
            del self._by_key[key]
            self.changes += 1

    def clear(self) -> None:
        self.complete = False
        self.changes += 1
        self._by_key.clear()
        self._by_id.clear()
        self._unknown.clear()

    def all(self) -> Iterable[Route]:
        return self._by_key.values()

    def code_ids(self) -> set[int]:
        return set(self._by_id)

    def note_unknown(self, domain_id: int, text: str) -> None:
        if len(self._unknown) >= MAX_UNKNOWN:
            self._unknown.popitem(last=False)
        self._unknown[domain_id, text] = time.monotonic() + UNKNOWN_FOR_S
        self._unknown.move_to_end((domain_id, text))

    def is_unknown(self, domain_id: int, text: str) -> bool:
        until = self._unknown.get((domain_id, text))
        return until is not None and until > time.monotonic()

    def forget_unknown(self) -> None:
        self._unknown.clear()
