"""Normal-theory intervals: right at one look planned in advance, wrong when peeked at."""

from __future__ import annotations

from statistics import NormalDist

from bandit_platform.errors import EvaluationError
from bandit_platform.ope.estimators.estimate import Estimate
from bandit_platform.ope.reward_range import RewardRange


def quantile(alpha: float) -> float:
    """The z with P(|N(0, 1)| > z) = alpha.

    Raises:
        EvaluationError: alpha is not between 0 and 1.
    """
    if not 0.0 < alpha < 1.0:
        raise EvaluationError(f"alpha {alpha} must lie between 0 and 1")
    return NormalDist().inv_cdf(1.0 - alpha / 2.0)


def value_estimate(
    *,
    value: float,
    error: float,
    n: int,
    alpha: float,
    scale: RewardRange,
    interval: str,
    note: str = "",
) -> Estimate:
    """A policy value ± z·error, given on the [0, 1] scale, returned in clipped reward units.

    The point is not clipped: an IPS point beyond the range tells the reader something.
    """
    reach = quantile(alpha) * error
    return Estimate(
        value=scale.unscale(value),
        lower=scale.clip(scale.unscale(value - reach)),
        upper=scale.clip(scale.unscale(value + reach)),
        interval=interval,
        n=n,
        note=note,
    )


def uplift_estimate(
    *, value: float, error: float, n: int, alpha: float, scale: RewardRange, interval: str
) -> Estimate:
    """A difference of policy values ± z·error, as :func:`value_estimate`, clipped to ±width."""
    reach = quantile(alpha) * error
    return Estimate(
        value=scale.unscale_difference(value),
        lower=scale.unscale_difference(max(value - reach, -1.0)),
        upper=scale.unscale_difference(min(value + reach, 1.0)),
        interval=interval,
        n=n,
    )


def vacuous(*, scale: RewardRange, interval: str, n: int, uplift: bool, note: str) -> Estimate:
    """No point and the ends of the range as bounds: all that is known without usable data."""
    low, high = (-scale.width, scale.width) if uplift else (scale.low, scale.high)
    return Estimate(
        value=None, lower=low, upper=high, interval=interval, n=n, collecting=True, note=note
    )
