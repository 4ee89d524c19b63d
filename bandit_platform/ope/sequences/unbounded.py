"""Value and uplift of an outcome that has no declared range, such as revenue."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from math import inf
from typing import Any

from bandit_platform.ope.estimators.estimate import Estimate
from bandit_platform.ope.reward_range import Floats
from bandit_platform.ope.running import totals
from bandit_platform.ope.sequences.asymptotic import INTERVAL, asymptotic_bounds, burnt_in
from bandit_platform.ope.sequences.stream import Prior, Stream

NOTE = "too few rows, or too few that matter, for an asymptotic sequence"


@dataclass(frozen=True, kw_only=True)
class UnboundedAccumulator:
    """Asymptotic confidence sequences of a policy's mean outcome and of its uplift.

    Estimands: the running averages of E[wY | past] and E[(w₁ - w₂)Y | past]. Pseudo-outcomes
    c + w(Y - c) and (w₁ - w₂)(Y - c), where c is the mean of Y over the tuning rows, which are in
    neither stream; so c is fixed before every row that counts and changes no mean. Without a
    range there is no bound that holds for certain; these hold in the limit and are shown only
    past the burn-in, when no row carries more than a hundredth of the variance.

    How the rows are cut into batches changes no bit of the state.

    Attributes:
        alpha: two-sided error of each interval.
        tuning_rows: rows that fix c.
        horizon: rows after tuning at which the sequences should be tightest.
        tuned: rows taken for tuning so far.
        total: ΣY over them.
        value_stream: sums of c + w(Y - c).
        uplift_stream: sums of (w₁ - w₂)(Y - c).
    """

    alpha: float = 0.05
    tuning_rows: int = 200
    horizon: int = 10_000
    tuned: int = 0
    total: float = 0.0
    value_stream: Stream = field(default_factory=Stream)
    uplift_stream: Stream = field(default_factory=Stream)

    def updated(
        self, *, weight: Floats, baseline_weight: Floats, outcome: Floats
    ) -> UnboundedAccumulator:
        """The state after more rows, in decision order; all of shape (n,), finite."""
        taken = min(self.tuning_rows - self.tuned, outcome.shape[0])
        state = self
        if taken > 0:
            (total,) = totals([self.total], [outcome[:taken]])
            state = replace(self, tuned=self.tuned + taken, total=total)
        if taken == outcome.shape[0]:
            return state
        offset = state.total / state.tuned
        miss = outcome[taken:] - offset
        first, second = weight[taken:], baseline_weight[taken:]
        return replace(
            state,
            value_stream=state.value_stream.updated(offset + first * miss, state._prior(offset)),
            uplift_stream=state.uplift_stream.updated((first - second) * miss, state._prior(0.0)),
        )

    def value(self) -> Estimate:
        """The mean outcome, in its own unit."""
        return self._estimate(self.value_stream)

    def uplift(self) -> Estimate:
        """The mean outcome less the baseline's, in its own unit."""
        return self._estimate(self.uplift_stream)

    def _prior(self, guess: float) -> Prior:
        rows = float(self.tuned)
        return Prior(rows=rows, total=guess * rows, variance=1.0, least=-inf, most=inf)

    def _estimate(self, stream: Stream) -> Estimate:
        if not burnt_in(stream) or stream.v <= 0.0:
            return Estimate(
                value=stream.z / stream.n if stream.n else None,
                lower=-inf,
                upper=inf,
                interval=INTERVAL,
                n=stream.n,
                collecting=True,
                note=NOTE,
            )
        lower, upper = asymptotic_bounds(stream, alpha=self.alpha, horizon=self.horizon)
        return Estimate(
            value=stream.z / stream.n, lower=lower, upper=upper, interval=INTERVAL, n=stream.n
        )

    def to_state(self) -> dict[str, Any]:
        """Plain numbers and mappings that survive JSON exactly."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> UnboundedAccumulator:
        """The inverse of :meth:`to_state`."""
        return cls(
            alpha=float(state["alpha"]),
            tuning_rows=int(state["tuning_rows"]),
            horizon=int(state["horizon"]),
            tuned=int(state["tuned"]),
            total=float(state["total"]),
            value_stream=Stream.from_state(state["value_stream"]),
            uplift_stream=Stream.from_state(state["uplift_stream"]),
        )
