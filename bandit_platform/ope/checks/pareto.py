"""Shape of the weights' upper tail: the Pareto k of Vehtari, Simpson, Gelman, Yao, Gabry."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from bandit_platform.ope.reward_range import Floats

HIGH_K = 0.7
"""Above this shape the mean converges too slowly for the estimate to be relied on."""


def tail_size(n: int) -> int:
    """How many of the largest of n weights make the tail: min(n/5, 3√n)."""
    return int(min(n / 5, 3.0 * math.sqrt(n)))


@dataclass(frozen=True, kw_only=True, eq=False)
class TopWeights:
    """The largest weights of a stream, as many as the tail of all rows needs.

    Attributes:
        keep: how many are kept.
        values: the largest so far, shape (≤ keep,), in no order.
    """

    keep: int
    values: Floats

    @classmethod
    def empty(cls, n: int) -> TopWeights:
        """Before the first row of n in all."""
        return cls(keep=tail_size(n) + 1, values=np.empty(0))

    def updated(self, weight: Floats) -> TopWeights:
        """The largest after more rows, shape (n,)."""
        if self.values.size == self.keep:
            weight = weight[weight > self.values.min()]
        if weight.size == 0:
            return self
        values = np.concatenate([self.values, weight])
        if values.size > self.keep:
            values = np.partition(values, values.size - self.keep)[-self.keep :]
        return TopWeights(keep=self.keep, values=values)

    def merged(self, other: TopWeights) -> TopWeights:
        """The largest of both sets of rows."""
        return self.updated(other.values)

    def shape(self) -> float | None:
        """Pareto k of the tail; None for too few weights or a tail of equal weights.

        Weights that the floor cuts off at a common maximum have no tail to speak of.
        """
        if self.values.size < self.keep or self.keep < 20:
            return None
        ordered = np.sort(self.values)
        excess = ordered[1:] - ordered[0]
        if ordered[0] <= 0.0 or _quartile(excess) <= 0.0:
            return None
        return _generalised_pareto_shape(excess)


def _quartile(ordered: Floats) -> float:
    return float(ordered[(ordered.size + 2) // 4 - 1])


def _generalised_pareto_shape(excess: Floats) -> float:
    """Shape of a generalised Pareto distribution by Zhang and Stephens (2009), regularised.

    A profile of the likelihood over a grid of θ is averaged; k = mean ln(1 - θx). The result is
    drawn towards 0.5 as if by ten observations.

    Args:
        excess: exceedances over the threshold, ascending, > 0 for the most part.
    """
    n = excess.size
    grid_size = 30 + int(math.sqrt(n))
    quartile = _quartile(excess)
    index = np.arange(1, grid_size + 1)
    theta = 1.0 / excess[-1] + (1.0 - np.sqrt(grid_size / (index - 0.5))) / (3.0 * quartile)
    least = 1e-9 / excess[-1]  # at 0 itself the likelihood is a limit
    theta = np.where(np.abs(theta) < least, least, theta)
    shape = np.log1p(-theta[:, None] * excess[None, :]).mean(axis=1)
    profile = n * (np.log(-theta / shape) - shape - 1.0)
    share = np.exp(profile - profile.max())
    best = float((theta * share).sum() / share.sum())
    found = float(np.log1p(-best * excess).mean())
    return (n * found + 10 * 0.5) / (n + 10)
