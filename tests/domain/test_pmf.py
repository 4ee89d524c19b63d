from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit_platform.domain.pmf import TOLERANCE, sound_pmf, uniform_pmf, with_floor
from bandit_platform.errors import PolicyError


@pytest.mark.parametrize("size", [1, 2, 3, 7, 101])
def test_uniform_is_equal_and_sums_to_one(size: int) -> None:
    pmf = uniform_pmf(size)
    assert len(pmf) == size
    assert len(set(pmf)) == 1
    assert math.fsum(pmf) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(
    "raw",
    [
        [0.5, math.nan],
        [math.nan, math.nan],
        [1.2, -0.2],
        [1.0 + 2e-4, -2e-4],
        [0.5, 0.5 + 1.5 * TOLERANCE],
        [0.5, 0.5 - 1.5 * TOLERANCE],
        [1.0, 1.0],
        [0.0, 0.0],
        [math.inf, -math.inf],
        [math.inf, 0.0],
    ],
)
def test_what_is_no_distribution_is_refused(raw: list[float]) -> None:
    with pytest.raises(PolicyError, match="no probability distribution"):
        sound_pmf(raw, 2)


@pytest.mark.parametrize("raw", [[], [1.0], [0.2, 0.3, 0.5]])
def test_every_arm_needs_a_probability(raw: list[float]) -> None:
    with pytest.raises(PolicyError, match=f"gave {len(raw)} probabilities for 2 arms"):
        sound_pmf(raw, 2)


def test_single_precision_is_renormalised_in_double() -> None:
    raw = [0.33333334, 0.33333334, 0.33333334]
    pmf = sound_pmf(raw, 3)
    assert math.fsum(raw) != pytest.approx(1.0, abs=1e-9)
    assert math.fsum(pmf) == pytest.approx(1.0, abs=1e-15)
    assert len(set(pmf)) == 1


weights = st.lists(
    st.one_of(st.just(0.0), st.floats(min_value=1e-9, max_value=1.0)), min_size=1, max_size=101
).filter(any)
floors = st.floats(min_value=0.001, max_value=1.0)


@given(weights, floors)
def test_every_arm_has_its_share_of_the_floor_and_all_sum_to_one(
    mass: list[float], floor: float
) -> None:
    total = math.fsum(mass)
    pmf = with_floor(sound_pmf([each / total for each in mass], len(mass)), floor, 0)
    assert min(pmf) >= floor / len(mass)
    assert math.fsum(pmf) == pytest.approx(1.0, abs=1e-12)
    assert sum(pmf) == pytest.approx(1.0, abs=1e-12)


@given(weights, floors)
def test_the_floor_keeps_the_order_of_the_arms(mass: list[float], floor: float) -> None:
    total = math.fsum(mass)
    before = [each / total for each in mass]
    after = with_floor(before, floor, 0)
    best = max(range(len(before)), key=before.__getitem__)
    assert after[best] == max(after)


def test_the_floor_is_mass_spread_evenly() -> None:
    assert with_floor((1.0, 0.0, 0.0, 0.0), 0.2, 0) == pytest.approx((0.85, 0.05, 0.05, 0.05))
    assert with_floor((0.7, 0.3), 1.0, 0) == (0.5, 0.5)
