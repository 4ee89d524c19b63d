"""Checks of propensities, tails and choices: they must see what is wrong and no more."""

from __future__ import annotations

import numpy as np
import pytest

from bandit_platform.errors import EvaluationError
from bandit_platform.ope.checks.calibration import ArmCalibration, WeightCalibration
from bandit_platform.ope.checks.pareto import TopWeights, tail_size
from bandit_platform.ope.checks.sample_ratio import SampleRatio
from bandit_platform.ope.estimators.scores import ScoreSums
from bandit_platform.ope.estimators.slope import slope, weight_grid


def drawn(n: int, seed: int, keep: float = 1.0):
    """A logger whose propensities vary; rows of arm 0 are lost with chance 1 - keep."""
    rng = np.random.default_rng(seed)
    pmf = np.full((n, 4), 0.1)
    pmf[np.arange(n), rng.integers(0, 4, n)] += 0.6
    arm = (pmf.cumsum(1) < rng.random((n, 1))).sum(1).clip(max=3)
    kept = (arm != 0) | (rng.random(n) < keep)
    return arm[kept], pmf[kept]


def test_sample_ratio_seldom_cries_wolf_and_sees_lost_rows() -> None:
    def alarms(keep: float, runs: int) -> float:
        found = [
            SampleRatio.empty(4).updated(*drawn(5000, seed, keep)).alarm(0.05)
            for seed in range(runs)
        ]
        return float(np.mean(found))

    assert alarms(1.0, 200) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)
    assert alarms(0.8, 40) > 0.9


def test_sample_ratio_does_not_feel_the_cuts() -> None:
    arm, pmf = drawn(20_000, 1)
    whole = SampleRatio.empty(4).updated(arm, pmf)
    parts = SampleRatio.empty(4).updated(arm[:777], pmf[:777]).updated(arm[777:], pmf[777:])
    assert parts.log_e == pytest.approx(whole.log_e, abs=1e-9)
    assert parts.peak == pytest.approx(whole.peak, abs=1e-9)


def test_sample_ratio_equals_its_definition() -> None:
    arm, pmf = drawn(60, 2)
    counts, expected, log_e = np.zeros(4), np.zeros(4), 0.0
    for a, p in zip(arm, pmf, strict=True):
        q = p * (50 + counts) / (50 + expected)
        q /= q.sum()
        log_e += np.log(q[a] / p[a])
        counts[a] += 1
        expected += p
    assert SampleRatio.empty(4).updated(arm, pmf).log_e == pytest.approx(log_e)


def test_chi_square_on_constant_propensities() -> None:
    rng = np.random.default_rng(0)
    pmf = np.full((9000, 3), 1 / 3)
    fair = SampleRatio.empty(3).updated(rng.integers(0, 3, 9000), pmf)
    assert fair.chi_square_p() > 0.001
    skewed = SampleRatio.empty(3).updated(rng.choice(3, 9000, p=[0.3, 0.34, 0.36]), pmf)
    assert skewed.chi_square_p() < 0.001


def test_weight_calibration() -> None:
    arm, pmf = drawn(20_000, 3)
    weight = (arm == 1) / pmf[np.arange(arm.size), arm]
    empty = WeightCalibration(bound=10.0, horizon=20_000, alpha=0.001)
    right = empty.updated(weight)
    low, high = right.bounds()
    assert low < 1 < high
    assert not right.failed
    assert empty.updated(weight * 0.7).failed
    wide = WeightCalibration(bound=13.0, horizon=20_000, alpha=0.001)
    assert wide.updated(weight * 1.3).failed
    assert empty.bounds() == (0.0, 10.0)
    assert empty.updated(np.empty(0)) == empty


def test_arm_calibration() -> None:
    arm, pmf = drawn(20_000, 4)
    empty = ArmCalibration.empty(arms=("a", "b", "c", "d"), horizon=20_000, alpha=0.001)
    assert empty.failed() == ()
    assert empty.updated(arm, pmf).failed() == ()
    wrong = pmf[:, [1, 0, 2, 3]]
    assert set(empty.updated(arm, np.roll(pmf, 1, axis=1)).failed()) <= {"a", "b", "c", "d"}
    skewed = wrong.copy()
    skewed[:, 0] += 0.1
    skewed[:, 1] -= 0.1
    assert {"a", "b"} <= set(empty.updated(arm, skewed).failed())


@pytest.mark.parametrize("k", [0.2, 0.5, 1.0])
def test_pareto_k_is_found(k: float) -> None:
    rng = np.random.default_rng(5)
    weight = (rng.random(100_000) ** -k - 1) / k
    top = TopWeights.empty(100_000)
    for part in np.array_split(weight, 13):
        top = top.updated(part)
    assert top.shape() == pytest.approx(k, abs=0.12)
    assert np.sort(top.values) == pytest.approx(np.sort(weight)[-top.keep :])


def test_a_bounded_tail_has_no_shape() -> None:
    weight = np.where(np.arange(10_000) % 3 == 0, 3.0, 0.0)
    assert TopWeights.empty(10_000).updated(weight).shape() is None
    assert TopWeights.empty(30).updated(weight[:30]).shape() is None
    assert tail_size(10_000) == 300


def test_slope_takes_bias_only_as_long_as_it_cannot_be_seen() -> None:
    rng = np.random.default_rng(6)

    def candidate(mean: float, spread: float) -> ScoreSums:
        return ScoreSums().updated(rng.normal(mean, spread, 10_000))

    unbiased, slightly, clearly = candidate(0.5, 5), candidate(0.5, 1), candidate(0.2, 0.1)
    chosen = slope([(9.0, unbiased), (3.0, slightly), (1.0, clearly)], alpha=0.05)
    assert chosen.parameter == 3.0
    assert chosen.value == slightly.mean
    assert slope([(9.0, clearly)], alpha=0.05).parameter == 9.0
    with pytest.raises(EvaluationError):
        slope([], alpha=0.05)


def test_weight_grid_goes_down_to_one() -> None:
    grid = weight_grid(64.0)
    assert grid[0] == pytest.approx(64.0)
    assert grid[-1] == pytest.approx(1.0)
    assert list(grid) == sorted(grid, reverse=True)
