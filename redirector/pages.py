"""The few pages of the short domain itself: entry field, unknown code, not available. One request, no script, no cookie."""

import base64
import hashlib
from html import escape
from typing import Final

from jobs.languages import LANGUAGES, direction_of
from jobs.texts import Texts, mark, texts_for

_STYLE: Final = (
    ":root{color-scheme:light dark;--ink:#1c2420;--paper:#fbfaf6;--soft:#5b665f;--line:#c9cfc8;--go:#0b6b4f;--on:#fff}"
    "@media(prefers-color-scheme:dark){:root{--ink:#eef2ee;--paper:#151a17;--soft:#a9b5ad;--line:#3c463f;--go:#6fd3ae;"
    "--on:#10231b}}"
    "*{box-sizing:border-box}body{margin:0;min-height:100vh;display:grid;place-content:center;padding:1.5rem;"
    "grid-template-columns:minmax(0,26rem);overflow-wrap:anywhere;"
    "background:var(--paper);color:var(--ink);font:1.0625rem/1.5 system-ui,sans-serif}"
    "h1{font-size:1.6rem;line-height:1.2;margin:0 0 .75rem}p{margin:0 0 1rem;color:var(--soft)}"
    "label{display:block;font-weight:600;margin-block-end:.35rem}form{display:flex;flex-wrap:wrap;gap:.5rem;align-items:end}"
    "form>div{flex:1 1 12rem}input{inline-size:100%;font:inherit;letter-spacing:.06em;padding:.65rem .8rem;min-block-size:3rem;"
    "border:2px solid var(--line);border-radius:.5rem;background:transparent;color:inherit}"
    "button{font:inherit;font-weight:600;min-block-size:3rem;padding:.65rem 1.2rem;border:0;border-radius:.5rem;"
    "background:var(--go);color:var(--on);cursor:pointer}:focus-visible{outline:3px solid var(--go);outline-offset:2px}"
    "#h{margin-block:.6rem 0;font-size:.9375rem}"
    "nav{margin-block-start:2rem;display:flex;gap:.25rem 1rem;flex-wrap:wrap;font-size:.9375rem}"
    "nav a{color:var(--soft);padding-block:.6rem}code{overflow-wrap:anywhere;color:var(--ink)}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

PAGE_HEADERS: Final[dict[str, str]] = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "private, no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}


_ENTRY: Final = mark("Type your code")
_ENTRY_LEAD: Final = mark("Enter the code printed under the QR symbol, or the whole link.")
_FIELD: Final = mark("Code")
_HINT: Final = mark("O and 0, I, L and 1 are the same; spaces, hyphens and capitals do not matter.")
_OPEN: Final = mark("Open")
_UNKNOWN: Final = mark("We don't know this code")
_UNKNOWN_LEAD: Final = mark("It may be mistyped or no longer in use. Compare it with the print and try again:")
_LIMITED_LEAD: Final = mark(
    "Too many unknown codes were asked for from your network. Compare yours with the print and try again in a moment:"
)
_AWAY: Final = mark("One moment, please")
_AWAY_LEAD: Final = mark("The service is starting. Try again in a few seconds.")
_LANGUAGES: Final = mark("Languages")


def entry_page(language: str, *, chosen: bool = False) -> str:
    """A ``chosen`` language goes along with what is typed; the browser's own speaks for itself."""
    texts = texts_for(language)
    return _page(texts, _ENTRY, f"<p>{escape(texts.say(_ENTRY_LEAD))}</p>{_form(texts, '', chosen)}")


def unknown_page(language: str, typed: str, *, chosen: bool = False) -> str:
    return _unknown(texts_for(language), typed, _UNKNOWN_LEAD, chosen)


def limited_page(language: str, typed: str, *, chosen: bool = False) -> str:
    return _unknown(texts_for(language), typed, _LIMITED_LEAD, chosen)


def away_page(language: str) -> str:
    texts = texts_for(language)
    return _page(texts, _AWAY, f"<p>{escape(texts.say(_AWAY_LEAD))}</p>")


def _unknown(texts: Texts, typed: str, lead: str, chosen: bool) -> str:
    shown = f"<p><code dir=ltr>{escape(typed[:80])}</code></p>" if typed else ""
    return _page(texts, _UNKNOWN, f"{shown}<p>{escape(texts.say(lead))}</p>{_form(texts, typed[:80], chosen)}")


def _form(texts: Texts, typed: str, chosen: bool) -> str:
    language = f"<input type=hidden name=hl value={texts.language}>" if chosen else ""
    return (
        f"<form action=/ method=get><div><label for=c>{escape(texts.say(_FIELD))}</label>"
        f"<input id=c name=c dir=ltr required maxlength=200 autocomplete=off autocapitalize=characters "
        f'spellcheck=false aria-describedby=h value="{escape(typed, quote=True)}"></div>'
        f"{language}<button>{escape(texts.say(_OPEN))}</button></form><p id=h>{escape(texts.say(_HINT))}</p>"
    )


def _page(texts: Texts, title: str, body: str) -> str:
    links = "".join(
        f'<a href="/?hl={code}" lang={code} hreflang={code} dir={direction_of(code)}>{escape(name)}</a>'
        for code, name in LANGUAGES.items()
        if code != texts.language
    )
    label = escape(texts.say(_LANGUAGES))
    return document(texts.language, texts.say(title), f'{body}<nav aria-label="{label}">{links}</nav>')


def document(language: str, title: str, body: str) -> str:
    return (
        f"<!doctype html><html lang={language} dir={direction_of(language)}><head><meta charset=utf-8>"
        f'<meta name=viewport content="width=device-width,initial-scale=1"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
