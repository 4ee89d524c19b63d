from __future__ import annotations

import math

import pytest

from bandit_platform.services.reporting.rounding import (
    bounds_text,
    decimals_for,
    interval_decimals,
    rounded,
)


@pytest.mark.parametrize(
    ("width", "decimals"),
    [(0.018, 3), (0.9, 2), (1.8, 1), (18.0, 0), (180.0, -1), (1e-12, 8), (0.0, 2), (math.inf, 2)],
)
def test_two_digits_of_the_width_are_kept(width: float, decimals: int) -> None:
    assert decimals_for(width) == decimals


def test_numbers_have_a_real_minus_and_zero_has_no_sign() -> None:
    assert rounded(-0.0213, 3) == "\N{MINUS SIGN}0.021"
    assert rounded(0.0213, 3, sign=True) == "+0.021"
    assert rounded(-0.0001, 2, sign=True) == "0.00"
    assert rounded(12345.6, -1) == "12,350"
    assert rounded(-math.inf, 2) == "\N{MINUS SIGN}∞"
    assert rounded(math.nan, 2) == "unknown"


def test_an_interval_that_excludes_zero_never_reads_as_touching_it() -> None:
    assert interval_decimals(0.0003, 0.02) == 4
    assert bounds_text(0.0003, 0.02) == "0.0003 to 0.0200"
    assert interval_decimals(1e-9, 0.02) == 3
    assert bounds_text(1e-9, 0.02) == "just above 0 to 0.020"
    assert bounds_text(-0.02, -1e-9) == "\N{MINUS SIGN}0.020 to just below 0"


def test_an_interval_across_zero_carries_signs() -> None:
    assert bounds_text(-0.06076, 0.00002) == "\N{MINUS SIGN}0.061 to just above 0"
    assert bounds_text(-0.006, 0.014) == "\N{MINUS SIGN}0.006 to +0.014"
    assert bounds_text(0.012, 0.03) == "0.012 to 0.030"
    assert bounds_text(0.012, 0.03, sign=True) == "+0.012 to +0.030"
