"""Every model-based estimator against hand-computed cases and a second formulation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bandit_platform.ope import RewardRange
from bandit_platform.ope.clipped_ips import clipped_ips_scores
from bandit_platform.ope.dm import dm_scores
from bandit_platform.ope.dr import dr_scores
from bandit_platform.ope.dros import dros_scores
from bandit_platform.ope.mrdr import mrdr_fit_weights
from bandit_platform.ope.scores import ModelColumns, ScoreSums
from bandit_platform.ope.sndr import SndrSums, sndr
from bandit_platform.ope.switch_dr import switch_dr_scores

UNIT = RewardRange(low=0, high=1)
HAND = ModelColumns(
    weight=np.array([2.0, 0.0, 4.0]),
    reward=np.array([1.0, 0.5, 0.0]),
    direct=np.array([0.5, 0.25, 0.5]),
    fitted=np.array([0.5, 0.5, 0.25]),
)


def drawn(n: int = 400, seed: int = 3) -> tuple[ModelColumns, dict[str, np.ndarray]]:
    """Random rows with their full tables, for the independent formulations below."""
    rng = np.random.default_rng(seed)
    pmf, target = rng.dirichlet(np.ones(4), n), rng.dirichlet(np.ones(4), n)
    pmf = 0.9 * pmf + 0.025
    arm = (pmf.cumsum(1) < rng.random((n, 1))).sum(1).clip(max=3)
    q, reward = rng.random((n, 4)), rng.random(n)
    rows = np.arange(n)
    columns = ModelColumns(
        weight=target[rows, arm] / pmf[rows, arm],
        reward=reward,
        direct=(target * q).sum(1),
        fitted=q[rows, arm],
    )
    return columns, {"pmf": pmf, "target": target, "arm": arm, "q": q, "reward": reward}


def by_loop(table, weight_of) -> float:
    """Mean of Σ_a π(a) [q(a) + ŵ(a) 1{a = A}(r - q(a))/…], one row and one arm at a time."""
    total = 0.0
    for i, arm in enumerate(table["arm"]):
        for a in range(4):
            total += table["target"][i, a] * table["q"][i, a]
        w = table["target"][i, arm] / table["pmf"][i, arm]
        total += weight_of(w) * (table["reward"][i] - table["q"][i, arm])
    return total / len(table["arm"])


def test_by_hand() -> None:
    assert dm_scores(HAND).tolist() == [0.5, 0.25, 0.5]
    assert dr_scores(HAND).tolist() == [1.5, 0.25, -0.5]
    assert switch_dr_scores(HAND, threshold=2.0).tolist() == [1.5, 0.25, 0.5]
    assert dros_scores(HAND, shrinkage=4.0).tolist() == pytest.approx([1.0, 0.25, 0.3])
    assert clipped_ips_scores(HAND.weight, HAND.reward, most=1.5).tolist() == [1.5, 0, 0]
    assert sndr(HAND) == pytest.approx(1.25 / 3 + 0.0)
    assert mrdr_fit_weights(np.array([0.5]), np.array([0.25])).tolist() == [6.0]


@pytest.mark.parametrize("threshold", [0.5, 2.0, 10.0])
def test_switch_and_shrinkage_equal_a_loop(threshold: float) -> None:
    columns, table = drawn()
    assert dr_scores(columns).mean() == pytest.approx(by_loop(table, lambda w: w))
    assert switch_dr_scores(columns, threshold=threshold).mean() == pytest.approx(
        by_loop(table, lambda w: w if w <= threshold else 0.0)
    )
    assert dros_scores(columns, shrinkage=threshold).mean() == pytest.approx(
        by_loop(table, lambda w: threshold * w / (w * w + threshold))
    )


def test_the_ends_of_the_parameters() -> None:
    columns, _ = drawn()
    dr, dm = dr_scores(columns), dm_scores(columns)
    assert switch_dr_scores(columns, threshold=np.inf) == pytest.approx(dr)
    assert dros_scores(columns, shrinkage=np.inf) == pytest.approx(dr)
    assert dros_scores(columns, shrinkage=0.0) == pytest.approx(dm)
    nothing = replace(columns, weight=columns.weight * 0)
    assert switch_dr_scores(nothing, threshold=0.0) == pytest.approx(dm)


def test_without_a_model_dr_is_ips_and_sndr_is_snips() -> None:
    columns, _ = drawn()
    blank = replace(columns, direct=np.zeros(400), fitted=np.zeros(400))
    assert dr_scores(blank) == pytest.approx(columns.weight * columns.reward)
    snips = (columns.weight * columns.reward).sum() / columns.weight.sum()
    assert sndr(blank) == pytest.approx(snips)
    assert SndrSums().updated(blank).estimate(scale=UNIT, alpha=0.05).value == pytest.approx(snips)


def test_a_perfect_model_leaves_no_correction() -> None:
    columns, _ = drawn()
    perfect = replace(columns, fitted=columns.reward)
    assert dr_scores(perfect) == pytest.approx(columns.direct)
    assert sndr(perfect) == pytest.approx(columns.direct.mean())


def test_sndr_error_is_that_of_its_influence() -> None:
    columns, _ = drawn()
    estimate = SndrSums().updated(columns).estimate(scale=UNIT, alpha=0.05)
    e = columns.weight * (columns.reward - columns.fitted)
    ratio = e.sum() / columns.weight.sum()
    influence = columns.direct + (e - columns.weight * ratio) / columns.weight.mean()
    reach = 1.959963984540054 * influence.std(ddof=1) / 20
    assert estimate.value == pytest.approx(sndr(columns))
    assert estimate.upper - estimate.value == pytest.approx(reach)


def test_sums_merge_and_do_not_feel_the_cuts() -> None:
    columns, _ = drawn()
    halves = [
        ModelColumns(
            **{
                name: getattr(columns, name)[part]
                for name in ("weight", "reward", "direct", "fitted")
            }
        )
        for part in (slice(0, 123), slice(123, None))
    ]
    scores = dr_scores(columns)
    whole = ScoreSums().updated(scores)
    assert ScoreSums().updated(scores[:123]).updated(scores[123:]) == whole
    merged = ScoreSums().updated(scores[:123]).merged(ScoreSums().updated(scores[123:]))
    assert merged.mean == pytest.approx(whole.mean)
    assert SndrSums().updated(halves[0]).updated(halves[1]) == SndrSums().updated(columns)
    joined = SndrSums().updated(halves[0]).merged(SndrSums().updated(halves[1]))
    assert joined.products == pytest.approx(SndrSums().updated(columns).products)


def test_mean_and_error_by_hand() -> None:
    sums = ScoreSums().updated(np.array([0.0, 0.5, 1.0]))
    assert sums.mean == 0.5
    assert sums.error == pytest.approx(0.5 / np.sqrt(3))
    assert ScoreSums().estimate(scale=UNIT, alpha=0.05).value is None
    assert SndrSums().estimate(scale=UNIT, alpha=0.05).value is None
