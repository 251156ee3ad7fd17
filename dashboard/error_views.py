"""The page that says what went wrong, why, and what to do."""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class ErrorPage:
    """What happened, why, and what to do; `actions` are (words, address)."""

    template: ClassVar[str] = "error.html"
    status: int
    title: str
    text: str
    actions: tuple[tuple[str, str], ...] = (("Go to the overview", "/"),)
    theme: str = ""


_ERRORS = {
    400: ("That request made no sense", "Something in it is missing or malformed. Go back and try again."),
    403: ("Not allowed", "Your role does not include this, or the page was open too long. Reload it and try again."),
    404: ("Nothing at this address", "It may be mistyped, or what was here is gone."),
    405: ("Not this way", "This address exists, but not for this kind of request. Use the pages' own buttons."),
    410: ("This address is used up", "One-time addresses work once, for one hour. Ask for a new one."),
    413: ("Too large", "What was sent is larger than this page accepts. Send less."),
    429: ("Too many tries", "Wait a minute, then try again."),
    500: (
        "Something broke on our side",
        "Nothing you sent was wrong. The details are in the log of the private process.",
    ),
    503: ("Not ready yet", "The service is starting or busy. Try again in a few seconds."),
}


def error_page(status: int, detail: str = "", theme: str = "") -> ErrorPage:
    """The page for an HTTP status; `detail` replaces the general explanation when we can be more precise."""
    title, text = _ERRORS.get(status, ("That did not work", "Go back and try again."))
    return ErrorPage(status, title, detail or text, theme=theme)
