"""SLOPE: choose among estimators of growing bias and shrinking variance (Su et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from bandit_platform.errors import EvaluationError
from bandit_platform.ope.estimators.normal import quantile
from bandit_platform.ope.estimators.scores import ScoreSums

GRID_SIZE = 7
"""Parameters that are tried."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The parameter chosen.

    Attributes:
        parameter: the chosen one.
        value: its estimate, on the reward scale.
        n: rows behind it.
    """

    parameter: float
    value: float
    n: int


def slope(candidates: Sequence[tuple[float, ScoreSums]], *, alpha: float) -> Choice:
    """The most biased candidate whose interval still meets those of all less biased ones.

    Lepski's principle: with I_j = estimate_j ± its random error, take the last i for which
    I_1, …, I_i have a point in common. The interval of the winner says nothing about its bias
    and must not be reported as an interval of the policy value; report that of the unbiased
    estimator beside it.

    Args:
        candidates: parameter and sums, from the least biased (and most variable) on.
        alpha: error of all random errors together.

    Raises:
        EvaluationError: there is no candidate with at least two rows.
    """
    if not candidates or candidates[0][1].n < 2:
        raise EvaluationError("SLOPE needs at least one candidate with two rows")
    reach = quantile(alpha / len(candidates))
    low, high, best = -np.inf, np.inf, 0
    for at, (_, sums) in enumerate(candidates):
        low = max(low, sums.mean - reach * sums.error)
        high = min(high, sums.mean + reach * sums.error)
        if low > high:
            break
        best = at
    parameter, sums = candidates[best]
    return Choice(parameter=parameter, value=sums.mean, n=sums.n)


@lru_cache(maxsize=16)
def weight_grid(bound: float) -> tuple[float, ...]:
    """Thresholds for weights from their greatest value down to 1, the least biased first."""
    return tuple(float(value) for value in np.geomspace(max(bound, 1.0), 1.0, GRID_SIZE))
