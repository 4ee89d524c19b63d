from __future__ import annotations

import math

import numpy as np
import pytest

from bandit_platform.errors import EvaluationError
from bandit_platform.ope import GroupTotals, holdout_uplift
from bandit_platform.ope.sequences.asymptotic import asymptotic_reach


def group(values) -> GroupTotals:
    return GroupTotals(
        units=len(values), total=float(np.sum(values)), square=float(np.sum(np.square(values)))
    )


def test_uplift_by_hand() -> None:
    rng = np.random.default_rng(0)
    treated, held = rng.normal(1.2, 2.0, 9000), rng.normal(1.0, 1.0, 1000)
    estimate = holdout_uplift(group(treated), group(held))
    large, small = treated.var(ddof=1), held.var(ddof=1)
    pooled = (9000 * large + 1000 * small) / 10_000
    small = (1000 * small + 100 * pooled) / 1100  # and the treated's own is more than the pooled
    sigma = math.sqrt(10_000 * (large / 9000 + small / 1000))
    rho2 = 8.212 / 20_000
    growth = 10_000 * rho2 + 1
    reach = sigma * math.sqrt(2 * growth / (10_000**2 * rho2) * math.log(math.sqrt(growth) / 0.05))
    assert estimate.value == pytest.approx(treated.mean() - held.mean())
    assert estimate.upper - estimate.value == pytest.approx(reach, rel=1e-4)
    assert estimate.interval == "asymptotic-cs"


def test_the_width_is_least_where_it_was_asked_for() -> None:
    at = asymptotic_reach(5000, alpha=0.05, best_at=5000)
    for other in (2000, 4000, 6000, 12_000):
        assert at <= asymptotic_reach(5000, alpha=0.05, best_at=other)


def test_collecting_before_the_burn_in_and_without_variation() -> None:
    few = holdout_uplift(group([1.0] * 99 + [0.0]), group([1.0, 0.0]))
    assert few.collecting
    assert few.to_dict()["lower"] is None
    same = holdout_uplift(group([1.0] * 200), group([1.0] * 200))
    assert same.collecting
    none = holdout_uplift(GroupTotals(units=0, total=0, square=0), group([1.0]))
    assert none.value is None


def test_looking_at_every_hundred_units_of_rare_outcomes_fails_as_seldom_as_stated() -> None:
    rng, missed, runs, units = np.random.default_rng(3), 0, 200, 8000
    for _ in range(runs):
        held = rng.random(units) < 0.05
        outcome = rng.random(units) < np.where(held, 0.01, 0.03)
        columns = np.array([~held, ~held & outcome, held, held & outcome]).cumsum(axis=1)
        for shown, won, kept, left in columns[:, 99::100].T.tolist():
            estimate = holdout_uplift(
                GroupTotals(units=shown, total=won, square=won),
                GroupTotals(units=kept, total=left, square=left),
            )
            if not estimate.lower <= 0.02 <= estimate.upper:
                missed += 1
                break
    assert missed <= 0.06 * runs  # 19 % with each group's own variance only


def test_groups_merge() -> None:
    values = np.arange(10.0)
    assert group(values[:4]).merged(group(values[4:])) == group(values)


def test_totals_must_be_finite() -> None:
    with pytest.raises(EvaluationError):
        holdout_uplift(GroupTotals(units=1, total=math.nan, square=1.0), group([1.0]))
