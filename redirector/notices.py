"""The pages that a code shows instead of sending on: paused, not open yet, over, used up, password. One request, no script."""

from html import escape
from typing import Final

from jobs.texts import Texts, mark, texts_for
from redirector.decision import Page
from redirector.pages import PAGE_HEADERS, document

STATUS: Final[dict[Page, int]] = {"paused": 200, "early": 200, "ended": 410, "used-up": 410, "password": 200}
MAX_LENGTH: Final = 200

# Browsers apply form-action also to where the answer to a form leads; that is the owner's destination, any site.
PASSWORD_HEADERS: Final = {
    **PAGE_HEADERS,
    "Content-Security-Policy": PAGE_HEADERS["Content-Security-Policy"].replace(" form-action 'self';", ""),
}


# Title and text.
_NOTICES: Final[dict[Page, tuple[str, str]]] = {
    "paused": (mark("Paused"), mark("This code is paused. Try again later.")),
    "early": (mark("Not open yet"), mark("This code is not open yet. Scan it again later.")),
    "ended": (mark("This is over"), mark("This code was open for a limited time, and that time is over.")),
    "used-up": (
        mark("All used up"),
        mark("This code was for a limited number of scans, and all of them are used up."),
    ),
    "password": (mark("Password"), mark("Whoever gave you this code has a password for it.")),
}
_OPEN: Final = mark("Open")
_WRONG: Final = mark("That is not the password. Capitals matter.")
_WAIT: Final = mark("Too many tries. Wait a minute, then try again.")


def notice_page(language: str, page: Page, message: str = "") -> str:
    """``message`` is the owner's, in whatever language, in place of ours."""
    title, text = _said(texts_for(language), page)
    shown = f"<bdi dir=auto>{escape(message)}</bdi>" if message else escape(text)
    return document(language, title, f"<p>{shown}</p>")


def password_page(language: str, *, wrong: bool = False, too_many: bool = False) -> str:
    """The form goes to the address it stands on."""
    texts = texts_for(language)
    title, lead = _said(texts, "password")
    problem = texts.say(_WAIT) if too_many else texts.say(_WRONG) if wrong else ""
    alert = f"<p role=alert><strong id=e>{escape(problem)}</strong></p>" if problem else ""
    described = " aria-invalid=true aria-describedby=e" if problem else ""
    body = (
        f"<p>{escape(lead)}</p>{alert}<form method=post><div><label for=p>{escape(title)}</label>"
        f"<input id=p name=password type=password dir={texts.direction} required maxlength={MAX_LENGTH} "
        f"autocomplete=off{described}></div><button>{escape(texts.say(_OPEN))}</button></form>"
    )
    return document(language, title, body)


def _said(texts: Texts, page: Page) -> tuple[str, str]:
    title, text = _NOTICES[page]
    return texts.say(title), texts.say(text)
