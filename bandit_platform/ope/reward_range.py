"""The declared reward range: the scale on which every guarantee is stated."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bandit_platform.errors import EvaluationError, InputError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class RewardRange:
    """Least and greatest reward that can occur, declared before looking at data.

    An observed range would void the confidence sequences, so there is no constructor from data.

    Attributes:
        low: least possible reward, in reward units.
        high: greatest possible reward, in reward units.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "low", float(self.low))
        object.__setattr__(self, "high", float(self.high))
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise InputError(
                f"reward range [{self.low}, {self.high}]: both ends must be finite and low < high"
            )

    @property
    def width(self) -> float:
        """Length of the range, in reward units."""
        return self.high - self.low

    def scale(self, reward: npt.ArrayLike) -> Floats:
        """Map rewards onto [0, 1] by (r - low) / (high - low).

        Args:
            reward: shape (n,), reward units.

        Returns:
            shape (n,), each value in [0, 1].

        Raises:
            EvaluationError: a reward is not finite or lies outside the range; names the first row.
        """
        values = np.asarray(reward, dtype=np.float64)
        good = (values >= self.low) & (values <= self.high)  # NaN compares false
        if not good.all():
            row = int(np.argmin(good))
            raise EvaluationError(
                f"row {row}: reward {values.flat[row]} is outside the declared range "
                f"[{self.low}, {self.high}]"
            )
        if self.low == 0.0 and self.high == 1.0:
            return values
        scaled = (values - self.low) / self.width
        return np.minimum(scaled, 1.0, out=scaled)

    def unscale(self, value: float) -> float:
        """Map a value on the [0, 1] scale back to reward units."""
        return self.low + self.width * float(value)

    def unscale_difference(self, difference: float) -> float:
        """Map a difference of two scaled values back to reward units (no offset)."""
        return self.width * float(difference)

    def clip(self, value: float) -> float:
        """The nearest point of the range, in reward units."""
        return min(max(float(value), self.low), self.high)
