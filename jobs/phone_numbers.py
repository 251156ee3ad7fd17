"""Telephone numbers in the international form that links need, from what people write. Pure.

National numbers are read by the rule of the shop's country; where a country's rule is not known here, nothing is guessed.
"""

import re
from typing import Final, NamedTuple

from codes.alphabet import CodeError

MIN_DIGITS, MAX_DIGITS = 7, 15  # ITU-T E.164

_SEPARATORS: Final = re.compile(r"[\s()./\-\u00a0\u2010-\u2015\u2066-\u2069\u200e\u200f\u202a-\u202e-]+")
_DIGITS: Final = str.maketrans("٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹", "01234567890123456789")
_OPTIONAL_ZERO: Final = re.compile(r"\(\s*0\s*\)")


class PhoneError(CodeError):
    """A number that cannot be dialled from anywhere; the message says how to write it."""


class Country(NamedTuple):
    """``trunk`` is dialled before a number within the country only, and goes away."""

    calling_code: str
    trunk: str


_TRUNK_0: Final = (
    "AE:971 AL:355 AM:374 AT:43 AU:61 AZ:994 BA:387 BD:880 BE:32 BG:359 BR:55 CD:243 CH:41 CN:86 CO:57 CU:53 DE:49 DZ:213"
    " EC:593 EG:20 ET:251 FI:358 FR:33 GB:44 GE:995 GF:594 GG:44 GH:233 GP:590 HR:385 ID:62 IE:353 IL:972 IM:44 IN:91"
    " IQ:964 IR:98 JE:44 JO:962 JP:81 KE:254 KG:996 KH:855 KR:82 LB:961 LI:423 LK:94 LY:218 MA:212 MD:373 ME:382 MG:261"
    " MK:389 MM:95 MQ:596 MY:60 NA:264 NG:234 NL:31 NP:977 NZ:64 PE:51 PH:63 PK:92 PS:970 PY:595 RE:262 RO:40 RS:381"
    " RW:250 SA:966 SD:249 SE:46 SI:386 SK:421 SY:963 TH:66 TR:90 TW:886 TZ:255 UA:380 UG:256 UY:598 VE:58 VN:84 XK:383"
    " YE:967 YT:262 ZA:27 ZM:260 ZW:263"
)
_NO_TRUNK: Final = (
    "AD:376 BH:973 BF:226 BJ:229 BO:591 BW:267 CI:225 CL:56 CM:237 CR:506 CV:238 CY:357 CZ:420 DJ:253 DK:45 EE:372 ES:34"
    " FO:298 GL:299 GR:30 GT:502 HK:852 HN:504 HT:509 IS:354 IT:39 KW:965 LU:352 LV:371 MC:377 ML:223 MO:853 MR:222 MT:356"
    " MU:230 MX:52 MZ:258 NC:687 NE:227 NI:505 NO:47 OM:968 PA:507 PF:689 PL:48 PT:351 QA:974 SG:65 SM:378 SN:221 SV:503"
    " TD:235 TG:228 TN:216 VA:39"
)
_TRUNK_1: Final = "US:1 CA:1 PR:1 DO:1 JM:1 BS:1 BB:1 TT:1 GU:1 VI:1 AG:1 BM:1"
_COUNTRIES: Final[dict[str, Country]] = {
    country: Country(code, trunk)
    for table, trunk in (
        (_TRUNK_0, "0"),
        (_NO_TRUNK, ""),
        (_TRUNK_1, "1"),
        ("RU:7 KZ:7", "8"),
        ("HU:36", "06"),
        ("BY:375", "80"),
    )
    for country, code in (entry.split(":") for entry in table.split())
}
# Here the number itself begins with 0.
_KEEP_ZERO: Final = frozenset({"IT", "SM", "VA", "CI", "BJ", "BF"})
# Here an area's numbers begin like the country code, and are as long as one with it.
_CODE_IS_AREA: Final = frozenset({"BR"})
# Digits of every national number there: without them a trunk prefix could not be told from a number's own first digit.
_LENGTH: Final = {"1": 10, "7": 10}


def international_number(written: str, country: str = "") -> str:
    """From "0151 12345678" in Germany "+4915112345678". ``country``: two letters or empty. Raises PhoneError."""
    text = written.strip().translate(_DIGITS)
    if country not in _KEEP_ZERO and not text.startswith(("+39", "0039")):
        text = _OPTIONAL_ZERO.sub("", text)
    international = _SEPARATORS.sub("", text)
    if international.startswith("00"):
        international = f"+{international[2:]}"
    number = international if international.startswith("+") else f"+{_national(international, country, written)}"
    digits = number[1:]
    if not digits.isascii() or not digits.isdigit() or not MIN_DIGITS <= len(digits) <= MAX_DIGITS or digits[0] == "0":
        raise PhoneError(f"{written[:40]!r} is no telephone number; write it as +49 30 1234567.")
    return number


def _national(digits: str, country: str, written: str) -> str:
    if not digits.isascii() or not digits.isdigit():
        raise PhoneError(f"{written[:40]!r} is no telephone number; write it as +49 30 1234567.")
    known = _COUNTRIES.get(country)
    if known is None:
        why = f"the numbers of {country} are not known here" if country else "the shop's country is not set"
        raise PhoneError(
            f"{written[:40]!r} has no country code, and {why}: write it with one, as +49 30 1234567"
            f"{'' if country else ', or set the country'}."
        )
    code, trunk = known
    length = _LENGTH.get(code)
    if length is None and digits.startswith(code) and len(digits) >= len(code) + 9 and country not in _CODE_IS_AREA:
        raise PhoneError(f"{written[:40]!r} begins with the country code of {country}: write it as +{digits}.")
    if trunk and digits.startswith(trunk) and (length is None or len(digits) > length):
        digits = digits[len(trunk) :]
    if (digits.startswith("0") and country not in _KEEP_ZERO) or (length is not None and len(digits) != length):
        raise PhoneError(f"{written[:40]!r} is no number of {country}: write it with its country code, as +{code} ...")
    return f"{code}{digits}"
