"""The customer's pages as HTML: of a job, of a link that has ended, and the card that previews of links show. Pure."""

import re
from collections.abc import Iterator
from datetime import date, datetime
from functools import lru_cache
from hashlib import blake2b
from html import escape
from typing import Final, NamedTuple
from urllib.parse import quote
from zoneinfo import ZoneInfo

from jobs import status_texts as says
from jobs.languages import LANGUAGES, direction_of
from jobs.phone_numbers import PhoneError, international_number
from jobs.shops import Shop
from jobs.status import Opening, StatusPage, TrailStage, When, opening_of
from jobs.status_sources import JobSource
from jobs.status_style import (
    ALERT,
    CALENDAR,
    CHAT,
    CHECK,
    CLOCK,
    FOLLOW,
    LETTER,
    PIN,
    SCRIPT_PATH,
    STYLE,
    TELEPHONE,
)
from jobs.texts import Texts

MADE_ONCE: Final = 500  # of a shop in a language: what is the same on all its pages, and says nothing of any job
MAPS: Final = "https://www.openstreetmap.org/search?query="

_ETAG: Final = "\0"  # stands where the hash of all the rest will be; no text of ours has it
# class, icon, word
_STANDINGS: Final = {
    "on-track": ("s", CHECK, says.ON_TRACK),
    "may-be-late": ("s w", CLOCK, says.MAY_BE_LATE),
    "late": ("s l", ALERT, says.LATE),
    "ready": ("s", CHECK, says.READY),
    "done": ("s", CHECK, says.DONE),
}
_STEPS: Final[dict[When, str]] = {"passed": says.STAGE_PASSED, "now": says.STAGE_NOW, "coming": says.STAGE_COMING}
_NOT_DIALLED: Final = re.compile(r"[^0-9+]")


def status_html(source: JobSource, page: StatusPage, texts: Texts, now: datetime) -> tuple[str, str]:
    """The page, and an entity tag that changes when anything on it does."""
    shop = source.shop
    main = "".join(
        (
            _header(shop, texts, source.path),
            f"<h1>{_foreign(page.stage.public_name(texts.language))}</h1>",
            _frozen(page, shop, texts, now),
            _standing(page, shop, texts, now),
            _trail(page, shop, texts, now),
            _about(source, page, texts, now),
            _calendar(source, page, texts),
            _contact(shop, texts, now, None if _asks_for_the_shop(page) else page.opening),
        )
    )
    kept = _kept(texts, source.workflow.keep_done_days, source.workflow.keep_idle_days)
    live = (
        "" if page.frozen_at else f"<p class=v id=live aria-live=polite></p><script src={SCRIPT_PATH} defer></script>"
    )
    html = _document(shop, texts, f"<main data-e='{_ETAG}'>{main}</main>", kept, live)
    tag = f'W/"{blake2b(html.encode(), digest_size=9).hexdigest()}"'
    return html.replace(_ETAG, tag), tag


def ended_html(shop: Shop, texts: Texts, now: datetime, *, expired: bool) -> str:
    """A link that leads nowhere any more; whom to ask."""
    title, line = (says.EXPIRED, says.EXPIRED_LINE) if expired else (says.WITHDRAWN, says.WITHDRAWN_LINE)
    main = (
        f"{_header(shop, texts, '')}<h1>{texts.html(title)}</h1>"
        f"<p>{texts.say_html(line, shop=shop.name)}</p><p>{texts.html(says.ASK_SHOP)}</p>"
        f"{_contact(shop, texts, now, opening_of(shop.calendar, now))}"
    )
    return _document(shop, texts, f"<main>{main}</main>")


def preview_html(shop: Shop, texts: Texts) -> str:
    """For programs that show what is behind a link to all who are sent it."""
    name, title, line = (
        escape(text) for text in (shop.name, texts.say(says.PREVIEW_TITLE), texts.say(says.PREVIEW_LINE))
    )
    return (
        f"<!doctype html><html lang={texts.language} dir={texts.direction}><head><meta charset=utf-8><title>{name}</title>"
        f'<meta name=robots content=noindex><meta property="og:type" content="website">'
        f'<meta property="og:site_name" content="{name}"><meta property="og:title" content="{name}: {title}">'
        f'<meta property="og:description" content="{line}"><meta name=description content="{line}"></head>'
        f"<body><h1>{name}</h1><p>{line}</p></body></html>"
    )


def _document(shop: Shop, texts: Texts, main: str, kept: str = "", live: str = "") -> str:
    return f"{_head(shop, texts)}<body>{main}<footer>{_languages(shop, texts)}{kept}</footer>{live}</body></html>"


@lru_cache(maxsize=MADE_ONCE)
def _head(shop: Shop, texts: Texts) -> str:
    title = escape(texts.say(says.PAGE_TITLE, shop=shop.name))
    return (
        f"<!doctype html><html lang={texts.language} dir={texts.direction}><head><meta charset=utf-8>"
        '<meta name=viewport content="width=device-width,initial-scale=1"><meta name=robots content=noindex>'
        f'<meta name=format-detection content="telephone=no"><link rel=icon href="data:,"><title>{title}</title>'
        f"<style>{STYLE}</style></head>"
    )


@lru_cache(maxsize=MADE_ONCE)
def _kept(texts: Texts, done_days: int, idle_days: int) -> str:
    kept = f"{says.kept_after_completion(texts, done_days)} {says.kept_without_change(texts, idle_days)}"
    return f"<p><small>{escape(kept)}</small></p>"


def _header(shop: Shop, texts: Texts, path: str) -> str:
    logo = ""
    if shop.has_logo and path:
        logo = f'<img src="{path}/logo.png" alt="{escape(texts.say(says.LOGO, shop=shop.name))}">'
    return f"<header>{logo}{_foreign(shop.name)}</header>"


def _frozen(page: StatusPage, shop: Shop, texts: Texts, now: datetime) -> str:
    if page.frozen_at is None:
        return ""
    return f'<div class="s n"><p>{_when(texts, says.FROZEN, page.frozen_at, shop, now)}</p></div>'


def _standing(page: StatusPage, shop: Shop, texts: Texts, now: datetime) -> str:
    lines = [f"<p>{line}</p>" for line in _standing_lines(page, shop, texts, now)]
    if page.opening and _asks_for_the_shop(page):
        lines.append(f"<p>{_opening(page.opening, shop, texts, now)}</p>")
    if page.word is None:
        return "".join(lines)
    style, icon, word = _STANDINGS[page.word]
    call = _call(shop, texts) if page.word == "late" and page.frozen_at is None else ""
    return f'<div class="{style}">{icon}<div><p><b>{texts.html(word)}</b></p>{"".join(lines)}{call}</div></div>'


def _asks_for_the_shop(page: StatusPage) -> bool:
    """There is something to fetch, or a reason to call: whether it is open is said up there and not below."""
    return page.word in ("ready", "late") and page.frozen_at is None


def _standing_lines(page: StatusPage, shop: Shop, texts: Texts, now: datetime) -> Iterator[str]:
    def said(text: str, at: datetime) -> str:
        return _when(texts, text, at, shop, now)

    def promised(text: str, at: datetime) -> str:
        return texts.say_html(text, when=texts.promise(at, shop.zone, now))

    match page.word:
        case "ready":
            yield said(says.READY_SINCE, page.since)
            yield texts.html(says.READY_LINE)
        case "done":
            yield said(says.DONE_AT, page.since)
            yield texts.html(says.DONE_LINE)
        case "late":
            yield texts.html(says.SORRY_LATE)
            yield said(says.NEW_DATE, page.new_at) if page.new_at else texts.html(says.NEW_DATE_SOON)
            if page.expected_at:
                yield f"<small>{promised(says.WAS_EXPECTED, page.expected_at)}</small>"
        case _ if page.expected_at is None:
            yield texts.html(says.DATE_SOON)
        case _:
            yield promised(says.EXPECTED if page.is_promised else says.ESTIMATED, page.expected_at)
            if page.word == "may-be-late":
                yield texts.html(says.MAY_TAKE_LONGER)
            elif not page.is_promised:
                yield texts.html(says.ESTIMATE_NOTE)


def _trail(page: StatusPage, shop: Shop, texts: Texts, now: datetime) -> str:
    steps = "".join(_step(step, shop, texts, now) for step in page.trail)
    return f"<section><h2>{texts.html(says.PROGRESS)}</h2><ol>{steps}</ol></section>"


def _step(step: TrailStage, shop: Shop, texts: Texts, now: datetime) -> str:
    mark = {"passed": "", "now": " aria-current=step", "coming": " class=c"}[step.when]
    state = f"<span class=v> ({texts.html(_STEPS[step.when])})</span>"
    at = ""
    if step.at is not None:
        at = f"<time datetime={step.at:%Y-%m-%dT%H:%MZ}>{escape(texts.short_moment(step.at, shop.zone, now))}</time>"
    return f"<li{mark}>{_foreign(step.public.public_name(texts.language))}{state}{at}</li>"


def _about(source: JobSource, page: StatusPage, texts: Texts, now: datetime) -> str:
    entries = [(says.ITEM, _foreign(page.item)) if page.item else None, (says.REFERENCE, _foreign(page.reference))]
    if page.note:
        entries.append((says.NOTE, "<br>".join(_foreign(line) for line in page.note.splitlines())))
    if page.has_photo:
        alt = texts.html(says.PHOTO)
        entries.append((says.PHOTO, f'<img src="{source.path}/photo.jpg" alt="{alt}" loading=lazy>'))
    listed = "".join(f"<dt>{texts.html(entry[0])}</dt><dd>{entry[1]}</dd>" for entry in entries if entry)
    updated = _when(texts, says.LAST_UPDATED, page.updated_at, source.shop, now)
    return f"<section><dl>{listed}</dl><p class=q><small>{updated}</small></p></section>"


def _calendar(source: JobSource, page: StatusPage, texts: Texts) -> str:
    if page.calendar_at is None or page.word in ("ready", "done") or page.frozen_at:
        return ""
    path = f"{source.path}/calendar.ics?hl={texts.language}"
    feed = f"webcal://{source.origin.partition('://')[2]}{path}"
    return (
        f'<section><div class=b><a href="{path}">{CALENDAR}{_label(texts, says.ADD_TO_CALENDAR)}</a>'
        f'<a href="{escape(feed)}">{FOLLOW}{_label(texts, says.FOLLOW_IN_CALENDAR)}</a></div>'
        f"<p class=q><small>{texts.html(says.FOLLOW_HINT)}</small></p></section>"
    )


def _contact(shop: Shop, texts: Texts, now: datetime, opening: Opening | None) -> str:
    buttons, listed, week = _lasting_contact(shop, texts, now.astimezone(ZoneInfo(shop.zone)).date())
    hours = "<br>".join(filter(None, (_opening(opening, shop, texts, now) if opening else "", week)))
    if hours:
        listed += f"<dt>{texts.html(says.OPENING_HOURS)}</dt><dd>{hours}</dd>"
    if not (buttons or listed):
        return ""
    heading = f"<h2>{texts.html(says.CONTACT)}</h2>"
    return f"<section>{heading}<p class=b>{buttons}</p><dl>{listed}</dl></section>"


@lru_cache(maxsize=MADE_ONCE)
def _lasting_contact(shop: Shop, texts: Texts, today: date) -> tuple[str, str, str]:
    """Buttons, addresses, and when it is open this week: the same on all its pages for a day."""
    buttons = "".join(
        f'<a{way.style} href="{escape(way.address)}">{way.icon}{_label(texts, way.label)}</a>'
        for way in _ways_to_reach(shop)
    )
    known = (
        (says.PHONE, f"<bdi dir=ltr>{escape(shop.phone)}</bdi>" if shop.phone else ""),
        (says.MAIL, f"<bdi dir=ltr>{escape(shop.email)}</bdi>" if shop.email else ""),
        (says.ADDRESS, "<br>".join(_foreign(line) for line in shop.address.splitlines())),
    )
    listed = "".join(f"<dt>{texts.html(label)}</dt><dd>{text}</dd>" for label, text in known if text)
    week = says.opening_lines(texts, shop.opening_hours)
    lines = [escape(texts.say(says.OPENING_LINE, days=days, times=times)) for days, times in week]
    closed = [escape(line) for line in says.closed_lines(texts, shop.holidays, today)]
    return buttons, listed, "<br>".join((*lines, *closed))


class _Way(NamedTuple):
    label: str
    address: str
    icon: str
    style: str = ""


def _ways_to_reach(shop: Shop) -> Iterator[_Way]:
    if shop.phone:
        yield _Way(says.CALL, f"tel:{_dialled(shop.phone, shop.country)}", TELEPHONE, " class=f")
    if shop.whatsapp:
        yield _Way(says.WHATSAPP, f"https://wa.me/{_dialled(shop.whatsapp, shop.country).lstrip('+')}", CHAT)
    if shop.email:
        yield _Way(says.MAIL, f"mailto:{quote(shop.email, safe='@')}", LETTER)
    if shop.address:
        yield _Way(says.DIRECTIONS, MAPS + quote(", ".join(shop.address.splitlines()), safe=""), PIN)


def _call(shop: Shop, texts: Texts) -> str:
    """One tap: the telephone, else whatever else there is but a way to walk."""
    way = next((way for way in _ways_to_reach(shop) if way.label != says.DIRECTIONS), None)
    if way is None:
        return ""
    text = says.CALL_SHOP if way.label == says.CALL else way.label
    return f'<a href="{escape(way.address)}">{way.icon}<span>{texts.say_html(text, shop=shop.name)}</span></a>'


def _opening(opening: Opening, shop: Shop, texts: Texts, now: datetime) -> str:
    said = f"<b>{texts.html(says.OPEN_NOW if opening.is_open else says.CLOSED_NOW)}</b>"
    return f"{said} \u00b7 {_when(texts, says.OPENS, opening.next_at, shop, now)}" if opening.next_at else said


@lru_cache(maxsize=MADE_ONCE)
def _languages(shop: Shop, texts: Texts) -> str:
    if len(shop.languages) < 2:
        return ""
    links = "".join(
        f'<a href="?hl={code}" lang={code} hreflang={code} dir={direction_of(code)}'
        f"{' aria-current=true' if code == texts.language else ''}>{escape(LANGUAGES[code])}</a>"
        for code in shop.languages
    )
    return f'<nav aria-label="{texts.html(says.LANGUAGE)}">{links}</nav>'


def _when(texts: Texts, text: str, at: datetime, shop: Shop, now: datetime) -> str:
    return texts.say_html(text, when=texts.moment(at, shop.zone, now))


def _foreign(text: str) -> str:
    """A text in whatever language somebody wrote it."""
    return f"<bdi>{escape(text)}</bdi>"


def _label(texts: Texts, text: str) -> str:
    """Within a button: one box, so that it wraps by words."""
    return f"<span>{texts.html(text)}</span>"


def _dialled(number: str, country: str) -> str:
    """With its country code where that can be told: customers also call from abroad."""
    try:
        return international_number(number, country)
    except PhoneError:
        return _NOT_DIALLED.sub("", number)
