"""Exponential, logarithm and power that give the same bits on every machine.

The C library's ``exp``, ``log`` and ``pow`` differ in the last bit between processors and library
versions, so a logged probability computed with them could not be recomputed elsewhere. Here only
additions, multiplications, divisions and exact scalings by powers of two are used, each of which
IEEE 754 defines to the last bit. The relative error is a few units in the last place.
"""

from __future__ import annotations

import math

#: ln 2 in two parts: multiples of the first up to 2^20 are exact
_LN2_HIGH = float.fromhex("0x1.62e42fee00000p-1")
_LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")
_PER_LN2 = float.fromhex("0x1.71547652b82fep+0")
#: 1/14!, …, 1/1!, 1/0!: the Taylor series, from the highest power down
_EXP_TERMS = tuple(1.0 / math.factorial(n) for n in range(14, -1, -1))
#: 1/23, 1/21, …, 1/3, 1: the series of artanh in the square of its argument
_LOG_TERMS = tuple(1.0 / n for n in range(23, 0, -2))
_SMALLEST_EXPONENT = -745.2
_LARGEST_EXPONENT = 709.7


def exp(x: float) -> float:
    """Euler's number to the power of ``x``; 0 below -745.2.

    Range reduction to |r| ≤ ln 2 / 2 and a polynomial of degree 14 there.

    Raises:
        OverflowError: ``x`` is above 709.7.
    """
    if x < _SMALLEST_EXPONENT:
        return 0.0
    if x > _LARGEST_EXPONENT:
        raise OverflowError("the exponential is too large")
    halvings = math.floor(x * _PER_LN2 + 0.5)
    rest = (x - halvings * _LN2_HIGH) - halvings * _LN2_LOW
    total = 0.0
    for term in _EXP_TERMS:
        total = total * rest + term
    return math.ldexp(total, halvings)


def log(x: float) -> float:
    """The natural logarithm of ``x`` > 0: 2 artanh((m - 1)/(m + 1)) of its significand m.

    Raises:
        ValueError: ``x`` is not positive.
    """
    if not x > 0.0:
        raise ValueError("the logarithm needs a positive number")
    significand, exponent = math.frexp(x)
    if significand < _HALF_ROOT:
        significand, exponent = significand * 2.0, exponent - 1
    part = (significand - 1.0) / (significand + 1.0)
    square = part * part
    total = 0.0
    for term in _LOG_TERMS:
        total = total * square + term
    return exponent * _LN2_HIGH + (exponent * _LN2_LOW + 2.0 * part * total)


def power(base: float, exponent: float) -> float:
    """``base`` ≥ 0 to the power of ``exponent`` ≥ 0; 0 to the power of 0 is 1."""
    if exponent == 0.0:
        return 1.0
    if base == 0.0:
        return 0.0
    if exponent == 0.5:
        return math.sqrt(base)
    if exponent == 1.0:
        return base
    return exp(exponent * log(base))


_HALF_ROOT = math.sqrt(0.5)
