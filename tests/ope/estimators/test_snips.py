from __future__ import annotations

import numpy as np
import pytest

from bandit_platform.ope import CrossSums, RewardRange, WeightSums, ips, snips, snips_uplift

UNIT = RewardRange(low=0, high=1)
W1, W2 = np.array([2.0, 0.0, 4.0, 1.0]), np.array([0.0, 3.0, 1.0, 1.0])
R = np.array([0.5, 1.0, 0.25, 0.0])


def test_ips_by_hand() -> None:
    estimate = ips(WeightSums().updated(W1, R), scale=UNIT)
    assert estimate.value == 0.5
    error = np.std(W1 * R, ddof=1) / 2
    assert estimate.lower == pytest.approx(max(0.0, 0.5 - 1.959963984540054 * error))
    wide = ips(WeightSums().updated(W1, R), scale=UNIT, alpha=0.5)
    assert wide.upper == pytest.approx(0.5 + 0.6744897501960817 * error)


def test_snips_by_hand() -> None:
    estimate = snips(WeightSums().updated(W1, R), scale=UNIT)
    value = 2 / 7
    error = np.sqrt(np.sum((W1 * (R - value)) ** 2) / 3) / (np.mean(W1) * 2)
    assert estimate.value == pytest.approx(value)
    assert estimate.lower == max(0, estimate.lower)
    assert estimate.upper == pytest.approx(value + 1.959963984540054 * error)


def test_snips_in_reward_units() -> None:
    scale = RewardRange(low=-1, high=3)
    estimate = snips(WeightSums().updated(W1, scale.scale(4 * R - 1)), scale=scale)
    assert estimate.value == pytest.approx(4 * 2 / 7 - 1)


def test_snips_uplift_by_hand() -> None:
    estimate = snips_uplift(
        WeightSums().updated(W1, R),
        WeightSums().updated(W2, R),
        CrossSums().added(W1, W2, R),
        scale=UNIT,
    )
    first, second = 2 / 7, 3.25 / 5
    parts = W1 * (R - first) / W1.mean() - W2 * (R - second) / W2.mean()
    error = np.std(parts, ddof=1) / 2
    assert estimate.value == pytest.approx(first - second)
    assert estimate.upper == pytest.approx(min(1, first - second + 1.959963984540054 * error))


def test_snips_of_uniformly_logged_rows_is_the_arms_own_mean() -> None:
    rng = np.random.default_rng(5)
    arm, reward = rng.integers(0, 3, 9999), rng.random(9999)
    estimate = snips(WeightSums().updated((arm == 1) * 3.0, reward), scale=UNIT)
    assert estimate.value == pytest.approx(reward[arm == 1].mean(), abs=1e-13)


def test_rows_that_all_brought_the_same_do_not_make_a_value_certain() -> None:
    scale = RewardRange(low=-1, high=1)
    none = scale.scale(np.zeros(10))
    few = snips(WeightSums().updated(np.full(10, 4.0), none), scale=scale)
    reach = 2 * -np.log(0.025) / 10
    assert (few.value, few.lower, few.upper) == pytest.approx((0, -reach, reach))
    many = snips(
        WeightSums().updated(np.full(10_000, 4.0), scale.scale(np.zeros(10_000))), scale=scale
    )
    assert many.upper == pytest.approx(reach / 1000)
    third = snips(WeightSums().updated(np.full(9, 3.7), np.full(9, 0.1)), scale=UNIT)
    assert third.upper == pytest.approx(0.1 - np.log(0.025) / 9)


def test_an_uplift_carries_what_either_side_could_not_show() -> None:
    w1, w2 = np.array([2.0, 2.0, 0.0, 0.0]), np.array([0.0, 0.0, 2.0, 2.0])
    r = np.array([1.0, 0.0, 0.0, 0.0])
    first, second = WeightSums().updated(w1, r), WeightSums().updated(w2, r)
    uplift = snips_uplift(first, second, CrossSums().added(w1, w2, r), scale=UNIT, alpha=0.5)
    alone = snips(first, scale=UNIT, alpha=0.5)
    assert uplift.upper - uplift.value == pytest.approx(
        min(1 - uplift.value, alone.upper - alone.value - np.log(0.25) / 2)
    )
    same = snips_uplift(second, second, CrossSums().added(w2, w2, r), scale=UNIT)
    assert (same.value, same.lower, same.upper) == (0, 0, 0)


def test_no_weight_gives_no_point() -> None:
    estimate = snips(WeightSums().updated([0.0, 0.0], [1.0, 1.0]), scale=UNIT)
    assert (estimate.value, estimate.lower, estimate.upper) == (None, 0, 1)
    assert ips(WeightSums(), scale=UNIT).value is None
