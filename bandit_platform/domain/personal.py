"""What looks like something that must not be written down: addresses, telephones, cards, keys.

These are shapes, so they err on the side of caution; a field that really needs such a value says so
with ``allow_personal = true``. Nothing here repeats the value.
"""

from __future__ import annotations

import re
import unicodedata

#: Almost no text gets further than this one look.
_WORTH_A_LOOK = re.compile(r"@|%40|[ps]k_|\d(?:[ ().\-/]*\d){6}")
_EMAIL = re.compile(r"[^\s@]@[^\s@]+\.[^\s@]")
_ACCESS_KEY = re.compile(r"[ps]k_[0-9a-f]{16}_")
_NUMBER = re.compile(r"\+?\(?\d(?:[ ().\-/]*\d){6,}")
_DATE = re.compile(r"(?:19|20)\d\d[-/.]?[01]\d[-/.]?[0-3]\d(?:[ T]?\d\d)*")
_NORTH_AMERICAN = re.compile(r"(?:1[ .-])?(?:\(\d{3}\) ?|\d{3}[ .-])\d{3}[ .-]\d{4}")
_SMALLEST_CARD = 10**12


def personal_shape(text: str) -> str | None:
    """What a text looks like ("an e-mail address", …), or None where it looks harmless."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)  # full-width digits and signs
    if _WORTH_A_LOOK.search(text) is None:
        return None
    if is_email(text):
        return "an e-mail address"
    if _ACCESS_KEY.search(text):
        return "an access key"
    for match in _NUMBER.finditer(text):
        found = match[0]
        digits = re.sub(r"\D", "", found)
        if any(map(_is_card, (digits, *re.findall(r"\d+", found)))):
            return "a payment-card number"
        if _is_telephone(found, digits):
            return "a telephone number"
    return None


def is_email(text: str) -> bool:
    """Whether a text holds an e-mail address, as it is or as in a URL."""
    if "@" not in text and "%40" not in text:
        return False
    return _EMAIL.search(text.replace("%40", "@")) is not None


def is_access_key(text: str) -> bool:
    """Whether a text holds what begins like one of our keys."""
    return "k_" in text and _ACCESS_KEY.search(text) is not None


def is_card_number(value: float) -> bool:
    """Whether a number is a whole one that could stand on a payment card."""
    return value >= _SMALLEST_CARD and value == int(value) and _is_card(str(int(value)))


def _is_card(digits: str) -> bool:
    """Thirteen to nineteen digits of a card network, with the right check digit (Luhn)."""
    if not 13 <= len(digits) <= 19 or digits[0] not in "23456":
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
    if found.startswith(("+", "(+")) or (digits.startswith("00") and len(digits) >= 10):
        return True
    national = digits.startswith("0") and len(digits) in {10, 11}
    return national or _NORTH_AMERICAN.fullmatch(found) is not None
