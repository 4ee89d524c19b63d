"""Every model-based estimator against hand-computed cases and a second formulation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bandit_platform.ope import RewardRange
from bandit_platform.ope.estimators.clipped_ips import clipped_ips_scores
from bandit_platform.ope.estimators.dm import dm_scores
from bandit_platform.ope.estimators.dr import dr_scores
from bandit_platform.ope.estimators.dros import dros_scores
from bandit_platform.ope.estimators.mrdr import mrdr_fit_weights
from bandit_platform.ope.estimators.scores import ModelColumns, ScoreSums, updated_together
from bandit_platform.ope.estimators.sndr import SndrSums, sndr
from bandit_platform.ope.estimators.switch_dr import SwitchSums

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


def switched(columns: ModelColumns, threshold: float) -> ScoreSums:
    """The sums of SWITCH-DR for one threshold."""
    return SwitchSums.empty(1).updated(columns, (threshold,)).by_threshold()[0]


def part_of(columns: ModelColumns, rows: slice) -> ModelColumns:
    """Some of the rows."""
    names = ("weight", "reward", "direct", "fitted")
    return ModelColumns(**{name: getattr(columns, name)[rows] for name in names})


def test_by_hand() -> None:
    assert dm_scores(HAND).tolist() == [0.5, 0.25, 0.5]
    assert dr_scores(HAND).tolist() == [1.5, 0.25, -0.5]
    assert switched(HAND, 2.0) == ScoreSums().updated(np.array([1.5, 0.25, 0.5]))
    assert dros_scores(HAND, shrinkage=4.0).tolist() == pytest.approx([1.0, 0.25, 0.3])
    assert clipped_ips_scores(HAND.weight, HAND.reward, most=1.5).tolist() == [1.5, 0, 0]
    assert sndr(HAND) == pytest.approx(1.25 / 3 + 0.0)
    assert mrdr_fit_weights(np.array([0.5]), np.array([0.25])).tolist() == [6.0]


@pytest.mark.parametrize("threshold", [0.5, 2.0, 10.0])
def test_switch_and_shrinkage_equal_a_loop(threshold: float) -> None:
    columns, table = drawn()
    assert dr_scores(columns).mean() == pytest.approx(by_loop(table, lambda w: w))
    assert switched(columns, threshold).mean == pytest.approx(
        by_loop(table, lambda w: w if w <= threshold else 0.0)
    )
    assert dros_scores(columns, shrinkage=threshold).mean() == pytest.approx(
        by_loop(table, lambda w: threshold * w / (w * w + threshold))
    )


def test_the_ends_of_the_parameters() -> None:
    columns, _ = drawn()
    dr, dm = dr_scores(columns), dm_scores(columns)
    assert switched(columns, np.inf).square == pytest.approx((dr**2).sum())
    assert dros_scores(columns, shrinkage=np.inf) == pytest.approx(dr)
    assert dros_scores(columns, shrinkage=0.0) == pytest.approx(dm)
    nothing = replace(columns, weight=columns.weight * 0)
    assert switched(nothing, 0.0).square == pytest.approx((dm**2).sum())


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
    halves = [part_of(columns, slice(0, 123)), part_of(columns, slice(123, None))]
    scores = dr_scores(columns)
    whole = ScoreSums().updated(scores)
    assert ScoreSums().updated(scores[:123]).updated(scores[123:]) == whole
    merged = ScoreSums().updated(scores[:123]).merged(ScoreSums().updated(scores[123:]))
    assert merged.mean == pytest.approx(whole.mean)
    assert SndrSums().updated(halves[0]).updated(halves[1]) == SndrSums().updated(columns)
    joined = SndrSums().updated(halves[0]).merged(SndrSums().updated(halves[1]))
    assert joined.products == pytest.approx(SndrSums().updated(columns).products)


def test_all_thresholds_at_once_equal_each_score_added_up() -> None:
    columns, _ = drawn()
    grid = (20.0, 4.0, float(columns.weight[7]), 1.0, 0.1)
    sums = SwitchSums.empty(5).updated(columns, grid)
    for threshold, found in zip(grid, sums.by_threshold(), strict=True):
        kept = np.where(columns.weight <= threshold, columns.weight, 0.0)
        scores = columns.direct + kept * (columns.reward - columns.fitted)
        expected = ScoreSums().updated(scores)
        assert (found.n, found.total) == (400, pytest.approx(expected.total, rel=1e-12))
        assert found.square == pytest.approx(expected.square, rel=1e-12)


def test_sums_for_thresholds_merge_and_do_not_feel_the_cuts() -> None:
    columns, _ = drawn()
    grid, none = (4.0, 1.0), SwitchSums.empty(2)
    first, second = part_of(columns, slice(0, 123)), part_of(columns, slice(123, None))
    whole = none.updated(columns, grid)
    assert none.updated(first, grid).updated(second, grid) == whole
    merged = none.updated(first, grid).merged(none.updated(second, grid))
    for one, other in zip(merged.by_threshold(), whole.by_threshold(), strict=True):
        assert (one.n, one.total) == (other.n, pytest.approx(other.total, rel=1e-12))
        assert one.square == pytest.approx(other.square, rel=1e-12)


def test_sums_added_up_together_have_the_bits_of_each_alone() -> None:
    rng = np.random.default_rng(4)
    before = (ScoreSums(), ScoreSums(n=2, total=0.3, square=0.1), ScoreSums())
    scores = [rng.normal(size=20_000) for _ in before]
    together = updated_together(before, scores)
    assert together == tuple(one.updated(score) for one, score in zip(before, scores, strict=True))


def test_mean_and_error_by_hand() -> None:
    sums = ScoreSums().updated(np.array([0.0, 0.5, 1.0]))
    assert sums.mean == 0.5
    assert sums.error == pytest.approx(0.5 / np.sqrt(3))
    assert ScoreSums().estimate(scale=UNIT, alpha=0.05).value is None
    assert SndrSums().estimate(scale=UNIT, alpha=0.05).value is None
