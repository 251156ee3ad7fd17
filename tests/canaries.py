"""Words that stand for what must not leak: a different one for each thing, known again however it is written."""

import base64
import gzip
import re
import zlib
from hashlib import blake2b
from html import unescape
from io import BytesIO
from typing import Final
from urllib.parse import unquote_to_bytes

from PIL import Image, UnidentifiedImageError

MARK: Final = "zqcanary"
_WORD: Final = re.compile(MARK.encode() + rb"[0-9a-f]{10}")
_PICTURES: Final = (b"\xff\xd8", b"\x89PNG")
# Of any text with the mark in it, whatever stands before: three alignments, each without the characters that its
# neighbours have a say in.
_IN_BASE64: Final = tuple(
    base64.b64encode(b"\0" * shift + mark.encode())[(shift * 8 + 5) // 6 : (shift + len(MARK)) * 8 // 6]
    for mark in (MARK, MARK.upper())
    for shift in range(3)
)
_IN_HEX: Final = (MARK.encode().hex().encode(), MARK.upper().encode().hex().encode())


class Canaries:
    """Each word is kept with what it stands for. Tokens of jobs are watched over like the words made here."""

    def __init__(self) -> None:
        self._meaning: dict[str, str] = {}
        self._tokens: re.Pattern[bytes] | None = None

    def word(self, *meaning: object) -> str:
        """The same for the same meaning; only letters and digits, so that no way of writing changes it."""
        said = " ".join(map(str, meaning))
        made = MARK + blake2b(said.encode(), digest_size=5).hexdigest()
        self._meaning[made] = said
        return made

    def watch_tokens(self, tokens: dict[str, str]) -> None:
        """Token -> whose."""
        self._meaning |= {token.lower(): f"token of {whose}" for token, whose in tokens.items()}
        self._tokens = re.compile("|".join(token.lower() for token in tokens).encode())

    def found(self, data: bytes) -> set[str]:
        """The words and tokens in it, in lower case. What is hidden in base64 or in hex is told as such."""
        readings = [reading.lower() for reading in _readings(data)]
        patterns = [pattern for pattern in (_WORD, self._tokens) if pattern]
        words = {word.decode() for text in readings for pattern in patterns for word in pattern.findall(text)}
        words |= {"in base64" for written in _IN_BASE64 if written in data}
        return words | {"in hex" for text in readings for written in _IN_HEX if written in text}

    def leaked(self, data: bytes, allowed: set[str] | frozenset[str] = frozenset()) -> list[str]:
        """What the words stand for that have no business in there; as a list, for a test to say."""
        return sorted(self._meaning.get(word, word) for word in self.found(data) - allowed)


def _readings(data: bytes) -> list[bytes]:
    """As it is, without the zeros of UTF-16, and with what is compressed, percent-encoded, or an entity undone."""
    if data[:2] == b"\x1f\x8b":
        data += gzip.decompress(data)
    if data[:4].startswith(_PICTURES):
        data += _picture_texts(data)
    readings = [data]
    if b"\0" in data:
        readings.append(data.replace(b"\0", b""))
    if b"%" in data:
        readings.append(unquote_to_bytes(data.replace(b"+", b" ")))
    if b"&" in data or b"\\u" in data:
        text = data.decode("latin-1")
        readings.append(unescape(re.sub(r"\\u00([0-9a-fA-F]{2})", r"&#x\1;", text)).encode("utf-8"))
    return readings


def _picture_texts(data: bytes) -> bytes:
    """What programs read beside the pixels: comments, profiles, EXIF; some of it is compressed."""
    try:
        with Image.open(BytesIO(data)) as picture:
            picture.load()
            told = [picture.info, dict(picture.getexif()), getattr(picture, "text", {})]
    except (UnidentifiedImageError, OSError, zlib.error):
        return b""
    return repr(told).encode()
