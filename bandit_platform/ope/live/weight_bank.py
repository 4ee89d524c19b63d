"""Weight sums of many policies over the same rows, updated together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bandit_platform.ope.estimators.sums import WeightSums
from bandit_platform.ope.live.uplift_bank import running
from bandit_platform.ope.reward_range import Floats

ROWS = 6
"""Numbers kept of each policy: Σw, Σw², Σwr, Σw²r, Σw²r², the largest w."""


@dataclass(frozen=True, kw_only=True, eq=False)
class WeightBank:
    """Weight sums of k policies that have taken in the same rows.

    The numbers are those of :class:`WeightSums`, bit for bit; :meth:`sums` gives one back.

    Attributes:
        n: rows.
        table: what is kept of each policy, shape (ROWS, k).
    """

    n: int
    table: Floats

    @classmethod
    def empty(cls, size: int) -> WeightBank:
        """Before the first row, for that many policies."""
        return cls(n=0, table=np.zeros((ROWS, size)))

    def chosen(self, columns: Sequence[int]) -> WeightBank:
        """Some of the policies."""
        return replace(self, table=self.table[:, list(columns)])

    def updated(self, weight: Floats, reward: Floats) -> WeightBank:
        """The sums after more rows.

        Args:
            weight: importance weights, shape (k, n), finite, ≥ 0.
            reward: scaled rewards in [0, 1], shape (n,).
        """
        rows = reward.shape[0]
        if not rows or not self.table.shape[1]:
            return replace(self, n=self.n + rows)
        table = self.table.copy()
        gained = weight * reward
        columns = (weight, weight * weight, gained, weight * gained, gained * gained)
        for row, column in zip(table[:5], columns, strict=True):
            row[:] = running(row, column)[:, -1]
        np.maximum(table[5], weight.max(axis=1), out=table[5])
        return replace(self, n=self.n + rows, table=table)

    def sums(self, place: int) -> WeightSums:
        """One policy's sums."""
        w, ww, wr, wwr, wwrr, w_max = (float(number) for number in self.table[:, place])
        return WeightSums(n=self.n, w=w, ww=ww, wr=wr, wwr=wwr, wwrr=wwrr, w_max=w_max)
