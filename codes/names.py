"""What people call a code: names, reasons, searches and tags in the form they are kept in. Knows no database."""

import re
from collections.abc import Iterable
from typing import Final

from codes.alphabet import CodeError

MAX_TAGS: Final = 20
MAX_TAG_LENGTH: Final = 60

# PostgreSQL cannot store a null character, and nobody wants line breaks in a name.
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]+")


class TagError(CodeError):
    """Tags that cannot be used; the message says why and what to do."""


def plain_text(text: str) -> str:
    """One trimmed line without control characters."""
    return _CONTROL.sub(" ", text).strip()


def is_plain(text: str) -> bool:
    return _CONTROL.search(text) is None


def checked_name(text: str, what: str, most: int) -> str:
    """The name in the form it is kept in. Raises CodeError when it is empty or too long."""
    name = plain_text(text)
    if not name or len(name) > most:
        raise CodeError(f"{what} needs a name of 1 to {most} characters; this one has {len(name)}.")
    return name


def clean_tags(tags: Iterable[str]) -> tuple[str, ...]:
    """Trimmed, lower-case, unique, in order. Raises TagError when there are too many or one is too long."""
    cleaned = tuple(dict.fromkeys(tag for text in tags if (tag := plain_text(text).lower())))
    if len(cleaned) > MAX_TAGS or any(len(tag) > MAX_TAG_LENGTH for tag in cleaned):
        raise TagError(
            f"a code takes up to {MAX_TAGS} tags of up to {MAX_TAG_LENGTH} characters each; use fewer or shorter ones."
        )
    return cleaned
