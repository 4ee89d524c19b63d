"""Inverse propensity scoring (Horvitz and Thompson 1952)."""

from __future__ import annotations

import math

from bandit_platform.ope.estimators.estimate import Estimate
from bandit_platform.ope.estimators.normal import vacuous, value_estimate
from bandit_platform.ope.estimators.sums import WeightSums
from bandit_platform.ope.reward_range import RewardRange


def ips(sums: WeightSums, *, scale: RewardRange, alpha: float = 0.05) -> Estimate:
    """Policy value by IPS with a normal interval.

    Estimand: V(π) = E[Σ_a π(a|X) R(a)]. Formula: V̂ = mean(wR), standard error sd(wR)/√n.
    Unbiased for known propensities; the interval is asymptotic and holds for one look only.

    Args:
        sums: sums of w and of rewards scaled to [0, 1].
        scale: the declared range, in whose units the answer is.
        alpha: two-sided error.

    Returns:
        The estimate; vacuous for fewer than two rows.
    """
    if sums.n < 2:
        return vacuous(scale=scale, interval="normal", n=sums.n, uplift=False, note="no rows yet")
    mean = sums.wr / sums.n
    variance = max(sums.wwrr - sums.n * mean * mean, 0.0) / (sums.n - 1)
    return value_estimate(
        value=mean,
        error=math.sqrt(variance / sums.n),
        n=sums.n,
        alpha=alpha,
        scale=scale,
        interval="normal",
    )
