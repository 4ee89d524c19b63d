"""Confidence sequence of the doubly robust pseudo-outcome, for a value or an uplift."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from bandit_platform.errors import EvaluationError
from bandit_platform.ope.reward_range import Floats
from bandit_platform.ope.sequences.stream import Prior, Stream, margin

_PRIOR_ROWS = 50.0


@dataclass(frozen=True, kw_only=True)
class ModelSpan:
    """The interval into which predictions are clipped; fixed before the sequence starts.

    Attributes:
        low: least prediction used.
        high: greatest prediction used.
    """

    low: float
    high: float

    @classmethod
    def of(cls, predictions: Floats) -> ModelSpan:
        """Room for later models: the middle 98 % of predictions, shape (n, arms), and more.

        A quarter of that is added on each side, and at least two rewarded rows in n, for a first
        model that has seen no reward yet predicts 0 for ever.
        """
        if predictions.size == 0:
            return cls(low=0.0, high=1.0)
        low, high = (float(end) for end in np.quantile(predictions, [0.01, 0.99]))
        more = max(0.25 * (high - low), 2.0 / (predictions.shape[0] + 1.0))
        return cls(low=max(low - more, 0.0), high=min(high + more, 1.0))


@dataclass(frozen=True, kw_only=True)
class DrSequence:
    """Bounds that hold at every row at once, centred on the doubly robust estimate.

    Pseudo-outcome of a value: Z = Σ_a π(a) q̃(a) + w(R - q̃(A)) with q̃ the prediction clipped to
    [low, high]; then Z ≥ low - W high. The constant offset is the case low = high. Of an uplift:
    Z = Σ_a (π₁ - π₂)(a) q̃(a) + (w₁ - w₂)(R - q̃(A)) ≥ -(high - low) - max(W₁ high, W₂(1 - low)).
    The upper side is the reflection: 1 - R with 1 - q̃, for which Z becomes 1 - Z (or -Z).

    Clipping to a fixed interval instead of to k/w keeps both sides on one stream and needs the
    PMF of the target policy only, not that of the logging policy.

    Assumptions: as :class:`~.confidence_sequence.ConfidenceSequence`; the model is fitted on
    earlier rows.

    Attributes:
        uplift: bounds a difference of two policies instead of a value.
        alpha: two-sided error; each side gets half.
        horizon: rows at which the bounds should be tightest.
        bound: greatest weight of the target policy.
        baseline_bound: greatest weight of the baseline policy (0 for a value).
        span: where predictions are clipped to; None until the first model is there.
        variance: guess of Var(Z) made at that moment.
        start: guess of mean(Z) made at that moment.
        stream: sums since then.
    """

    uplift: bool
    alpha: float
    horizon: int
    bound: float
    baseline_bound: float = 0.0
    span: ModelSpan | None = None
    variance: float = 0.0
    start: float = 0.0
    stream: Stream = field(default_factory=Stream)

    def started(self, span: ModelSpan, *, variance: float, start: float) -> DrSequence:
        """The sequence with everything fixed that earlier rows have to fix."""
        return replace(self, span=span, variance=variance, start=start)

    def updated(self, outcome: Floats) -> DrSequence:
        """The sequence after more rows of Z made with clipped predictions, shape (n,)."""
        return replace(self, stream=self.stream.updated(outcome, self._prior()))

    def walked(self, outcome: Floats) -> tuple[DrSequence, Floats, Floats]:
        """As :meth:`updated`, with ΣZ and Σ(Z - Ẑ)² after each of the rows."""
        stream, z_path, v_path = self.stream.walked(outcome, self._prior())
        return replace(self, stream=stream), z_path, v_path

    def onward(self) -> DrSequence:
        """Where rows after these start."""
        return replace(self, stream=self.stream.onward())

    def joined(self, later: DrSequence) -> DrSequence:
        """The sequence of these rows and of later ones that started from :meth:`onward`."""
        return replace(later, stream=self.stream.joined(later.stream))

    def moved(self, n: int, total: float) -> DrSequence:
        """Where rows start that come after n more with this ΣZ; for a :meth:`onward` only."""
        return replace(self, stream=Stream(n=self.stream.n + n, z=self.stream.z + total))

    def _prior(self) -> Prior:
        return Prior(
            rows=_PRIOR_ROWS,
            total=_PRIOR_ROWS * self.start,
            variance=self.variance,
            least=self._least,
            most=1.0,
        )

    @property
    def _least(self) -> float:
        return -1.0 if self.uplift else 0.0

    @property
    def collecting(self) -> bool:
        """No row is in the sequence yet."""
        return self.span is None or self.stream.n == 0

    def bounds(self) -> tuple[float, float]:
        """Lower and upper bound now, on the scale [0, 1], or [-1, 1] for an uplift."""
        if self.collecting:
            return self._least, 1.0
        one = self.stream
        lower, upper = self.curve(np.array([one.n]), np.array([one.z]), np.array([one.v]))
        return float(lower[0]), float(upper[0])

    def curve(self, n: Floats, z: Floats, v: Floats) -> tuple[Floats, Floats]:
        """Bounds at many moments, each given by n, ΣZ, Σ(Z - Ẑ)² at that moment, shape (m,)."""
        if self.span is None:
            raise EvaluationError("the doubly robust sequence has no model yet")
        down, up = self._spans(self.span)
        mean = z / n
        lower = mean - self._margin(n, v, down)
        upper = mean + self._margin(n, v, up)
        return np.clip(lower, self._least, 1.0), np.clip(upper, self._least, 1.0)

    def _spans(self, span: ModelSpan) -> tuple[float, float]:
        """B = 1 + b for the lower and for the upper side."""
        first, second = self.bound, self.baseline_bound
        if not self.uplift:
            down = first * span.high - span.low
            up = first * (1.0 - span.low) - (1.0 - span.high)
            return 1.0 + max(down, 0.0), 1.0 + max(up, 0.0)
        wide = span.high - span.low
        down = wide + max(first * span.high, second * (1.0 - span.low))
        up = wide + max(second * span.high, first * (1.0 - span.low))
        return 1.0 + down, 1.0 + up

    def _margin(self, n: Floats, v: Floats, span: float) -> Floats:
        return margin(
            n,
            v,
            span=span,
            variance=self.variance,
            horizon=self.horizon,
            alpha=self.alpha / 2.0,
        )
