"""Against the C library to a few units in the last place, and against recorded bits exactly."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit_platform.policies.portable_math import exp, log, power


@given(st.floats(-700.0, 709.7))
def test_exp_is_accurate(x: float) -> None:
    assert exp(x) == pytest.approx(math.exp(x), rel=1e-15)


@given(st.floats(1e-300, 1e300))
def test_log_is_accurate(x: float) -> None:
    assert log(x) == pytest.approx(math.log(x), rel=1e-15, abs=1e-16)


@given(st.floats(0.0, 1e9), st.floats(0.0, 10.0))
def test_power_is_accurate(base: float, exponent: float) -> None:
    assert power(base, exponent) == pytest.approx(base**exponent, rel=1e-13, abs=1e-300)


def test_exact_values() -> None:
    assert (exp(0.0), log(1.0)) == (1.0, 0.0)
    assert (power(7.0, 0.0), power(0.0, 0.0), power(0.0, 0.3)) == (1.0, 1.0, 0.0)
    assert power(144.0, 0.5) == 12.0
    assert power(7.5, 1.0) == 7.5
    assert exp(-800.0) == 0.0


@pytest.mark.parametrize(
    ("found", "bits"),
    [
        (exp(1.0), "0x1.5bf0a8b14576ap+1"),
        (exp(-33.3), "0x1.f165bb9b59d94p-49"),
        (log(12345.678), "0x1.2d79559791e31p+3"),
        (log(3e-9), "-0x1.39fe94b812f88p+4"),
        (power(20000.0, 0.7), "0x1.003f911500d0fp+10"),
    ],
)
def test_the_bits_are_the_same_on_every_machine(found: float, bits: str) -> None:
    """The bits follow from IEEE 754; they were recorded on x86-64."""
    assert found.hex() == bits


def test_what_has_no_value_is_refused() -> None:
    with pytest.raises(OverflowError):
        exp(710.0)
    for x in (0.0, -1.0, math.nan):
        with pytest.raises(ValueError, match="positive"):
            log(x)
