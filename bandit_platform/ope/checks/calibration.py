"""Do the propensities agree with what was drawn? Confidence sequences around known means."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from bandit_platform.ope.reward_range import Floats
from bandit_platform.ope.sequences.stream import Prior, Stream, margin

_PRIOR_ROWS = 50.0


@dataclass(frozen=True, kw_only=True)
class WeightCalibration:
    """Confidence sequence of the mean importance weight, which is 1 for right propensities.

    Z = w ∈ [0, W] with predictor in [0, 2], so B = 2 below and B = W above. Rows in which the
    target's choice could not be logged do not belong here: their weight is 0 by construction.

    Attributes:
        bound: W, the greatest weight that can occur.
        horizon: rows at which the bounds should be tightest.
        alpha: two-sided error.
        stream: sums of the weights.
    """

    bound: float
    horizon: int
    alpha: float
    stream: Stream = field(default_factory=Stream)

    def updated(self, weight: Floats) -> WeightCalibration:
        """The sequence after more rows, shape (n,)."""
        if weight.shape[0] == 0:
            return self
        prior = Prior(
            rows=_PRIOR_ROWS, total=_PRIOR_ROWS, variance=self._variance, least=0.0, most=2.0
        )
        return replace(self, stream=self.stream.updated(weight, prior))

    def onward(self) -> WeightCalibration:
        """Where rows after these start."""
        return replace(self, stream=self.stream.onward())

    def joined(self, later: WeightCalibration) -> WeightCalibration:
        """The sequence of these rows and of later ones that started from :meth:`onward`."""
        return replace(later, stream=self.stream.joined(later.stream))

    def moved(self, n: int, total: float) -> WeightCalibration:
        """Where rows start that come after n more with this Σw; for a :meth:`onward` only."""
        return replace(self, stream=Stream(n=self.stream.n + n, z=self.stream.z + total))

    @property
    def _variance(self) -> float:
        return max(0.5 * (self.bound - 1.0), 1e-3)

    def bounds(self) -> tuple[float, float]:
        """Lower and upper bound of the mean weight."""
        if self.stream.n == 0:
            return 0.0, self.bound
        mean = self.stream.z / self.stream.n
        below, above = self._margin(2.0), self._margin(max(self.bound, 2.0))
        return max(mean - below, 0.0), min(mean + above, max(self.bound, mean))

    def _margin(self, span: float) -> float:
        reach = margin(
            np.array([float(self.stream.n)]),
            np.array([self.stream.v]),
            span=span,
            variance=self._variance,
            horizon=self.horizon,
            alpha=self.alpha / 2.0,
        )
        return float(reach[0])

    @property
    def failed(self) -> bool:
        """1 is outside the bounds: the propensities are wrong or rows are missing."""
        low, high = self.bounds()
        return not low <= 1.0 <= high


@dataclass(frozen=True, kw_only=True)
class ArmCalibration:
    """Confidence sequences of 1{A = a} - p(a), one for each arm, all around 0.

    Z ∈ [-1, 1] with predictor 0, so B = 1 on both sides. Alpha is split over arms and sides.

    Attributes:
        arms: names of the arms.
        horizon: rows at which the bounds should be tightest.
        alpha: error of all arms together.
        streams: one for each arm.
    """

    arms: tuple[str, ...]
    horizon: int
    alpha: float
    streams: tuple[Stream, ...]

    @classmethod
    def empty(cls, *, arms: tuple[str, ...], horizon: int, alpha: float) -> ArmCalibration:
        """Before the first row."""
        return cls(arms=arms, horizon=horizon, alpha=alpha, streams=(Stream(),) * len(arms))

    def updated(self, arm: npt.NDArray[np.int64], pmf: Floats) -> ArmCalibration:
        """The sequences after more rows.

        Args:
            arm: logged arms, shape (n,).
            pmf: the logging policy's probabilities, shape (n, arms).
        """
        if arm.shape[0] == 0:
            return self
        prior = Prior(rows=1.0, total=0.0, variance=self._variance, least=0.0, most=0.0)
        streams = tuple(
            stream.updated((arm == code) - pmf[:, code], prior)
            for code, stream in enumerate(self.streams)
        )
        return replace(self, streams=streams)

    def merged(self, other: ArmCalibration) -> ArmCalibration:
        """The sequences of both sets of rows: the predictor is 0 always, so all sums just add."""
        streams = tuple(
            Stream(n=a.n + b.n, z=a.z + b.z, v=a.v + b.v, peak=max(a.peak, b.peak))
            for a, b in zip(self.streams, other.streams, strict=True)
        )
        return replace(self, streams=streams)

    @property
    def _variance(self) -> float:
        return 1.0 / max(len(self.arms), 2)

    def failed(self) -> tuple[str, ...]:
        """Arms drawn more or less often than their propensities permit."""
        alpha = self.alpha / (2.0 * len(self.arms))
        found = []
        for name, stream in zip(self.arms, self.streams, strict=True):
            if stream.n == 0:
                continue
            reach = margin(
                np.array([float(stream.n)]),
                np.array([stream.v]),
                span=1.0,
                variance=self._variance,
                horizon=self.horizon,
                alpha=alpha,
            )
            if abs(stream.z / stream.n) > float(reach[0]):
                found.append(name)
        return tuple(found)
