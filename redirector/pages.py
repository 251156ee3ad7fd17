"""The few pages of the short domain itself: entry field, unknown code, not available. One request, no script, no cookie."""

import base64
import hashlib
from dataclasses import dataclass
from html import escape
from typing import Final

from jobs.languages import LANGUAGES, direction_of

_STYLE: Final = (
    ":root{color-scheme:light dark;--ink:#1c2420;--paper:#fbfaf6;--soft:#5b665f;--line:#c9cfc8;--go:#0b6b4f;--on:#fff}"
    "@media(prefers-color-scheme:dark){:root{--ink:#eef2ee;--paper:#151a17;--soft:#a9b5ad;--line:#3c463f;--go:#6fd3ae;"
    "--on:#10231b}}"
    "*{box-sizing:border-box}body{margin:0;min-height:100vh;display:grid;place-content:center;padding:1.5rem;"
    "background:var(--paper);color:var(--ink);font:1.0625rem/1.5 system-ui,sans-serif}"
    "main{max-inline-size:26rem}h1{font-size:1.6rem;line-height:1.2;margin:0 0 .75rem}p{margin:0 0 1rem;color:var(--soft)}"
    "label{display:block;font-weight:600;margin-block-end:.35rem}form{display:flex;flex-wrap:wrap;gap:.5rem;align-items:end}"
    "form>div{flex:1 1 12rem}input{inline-size:100%;font:inherit;letter-spacing:.06em;padding:.65rem .8rem;min-block-size:3rem;"
    "border:2px solid var(--line);border-radius:.5rem;background:transparent;color:inherit}"
    "button{font:inherit;font-weight:600;min-block-size:3rem;padding:.65rem 1.2rem;border:0;border-radius:.5rem;"
    "background:var(--go);color:var(--on);cursor:pointer}:focus-visible{outline:3px solid var(--go);outline-offset:2px}"
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


@dataclass(frozen=True, slots=True)
class _Texts:
    entry_title: str
    entry_lead: str
    field: str
    submit: str
    unknown_title: str
    unknown_lead: str
    limited_lead: str
    away_title: str
    away_lead: str
    languages: str


_TEXTS: Final[dict[str, _Texts]] = {
    "en": _Texts(
        "Type your code",
        "Enter the code printed under the QR symbol. Spaces, hyphens and capitals do not matter.",
        "Code",
        "Open",
        "We don't know this code",
        "It may be mistyped or no longer in use. Compare it with the print and try again:",
        "Too many unknown codes were asked for from your network. Compare yours with the print and try again in a moment:",
        "One moment, please",
        "The service is starting. Try again in a few seconds.",
        "Languages",
    ),
    "es": _Texts(
        "Escriba su código",
        "Introduzca el código impreso bajo el símbolo QR. Los espacios, guiones y mayúsculas no importan.",
        "Código",
        "Abrir",
        "No conocemos este código",
        "Puede estar mal escrito o ya no usarse. Compárelo con el impreso e inténtelo de nuevo:",
        "Desde su red se pidieron demasiados códigos desconocidos. Compare el suyo con el impreso y reinténtelo en un momento:",
        "Un momento, por favor",
        "El servicio está arrancando. Inténtelo de nuevo en unos segundos.",
        "Idiomas",
    ),
    "fr": _Texts(
        "Saisissez votre code",
        "Entrez le code imprimé sous le symbole QR. Les espaces, tirets et majuscules n'ont pas d'importance.",
        "Code",
        "Ouvrir",
        "Nous ne connaissons pas ce code",
        "Il est peut-être mal saisi ou n'est plus utilisé. Comparez-le avec l'imprimé et réessayez :",
        "Trop de codes inconnus demandés depuis votre réseau. Comparez le vôtre avec l'imprimé et réessayez dans un instant :",
        "Un instant, s'il vous plaît",
        "Le service démarre. Réessayez dans quelques secondes.",
        "Langues",
    ),
    "ar": _Texts(
        "اكتب الرمز",
        "أدخل الرمز المطبوع أسفل مربع QR. لا تهم المسافات ولا الشرطات ولا حالة الأحرف.",
        "الرمز",
        "فتح",
        "لا نعرف هذا الرمز",
        "ربما كُتب خطأً أو لم يعد مستخدمًا. قارنه بالمطبوع ثم حاول مجددًا:",
        "طُلب من شبكتك عدد كبير جدًا من الرموز غير المعروفة. قارن رمزك بالمطبوع ثم حاول مجددًا بعد لحظة:",
        "لحظة من فضلك",
        "الخدمة قيد التشغيل. حاول مجددًا بعد بضع ثوانٍ.",
        "اللغات",
    ),
}


def entry_page(language: str) -> str:
    texts = _TEXTS[language]
    return _page(language, texts.entry_title, f"<p>{escape(texts.entry_lead)}</p>{_form(language, '')}")


def unknown_page(language: str, typed: str) -> str:
    return _unknown(language, typed, _TEXTS[language].unknown_lead)


def limited_page(language: str, typed: str) -> str:
    return _unknown(language, typed, _TEXTS[language].limited_lead)


def away_page(language: str) -> str:
    texts = _TEXTS[language]
    return _page(language, texts.away_title, f"<p>{escape(texts.away_lead)}</p>")


def _unknown(language: str, typed: str, lead: str) -> str:
    shown = f"<p><code dir=ltr>{escape(typed[:80])}</code></p>" if typed else ""
    body = f"{shown}<p>{escape(lead)}</p>{_form(language, typed[:80])}"
    return _page(language, _TEXTS[language].unknown_title, body)


def _form(language: str, typed: str) -> str:
    texts = _TEXTS[language]
    return (
        f"<form action=/ method=get><div><label for=c>{escape(texts.field)}</label>"
        f"<input id=c name=c dir=ltr required maxlength=200 autocomplete=off autocapitalize=characters "
        f'spellcheck=false value="{escape(typed, quote=True)}"></div>'
        f"<button>{escape(texts.submit)}</button></form>"
    )


def _page(language: str, title: str, body: str) -> str:
    links = "".join(
        f'<a href="/?hl={code}" lang={code} dir={direction_of(code)}>{escape(name)}</a>'
        for code, name in LANGUAGES.items()
        if code != language
    )
    return document(language, title, f'{body}<nav aria-label="{escape(_TEXTS[language].languages)}">{links}</nav>')


def document(language: str, title: str, body: str) -> str:
    return (
        f"<!doctype html><html lang={language} dir={direction_of(language)}><head><meta charset=utf-8>"
        f'<meta name=viewport content="width=device-width,initial-scale=1"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body><main><h1>{escape(title)}</h1>{body}</main></body></html>"
    )
