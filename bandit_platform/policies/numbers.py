"""Numbers as text that Vowpal Wabbit reads as the same number.

Its parser takes the digits as an integer and multiplies it by a power of ten in single precision.
Powers below 1e-37 count as zero there. A number written with nine digits has up to eight decimals,
so everything from 1e-29 on arrives, and below that it depends on the number of digits: ``1e-30``
is read, ``1.74e-30`` too, ``9.95987871e-30`` is dropped. Such numbers are therefore written as
zero, whatever their digits.
"""

from __future__ import annotations

#: The smallest magnitude that Vowpal Wabbit reads whatever the digits.
SMALLEST = 1e-29


def number(value: float) -> str:
    """The text of a finite number with nine digits; zero where its magnitude is below SMALLEST."""
    return f"{value:.9g}" if abs(value) >= SMALLEST else "0"
