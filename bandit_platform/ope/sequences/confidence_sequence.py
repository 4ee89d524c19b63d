"""Empirical-Bernstein confidence sequence for a policy value or an uplift, as a streaming state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np

from bandit_platform.errors import EvaluationError
from bandit_platform.ope.reward_range import Floats
from bandit_platform.ope.sequences.stream import Prior, Stream, margin
from bandit_platform.ope.sequences.tuning import TuningSums

Kind = Literal["value", "uplift"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is fixed before the first row.

    Attributes:
        kind: "value" bounds E[wR]; "uplift" bounds E[(w₁ - w₂)R] of two policies.
        alpha: two-sided error; each side gets half.
        tuning_rows: rows at the start that choose c and rho and are not in the sequence.
        horizon: n*, rows after tuning at which the sequence is meant to be tightest.
        level_share: share of alpha spent on the weight bound known when tuning ends; the rest
            pays for later doublings of that bound. 1 means that the bound must not grow.
    """

    kind: Kind = "value"
    alpha: float = 0.05
    tuning_rows: int = 200
    horizon: int = 10_000
    level_share: float = 0.8

    def __post_init__(self) -> None:
        if not (
            self.kind in ("value", "uplift")
            and 0.0 < self.alpha < 1.0
            and self.tuning_rows >= 1
            and self.horizon >= 1
            and 0.0 < self.level_share <= 1.0
        ):
            raise EvaluationError(f"confidence sequence cannot be set up with {self}")


@dataclass(frozen=True, kw_only=True)
class Frozen:
    """What tuning fixed; nothing here changes afterwards, so everything stays predictable.

    Attributes:
        offset: c.
        variance: guess of Var(Z).
        start: tuning rows' ΣZ, which starts the predictor.
        bound: greatest weight bound of the target policy during tuning.
        baseline_bound: the same for the baseline policy (0 for a value).
    """

    offset: float
    variance: float
    start: float
    bound: float
    baseline_bound: float


@dataclass(frozen=True, kw_only=True)
class ConfidenceSequence:
    """Bounds that hold at every row at once, however often somebody looks.

    Estimand: the running average over the rows after tuning of E[Z | past], which is the policy
    value (or uplift) on the reward scale [0, 1] where that is constant.

    Pseudo-outcome: value Z = c + w(R - c) with Z ≥ -(W - 1)c; uplift Z = (w₁ - w₂)(R - c) with
    Z ≥ -max(W₁c, W₂(1 - c)). With B = 1 + b and predictor Ẑ (the running mean, clipped to where
    a value or uplift can lie), S = Σ(Z - E Z)/B and V = Σ((Z - Ẑ)/B)² the lower bound is
    mean(Z) - B u(V)/t (module ``mixture``); the upper bound is the reflected lower bound of 1 - R,
    for which Z becomes 1 - Z (value) or -Z (uplift) and V stays the same. Each side has alpha/2.

    ΣZ and Σ(Z - Ẑ)² are kept without B. A weight bound that grows is then met by the levels
    2^k times the bound at the end of tuning, the k-th with its own share of alpha: each level is
    valid until a row exceeds it, so by a union bound all are, whatever made the bound grow.

    Assumptions: propensities are the true ones and fixed before the draw; each row's weight bound
    too. Logging policies may adapt; nothing is assumed about drift.

    Papers: Howard, Ramdas, McAuliffe, Sekhon 2021; Waudby-Smith, Wu, Ramdas, Karampatziakis,
    Mineiro 2022.

    Attributes:
        settings: fixed before the first row.
        tuning: sums over the tuning rows.
        frozen: what tuning fixed; None while collecting.
        bound: greatest weight bound so far.
        baseline_bound: the same for the baseline policy (0 for a value).
        stream: sums over the rows after tuning, Σ(Z - Ẑ)² not divided by B².
    """

    settings: Settings = field(default_factory=Settings)
    tuning: TuningSums = field(default_factory=TuningSums)
    frozen: Frozen | None = None
    bound: float = 0.0
    baseline_bound: float = 0.0
    stream: Stream = field(default_factory=Stream)

    def updated(
        self, gain: Floats, reward: Floats, bound: Floats, baseline_bound: Floats
    ) -> ConfidenceSequence:
        """The state after more rows; any cutting into batches gives the same bits.

        Args:
            gain: w, or w₁ - w₂, shape (n,).
            reward: scaled rewards in [0, 1], shape (n,).
            bound: each row's weight bound of the target policy, shape (n,).
            baseline_bound: the same for the baseline, zeros for a value, shape (n,).
        """
        state, taken = self._tuned(gain, reward, bound, baseline_bound)
        if state.frozen is None or taken == gain.shape[0]:
            return state
        outcome = state._outcome(gain[taken:], reward[taken:])
        stream = state.stream.updated(outcome, state._prior())
        return state._grown(stream, bound[taken:], baseline_bound[taken:])

    def walked(
        self, gain: Floats, reward: Floats, bound: Floats, baseline_bound: Floats
    ) -> tuple[ConfidenceSequence, Floats, Floats]:
        """As :meth:`updated`, with ΣZ and Σ(Z - Ẑ)² after each of the new rows past tuning."""
        state, taken = self._tuned(gain, reward, bound, baseline_bound)
        if state.frozen is None or taken == gain.shape[0]:
            return state, np.empty(0), np.empty(0)
        outcome = state._outcome(gain[taken:], reward[taken:])
        stream, z_path, v_path = state.stream.walked(outcome, state._prior())
        return state._grown(stream, bound[taken:], baseline_bound[taken:]), z_path, v_path

    def _grown(self, stream: Stream, bound: Floats, baseline_bound: Floats) -> ConfidenceSequence:
        return replace(
            self,
            stream=stream,
            bound=max(self.bound, float(bound.max())),
            baseline_bound=max(self.baseline_bound, float(baseline_bound.max())),
        )

    def _tuned(
        self, gain: Floats, reward: Floats, bound: Floats, baseline_bound: Floats
    ) -> tuple[ConfidenceSequence, int]:
        """Take tuning rows from the front; freeze when there are enough of them."""
        taken = min(self.settings.tuning_rows - self.tuning.n, gain.shape[0])
        if self.frozen is not None or taken <= 0:
            return self, 0
        tuning = self.tuning.updated(gain[:taken], reward[:taken])
        first = max(self.bound, float(bound[:taken].max()))
        second = max(self.baseline_bound, float(baseline_bound[:taken].max()))
        return self.tuned(tuning, first, second), taken

    def tuned(self, tuning: TuningSums, first: float, second: float) -> ConfidenceSequence:
        """The state with these tuning sums and weight bounds; frozen when they are complete."""
        state = replace(self, tuning=tuning, bound=first, baseline_bound=second)
        if tuning.n < self.settings.tuning_rows:
            return state
        offset = tuning.offset()
        base = offset if self.settings.kind == "value" else 0.0
        frozen = Frozen(
            offset=offset,
            variance=tuning.variance(offset=offset),
            start=tuning.mean(offset=offset, base=base) * tuning.n,
            bound=first,
            baseline_bound=second,
        )
        return replace(state, frozen=frozen)

    def _outcome(self, gain: Floats, reward: Floats) -> Floats:
        """The pseudo-outcome Z of each row."""
        offset = self._known().offset
        outcome = reward - offset
        outcome *= gain
        if self.settings.kind == "value":
            outcome += offset
        return outcome

    @property
    def least(self) -> float:
        """The least that the estimand can be, on the scale of rewards."""
        return 0.0 if self.settings.kind == "value" else -1.0

    def _prior(self) -> Prior:
        frozen = self._known()
        return Prior(
            rows=float(self.tuning.n),
            total=frozen.start,
            variance=frozen.variance,
            least=self.least,
            most=1.0,
        )

    def _known(self) -> Frozen:
        if self.frozen is None:
            raise EvaluationError("the confidence sequence is still collecting its tuning rows")
        return self.frozen

    @property
    def collecting(self) -> bool:
        """No row is in the sequence yet, so the bounds are the ends of the scale."""
        return self.frozen is None or self.stream.n == 0

    def mean(self) -> float | None:
        """Centre of the bounds, the mean of Z on the reward scale; None while collecting."""
        return None if self.collecting else self.stream.z / self.stream.n

    def bounds(self) -> tuple[float, float]:
        """Lower and upper bound now, on the scale [0, 1], or [-1, 1] for an uplift."""
        if self.collecting:
            return self.least, 1.0
        one = self.stream
        lower, upper = self.curve(np.array([one.n]), np.array([one.z]), np.array([one.v]))
        return float(lower[0]), float(upper[0])

    def curve(self, n: Floats, z: Floats, v: Floats) -> tuple[Floats, Floats]:
        """Bounds at many moments, each given by n, ΣZ, Σ(Z - Ẑ)² at that moment, shape (m,).

        The weight bound is the greatest so far for all of them, which is valid, if wider than need
        be for moments before it grew.
        """
        alpha, growth = self.level()
        down, up = self.spans(growth)
        mean = z / n
        lower = mean - self._margin(n, v, down, alpha / 2.0)
        upper = mean + self._margin(n, v, up, alpha / 2.0)
        return np.clip(lower, self.least, 1.0), np.clip(upper, self.least, 1.0)

    def _margin(self, n: Floats, v: Floats, span: float, alpha: float) -> Floats:
        """B u(V/B²)/t for one side."""
        return margin(
            n,
            v,
            span=span,
            variance=self._known().variance,
            horizon=self.settings.horizon,
            alpha=alpha,
        )

    def level(self) -> tuple[float, float]:
        """Share of alpha and growth factor 2^k of the smallest level that covers every row."""
        frozen, share, level = self._known(), self.settings.level_share, 0
        while self.bound > frozen.bound * 2.0**level * (
            1 + 1e-12
        ) or self.baseline_bound > frozen.baseline_bound * 2.0**level * (1 + 1e-12):
            level += 1
            if share == 1.0 or level > 60:
                raise EvaluationError(
                    f"the weight bound grew from {frozen.bound} to {self.bound} although the "
                    "confidence sequence was set up for a bound that does not grow"
                )
        if level == 0:
            return self.settings.alpha * share, 1.0
        return self.settings.alpha * (1.0 - share) * 0.5**level, 2.0**level

    def spans(self, growth: float) -> tuple[float, float]:
        """B = 1 + b for the lower and for the upper (reflected) side."""
        frozen = self._known()
        c, first, second = frozen.offset, frozen.bound * growth, frozen.baseline_bound * growth
        if self.settings.kind == "value":
            excess = max(first - 1.0, 0.0)
            return 1.0 + excess * c, 1.0 + excess * (1.0 - c)
        down = max(first * c, second * (1.0 - c))
        up = max(second * c, first * (1.0 - c))
        return 1.0 + down, 1.0 + up

    def to_state(self) -> dict[str, Any]:
        """Plain numbers and mappings that survive JSON exactly."""
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> ConfidenceSequence:
        """The inverse of :meth:`to_state`."""
        frozen = state["frozen"]
        return cls(
            settings=Settings(**state["settings"]),
            tuning=TuningSums.from_state(state["tuning"]),
            frozen=None if frozen is None else Frozen(**frozen),
            bound=float(state["bound"]),
            baseline_bound=float(state["baseline_bound"]),
            stream=Stream.from_state(state["stream"]),
        )
