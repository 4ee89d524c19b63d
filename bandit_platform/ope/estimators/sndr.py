"""Self-normalised doubly robust: DR whose correction is divided by the mean weight."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from bandit_platform.ope.estimators.estimate import Estimate
from bandit_platform.ope.estimators.normal import vacuous, value_estimate
from bandit_platform.ope.estimators.scores import ModelColumns
from bandit_platform.ope.reward_range import RewardRange
from bandit_platform.ope.running import CHUNK, totals

INTERVAL = "linearised-normal"
_PAIRS = ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))


@dataclass(frozen=True, kw_only=True)
class SndrSums:
    """Sums of d = Σ_a π(a) q̂(a), of w and of e = w(r - q̂(A)), and of their products.

    Attributes:
        n: rows.
        totals: Σd, Σw, Σe.
        products: Σd², Σw², Σe², Σdw, Σde, Σwe.
    """

    n: int = 0
    totals: tuple[float, ...] = field(default=(0.0,) * 3)
    products: tuple[float, ...] = field(default=(0.0,) * 6)

    def updated(self, columns: ModelColumns) -> SndrSums:
        """The sums after more rows, independent of how rows are cut into batches."""
        carry = [*self.totals, *self.products]
        for start in range(0, columns.weight.shape[0], CHUNK):
            rows = slice(start, start + CHUNK)
            parts = (columns.direct[rows], columns.weight[rows], columns.correction[rows])
            crossed = [parts[i] * parts[j] for i, j in _PAIRS]
            carry = totals(carry, [*parts, *crossed])
        n = self.n + columns.weight.shape[0]
        return SndrSums(n=n, totals=tuple(carry[:3]), products=tuple(carry[3:]))

    def merged(self, other: SndrSums) -> SndrSums:
        """The sums of both sets of rows."""
        return SndrSums(
            n=self.n + other.n,
            totals=tuple(a + b for a, b in zip(self.totals, other.totals, strict=True)),
            products=tuple(a + b for a, b in zip(self.products, other.products, strict=True)),
        )

    def estimate(self, *, scale: RewardRange, alpha: float) -> Estimate:
        """Mean(d) + Σe/Σw with its linearised interval (one look only), in reward units.

        Estimand: V(π). Consistent; biased by O(1/n). Standard error: sd(d + (e - w ĉ)/w̄)/√n with
        ĉ = Σe/Σw, so the denominator's variation is included.
        """
        n = self.n
        if n < 2 or self.totals[1] <= 0.0:
            why = "no weight after the rows that train the first reward model"
            return vacuous(scale=scale, interval=INTERVAL, n=n, uplift=False, note=why)
        mean = np.array(self.totals) / n
        ratio = mean[2] / mean[1]
        slope = np.array([1.0, -ratio / mean[1], 1.0 / mean[1]])
        second = np.zeros((3, 3))
        for (i, j), product in zip(_PAIRS, self.products, strict=True):
            second[i, j] = second[j, i] = product / n
        variance = max(float(slope @ (second - np.outer(mean, mean)) @ slope), 0.0)
        return value_estimate(
            value=float(mean[0] + ratio),
            error=math.sqrt(variance / (n - 1)),
            n=n,
            alpha=alpha,
            scale=scale,
            interval=INTERVAL,
        )


def sndr(columns: ModelColumns) -> float:
    """The SNDR point alone, on the reward scale."""
    return float(columns.direct.mean() + columns.correction.sum() / columns.weight.sum())
