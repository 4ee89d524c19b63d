"""SWITCH-DR (Wang, Agarwal, Dudík 2017): correct the model only where weights are small."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bandit_platform.ope.estimators.dr import dr_scores
from bandit_platform.ope.estimators.scores import ModelColumns, ScoreSums
from bandit_platform.ope.reward_range import Floats


@dataclass(frozen=True, kw_only=True)
class SwitchSums:
    """Sums of scores Σ_a π(a) q̂(a) + 1{w ≤ τ} w(r - q̂(A)) for k thresholds τ at once.

    Estimand: V(π), the mean score, biased by the model's error where w > τ. τ = ∞ is DR, τ = 0 the
    direct method. So a row's score is one of theirs: both are added up by the number of thresholds
    that the row's weight is within, and the sums of every threshold are put together from those.

    Attributes:
        n: rows.
        dr: Σ score of DR, by the number of thresholds the weight is within, 0 … k.
        dr_square: Σ score² of DR, likewise.
        direct: Σ score of the direct method, likewise.
        direct_square: Σ score² of the direct method, likewise.
    """

    n: int
    dr: tuple[float, ...]
    dr_square: tuple[float, ...]
    direct: tuple[float, ...]
    direct_square: tuple[float, ...]

    @classmethod
    def empty(cls, thresholds: int) -> SwitchSums:
        """Before the first row, for so many thresholds."""
        none = (0.0,) * (thresholds + 1)
        return cls(n=0, dr=none, dr_square=none, direct=none, direct_square=none)

    def updated(self, columns: ModelColumns, grid: Sequence[float]) -> SwitchSums:
        """The sums after more rows, independent of how rows are cut into batches.

        Args:
            columns: what the model says of each row.
            grid: the thresholds, falling, the same at each call.
        """
        within = np.zeros(columns.weight.shape[0], dtype=np.intp)
        for threshold in grid:
            within += columns.weight <= threshold
        doubly, direct = dr_scores(columns), columns.direct
        return SwitchSums(
            n=self.n + within.shape[0],
            dr=_added(self.dr, within, doubly),
            dr_square=_added(self.dr_square, within, doubly * doubly),
            direct=_added(self.direct, within, direct),
            direct_square=_added(self.direct_square, within, direct * direct),
        )

    def merged(self, other: SwitchSums) -> SwitchSums:
        """The sums of both sets of rows."""
        return SwitchSums(
            n=self.n + other.n,
            dr=_both(self.dr, other.dr),
            dr_square=_both(self.dr_square, other.dr_square),
            direct=_both(self.direct, other.direct),
            direct_square=_both(self.direct_square, other.direct_square),
        )

    def by_threshold(self) -> tuple[ScoreSums, ...]:
        """The sums of each threshold's scores."""
        return tuple(
            ScoreSums(
                n=self.n,
                total=sum(self.direct[:at]) + sum(self.dr[at:]),
                square=sum(self.direct_square[:at]) + sum(self.dr_square[at:]),
            )
            for at in range(1, len(self.dr))
        )


def _added(
    carry: tuple[float, ...], place: npt.NDArray[np.intp], column: Floats
) -> tuple[float, ...]:
    """Sums by place carried on, one addition after the other in row order."""
    sums = np.array(carry)
    np.add.at(sums, place, column)
    return tuple(sums.tolist())


def _both(first: tuple[float, ...], second: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(a + b for a, b in zip(first, second, strict=True))
