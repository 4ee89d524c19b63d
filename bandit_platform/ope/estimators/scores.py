"""Estimators that are the mean of one number per row: their mergeable state."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

from bandit_platform.ope.estimators.estimate import Estimate
from bandit_platform.ope.estimators.normal import vacuous, value_estimate
from bandit_platform.ope.reward_range import Floats, RewardRange
from bandit_platform.ope.running import totals


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelColumns:
    """What model-based estimators need of each row; everything on the reward scale [0, 1].

    The model must be predictable: fitted on earlier rows only. Then w(r - fitted) + direct has
    the policy value as its mean, however poor the model.

    Attributes:
        weight: importance weight w, shape (n,).
        reward: scaled reward r, shape (n,).
        direct: Σ_a π(a) q̂(a), shape (n,).
        fitted: q̂ of the logged arm, shape (n,).
    """

    weight: Floats
    reward: Floats
    direct: Floats
    fitted: Floats

    @cached_property
    def correction(self) -> Floats:
        """w(r - q̂(A)) of the logged arm, shape (n,)."""
        correction: Floats = self.reward - self.fitted
        correction *= self.weight
        return correction


@dataclass(frozen=True, kw_only=True)
class ScoreSums:
    """Sums of a score whose mean is the estimate.

    Attributes:
        n: rows.
        total: Σ score.
        square: Σ score².
    """

    n: int = 0
    total: float = 0.0
    square: float = 0.0

    def updated(self, score: Floats) -> ScoreSums:
        """The sums after more rows, shape (n,); independent of how rows are cut into batches."""
        return updated_together((self,), (score,))[0]

    def merged(self, other: ScoreSums) -> ScoreSums:
        """The sums of both sets of rows."""
        return ScoreSums(
            n=self.n + other.n,
            total=self.total + other.total,
            square=self.square + other.square,
        )

    @property
    def mean(self) -> float:
        """The estimate on the reward scale."""
        return self.total / self.n

    @property
    def error(self) -> float:
        """Standard error of the mean."""
        spread = max(self.square - self.n * self.mean**2, 0.0)
        return math.sqrt(spread / (self.n - 1) / self.n)

    def estimate(self, *, scale: RewardRange, alpha: float, note: str = "") -> Estimate:
        """The mean with a normal interval (one look only), in reward units."""
        if self.n < 2:
            why = "too few rows after those that train the first reward model"
            return vacuous(scale=scale, interval="normal", n=self.n, uplift=False, note=why)
        return value_estimate(
            value=self.mean,
            error=self.error,
            n=self.n,
            alpha=alpha,
            scale=scale,
            interval="normal",
            note=note,
        )


def updated_together(sums: Sequence[ScoreSums], scores: Sequence[Floats]) -> tuple[ScoreSums, ...]:
    """Sums of k scores of the same rows after more of them, with the bits of one at a time.

    Args:
        sums: k sums so far.
        scores: k scores of each row, shape (n,) each.
    """
    carry = [*chain.from_iterable((one.total, one.square) for one in sums)]
    columns = [*chain.from_iterable((score, score * score) for score in scores)]
    found = iter(totals(carry, columns))
    return tuple(
        ScoreSums(n=one.n + score.shape[0], total=next(found), square=next(found))
        for one, score in zip(sums, scores, strict=True)
    )
