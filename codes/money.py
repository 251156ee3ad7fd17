"""Amounts of money: whole minor units (cents) and a currency of ISO 4217, read from what people type and shown again."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from babel.numbers import get_currency_precision, list_currencies

from codes.alphabet import CodeError

MAX_MINOR: Final = 10**15
_CURRENCIES: Final = frozenset(list_currencies())
_TYPED: Final = re.compile(r"([0-9]{1,13})(?:[.,]([0-9]{1,4}))?\s*([A-Za-z]{3})")


class MoneyError(CodeError):
    """An amount that cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Money:
    minor: int
    currency: str

    def __str__(self) -> str:
        """As ``read_money`` reads it: 12.50 EUR."""
        places = get_currency_precision(self.currency)
        return f"{Decimal(self.minor).scaleb(-places):.{places}f} {self.currency}"


def read_money(text: str) -> Money | None:
    """From "12.50 EUR"; None when nothing is given. Raises MoneyError."""
    if not text.strip():
        return None
    found = _TYPED.fullmatch(text.strip())
    if found is None:
        raise MoneyError(f"{text[:40]!r} is no amount of money. Write it like 12.50 EUR.")
    whole, fraction, currency = found[1], found[2] or "", found[3].upper()
    places = _places(currency)
    if len(fraction) > places:
        raise MoneyError(f"{currency} has {places} digits after the point; {text[:40]!r} has {len(fraction)}.")
    return checked_money(int(whole + fraction.ljust(places, "0")), currency)


def checked_money(minor: int | None, currency: str | None) -> Money | None:
    """Both or neither. Raises MoneyError."""
    if minor is None and not currency:
        return None
    if minor is None or not currency:
        raise MoneyError("a cost needs both the amount in minor units (cents) and its currency, such as 1250 and EUR.")
    _places(currency.upper())
    if not 0 <= minor <= MAX_MINOR:
        raise MoneyError(f"a cost is a whole number of minor units from 0 to {MAX_MINOR:,}.")
    return Money(minor, currency.upper())


def _places(currency: str) -> int:
    if currency not in _CURRENCIES:
        raise MoneyError(f"{currency[:10]!r} is no currency of ISO 4217; write EUR, USD, GBP ...")
    return get_currency_precision(currency)
