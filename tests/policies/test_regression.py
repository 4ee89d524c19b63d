from __future__ import annotations

import numpy as np
import pytest

from bandit_platform.ope import DecisionLog, RewardRange, evaluate
from bandit_platform.policies.regression import vowpal_regression

RNG = np.random.default_rng(11)
N = 3000
X = np.column_stack([np.ones(N), RNG.random(N), RNG.random(N)])
ARM = RNG.integers(0, 2, N)
TRUTH = np.column_stack([0.2 + 0.5 * X[:, 1], 0.7 - 0.5 * X[:, 1]])
REWARD = np.clip(TRUTH[np.arange(N), ARM] + 0.05 * RNG.standard_normal(N), 0.0, 1.0)


def test_it_finds_that_arms_suit_different_contexts() -> None:
    model = vowpal_regression(2, 3).updated(X, ARM, REWARD, None).fitted()
    predicted = model.predicted(X[:200])
    assert predicted.shape == (200, 2)
    assert np.abs(predicted - TRUTH[:200]).mean() < 0.05


def test_batches_learn_as_one_and_a_fitted_model_stays_as_it_is() -> None:
    whole = vowpal_regression(2, 3).updated(X, ARM, REWARD, None).fitted()
    half = vowpal_regression(2, 3).updated(X[:1500], ARM[:1500], REWARD[:1500], None)
    early = half.fitted()
    before = early.predicted(X[:50])
    later = half.updated(X[1500:], ARM[1500:], REWARD[1500:], None).fitted()
    assert np.array_equal(later.predicted(X[:50]), whole.predicted(X[:50]))
    assert np.array_equal(early.predicted(X[:50]), before)


def test_without_rows_it_predicts_nothing_in_particular() -> None:
    assert np.array_equal(vowpal_regression(2, 3).fitted().predicted(X[:3]), np.zeros((3, 2)))


def test_weights_count() -> None:
    coin = RNG.integers(0, 2, N).astype(float)
    weight = np.where(coin > 0.5, 4.0, 1.0)
    tilted = vowpal_regression(2, 3).updated(X, ARM, coin, weight).fitted()
    plain = vowpal_regression(2, 3).updated(X, ARM, coin, None).fitted()
    assert plain.predicted(X[:200]).mean() == pytest.approx(0.5, abs=0.1)
    assert tilted.predicted(X[:200]).mean() == pytest.approx(0.8, abs=0.1)


def test_an_evaluation_takes_it() -> None:
    import pandas as pd  # noqa: PLC0415 - only here

    log = DecisionLog(
        arms=("a", "b"),
        arm=ARM.astype(np.int64),
        propensity=np.full(N, 0.5),
        reward=REWARD,
        context=pd.DataFrame({"x": X[:, 1]}),
    )
    found = {
        learner: evaluate(
            log,
            ["always:a"],
            baseline="logging",
            reward_range=RewardRange(low=0, high=1),
            estimators=["dr", "snips"],
            **({"learner": vowpal_regression} if learner == "vw" else {}),
        ).policies[0]
        for learner in ("linear", "vw")
    }
    truth = TRUTH[:, 0].mean()
    for report in found.values():
        assert report.estimates["dr"].value == pytest.approx(truth, abs=0.02)
    assert found["vw"].estimates["dr"].value != found["linear"].estimates["dr"].value
