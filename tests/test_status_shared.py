"""What status pages have in common is made once: nothing of another job, shop or day gets onto a page by that."""

import gzip
import re
from dataclasses import replace
from datetime import timedelta

import pytest

from jobs.status import status_page
from jobs.status_html import status_html
from jobs.texts import texts_for
from redirector.packing import packed
from tests.test_status import MONDAY, SHOP, job

FULL = replace(SHOP, email="hello@repairs.example", address="Main Street 1", languages=("en", "fr"))


def page(shop=FULL, language="en", hours=0.0, **changes) -> str:  # type: ignore[no-untyped-def]
    source, now = job(["intake"], shop=shop, **changes), MONDAY + timedelta(hours=hours)
    html, _tag = status_html(source, status_page(source, now), texts_for(language, shop.country), now)
    return html


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"phone": "+49 30 2"}, "+49 30 2"),
        ({"email": "other@repairs.example"}, "other@repairs.example"),
        ({"address": "Side Street 2"}, "Side Street 2"),
        ({"name": "Other Repairs"}, "<title>Status at Other Repairs"),
        ({"languages": ("en", "ar")}, "?hl=ar"),
        ({"opening_hours": {"mon": [["07:00", "08:00"]]}}, "07:00"),
        ({"holidays": ({"from": "2026-03-03", "until": "2026-03-03", "name": ""},)}, "Closed: Tuesday"),
    ],
)
def test_a_shop_that_was_changed_is_not_taken_for_itself(changes: dict[str, object], told: str) -> None:
    """Even within the same moment, by its own number."""
    assert told not in page()
    assert told in page(replace(FULL, **changes))  # type: ignore[arg-type]
    assert told not in page()


def test_days_off_leave_the_pages_of_a_shop_when_they_have_passed() -> None:
    shop = replace(FULL, holidays=({"from": "2026-03-03", "until": "2026-03-03", "name": ""},))
    assert ["Closed: Tuesday" in page(shop, hours=hours) for hours in (0, 24, 48)] == [True, True, False]


@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_page_is_unpacked_as_it_was(language: str) -> None:
    pages = [
        page(language=language, reference=f"R-{number}", item="\u0633\u0627\u0639\u0629" * number)
        for number in range(40)
    ]
    sent = [packed(html) for html in pages]
    assert [gzip.decompress(body).decode() for body in sent] == pages
    for html, body in zip(pages, sent, strict=True):
        assert len(body) < len(gzip.compress(html.encode(), 6)) + 30


@pytest.mark.parametrize("text", ["", "no head", "</head>", "x" * 100_000 + "</head>" + "y" * 100_000])
def test_what_is_no_page_is_packed_all_the_same(text: str) -> None:
    assert gzip.decompress(packed(text)).decode() == text


def test_what_pages_share_says_nothing_of_a_job() -> None:
    html = page(reference="R-4711", item="Grandfather clock", public_note="Soon")
    head = html.partition("</head>")[0]
    assert not re.search("4711|clock|Soon|0123456789abcdef", head)
