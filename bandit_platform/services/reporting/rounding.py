"""Numbers as people read them: rounded by their interval, with a real minus sign."""

from __future__ import annotations

import math

#: Digits after the point are never more than this, however narrow an interval is.
MOST_DECIMALS = 8
_MINUS = "\N{MINUS SIGN}"


def decimals_for(width: float) -> int:
    """How many decimals show two significant digits of an interval's width.

    Negative where the width is above 99: -1 rounds to tens.
    """
    if not math.isfinite(width) or width <= 0:
        return 2
    return min(1 - math.floor(math.log10(width)), MOST_DECIMALS)


def interval_decimals(lower: float, upper: float) -> int:
    """Decimals for an interval: two digits of its width.

    An interval that excludes zero must not read as if it touched it, so its ends get up to two
    more before they are rounded to zero.
    """
    decimals = decimals_for(upper - lower)
    if lower < 0 < upper:
        return decimals
    ends = [end for end in (lower, upper) if end != 0 and math.isfinite(end)]
    for more in range(3):
        if all(round(end, decimals + more) != 0 for end in ends):
            return min(decimals + more, MOST_DECIMALS)
    return decimals


def rounded(value: float, decimals: int, *, sign: bool = False) -> str:
    """The number with that many decimals and thousands separated; zero never has a sign.

    Args:
        value: what to show.
        decimals: digits after the point; negative to round to tens or hundreds.
        sign: whether a positive number gets a plus.
    """
    if math.isnan(value):
        return "unknown"
    if math.isinf(value):
        return f"{_MINUS if value < 0 else '+' if sign else ''}\N{INFINITY}"
    number = round(value, decimals)
    text = f"{abs(number):,.{max(decimals, 0)}f}"
    if number == 0:
        return text
    return f"{_MINUS if number < 0 else '+' if sign else ''}{text}"


def bounds_text(lower: float, upper: float, *, sign: bool = False) -> str:
    """An interval in words: ``0.012 to 0.030``; both ends signed where it spans zero."""
    decimals = interval_decimals(lower, upper)
    signed = sign or lower < 0 < upper
    low, high = (_end(end, decimals, signed) for end in (lower, upper))
    return f"{low} to {high}"


def _end(value: float, decimals: int, sign: bool) -> str:
    """An end of an interval; one too close to zero to tell says on which side it lies."""
    if value != 0 and round(value, decimals) == 0:
        return "just above 0" if value > 0 else "just below 0"
    return rounded(value, decimals, sign=sign)
