from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bandit_platform.ope import DecisionLog
from bandit_platform.ope.estimators.features import Encoder
from bandit_platform.ope.estimators.reward_model import RidgeLearner
from bandit_platform.ope.evaluating.model_state import ModelState, ridge


def drawn(n: int = 3000, seed: int = 0):
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])
    arm = rng.integers(0, 3, n)
    slopes = np.array([[0.3, 0.1, 0.0], [0.5, -0.1, 0.1], [0.6, 0.0, 0.0]])
    reward = (x * slopes[arm]).sum(1) + rng.normal(scale=0.01, size=n)
    return x, arm, reward, slopes


def test_many_rows_find_the_slopes() -> None:
    x, arm, reward, slopes = drawn()
    model = RidgeLearner.empty(arms=3, width=3).updated(x, arm, reward, None).fitted()
    assert pytest.approx(slopes, abs=0.02) == model.coefficients.T
    assert ((model.predicted(x * 9) >= 0) & (model.predicted(x * 9) <= 1)).all()


def test_an_arm_without_rows_predicts_what_all_arms_do() -> None:
    x, arm, reward, _ = drawn()
    few = arm != 2
    model = RidgeLearner.empty(arms=3, width=3).updated(x[few], arm[few], reward[few], None)
    coefficients = model.fitted().coefficients
    assert coefficients[0, 2] == pytest.approx(reward[few].mean(), abs=0.02)


def test_learners_merge() -> None:
    x, arm, reward, _ = drawn()
    empty = RidgeLearner.empty(arms=3, width=3)
    whole = empty.updated(x, arm, reward, None).fitted()
    first, second = (
        empty.updated(x[part], arm[part], reward[part], None)
        for part in (slice(0, 1000), slice(1000, None))
    )
    assert first.merged(second).fitted().coefficients == pytest.approx(whole.coefficients)


def test_even_weights_change_nothing_and_no_rows_predict_nothing() -> None:
    x, arm, reward, _ = drawn()
    empty = RidgeLearner.empty(arms=3, width=3)
    plain = empty.updated(x, arm, reward, None).fitted()
    heavy = empty.updated(x, arm, reward, np.full(3000, 7.0)).fitted()
    assert heavy.coefficients == pytest.approx(plain.coefficients)
    assert (empty.fitted().predicted(x) == 0).all()


def context(n: int = 500) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "value": rng.normal(50, 9, n),
            "returning": rng.random(n) < 0.3,
            "country": rng.choice(["GB", "US", "DE"], n, p=[0.5, 0.3, 0.2]),
            "same": np.ones(n),
        }
    )


def test_features_of_every_kind_of_column() -> None:
    frame = context()
    encoder = Encoder.of(frame)
    made = encoder.encoded(frame, len(frame))
    assert made.shape == (500, encoder.width) == (500, 6)
    assert (made[:, 0] == 1).all()
    assert made[:, 1].mean() == pytest.approx(0, abs=1e-9)
    assert made[:, 3:].sum(1).tolist() == [1.0] * 500


def test_unknown_and_missing_values_are_harmless() -> None:
    encoder = Encoder.of(context())
    odd = pd.DataFrame(
        {"value": [np.nan, 1e12], "returning": [True, False], "country": ["XX", None], "same": 1.0}
    )
    made = encoder.encoded(odd, 2)
    assert np.isfinite(made).all()
    assert made[0, 1] == 0
    assert made[1, 1] == 5
    assert (made[:, 3:] == 0).all()


def test_no_context_leaves_the_constant() -> None:
    assert Encoder.of(None).encoded(None, 3).tolist() == [[1.0], [1.0], [1.0]]


def test_a_row_is_predicted_before_it_is_learned() -> None:
    """Changing rewards of a row and all later ones changes no prediction up to that row."""
    rng = np.random.default_rng(2)
    arm, reward = rng.integers(0, 2, 1000), rng.random(1000)
    log = DecisionLog(
        arms=("a", "b"),
        arm=arm,
        propensity=np.full(1000, 0.5),
        reward=reward,
        context=context(1000),
    )
    turned = replace(log, reward=np.where(np.arange(1000) < 400, reward, 1 - reward))

    def walk(log: DecisionLog) -> np.ndarray:
        state, found = ModelState(due=100, factory=ridge), []
        start = 0
        while start < 1000:
            piece = log.rows(slice(start, start + min(state.due - state.n, 1000 - start)))
            state, features = state.features(piece)
            found.append(state.predicted(features))
            state = state.learned(piece, features, piece.reward)
            start += len(piece)
        assert found[0] is None
        return np.concatenate(found[1:])

    first, second = walk(log), walk(turned)
    assert first.shape == (900, 2)
    assert (first[:300] == second[:300]).all()
    assert not (first[700:] == second[700:]).all()
