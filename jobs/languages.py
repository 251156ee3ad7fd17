"""Which of our languages a visitor reads: Accept-Language with q-values and prefixes (RFC 9110, 12.5.4)."""

from collections.abc import Collection
from typing import Final

LANGUAGES: Final[dict[str, str]] = {"en": "English", "es": "Español", "fr": "Français", "ar": "العربية"}
RIGHT_TO_LEFT: Final = frozenset({"ar"})


def language_for(
    accept_language: str, default: str = "en", chosen: str | None = None, offered: Collection[str] = tuple(LANGUAGES)
) -> str:
    """``chosen`` (?hl=) wins when it is ``offered``; then the best-rated range that is; then ``default``."""
    if (own := chosen_language(chosen)) is not None and own in offered:
        return own
    ranked = sorted(_ranges(accept_language), key=lambda entry: -entry[1])
    for tag, quality in ranked:
        if quality > 0 and (own := _own(tag)) is not None and own in offered:
            return own
    return default


def chosen_language(chosen: str | None) -> str | None:
    """Of ``?hl=``; None for none, or for one that is not ours."""
    return _own(chosen or "")


def in_language(location: str, chosen: str | None) -> str:
    """A page of ours in the language that was asked for with the scan; any other place as it is."""
    own = chosen_language(chosen)
    return f"{location}?hl={own}" if own and location.startswith("/") and "?" not in location else location


def direction_of(language: str) -> str:
    return "rtl" if language in RIGHT_TO_LEFT else "ltr"


def _own(tag: str) -> str | None:
    prefix = tag.strip().lower().replace("_", "-").partition("-")[0]
    return prefix if prefix in LANGUAGES else None


def _ranges(header: str) -> list[tuple[str, float]]:
    found = []
    for part in header[:1000].split(",")[:30]:
        tag, *parameters = part.split(";")
        quality = 1.0
        for parameter in parameters:
            name, _, value = parameter.partition("=")
            if name.strip().lower() == "q":
                quality = _quality(value)
        if tag.strip():
            found.append((tag, quality))
    return found


def _quality(text: str) -> float:
    try:
        return min(max(0.0, float(text)), 1.0)  # in this order not-a-number becomes 0
    except ValueError:
        return 0.0
