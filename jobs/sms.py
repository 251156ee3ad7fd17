"""How many text messages a text takes: GSM-7 with its extension table, else UCS-2 (3GPP TS 23.038, 23.040). Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

Encoding = Literal["GSM-7", "UCS-2"]

BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
EXTENSION: Final = frozenset("\f^{}\\[~]|€")
"""Two characters' worth: an escape before them, from which they are never parted."""

# Characters that one message holds, and each of several: those begin with a header that joins them again.
SINGLE: Final[dict[Encoding, int]] = {"GSM-7": 160, "UCS-2": 70}
JOINED: Final[dict[Encoding, int]] = {"GSM-7": 153, "UCS-2": 67}


@dataclass(frozen=True, slots=True)
class SmsSize:
    """``characters`` as they are counted and paid: two for an emoji, and for € or [ in GSM-7. ``left`` before one more
    message begins.
    """

    encoding: Encoding
    characters: int
    segments: int
    left: int


def sms_size(text: str) -> SmsSize:
    """No text is no message. Line ends count as one character, as phones send them."""
    text = _sent(text)
    encoding: Encoding = "UCS-2" if forcing_ucs2(text) else "GSM-7"
    sizes = [_units(char, encoding) for char in text]
    total = sum(sizes)
    if total <= SINGLE[encoding]:
        return SmsSize(encoding, total, 1 if total else 0, SINGLE[encoding] - total)
    segments, used = _packed(sizes, JOINED[encoding])
    return SmsSize(encoding, total, segments, JOINED[encoding] - used)


def forcing_ucs2(text: str) -> tuple[str, ...]:
    """The characters, each once, that leave 70 instead of 160 characters to a message; empty for GSM-7."""
    return tuple(dict.fromkeys(char for char in _sent(text) if char not in BASIC and char not in EXTENSION))


def _sent(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _units(char: str, encoding: Encoding) -> int:
    if encoding == "GSM-7":
        return 2 if char in EXTENSION else 1
    return 2 if ord(char) > 0xFFFF else 1


def _packed(sizes: Iterable[int], most: int) -> tuple[int, int]:
    """(segments, units in the last one); what takes two units is not split over two messages."""
    segments, used = 1, 0
    for size in sizes:
        if used + size > most:
            segments, used = segments + 1, 0
        used += size
    return segments, used
