"""Visitor ids: keyed BLAKE2b over address and user agent, with a random salt per UTC day, destroyed after 48 hours.

The salts live in one 0600 file beside, not in, the database, shared by all workers of a machine and in no backup.
"""

import fcntl
import logging
import os
import secrets
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Final

import orjson

log = logging.getLogger(__name__)

KEEP = timedelta(hours=48)
SALT_BYTES = 32
DAY_US: Final = 86_400_000_000


class Visitors:
    """``visitor_id`` is pure computing; ``refresh`` does the file work and is called once a second by the owner."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._salts: dict[str, bytes] = {}
        self._day = -1  # the one that the keyed hash is for, in days since 1970
        self._keyed = blake2b()

    def refresh(self, now: datetime | None = None) -> None:
        """Makes today's salt exist (one for all workers) and forgets old ones. A read-only disk: own salt, in memory."""
        now = now or datetime.now(UTC)
        today = now.date().isoformat()
        if today in self._salts and not any(_is_expired(day, now) for day in self._salts):
            return
        self._day, self._keyed = -1, blake2b()  # it has a salt in it
        try:
            self._salts = _shared_salts(self._path, today, now)
        except OSError as error:
            log.error("visitor salts %s cannot be kept (%s); this worker uses its own", self._path, error.strerror)
            kept = {day: salt for day, salt in self._salts.items() if not _is_expired(day, now)}
            self._salts = {today: secrets.token_bytes(SALT_BYTES), **kept}

    def visitor_id(self, address: str, user_agent: str, at_us: int) -> str:
        """16 hex digits; the same for the same person's device on one UTC day, unlinkable to any other day."""
        if at_us // DAY_US != self._day:
            self._turn_to(at_us)
        keyed = self._keyed.copy()
        keyed.update(f"{address}\n{user_agent}".encode(errors="replace"))
        return keyed.hexdigest()

    def recent_ids(self, address: str, user_agent: str, at_us: int) -> tuple[str, str | None]:
        """(the id of that day, that of the day before while its salt is kept): what the same device had yesterday."""
        today = self.visitor_id(address, user_agent, at_us)
        day = datetime.fromtimestamp((at_us - DAY_US) / 1_000_000, UTC).date().isoformat()
        salt = self._salts.get(day)
        if salt is None:
            return today, None
        return today, blake2b(f"{address}\n{user_agent}".encode(errors="replace"), key=salt, digest_size=8).hexdigest()

    def _turn_to(self, at_us: int) -> None:
        at = datetime.fromtimestamp(at_us / 1_000_000, UTC)
        day = at.date().isoformat()
        if day not in self._salts:
            self.refresh(at)
        self._keyed = blake2b(key=self._salts[day], digest_size=8)
        self._day = at_us // DAY_US


def _is_expired(day: str, now: datetime) -> bool:
    begin = datetime.combine(date.fromisoformat(day), datetime.min.time(), UTC)
    return now - begin >= KEEP


def _shared_salts(path: Path, today: str, now: datetime) -> dict[str, bytes]:
    with path.with_suffix(".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = _read(path)
        kept = {day: salt for day, salt in known.items() if not _is_expired(day, now)}
        kept.setdefault(today, secrets.token_bytes(SALT_BYTES))
        if kept != known:
            _write(path, kept)
        return kept


def _read(path: Path) -> dict[str, bytes]:
    """Nothing from a damaged file: a short salt would be no secret."""
    with suppress(FileNotFoundError, ValueError, TypeError, AttributeError):
        salts = {day: bytes.fromhex(salt) for day, salt in orjson.loads(path.read_bytes()).items()}
        if all(date.fromisoformat(day).isoformat() == day and len(salts[day]) == SALT_BYTES for day in salts):
            return salts
    return {}


def _write(path: Path, salts: dict[str, bytes]) -> None:
    # Overwritten in place after the swap would keep old blocks: a fresh file replaces the old one whole.
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(orjson.dumps({day: salt.hex() for day, salt in salts.items()}))
    temporary.replace(path)
