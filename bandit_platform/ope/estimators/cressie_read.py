"""Empirical-likelihood value and interval of Karampatziakis, Langford and Mineiro (2020)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bandit_platform.errors import EvaluationError
from bandit_platform.ope.estimators.estimate import Estimate
from bandit_platform.ope.estimators.normal import vacuous
from bandit_platform.ope.estimators.sums import WeightSums
from bandit_platform.ope.reward_range import RewardRange

INTERVAL = "cressie-read"
_FLAT = 1e-9


@dataclass(frozen=True, kw_only=True)
class _Moments:
    """Means over the n rows and one made-up row of weight w and reward r.

    Attributes:
        w: mean weight.
        var_w: variance of the weight.
        y: mean of weight times reward.
        cov: covariance of weight and weight times reward.
        var_y: variance of weight times reward.
    """

    w: float
    var_w: float
    y: float
    cov: float
    var_y: float

    @classmethod
    def of(cls, sums: WeightSums, weight: float, reward: float) -> _Moments:
        n = sums.n + 1
        w, y = (sums.w + weight) / n, (sums.wr + weight * reward) / n
        ww = (sums.ww + weight**2) / n
        wy = (sums.wwr + weight**2 * reward) / n
        yy = (sums.wwrr + weight**2 * reward**2) / n
        return cls(w=w, var_w=ww - w * w, y=y, cov=wy - w * y, var_y=yy - y * y)


def cressie_read(
    sums: WeightSums,
    *,
    mean_reward: float,
    scale: RewardRange,
    alpha: float = 0.05,
    max_weight: float = math.inf,
) -> Estimate:
    """Policy value by the Cressie-Read(-2) empirical likelihood.

    Estimand: V(π). Among all reweightings Q of the rows and of one made-up row at the end of the
    weight range, under which the mean weight is 1, the point belongs to the one nearest to equal
    weights; what Q puts on the made-up row earns the mean logged reward. The interval holds the
    values of every Q within the F(1, n) quantile of the nearest, the made-up row earning the
    worst and the best reward. It covers far better than normal intervals under heavy weights,
    for one look at i.i.d. rows.

    Args:
        sums: sums of w and of rewards scaled to [0, 1].
        mean_reward: mean scaled reward of the log, unweighted.
        scale: the declared range.
        alpha: two-sided error.
        max_weight: greatest weight that can occur; infinity where it is not known.

    Raises:
        EvaluationError: max_weight is not above 1.
    """
    if not max_weight > 1.0:
        raise EvaluationError(f"Cressie-Read needs a largest weight above 1, got {max_weight}")
    if sums.n == 0:
        return vacuous(scale=scale, interval=INTERVAL, n=0, uplift=False, note="no rows yet")
    most = max(max_weight, sums.w_max)
    budget = _budget(sums, most, alpha)
    low = _extreme(sums, 0.0, most, budget)
    high = 1.0 - _extreme(_mirrored(sums), 0.0, most, budget)
    return Estimate(
        value=scale.unscale(_point(sums, mean_reward, most)),
        lower=scale.unscale(min(max(low, 0.0), 1.0)),
        upper=scale.unscale(min(max(high, 0.0), 1.0)),
        interval=INTERVAL,
        n=sums.n,
    )


def _mirrored(sums: WeightSums) -> WeightSums:
    """The sums for rewards 1 - r."""
    return WeightSums(
        n=sums.n,
        w=sums.w,
        ww=sums.ww,
        wr=sums.w - sums.wr,
        wwr=sums.ww - sums.wwr,
        wwrr=sums.ww - 2.0 * sums.wwr + sums.wwrr,
        w_max=sums.w_max,
    )


def _end(sums: WeightSums, most: float) -> float:
    """The end of the weight range that pulls the mean weight towards 1."""
    return most if sums.w < sums.n else 0.0


def _point(sums: WeightSums, mean_reward: float, most: float) -> float:
    """Value under the nearest reweighting Q_i = (level + slope w_i)/(n + 1) with mean weight 1."""
    n, end = sums.n, _end(sums, most)
    if math.isinf(end):
        level, slope = (1.0 + n) / n, 0.0
    else:
        made = _Moments.of(sums, end, 0.0)
        if made.var_w <= 0.0:
            return mean_reward if sums.w <= 0.0 else sums.wr / sums.w
        slope = (1.0 - made.w) / made.var_w
        level = 1.0 - slope * made.w
    value = (level * sums.wr + slope * sums.wwr) / (n + 1)
    missing = max(0.0, 1.0 - (level * sums.w + slope * sums.ww) / (n + 1))
    return value + missing * mean_reward


def _budget(sums: WeightSums, most: float, alpha: float) -> float:
    """How far from equal weights Q may stray: the nearest Q's distance and the F quantile."""
    from scipy import special  # noqa: PLC0415 - slow to import

    n, end = sums.n, _end(sums, most)
    if math.isinf(end):
        nearest = 1.0 + 1.0 / n
    else:
        made = _Moments.of(sums, end, 0.0)
        nearest = (n + 1) * (made.w - 1.0) ** 2 / made.var_w if made.var_w > 0.0 else 0.0
    beta = float(special.betaincinv(0.5 * n, 0.5, alpha))  # F(1, n) upper quantile: n(1 - b)/b
    return (nearest + n * (1.0 - beta) / beta) / (2.0 * (n + 1))


def _extreme(sums: WeightSums, reward: float, most: float, budget: float) -> float:
    """Least value over all Q within the budget; the made-up row earns ``reward``."""
    found = []
    for end in (0.0, most):
        centre, spread, slack = _quadratic(sums, reward, end, budget)
        inside = spread * slack
        if abs(inside) <= _FLAT**2:
            found.append(centre - math.sqrt(2.0) * _FLAT)
        elif slack >= 0.0 and inside >= 0.0:
            found.append(centre - math.sqrt(2.0 * inside))
    return min(found, default=0.0)


def _quadratic(
    sums: WeightSums, reward: float, end: float, budget: float
) -> tuple[float, float, float]:
    """Centre, residual variance and slack: the extreme is centre - √(2 spread slack)."""
    n = sums.n
    if math.isinf(end):
        centre = reward + (sums.wr - sums.w * reward) / n
        shift = (reward * sums.w - sums.wr) ** 2 / (n * (n + 1))
        apart = reward**2 * sums.ww - 2.0 * reward * sums.wwr + sums.wwrr
        return centre, apart / (n + 1) - shift, budget - 1.0 / (2 * n)
    made = _Moments.of(sums, end, reward)
    if made.var_w <= 0.0:
        return math.inf, 0.0, -1.0
    slope = made.cov / made.var_w
    centre = made.y + (1.0 - made.w) * slope
    spread = made.var_y - made.cov * slope
    return centre, spread, budget - 0.5 * (1.0 - made.w) ** 2 / made.var_w
