"""Look-ups: address -> Place and Network, while files are being swapped. It reads the place folder, never writes it."""

import logging
import os
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import maxminddb

from geo.addresses import find_address, middle_of
from geo.databases import READ_ERRORS, Kind, find_edition, note_path, open_reader
from geo.errors import GeoError
from geo.providers import Attribution
from geo.records import Network, Place, find_network_in, find_place_in

__all__ = ["Attribution", "Network", "Place", "Places", "middle_of"]

_log = logging.getLogger(__name__)

# Identity of a file without reading it; None while there is none.
_Stamp = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class _Shelf:
    """The open readers of one kind. Replaced as a whole: a look-up works with the shelf it began with."""

    ipv4: maxminddb.Reader | None = None
    ipv6: maxminddb.Reader | None = None
    attribution: Attribution | None = None
    stamps: dict[Path, _Stamp] = field(default_factory=dict)


class Places:
    """Safe to use from many threads. Without a database every answer is None; geo/status.py says what to do then."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._city = _Shelf()
        self._asn = _Shelf()
        self._refreshing = threading.Lock()
        self._reported_damage: _Shelf | None = None
        self.refresh()

    @property
    def has_places(self) -> bool:
        return self._city.ipv4 is not None or self._city.ipv6 is not None

    @property
    def has_networks(self) -> bool:
        return self._asn.ipv4 is not None or self._asn.ipv6 is not None

    def find_place(self, address: str) -> Place | None:
        return find_place_in(self._find_record(self._city, address))

    def find_network(self, address: str) -> Network | None:
        return find_network_in(self._find_record(self._asn, address))

    def attributions(self) -> tuple[Attribution, ...]:
        """What must be shown beside results of the databases in use, each once."""
        found = (self._city.attribution, self._asn.attribution)
        return tuple(dict.fromkeys(attribution for attribution in found if attribution))

    def refresh(self) -> bool:
        """Take up swapped files; True when others are in use now. Costs a few stat calls when nothing changed.

        A file that cannot be read is reported once in the log, and the readers before it stay in use.
        """
        if not self._refreshing.acquire(blocking=False):
            return False
        try:
            before = (self._city.ipv4, self._city.ipv6, self._asn.ipv4, self._asn.ipv6)
            self._city = self._refreshed(self._city, "city")
            self._asn = self._refreshed(self._asn, "asn")
            return before != (self._city.ipv4, self._city.ipv6, self._asn.ipv4, self._asn.ipv6)
        finally:
            self._refreshing.release()

    def _refreshed(self, shelf: _Shelf, kind: Kind) -> _Shelf:
        if shelf.stamps and all(_stamp(path) == seen for path, seen in shelf.stamps.items()):
            return shelf
        # Stamped before reading: a swap that happens meanwhile is noticed the next time.
        note = note_path(self._folder, kind)
        stamps: dict[Path, _Stamp] = {note: _stamp(note)}
        try:
            edition = find_edition(self._folder, kind)
            if edition is None:
                return _Shelf(stamps=stamps)
            paths = [self._folder / name for name in edition.files]
            stamps |= {path: _stamp(path) for path in paths}
            ipv4, ipv6 = _readers([open_reader(path) for path in paths])
        except GeoError as error:
            _log.warning("%s", error)
            return replace(shelf, stamps=stamps)
        return _Shelf(ipv4, ipv6, edition.attribution, stamps)

    def _find_record(self, shelf: _Shelf, address: str) -> object:
        found = find_address(address)
        if found is None:
            return None
        version, text = found
        reader = shelf.ipv4 if version == 4 else shelf.ipv6
        if reader is None:
            return None
        try:
            return reader.get(text)
        except READ_ERRORS as error:
            if self._reported_damage is not shelf:
                self._reported_damage = shelf
                _log.warning(
                    "A place database is damaged: %s. Run `waymark geo update`; some places stay unknown until then.",
                    error,
                )
            return None


def _readers(readers: list[maxminddb.Reader]) -> tuple[maxminddb.Reader | None, maxminddb.Reader | None]:
    """(for IPv4, for IPv6). A file with an IPv6 tree may hold IPv4 too; a file of IPv4 alone goes first for those."""
    ipv4 = next((reader for reader in readers if reader.metadata().ip_version == 4), None)
    ipv6 = next((reader for reader in readers if reader.metadata().ip_version == 6), None)
    return ipv4 or ipv6, ipv6


def _stamp(path: Path) -> _Stamp:
    try:
        facts = os.stat(path)  # noqa: PTH116 (half the cost of Path.stat, and asked every few seconds)
    except OSError:
        return None
    return facts.st_ino, facts.st_mtime_ns, facts.st_size
