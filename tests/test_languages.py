"""Which of our languages a visitor reads."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.languages import LANGUAGES, direction_of, language_for


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", "en"),
        ("fr", "fr"),
        ("FR-ca", "fr"),
        ("es-419,es;q=0.9,en;q=0.8", "es"),
        ("de-DE,de;q=0.9,ar;q=0.5", "ar"),
        ("de", "en"),
        ("*", "en"),
        ("en;q=0.1,fr;q=0.2", "fr"),
        ("en;q=0.5,fr;q=0.5", "en"),
        ("fr;q=0,es;q=0.1", "es"),
        ("fr;q=0", "en"),
        ("fr ; q=0.3 , es ; q = 0.4", "es"),
        ("fr;level=1;q=0.1,es;q=0.2", "es"),
        ("fr;q=banana,es;q=0.1", "es"),
        ("fr;q=nan,es;q=0.1,ar;q=nan,en;q=0.2", "en"),
        ("fr;q=-1,es;q=0.1", "es"),
        ("es;q=0.9,fr;q=7", "fr"),
        ("french,spanish", "en"),
        (";;;,,,=;q", "en"),
        ("de," * 29 + "fr", "fr"),
        ("de," * 30 + "fr", "en"),
        ("x" * 1001 + ",fr", "en"),
    ],
)
def test_the_best_rated_language_we_have(header: str, expected: str) -> None:
    assert language_for(header) == expected


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [("ar", "ar"), ("AR-eg", "ar"), ("es_MX", "es"), ("de", "fr"), ("", "fr"), (None, "fr"), ("<script>", "fr")],
)
def test_what_the_visitor_chose_wins_when_we_have_it(chosen: str | None, expected: str) -> None:
    assert language_for("fr,es;q=0.5", chosen=chosen) == expected


def test_the_shop_language_is_the_last_resort() -> None:
    assert language_for("de, ja", default="ar") == "ar"
    assert language_for("de, es", default="ar") == "es"


def test_arabic_runs_from_right_to_left() -> None:
    assert {language: direction_of(language) for language in LANGUAGES} == {
        "en": "ltr",
        "es": "ltr",
        "fr": "ltr",
        "ar": "rtl",
    }


@given(st.text(max_size=200), st.none() | st.text(max_size=20))
def test_whatever_is_sent_the_answer_is_one_of_ours(header: str, chosen: str | None) -> None:
    assert language_for(header, chosen=chosen) in LANGUAGES
