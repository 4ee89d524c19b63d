"""What Vowpal Wabbit reads of a number: the number, or zero below a stated size."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bandit_platform.policies.numbers import SMALLEST, number

#: the number just below the limit, with as many digits as are ever written
BELOW = "9.99999999e-30"


@given(st.floats(min_value=-1e12, max_value=1e12))
@example(1.74e-30)
@example(1.7400321e-30)
@example(SMALLEST)
@example(-SMALLEST)
@example(math.nextafter(SMALLEST, 0.0))
@example(5e-324)
def test_a_number_is_read_as_itself_or_as_zero(
    parse: Callable[[list[str]], Any], value: float
) -> None:
    parsed = parse([f"shared |c x:{number(value)} y", "|a @nothing"])
    expected = [] if abs(value) < SMALLEST else [pytest.approx(value, rel=1e-6)]
    assert parsed.shared["c"] == [*expected, 1.0]


def test_vowpal_wabbit_reads_smaller_numbers_by_their_digits(
    parse: Callable[[list[str]], Any],
) -> None:
    """The limit is the smallest power of ten that is read whatever the digits."""
    assert float(BELOW) < SMALLEST
    assert parse([f"shared |c x:{BELOW} y", "|a @nothing"]).shared["c"] == [1.0]
    assert len(parse(["shared |c x:1e-30 y", "|a @nothing"]).shared["c"]) == 2
    assert number(1e-30) == number(float(BELOW)) == "0"
