"""How many text messages a text is: boundaries of both encodings, what counts twice, what is never split."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.sms import BASIC, EXTENSION, SmsSize, forcing_ucs2, sms_size

SIZES = {
    "nothing": ("", ("GSM-7", 0, 0, 160)),
    "one letter": ("a", ("GSM-7", 1, 1, 159)),
    "a full GSM-7 message": ("a" * 160, ("GSM-7", 160, 1, 0)),
    "one more makes two": ("a" * 161, ("GSM-7", 161, 2, 145)),
    "two full ones": ("a" * 306, ("GSM-7", 306, 2, 0)),
    "the third begins": ("a" * 307, ("GSM-7", 307, 3, 152)),
    "a full UCS-2 message": ("ق" * 70, ("UCS-2", 70, 1, 0)),
    "one more in UCS-2": ("ق" * 71, ("UCS-2", 71, 2, 63)),
    "two full in UCS-2": ("ق" * 134, ("UCS-2", 134, 2, 0)),
    "the third in UCS-2": ("ق" * 135, ("UCS-2", 135, 3, 66)),
    "Arabic": ("جاهز للاستلام", ("UCS-2", 13, 1, 57)),
    "the euro counts twice": ("€", ("GSM-7", 2, 1, 158)),
    "so do brackets": ("[]{}~^|\\", ("GSM-7", 16, 1, 144)),
    "80 euros fill one": ("€" * 80, ("GSM-7", 160, 1, 0)),
    "81 euros, 76 of them in the first": ("€" * 81, ("GSM-7", 162, 2, 143)),
    "an escape is not parted from its character": ("a" * 152 + "€" + "a" * 10, ("GSM-7", 164, 2, 141)),
    "an emoji is two": ("😀", ("UCS-2", 2, 1, 68)),
    "35 emoji fill one": ("😀" * 35, ("UCS-2", 70, 1, 0)),
    "36 emoji, 33 in the first": ("😀" * 36, ("UCS-2", 72, 2, 61)),
    "a surrogate pair is not split": ("ق" * 66 + "😀" + "ق" * 3, ("UCS-2", 71, 2, 62)),
    "a line end is one": ("a\r\nb", ("GSM-7", 3, 1, 157)),
    "Spanish letters that GSM-7 has": ("¿Ñandú? ¡sí!", ("UCS-2", 12, 1, 58)),
    "and without í and ú": ("¿Ñandu? ¡si!", ("GSM-7", 12, 1, 148)),
    "Greek capitals": ("ΔΦΓΛΩΠΨΣΘΞ", ("GSM-7", 10, 1, 150)),
    "but no Greek alpha": ("\u03b1", ("UCS-2", 1, 1, 69)),
}


@pytest.mark.parametrize("case", SIZES)
def test_sizes(case: str) -> None:
    text, expected = SIZES[case]
    assert sms_size(text) == SmsSize(*expected)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "forcing"),
    [
        ("plain", ()),
        ("€ [x]", ()),
        ("it\u2019s \u201cso\u201d", ("\u2019", "\u201c", "\u201d")),
        ("ç ç Ç", ("ç",)),
        ("a\u00a0b", ("\u00a0",)),
        ("`", ("`",)),
    ],
)
def test_what_forces_the_smaller_message_is_named_once(text: str, forcing: tuple[str, ...]) -> None:
    assert forcing_ucs2(text) == forcing


def test_the_tables_are_as_large_as_the_standard_s() -> None:
    assert (len(BASIC), len(EXTENSION)) == (127, 10)  # 128 less the escape; 9 signs and the form feed
    assert not BASIC & EXTENSION


@given(st.text(st.sampled_from("a€ق😀\n"), max_size=400))
def test_segments_hold_what_there_is_and_no_fewer_would_do(text: str) -> None:
    size = sms_size(text)
    most = {"GSM-7": (160, 153), "UCS-2": (70, 67)}[size.encoding]
    room = most[0] if size.segments <= 1 else most[1] * size.segments
    assert 0 <= size.left < (most[0] + 1 if size.segments <= 1 else most[1])
    lost = room - size.characters - size.left  # at the ends of messages, where two units had no room
    assert 0 <= lost <= max(0, size.segments - 1)
    if size.segments > 1:
        assert size.characters > most[0]
    assert sms_size(text + "a").segments >= size.segments
