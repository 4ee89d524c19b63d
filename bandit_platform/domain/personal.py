"""What looks like something that must not be written down: addresses, telephones, cards, keys.

These are shapes, so they err on the side of caution; a field that really needs such a value says so
with ``allow_personal = true``. Nothing here repeats the value.
"""

from __future__ import annotations

import re
from unicodedata import category, decimal, normalize

#: Almost no text gets further than this one look.
_WORTH_A_LOOK = re.compile(r"@|%(?:25)?40|[ps]k_|\d(?:[\s().\-/]*\d){6}")
_EMAIL = re.compile(r"[^\s@]@[^\s@]+\.[^\s@]")
_ESCAPED_AT = re.compile(r"%(?:25)*40")
_ACCESS_KEY = re.compile(r"[ps]k_[0-9a-f]{16}_")
_NUMBER = re.compile(r"\+?\(?\d(?:[\s().\-/]*\d){6,}")
#: UUIDs and digests are made of chance; decimal fractions measure something.
_HARMLESS = re.compile(
    r"(?<![0-9a-z])[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?![0-9a-z])"
    r"|(?<![0-9a-z])(?=\d{0,23}[a-f])[0-9a-f]{24,128}(?![0-9a-z])"
    r"|(?<![\w+.])(?:0|[1-9]\d{0,8})\.\d+(?![\w.])",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"(?:(?:19|20)\d\d[-/.]?[01]\d[-/.]?[0-3]\d|[0-3]?\d[-/.][0-3]?\d[-/.](?:19|20)\d\d)"
    r"(?:[ T]?\d\d)*"
)
_NORTH_AMERICAN = re.compile(r"(?:1[ .-])?(?:\([2-9]\d\d\) ?|[2-9]\d\d[ .-])\d{3}[ .-]\d{4}")
#: Beginnings and lengths of the networks' numbers; 13 digits or a 20 in front are no card's, but
#: those of an article or of a time.
_CARD = re.compile(
    r"3[0689]\d{12}|3[47]\d{13}|2[2-7]\d{14}|[3-6]\d{15}|(?:5[068]|6[02-57])\d{15,17}|4\d{18}"
)
#: The groups on a card, wherever they stand among other digits.
_GROUPS = re.compile(
    r"(?<!\d)\d{4}(?:([\s.\-/]+)\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|([\s.\-/]+)\d{6}\2\d{4,5})(?!\d)"
)
_SMALLEST_CARD = 10**13
_SIGNS = {
    **dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"), "-"),
    ord("\u3002"): ".",
}


def personal_shape(text: str) -> str | None:
    """What a text looks like ("an e-mail address", …), or None where it looks harmless."""
    text = _plain(text)
    if _WORTH_A_LOOK.search(text) is None:
        return None
    if is_email(text):
        return "an e-mail address"
    if _ACCESS_KEY.search(text):
        return "an access key"
    return _number_shape(_HARMLESS.sub("x", text))


def _number_shape(text: str) -> str | None:
    if any(_is_card(_digits(match[0])) for match in _GROUPS.finditer(text)):
        return "a payment-card number"
    for match in _NUMBER.finditer(text):
        found, digits = match[0], _digits(match[0])
        if any(map(_is_card, (digits, *re.findall(r"\d+", found)))):
            return "a payment-card number"
        if _is_telephone(found, digits):
            return "a telephone number"
    return None


def _plain(text: str) -> str:
    """With the digits, dashes and stops of ASCII, and without what nobody sees."""
    if text.isascii():
        return text
    seen = (each for each in normalize("NFKC", text) if category(each) != "Cf")
    return "".join(str(decimal(each, each)) for each in seen).translate(_SIGNS)


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def is_email(text: str) -> bool:
    """Whether a text holds an e-mail address, as it is or as in a URL."""
    if text.isascii() and "@" not in text and "%" not in text:
        return False
    return _EMAIL.search(_ESCAPED_AT.sub("@", _plain(text))) is not None


def is_access_key(text: str) -> bool:
    """Whether a text holds what begins like one of our keys."""
    return "k_" in text and _ACCESS_KEY.search(text) is not None


def is_card_number(value: float) -> bool:
    """Whether a number is a whole one that could stand on a payment card."""
    return value >= _SMALLEST_CARD and value == int(value) and _is_card(str(int(value)))


def _is_card(digits: str) -> bool:
    """The number of a card network, with the right check digit (Luhn)."""
    if _CARD.fullmatch(digits) is None:
        return False
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def _is_telephone(found: str, digits: str) -> bool:
    """With a country's code, with a leading zero, or in the form of North America."""
    if not 7 <= len(digits) <= 15 or _DATE.fullmatch(found):
        return False
    if found.startswith(("+", "(+")):
        return True
    if digits.startswith("0"):
        return _is_dialled(found, digits)
    return _NORTH_AMERICAN.fullmatch(found) is not None


def _is_dialled(found: str, digits: str) -> bool:
    """As dialled within a country or, after two zeros, into one; more zeros fill a number up."""
    if digits.startswith("00"):
        return digits[2] != "0" and len(digits) >= 11
    return len(digits) in {10, 11} or (len(digits) == 12 and found != digits)
