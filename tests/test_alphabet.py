"""How codes are spelled, typed and looked up."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codes.alphabet import (
    CROCKFORD,
    CodeError,
    check_slug,
    fold,
    new_code,
    normalise_typed,
    reserved_reason,
    typed_candidates,
)

QR_ALPHANUMERIC = set(string.digits + string.ascii_uppercase + " $%*+-./:")

GOOD_SLUGS = [
    ("spring", "spring"),
    ("SPRING-2026", "spring-2026"),
    (" spring ", "spring"),
    ("123", "123"),
    ("a-b", "a-b"),
    ("-ab-", "-ab-"),
    ("---", "---"),
    ("x" * 64, "x" * 64),
]

BAD_SLUGS = [
    ("", "0 characters"),
    ("ab", "2 characters"),
    ("x" * 65, "65 characters"),
    ("Summer Sale", "Try 'summer-sale'"),
    ("münchen", "Try 'munchen'"),
    ("under_score", "Try 'under-score'"),
    ("favicon.ico", "Try 'favicon-ico'"),
    ("日本語", "Choose another one"),
    ("abc\n", "letters a-z"),
    ("\u212aelvin", "letters a-z"),  # the Kelvin sign: lower() makes a plain k of it
    ("ａｂｃ", "Try 'abc'"),  # noqa: RUF001  full-width
    ("apple-touch-icon", "reserved"),
    ("apple-touch-icon-120", "reserved"),
    ("app1e-t0uch-1con", "reserved"),
    ("apple-app-site-association", "reserved"),
]

RESERVED = [
    "",
    "/",
    "-",
    "-/health",
    ".",
    "..",
    "j",
    "J",
    "j/abc",
    "l",
    ".well-known",
    ".well-known/acme-challenge/x",
    "favicon.ico",
    "FAVICON.ICO",
    "robots.txt",
    "sitemap.xml",
    "index.html",
    "apple-touch-icon.png",
    "apple-touch-icon-precomposed.png",
    "Apple-Touch-Icon-57x57.png",
]

FREE = ["7", "ab", "spring", "robots", "-a", "apple", "well-known", "ab/j", "K7QZ0M4TXB"]

TYPED = [
    ("plain", "spring", ("spring",)),
    ("case stays for imported codes", "aBcD", ("aBcD",)),
    ("surrounding spaces", "  ABC123 ", ("ABC123",)),
    ("grouped by spaces", "K7QZ0 M4TXB", ("K7QZ0M4TXB", "K7QZ0-M4TXB")),
    ("grouped by hyphens", "K7QZ0-M4TXB", ("K7QZ0-M4TXB", "K7QZ0M4TXB")),
    ("slug with spaces", "summer sale", ("summersale", "summer-sale")),
    ("en dash with spaces", "summer \u2013 sale", ("summer-sale", "summersale")),
    ("non-breaking hyphen", "summer\u2011sale", ("summer-sale", "summersale")),
    ("minus sign", "summer\u2212sale", ("summer-sale", "summersale")),
    ("Japanese long mark for a hyphen", "summer\u30fcsale", ("summer-sale", "summersale")),
    ("full-width", "\uff21\uff22\uff23\uff0d\uff11\uff12", ("ABC-12", "ABC12")),
    ("Arabic-Indic digits", "\u0663\u0664\u0665ABC", ("345ABC",)),
    ("Persian digits", "\u06f4\u06f5\u06f6", ("456",)),
    ("Devanagari digits", "\u0967\u0968\u0969", ("123",)),
    ("direction mark and zero width space", "\u200eAB\u200bC", ("ABC",)),
    ("host and code", "w.example/abc", ("abc",)),
    ("address of a status page", "https://w.example/j/0123456789abcdef?hl=ar", ("0123456789abcdef",)),
    ("status page, host typed", "w.example/J/0123 4567/", ("01234567", "0123-4567")),
    ("status page, path typed", "/j/abc/calendar.ics", ("abc",)),
    ("status page, no slash", "j/abc", ("abc",)),
    ("host with port", "localhost:8080/abc", ("abc",)),
    ("full address", "https://w.example/abc", ("abc",)),
    ("upper-case address as a scanner shows it", "HTTPS://W.EXAMPLE/ABC", ("ABC",)),
    ("address with slash, query and fragment", "https://w.example/abc/?utm=x#top", ("abc",)),
    ("address with spaces", "w.example / ab c", ("abc", "ab-c")),
    ("leading slash", "/abc", ("abc",)),
    ("backslash", "w.example\\abc", ("abc",)),
    ("quoted, with a full stop", "\u201cspring.\u201d", ("spring",)),
    ("line break in the middle", "abc\ndef", ("abcdef", "abc-def")),
    ("only hyphens", "---", ("---",)),
    ("address without a code", "https://w.example/", ()),
    ("nothing", "", ()),
    ("only spaces", " \t ", ()),
    ("only punctuation", "...", ()),
    ("far too long", "a" * 600, ()),
]


@pytest.mark.parametrize(("text", "slug"), GOOD_SLUGS)
def test_own_slugs_are_lower_cased_and_kept(text: str, slug: str) -> None:
    assert check_slug(text) == slug
    assert set(slug.upper()) <= QR_ALPHANUMERIC


@pytest.mark.parametrize(("text", "part"), BAD_SLUGS)
def test_bad_slugs_are_refused_with_a_remedy(text: str, part: str) -> None:
    with pytest.raises(CodeError) as refused:
        check_slug(text)
    assert part in str(refused.value)


@pytest.mark.parametrize("code", RESERVED)
def test_reserved(code: str) -> None:
    assert reserved_reason(code)


@pytest.mark.parametrize("code", FREE)
def test_not_reserved(code: str) -> None:
    assert reserved_reason(code) is None


@pytest.mark.parametrize("length", [8, 10, 16, 32])
def test_generated_codes_are_crockford_and_do_not_repeat(length: int) -> None:
    made = {new_code(length) for _ in range(200)}
    assert len(made) == 200
    assert all(len(code) == length and set(code) <= set(CROCKFORD) <= QR_ALPHANUMERIC for code in made)
    assert set().union(*made) == set(CROCKFORD)


def test_campaign_codes_have_ten_characters() -> None:
    assert len(new_code()) == 10


@pytest.mark.parametrize("length", [-1, 0, 7, 33])
def test_lengths_that_can_be_guessed_or_do_not_print_are_refused(length: int) -> None:
    with pytest.raises(CodeError, match="8 to 32"):
        new_code(length)


@pytest.mark.parametrize(
    ("left", "right"), [("SPRING", "spring"), ("0IL", "o11"), ("HELLO-1", "he11o-i"), ("K7QZ0M4TXB", "k7qzOm4txb")]
)
def test_codes_that_read_the_same_share_a_lookup_key(left: str, right: str) -> None:
    assert fold(left) == fold(right)


@pytest.mark.parametrize(("left", "right"), [("ABC", "ABD"), ("U", "V"), ("5", "S"), ("a-b", "ab"), ("2", "Z")])
def test_other_codes_do_not(left: str, right: str) -> None:
    assert fold(left) != fold(right)


@pytest.mark.parametrize(("text", "candidates"), [case[1:] for case in TYPED], ids=[case[0] for case in TYPED])
def test_what_people_type(text: str, candidates: tuple[str, ...]) -> None:
    assert typed_candidates(text) == candidates


def test_a_normalised_code_keeps_inner_spaces_once() -> None:
    assert normalise_typed(" summer \t sale ") == "summer sale"


@settings(deadline=None)
@given(st.text())
def test_any_text_gives_few_clean_candidates(text: str) -> None:
    candidates = typed_candidates(text)
    assert len(candidates) <= 3
    assert len(set(candidates)) == len(candidates)
    assert all(candidate and " " not in candidate and "/" not in candidate for candidate in candidates)


@settings(deadline=None)
@given(st.text())
def test_folding_again_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@settings(deadline=None)
@given(st.from_regex(r"[A-Za-z0-9-]{3,64}", fullmatch=True))
def test_a_slug_typed_as_it_is_printed_is_found(text: str) -> None:
    if reserved_reason(text) is None:
        slug = check_slug(text)
        assert fold(slug) in [fold(candidate) for candidate in typed_candidates("W.EXAMPLE/" + slug.upper())]


@settings(deadline=None)
@given(st.integers(8, 32))
def test_a_generated_code_is_found_however_it_is_grouped(length: int) -> None:
    code = new_code(length)
    for typed in (code.lower(), " ".join(code), "-".join(code), code.replace("0", "O").replace("1", "l")):
        assert fold(code) in [fold(candidate) for candidate in typed_candidates(typed)]
