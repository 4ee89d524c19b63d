from __future__ import annotations

import numpy as np
import pytest

from bandit_platform.errors import EvaluationError
from bandit_platform.ope.sequences.asymptotic import asymptotic_bounds, burnt_in
from bandit_platform.ope.sequences.dr_sequence import DrSequence, ModelSpan
from bandit_platform.ope.sequences.stream import Prior, Stream


def drawn(n: int = 20_000, seed: int = 0):
    """Two arms, context-dependent rewards, one target policy and what a perfect model says."""
    rng = np.random.default_rng(seed)
    good = rng.random(n) < 0.5
    rates = np.where(good[:, None], [0.9, 0.05], [0.1, 0.75])
    arm = (rng.random(n) < 0.3).astype(int)
    p = np.where(arm == 1, 0.3, 0.7)
    reward = (rng.random(n) < rates[np.arange(n), arm]).astype(float)
    weight = (arm == 1) / p
    return weight, reward, rates[:, 1], rates[np.arange(n), arm]


def sequence(low: float, high: float, **more) -> DrSequence:
    made = DrSequence(uplift=False, alpha=0.05, horizon=20_000, bound=1 / 0.3)
    return made.started(ModelSpan(low=low, high=high), variance=0.5, start=0.4, **more)


def test_it_covers_and_a_good_model_narrows() -> None:
    weight, reward, direct, fitted = drawn()
    modelled = sequence(0.1, 0.9).updated(direct + weight * (reward - fitted)).bounds()
    offset = sequence(0.4, 0.4).updated(0.4 + weight * (reward - 0.4)).bounds()
    assert modelled[0] < 0.4 < modelled[1]
    assert offset[0] < 0.4 < offset[1]
    assert modelled[1] - modelled[0] < 0.9 * (offset[1] - offset[0])


def test_turning_the_reward_round_reflects_the_bounds() -> None:
    weight, reward, direct, fitted = drawn(3000)
    there = sequence(0.2, 0.6).updated(direct + weight * (reward - fitted))
    made = DrSequence(uplift=False, alpha=0.05, horizon=20_000, bound=1 / 0.3)
    back = made.started(ModelSpan(low=0.4, high=0.8), variance=0.5, start=0.6)
    back = back.updated(1 - direct + weight * ((1 - reward) - (1 - fitted)))
    low, high = there.bounds()
    assert back.bounds() == pytest.approx((1 - high, 1 - low), abs=1e-12)


def test_the_uplift_of_a_policy_over_itself_vanishes() -> None:
    made = DrSequence(uplift=True, alpha=0.05, horizon=20_000, bound=3.0, baseline_bound=3.0)
    assert made.bounds() == (-1.0, 1.0)
    made = made.started(ModelSpan(low=0.0, high=1.0), variance=0.0, start=0.0)
    low, high = made.updated(np.zeros(20_000)).bounds()
    assert -0.01 < low <= 0 <= high < 0.01


def test_cuts_change_no_bit_and_the_curve_ends_at_the_bounds() -> None:
    weight, reward, direct, fitted = drawn(5000)
    outcome = direct + weight * (reward - fitted)
    whole = sequence(0.1, 0.9).updated(outcome)
    assert sequence(0.1, 0.9).updated(outcome[:777]).updated(outcome[777:]) == whole
    walked, z, v = sequence(0.1, 0.9).walked(outcome)
    assert walked == whole
    lower, upper = whole.curve(np.arange(1.0, 5001.0), z, v)
    assert (float(lower[-1]), float(upper[-1])) == whole.bounds()


def test_predictions_span() -> None:
    rng = np.random.default_rng(0)
    span = ModelSpan.of(rng.uniform(0.2, 0.4, (1000, 3)))
    assert 0.1 < span.low < 0.2
    assert 0.4 < span.high < 0.5
    assert ModelSpan.of(np.empty((0, 3))) == ModelSpan(low=0.0, high=1.0)
    with pytest.raises(EvaluationError):
        DrSequence(uplift=False, alpha=0.05, horizon=9, bound=2.0).curve(
            np.ones(1), np.ones(1), np.ones(1)
        )


def test_asymptotic_bounds_wait_for_rows_that_matter() -> None:
    rng = np.random.default_rng(0)
    prior = Prior(rows=1.0, total=0.0, variance=1.0, least=-1.0, most=1.0)
    even = Stream().updated(rng.normal(0.2, 1.0, 5000), prior)
    assert burnt_in(even)
    low, high = asymptotic_bounds(even, alpha=0.05, horizon=5000)
    assert low < 0.2 < high
    assert high - low < 0.1
    rare = np.zeros(5000)
    rare[100:120] = 80.0
    assert not burnt_in(Stream().updated(rare, prior))
    assert not burnt_in(Stream().updated(rng.normal(0, 1, 500), prior))
