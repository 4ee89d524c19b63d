from __future__ import annotations

import math

import numpy as np
import pytest

from bandit_platform.errors import EvaluationError
from bandit_platform.ope import RewardRange, WeightSums
from bandit_platform.ope.estimators.cressie_read import cressie_read

UNIT = RewardRange(low=0, high=1)
reference = pytest.importorskip("estimators.bandits.cressieread")


def drawn(seed: int):
    rng = np.random.default_rng(seed)
    n, most = int(rng.integers(2, 400)), float(rng.choice([5.0, 80.0]))
    propensity = np.clip(rng.beta(0.5, 2, n), 1 / most, 1)
    weight = np.minimum((rng.random(n) < rng.uniform(0.05, 0.9)) / propensity, most)
    reward = rng.random(n) if seed % 2 else (rng.random(n) < 0.2) * 1.0
    return weight, reward, most


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("known", [True, False])
def test_it_equals_vw_estimators(seed: int, known: bool) -> None:
    weight, reward, most = drawn(seed)
    most = most if known else math.inf
    value, bounds = reference.EstimatorImpl(0, most), reference.IntervalImpl(0, most, 0, 1, False)
    for w, r in zip(weight.tolist(), reward.tolist(), strict=True):
        value.add(w, r)
        bounds.add(w, r, 0, 0)
    for alpha in (0.05, 0.3):
        ours = cressie_read(
            WeightSums().updated(weight, reward),
            mean_reward=float(reward.mean()),
            scale=UNIT,
            alpha=alpha,
            max_weight=most,
        )
        assert ours.value == pytest.approx(value.get(), abs=1e-9)
        assert [ours.lower, ours.upper] == pytest.approx(bounds.get(alpha), abs=1e-9)


def test_it_follows_the_reward_range() -> None:
    weight, reward, most = drawn(1)
    wide = RewardRange(low=-2, high=6)
    sums = WeightSums().updated(weight, reward)
    plain = cressie_read(sums, mean_reward=0.5, scale=UNIT, max_weight=most)
    moved = cressie_read(sums, mean_reward=0.5, scale=wide, max_weight=most)
    assert moved.value == pytest.approx(8 * plain.value - 2)
    assert moved.lower == pytest.approx(8 * plain.lower - 2)
    assert moved.upper == pytest.approx(8 * plain.upper - 2)


def test_a_higher_alpha_narrows() -> None:
    weight, reward, most = drawn(3)
    sums = WeightSums().updated(weight, reward)
    found = [
        cressie_read(sums, mean_reward=0.5, scale=UNIT, alpha=alpha, max_weight=most)
        for alpha in (0.01, 0.05, 0.3)
    ]
    widths = [one.upper - one.lower for one in found]
    assert widths == sorted(widths, reverse=True)


def test_it_covers_where_a_normal_interval_does_not() -> None:
    rng = np.random.default_rng(11)
    covered, normal = 0, 0
    for _ in range(300):
        drawn_arm = rng.random(500) < 1 / 80
        reward = (rng.random(500) < 0.3) * 1.0
        weight = drawn_arm * 80.0
        sums = WeightSums().updated(weight, reward)
        one = cressie_read(sums, mean_reward=reward.mean(), scale=UNIT, max_weight=80.0)
        covered += one.lower <= 0.3 <= one.upper
        z = weight * reward
        normal += abs(z.mean() - 0.3) <= 1.96 * z.std() / np.sqrt(500)
    assert covered / 300 > 0.93
    assert normal < covered


def test_no_rows_and_an_impossible_bound() -> None:
    assert cressie_read(WeightSums(), mean_reward=0.0, scale=UNIT).value is None
    with pytest.raises(EvaluationError):
        cressie_read(WeightSums(), mean_reward=0.0, scale=UNIT, max_weight=1.0)
