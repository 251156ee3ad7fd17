# ruff: noqa: RUF001  Arabic digits look like other letters
"""What customers read: every catalogue whole, plurals and dates as each language writes them, the sentences themselves."""

from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from string import Formatter

import pytest
from babel import Locale, localedata
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from hatchling.builders.wheel import WheelBuilder
from hypothesis import given
from hypothesis import strategies as st

from codes.opening_hours import read_typed_hours
from jobs import status_texts
from jobs.catalogues import ROOT, TEMPLATE, TRANSLATED, extracted, faults, read_catalogue, updated, written
from jobs.languages import LANGUAGES
from jobs.texts import PSEUDO, Texts, catalogue_path, texts_for

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
NARROW = "\u202f"


MSGIDS = sorted(message.id for message in extracted() if isinstance(message.id, str) and message.id)


def with_everything(texts: Texts, msgid: str) -> str:
    return texts.say(msgid, **{name: "42" for _, name, _, _ in Formatter().parse(msgid) if name})


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_can_be_said(language: str) -> None:
    texts = texts_for(language)
    said = [with_everything(texts, msgid) for msgid in MSGIDS]
    assert len(said) > 60
    assert all(said)
    assert not any("{" in text for text in said)


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_language_does_not_fall_back_to_english(language: str) -> None:
    texts = texts_for(language)
    same = {msgid for msgid in MSGIDS if with_everything(texts, msgid) == with_everything(texts_for("en"), msgid)}
    assert same <= {"WhatsApp", "Contact", "E-mail", "Code", "{shop}: {item}", "{days}: {times}"}


def test_arabic_has_a_sentence_for_each_of_its_six_numbers() -> None:
    texts = texts_for("ar")
    said = [status_texts.kept_after_completion(texts, n) for n in (0, 1, 2, 3, 11, 100)]
    assert len(set(said)) == 6
    assert said[2].endswith("بعد يومين من الاكتمال.")
    assert "{" not in "".join(said)


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_count_takes_the_form_that_cldr_says(language: str) -> None:
    forms = ["zero", "one", "two", "few", "many", "other"] if language == "ar" else ["one", "other"]
    plural = read_catalogue(language)
    texts = Texts(language)
    rule = Locale(language).plural_form
    for n in (*range(1200), 12_345):
        category = rule(n)
        assert forms[texts._catalogue.plural(n)] == category, n
    assert plural.num_plurals == len(forms)


@pytest.mark.parametrize(
    ("language", "country", "moment", "next_year", "trail", "older"),
    [
        ("en", "", "Sunday, 22 November, 11:00", "Monday, 11 January 2027, 11:00", "Sun 11:00", "Fri 13 Nov, 11:00"),
        (
            "en",
            "US",
            f"Sunday, November 22, 11:00{NARROW}AM",
            f"Monday, January 11, 2027, 11:00{NARROW}AM",
            f"Sun 11:00{NARROW}AM",
            f"Fri, Nov 13, 11:00{NARROW}AM",
        ),
        (
            "es",
            "",
            "domingo, 22 de noviembre, 11:00",
            "lunes, 11 de enero de 2027, 11:00",
            "dom, 11:00",
            "vie, 13 nov, 11:00",
        ),
        ("fr", "", "dimanche 22 novembre, 11:00", "lundi 11 janvier 2027, 11:00", "dim. 11:00", "ven. 13 nov., 11:00"),
        (
            "ar",
            "",
            "الأحد، 22 نوفمبر، 11:00 ص",
            "الاثنين، 11 يناير 2027، 11:00 ص",
            "الأحد 11:00 ص",
            "الجمعة، 13 نوفمبر، 11:00 ص",
        ),
        (
            "ar",
            "EG",
            "الأحد، ٢٢ نوفمبر، ١١:٠٠ ص",
            "الاثنين، ١١ يناير ٢٠٢٧، ١١:٠٠ ص",
            "الأحد ١١:٠٠ ص",
            "الجمعة، ١٣ نوفمبر، ١١:٠٠ ص",
        ),
        (
            "ar",
            "SY",
            "الأحد، ٢٢ تشرين الثاني، ١١:٠٠ ص",
            "الاثنين، ١١ كانون الثاني ٢٠٢٧، ١١:٠٠ ص",
            "الأحد ١١:٠٠ ص",
            "الجمعة، ١٣ تشرين الثاني، ١١:٠٠ ص",
        ),
    ],
)
def test_times_as_they_are_written_there(
    language: str, country: str, moment: str, next_year: str, trail: str, older: str
) -> None:
    texts, zone = texts_for(language, country), "Europe/Berlin"
    assert texts.moment(NOW, zone, NOW) == moment
    assert texts.moment(NOW + timedelta(days=50), zone, NOW) == next_year
    assert texts.short_moment(NOW, zone, NOW) == trail
    assert texts.short_moment(NOW - timedelta(days=9), zone, NOW) == older


def test_a_time_is_that_of_the_shop() -> None:
    texts = texts_for("en")
    late = datetime(2026, 12, 31, 20, tzinfo=UTC)
    assert texts.moment(late, "Asia/Kolkata", NOW) == "Friday, 1 January 2027, 01:30"
    assert texts.date(late, "Asia/Kolkata", late) == "Friday, 1 January"
    assert texts.date(late, "America/New_York", late) == "Thursday, 31 December"
    assert texts.time(late, "Asia/Kolkata") == "01:30"


def test_a_trail_names_the_date_where_a_weekday_could_be_two() -> None:
    texts = texts_for("en")
    assert texts.short_moment(NOW - timedelta(days=6), "UTC", NOW) == "Mon 10:00"
    assert texts.short_moment(NOW - timedelta(days=7), "UTC", NOW) == "Sun 15 Nov, 10:00"
    assert texts.short_moment(NOW - timedelta(days=400), "UTC", NOW) == "Sat, 18 Oct 2025, 10:00"
    # By dates, not by hours: a week ago at another time of day is the same weekday.
    assert texts.short_moment(NOW - timedelta(days=6, hours=11), "UTC", NOW) == "Sun 15 Nov, 23:00"


@pytest.mark.parametrize(
    "locale", [name for name in localedata.locale_identifiers() if name.partition("_")[0] in LANGUAGES]
)
def test_a_date_of_this_year_shows_no_year_in_any_country(locale: str) -> None:
    language, _, country = locale.partition("_")
    texts = Texts(language, country if len(country) == 2 else "")
    assert "2026" not in texts.moment(NOW, "UTC", NOW).translate(str.maketrans("٠١٢٦", "0126"))
    assert texts.short_moment(NOW, "UTC", NOW).endswith(texts.time(NOW, "UTC"))


def test_a_country_where_nobody_reads_it_changes_nothing() -> None:
    for country in ("SA", "ZZ", "x", "🙂"):
        assert texts_for("en", country).moment(NOW, "UTC", NOW) == texts_for("en").moment(NOW, "UTC", NOW)


def test_numbers_are_written_in_the_digits_of_the_country() -> None:
    assert texts_for("ar", "EG").number(12345) == "١٢٬٣٤٥"
    assert texts_for("ar", "MA").digits("90") == "90"
    assert texts_for("es").number(12345) == "12.345"
    assert "٩٠" in status_texts.kept_after_completion(texts_for("ar", "EG"), 90)


def test_what_shops_write_cannot_become_markup_or_turn_the_sentence_around() -> None:
    said = texts_for("ar").say_html(status_texts.CALL_SHOP, shop="<b>A & {B}</b>")
    assert said == "الاتصال بـ <bdi>&lt;b&gt;A &amp; {B}&lt;/b&gt;</bdi>"
    assert texts_for("en").say(status_texts.CALL_SHOP, shop="{0.__class__}") == "Call {0.__class__}"


def test_a_language_that_we_do_not_have_is_english() -> None:
    assert texts_for("de").say(status_texts.LATE) == "Late"
    assert texts_for("ar").direction == "rtl"
    assert texts_for("fr").direction == "ltr"


@given(st.sampled_from(MSGIDS))
def test_the_pseudo_language_shows_what_is_translated(msgid: str) -> None:
    said, plain = with_everything(texts_for(PSEUDO), msgid), with_everything(texts_for("en"), msgid)
    assert said.startswith("[")
    assert said.endswith("]")
    assert said.count("42") == plain.count("42")
    letters = [letter for letter in said if letter.isascii() and letter.isalpha()]
    assert letters == []
    assert len(said) >= 1.3 * len(plain.replace("42", ""))


def test_opening_hours_in_lines() -> None:
    hours = read_typed_hours("mon-fri 09:00-12:00 13:00-18:00; sat 10:00-24:00")
    assert status_texts.opening_lines(texts_for("en"), hours) == [
        ("Monday \u2013 Friday", "09:00 \u2013 12:00 \u00b7 13:00 \u2013 18:00"),
        ("Saturday", "10:00 \u2013 00:00"),
        ("Sunday", "closed"),
    ]
    assert status_texts.opening_lines(texts_for("fr"), hours)[2] == ("dimanche", "fermé")
    assert status_texts.opening_lines(texts_for("fr"), None) == []


def test_a_closed_day_is_named() -> None:
    texts = texts_for("es")
    assert texts.day(date(2026, 12, 24), date(2026, 11, 22)) == "jueves, 24 de diciembre"
    assert texts.day(date(2027, 1, 1), date(2026, 11, 22)) == "viernes, 1 de enero de 2027"


CLOSED = [
    {"from": "2026-11-26", "until": "2026-11-26", "name": "not for customers"},
    {"from": "2026-12-05", "until": "2026-12-07", "name": ""},
    {"from": "2026-12-07", "until": "2026-12-08", "name": ""},
    {"from": "2026-11-01", "until": "2026-11-21", "name": ""},
]


def test_days_on_which_it_is_closed_are_told_two_weeks_before() -> None:
    lines = list(status_texts.closed_lines(texts_for("en"), CLOSED, date(2026, 11, 22)))
    assert lines == ["Closed: Thursday, 26 November", "Closed: Saturday, 5 December to Monday, 7 December"]
    french = list(status_texts.closed_lines(texts_for("fr"), CLOSED, date(2026, 12, 6)))
    assert french[0] == "Fermé : du samedi 5 décembre au lundi 7 décembre"


@pytest.fixture(scope="module")
def source() -> Catalog:
    return extracted()


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalogue_is_whole(language: str, source: Catalog) -> None:
    assert faults(source, read_catalogue(language)) == [], "run `make texts` and translate what it names"


def test_the_files_are_as_the_tool_writes_them(source: Catalog) -> None:
    assert TEMPLATE.read_bytes() == written(source), "run `make texts`"
    for language in TRANSLATED:
        assert catalogue_path(language).read_bytes() == written(updated(language, source)), "run `make texts`"


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        ('msgid "Call {shop}"\nmsgstr ""', "missing: Call {shop}"),
        ('msgid "Call"\nmsgstr "Appeler"', "missing: Call {shop}"),
        ('msgid "Call {shop}"\nmsgstr "Appeler {magasin}"', "other placeholders: Call {shop}"),
        ('msgid "Call {shop}"\nmsgstr "Appeler"', "other placeholders: Call {shop}"),
        ('#, fuzzy\nmsgid "Call {shop}"\nmsgstr "Appeler {shop}"', "fuzzy: Call {shop}"),
        ('msgid "{n} day"\nmsgid_plural "{n} days"\nmsgstr[0] "{n} jour"', "missing: {n} day"),
        (
            'msgid "{n} day"\nmsgid_plural "{n} days"\nmsgstr[0] "{n} jour"\nmsgstr[1] "{jours}"',
            "other placeholders: {n} day",
        ),
        ('msgid "Gone"\nmsgstr "Parti"', "no longer in the source: Gone"),
    ],
)
def test_what_is_wrong_with_a_catalogue_is_told(entry: str, fault: str) -> None:
    template = Catalog()
    template.add("Call {shop}")
    template.add(("{n} day", "{n} days"))
    header = 'msgid ""\nmsgstr ""\n"Plural-Forms: nplurals=2; plural=(n > 1);\\n"\n\n'
    assert fault in faults(template, read_po(BytesIO((header + entry + "\n").encode()), locale="fr"))


def test_a_wheel_carries_the_catalogues() -> None:
    carried = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    assert {str(catalogue_path(language).relative_to(ROOT)) for language in TRANSLATED} <= carried
