"""Telephone numbers as people write them, in the form that links need."""

import pytest

from jobs.phone_numbers import PhoneError, international_number


@pytest.mark.parametrize(
    ("written", "country", "number"),
    [
        ("+49 151 1234567", "", "+491511234567"),
        ("+49 (0)30 1234567", "FR", "+49301234567"),
        ("0049-30-1234567", "", "+49301234567"),
        ("0151 / 123 45 67", "DE", "+491511234567"),
        ("(030) 1234-567", "DE", "+49301234567"),
        ("06 12 34 56 78", "FR", "+33612345678"),
        ("612 345 678", "ES", "+34612345678"),
        ("07700 900123", "GB", "+447700900123"),
        ("(202) 555-0123", "US", "+12025550123"),
        ("1-202-555-0123", "US", "+12025550123"),
        ("8 912 345-67-89", "RU", "+79123456789"),
        ("06 30 123 4567", "HU", "+36301234567"),
        ("06 1234 5678", "IT", "+390612345678"),  # an Italian 0 belongs to the number
        ("+39 (0)6 1234 5678", "", "+390612345678"),
        ("\u0660\u0661\u0660 \u0661\u0662\u0663\u0664 \u0665\u0666\u0667\u0668", "EG", "+201012345678"),
        ("050 123 4567", "AE", "+971501234567"),
        ("01 97 12 34 56", "BJ", "+2290197123456"),
        ("\u202a+966 50 123 4567\u202c", "", "+966501234567"),  # copied from a page in Arabic
        ("55 99912-3456", "BR", "+5555999123456"),  # an area of its own, not the country's code
        ("391 2345678", "IT", "+393912345678"),
    ],
)
def test_numbers_are_read_as_in_their_country(written: str, country: str, number: str) -> None:
    assert international_number(written, country) == number


@pytest.mark.parametrize(
    ("written", "country", "says"),
    [
        ("0151 1234567", "", "country is not set"),
        ("0151 1234567", "XX", "numbers of XX are not known here"),
        ("011 15 1234 5678", "AR", "not known here"),
        ("call me", "DE", "no telephone number"),
        ("+49", "", "no telephone number"),
        ("+0 151 1234567", "", "no telephone number"),
        ("+49 151 1234567 ext 5", "", "no telephone number"),
        ("12345678901234567", "ES", "no telephone number"),
        ("49 1511 234567", "DE", r"write it as \+491511234567"),
        ("34 612 345 678", "ES", r"write it as \+34612345678"),
        ("555-0123", "US", "no number of US"),
        ("0612345678", "ES", "no number of ES"),
        ("", "DE", "no telephone number"),
    ],
)
def test_a_number_that_cannot_be_dialled_is_refused(written: str, country: str, says: str) -> None:
    with pytest.raises(PhoneError, match=says):
        international_number(written, country)
