"""Self-normalised IPS (Swaminathan and Joachims 2015) with its linearised interval."""

from __future__ import annotations

import math

from bandit_platform.ope.estimators.estimate import Estimate
from bandit_platform.ope.estimators.normal import quantile, uplift_estimate, vacuous, value_estimate
from bandit_platform.ope.estimators.sums import CrossSums, WeightSums
from bandit_platform.ope.reward_range import RewardRange

INTERVAL = "linearised-normal"
#: residuals below this share of what they could be are rounding
_NO_SPREAD = 1e-12


def snips(sums: WeightSums, *, scale: RewardRange, alpha: float = 0.05) -> Estimate:
    """Policy value by SNIPS.

    Estimand: V(π) = E[Σ_a π(a|X) R(a)]. Formula: V̂ = Σwr / Σw with standard error
    sd(w(r - V̂)) / (w̄ √n), the denominator's variation included. Consistent, biased by O(1/n);
    the interval is asymptotic and holds for one look only. Rows that all brought the same have no
    spread to judge by; see ``_unseen``.

    Args:
        sums: sums of w and of rewards scaled to [0, 1].
        scale: the declared range, in whose units the answer is.
        alpha: two-sided error.

    Returns:
        The estimate; vacuous for fewer than two rows or without any weight.
    """
    if sums.n < 2 or sums.w <= 0.0:
        note = "the log holds no row that the target policy could have produced"
        return vacuous(scale=scale, interval=INTERVAL, n=sums.n, uplift=False, note=note)
    value = sums.wr / sums.w
    error = math.sqrt(_residual(sums, value) / (sums.n - 1) * sums.n) / sums.w
    return value_estimate(
        value=value,
        error=error + _unseen(sums, value, alpha),
        n=sums.n,
        alpha=alpha,
        scale=scale,
        interval=INTERVAL,
    )


def snips_uplift(
    target: WeightSums,
    baseline: WeightSums,
    cross: CrossSums,
    *,
    scale: RewardRange,
    alpha: float = 0.05,
) -> Estimate:
    """Difference of two SNIPS values on the same rows.

    Formula: V̂₁ - V̂₂ with standard error sd(w₁(r - V̂₁)/w̄₁ - w₂(r - V̂₂)/w̄₂) / √n, so the rows'
    common part counts once. Asymptotic, one look only.

    Args:
        target: sums of the target policy, rewards scaled to [0, 1].
        baseline: sums of the baseline policy on the same rows.
        cross: products of both.
        scale: the declared range.
        alpha: two-sided error.
    """
    n = target.n
    if n < 2 or target.w <= 0.0 or baseline.w <= 0.0:
        note = "one of the two policies has no weight on any row"
        return vacuous(scale=scale, interval=INTERVAL, n=n, uplift=True, note=note)
    first, second = target.wr / target.w, baseline.wr / baseline.w
    shared = cross.wwrr - (first + second) * cross.wwr + first * second * cross.ww
    square = (
        _residual(target, first) / target.w**2
        + _residual(baseline, second) / baseline.w**2
        - 2.0 * shared / (target.w * baseline.w)
    )
    same = target.ww == baseline.ww == cross.ww
    unseen = 0.0 if same else _unseen(target, first, alpha) + _unseen(baseline, second, alpha)
    return uplift_estimate(
        value=first - second,
        error=math.sqrt(max(square, 0.0) * n / (n - 1)) + unseen,
        n=n,
        alpha=alpha,
        scale=scale,
        interval=INTERVAL,
    )


def _residual(sums: WeightSums, value: float) -> float:
    """Σ w²(r - value)²."""
    return max(sums.wwrr - 2.0 * value * sums.wwr + value * value * sums.ww, 0.0)


def _unseen(sums: WeightSums, value: float, alpha: float) -> float:
    """The error where all rows brought the same, so that other outcomes were only not met yet.

    As many independent rows as the effective sample size would all bring the same with probability
    alpha / 2 if another outcome had a chance of -ln(alpha / 2) / ESS; 0 where rewards differ.
    """
    if _residual(sums, value) > _NO_SPREAD * sums.ww:
        return 0.0
    chance = min(-math.log(alpha / 2.0) * sums.ww / sums.w**2, 1.0)
    return chance / quantile(alpha)
