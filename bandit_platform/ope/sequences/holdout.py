"""Programme uplift from the randomised holdout: a comparison of units, not of decisions."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bandit_platform.errors import EvaluationError
from bandit_platform.ope.estimators.estimate import Estimate
from bandit_platform.ope.sequences.asymptotic import INTERVAL, asymptotic_reach

BURN_IN = 100
"""Units needed in each group before bounds are shown."""
SHARED_UNITS = 100
"""A group's variance weighs no less than if so many units of the pooled variance belonged to it.

Else a small group in which the rare outcome has not happened yet has no variance at all: at 5 %
held out and rates of 0.03 and 0.01, 20 % of runs failed at 5 %; so 1.5 % do.
"""


@dataclass(frozen=True, kw_only=True)
class GroupTotals:
    """One randomised group of units.

    Attributes:
        units: number of units.
        total: Σ over units of the unit's total reward, in reward units.
        square: Σ over units of its squared total.
    """

    units: int
    total: float
    square: float

    @property
    def mean(self) -> float:
        """Mean total reward of a unit."""
        return self.total / self.units

    @property
    def variance(self) -> float:
        """Sample variance of a unit's total reward."""
        spread = max(self.square - self.units * self.mean**2, 0.0)
        return spread / (self.units - 1)

    def merged(self, other: GroupTotals) -> GroupTotals:
        """Both sets of (different) units together."""
        return GroupTotals(
            units=self.units + other.units,
            total=self.total + other.total,
            square=self.square + other.square,
        )


def holdout_uplift(
    treated: GroupTotals,
    holdout: GroupTotals,
    *,
    alpha: float = 0.05,
    best_at: int = 20_000,
    burn_in: int = BURN_IN,
) -> Estimate:
    """Difference of mean total reward per unit with an asymptotic confidence sequence.

    Estimand: E[total reward of a unit under the programme] - E[the same in the holdout]; nothing
    about policies or propensities is assumed, only that units were randomised to the groups.

    Formula: Δ̂ = mean₁ - mean₀; t = n₁ + n₀, sigmâ² = t(sigmâ₁²/n₁ + sigmâ₀²/n₀),
    Δ̂ ± sigmâ √(2(t rho² + 1)/(t² rho²) · ln(√(t rho² + 1)/alpha)), rho tightest at t* units.

    Valid at every look in the asymptotic sense only (Waudby-Smith, Arbour, Sinha, Kennedy, Ramdas
    2021), hence the burn-in and the label. A unit's total may still grow; compare units whose
    observation windows are equally long.

    Args:
        treated: units in the programme.
        holdout: units held out.
        alpha: two-sided error.
        best_at: t*, the number of units at which the bounds should be tightest.
        burn_in: units needed in each group, at least 2.

    Returns:
        The estimate in reward units per unit; infinite bounds while collecting, since a unit's
        total has no declared range.

    Raises:
        EvaluationError: a total is not finite or alpha is not between 0 and 1.
    """
    totals = (treated.total, treated.square, holdout.total, holdout.square)
    if not (0.0 < alpha < 1.0 and all(math.isfinite(total) for total in totals)):
        raise EvaluationError(f"holdout uplift needs finite totals and 0 < alpha < 1, got {totals}")
    units = treated.units + holdout.units
    least = min(treated.units, holdout.units)
    if least < max(burn_in, 2) or treated.variance + holdout.variance <= 0.0:
        note = f"fewer than {burn_in} units in a group, or no unit's outcome differs from another's"
        value = treated.mean - holdout.mean if least else None
        return Estimate(
            value=value,
            lower=-math.inf,
            upper=math.inf,
            interval=INTERVAL,
            n=units,
            collecting=True,
            note=note,
        )
    value = treated.mean - holdout.mean
    spread = sum(_variance(group, treated, holdout) / group.units for group in (treated, holdout))
    sigma = math.sqrt(units * spread)
    reach = sigma * asymptotic_reach(units, alpha=alpha, best_at=best_at)
    return Estimate(
        value=value, lower=value - reach, upper=value + reach, interval=INTERVAL, n=units
    )


def _variance(group: GroupTotals, treated: GroupTotals, holdout: GroupTotals) -> float:
    """A group's variance, with a share of both groups' while it is small."""
    both = (treated, holdout)
    pooled = sum(each.units * each.variance for each in both) / sum(each.units for each in both)
    shared = group.units * group.variance + SHARED_UNITS * pooled
    return max(group.variance, shared / (group.units + SHARED_UNITS))
