"""Phones of staff: the key that signs for them, the ticket that makes a phone one, what it carries. Names nobody."""

import hmac
import os
import re
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Final, Literal

KEY_FILE: Final = "staff.key"
KEY_BYTES: Final = 32
COOKIE: Final = "waymark_staff"
COOKIE_LIFE_S: Final = 90 * 86_400
TICKET_LIFE_S: Final = 60

Wish = Literal["on", "off"]

_SIGNED: Final = re.compile(r"([a-z]{2,6})\.([0-9]{10,11})\.([0-9a-f]{64})")


def find_staff_key(folder: Path) -> bytes | None:
    """None: there is none, or it is damaged; then nothing is signed."""
    try:
        key = (folder / KEY_FILE).read_bytes()
    except OSError:
        return None
    return key if len(key) == KEY_BYTES else None


def ensure_staff_key(folder: Path) -> bytes:
    return find_staff_key(folder) or renew_staff_key(folder)


def renew_staff_key(folder: Path) -> bytes:
    """From now on no phone belongs to staff, and no ticket is good, that did until now."""
    key = secrets.token_bytes(KEY_BYTES)
    temporary = folder / f"{KEY_FILE}.{os.getpid()}.tmp"
    temporary.unlink(missing_ok=True)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(folder / KEY_FILE)
    return key


def staff_ticket(key: bytes, wish: Wish, now_s: float) -> str:
    """What the dashboard hands to the short domain through the phone: make it one of staff, or end that."""
    return _signed(key, wish, int(now_s) + TICKET_LIFE_S)


def wish_in(key: bytes, ticket: str, now_s: float) -> Wish | None:
    """None: it is not ours, or too old."""
    found = _read(key, ticket, now_s)
    if found == "on":
        return "on"
    return "off" if found == "off" else None


def staff_cookie(key: bytes, now_s: float) -> str:
    return _signed(key, "staff", int(now_s) + COOKIE_LIFE_S)


def is_staff_cookie(key: bytes, value: str, now_s: float) -> bool:
    return _read(key, value, now_s) == "staff"


def _signed(key: bytes, word: str, until_s: int) -> str:
    return f"{word}.{until_s}.{_mac(key, word, str(until_s))}"


def _read(key: bytes, text: str, now_s: float) -> str | None:
    found = _SIGNED.fullmatch(text)
    if found is None or not hmac.compare_digest(found[3], _mac(key, found[1], found[2])):
        return None
    return found[1] if int(found[2]) > now_s else None


def _mac(key: bytes, word: str, until_s: str) -> str:
    return hmac.new(key, f"waymark staff\n{word}\n{until_s}".encode(), sha256).hexdigest()
