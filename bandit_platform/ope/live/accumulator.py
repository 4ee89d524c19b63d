"""Everything kept about one target policy against one baseline, updated a batch at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from bandit_platform.errors import EvaluationError
from bandit_platform.ope.checks.diagnostics import (
    Evidence,
    WeightDiagnostics,
    diagnose,
    hangs_on_few_rows,
)
from bandit_platform.ope.estimators.estimate import Estimate
from bandit_platform.ope.estimators.ips import ips
from bandit_platform.ope.estimators.snips import snips, snips_uplift
from bandit_platform.ope.estimators.sums import CrossSums, WeightSums, check_weights
from bandit_platform.ope.reward_range import Floats, RewardRange
from bandit_platform.ope.sequences.asymptotic import INTERVAL as ASYMPTOTIC
from bandit_platform.ope.sequences.asymptotic import asymptotic_bounds, burnt_in
from bandit_platform.ope.sequences.confidence_sequence import ConfidenceSequence, Settings

INTERVAL = "confidence-sequence"
_SLACK = 1.0 + 1e-9


@dataclass(frozen=True, kw_only=True)
class PolicyAccumulator:
    """State of one target policy's value and of its uplift over one baseline policy.

    A frozen value: :meth:`updated` returns the next one. Rows must come in decision order; how
    they are cut into batches changes no bit of the state, so a recomputation from scratch equals
    the live accumulator exactly.

    Attributes:
        reward_range: the declared range of rewards.
        alpha: two-sided error of every interval.
        same_policy: the target policy *is* the baseline, so the uplift is 0 by definition.
        target: weight sums of the target policy, rewards scaled to [0, 1].
        baseline: weight sums of the baseline policy on the same rows.
        cross: products of both policies' weights.
        value_sequence: confidence sequence of the value.
        uplift_sequence: confidence sequence of the uplift, on w₁ - w₂.
    """

    reward_range: RewardRange
    alpha: float
    same_policy: bool
    target: WeightSums
    baseline: WeightSums
    cross: CrossSums
    value_sequence: ConfidenceSequence
    uplift_sequence: ConfidenceSequence

    @classmethod
    def empty(
        cls,
        *,
        reward_range: RewardRange,
        alpha: float = 0.05,
        tuning_rows: int = 200,
        horizon: int = 10_000,
        level_share: float = 0.8,
        same_policy: bool = False,
    ) -> PolicyAccumulator:
        """The state before the first row.

        Args:
            reward_range: declared least and greatest reward.
            alpha: two-sided error of each interval.
            tuning_rows: rows that tune the sequences and are not in them.
            horizon: rows after tuning at which the sequences should be tightest.
            level_share: share of alpha for the weight bound known when tuning ends; 1 where the
                bound can never grow (a finished log).
            same_policy: target and baseline are the same policy.
        """
        common = {
            "alpha": alpha,
            "tuning_rows": tuning_rows,
            "horizon": horizon,
            "level_share": level_share,
        }
        return cls(
            reward_range=reward_range,
            alpha=alpha,
            same_policy=same_policy,
            target=WeightSums(),
            baseline=WeightSums(),
            cross=CrossSums(),
            value_sequence=ConfidenceSequence(settings=Settings(kind="value", **common)),  # type: ignore[arg-type]
            uplift_sequence=ConfidenceSequence(settings=Settings(kind="uplift", **common)),  # type: ignore[arg-type]
        )

    def updated(
        self,
        *,
        weight: npt.ArrayLike,
        baseline_weight: npt.ArrayLike,
        reward: npt.ArrayLike,
        max_weight: npt.ArrayLike,
        baseline_max_weight: npt.ArrayLike,
    ) -> PolicyAccumulator:
        """The state after more rows, in decision order.

        Args:
            weight: target probability ÷ propensity of the logged arm, shape (n,).
            baseline_weight: the same for the baseline policy, shape (n,).
            reward: reward units, shape (n,).
            max_weight: the greatest weight that could have occurred in each row, known before its
                draw (eligible arms ÷ floor, say); shape (n,) or one number for all rows.
            baseline_max_weight: the same for the baseline policy.

        Raises:
            EvaluationError: shapes differ, a weight is negative, not finite or above its declared
                maximum, or a reward is outside the range; nothing is changed.
        """
        first, second = check_weights(weight), check_weights(baseline_weight, "baseline weight")
        scaled = self.reward_range.scale(reward)
        if not (first.ndim == 1 and first.shape == second.shape == scaled.shape):
            raise EvaluationError(
                f"weights {first.shape}, baseline weights {second.shape} and rewards "
                f"{scaled.shape} must be equally long"
            )
        if first.shape[0] == 0:
            return self
        bound = _bounded(first, max_weight, "weight")
        second_bound = _bounded(second, baseline_max_weight, "baseline weight")
        none = np.broadcast_to(0.0, first.shape)
        uplift = self.uplift_sequence
        if not self.same_policy:
            uplift = uplift.updated(first - second, scaled, bound, second_bound)
        return replace(
            self,
            target=self.target.added(first, scaled),
            baseline=self.baseline.added(second, scaled),
            cross=self.cross.added(first, second, scaled),
            value_sequence=self.value_sequence.updated(first, scaled, bound, none),
            uplift_sequence=uplift,
        )

    def value(self) -> Estimate:
        """The policy value with its confidence sequence, in reward units.

        The point is mean(Z), the IPS value with an offset, over the rows after tuning; while
        collecting it is the SNIPS value so far.
        """
        sequence, scale = self.value_sequence, self.reward_range
        if sequence.collecting:
            shown = self.snips().value
            return _collecting(shown, scale.low, scale.high, sequence.tuning.n)
        low, high = sequence.bounds()
        return Estimate(
            value=scale.clip(scale.unscale(sequence.stream.z / sequence.stream.n)),
            lower=scale.clip(scale.unscale(low)),
            upper=scale.clip(scale.unscale(high)),
            interval=INTERVAL,
            n=sequence.stream.n,
        )

    def uplift(self) -> Estimate:
        """The target's value less the baseline's with its own confidence sequence, reward units."""
        sequence, scale = self.uplift_sequence, self.reward_range
        if self.same_policy:
            return Estimate(value=0.0, lower=0.0, upper=0.0, interval="exact", n=self.target.n)
        if sequence.collecting:
            shown = self.snips_uplift().value
            return _collecting(shown, -scale.width, scale.width, sequence.tuning.n)
        low, high = sequence.bounds()
        return Estimate(
            value=scale.unscale_difference(
                min(max(sequence.stream.z / sequence.stream.n, -1.0), 1.0)
            ),
            lower=scale.unscale_difference(low),
            upper=scale.unscale_difference(high),
            interval=INTERVAL,
            n=sequence.stream.n,
        )

    def asymptotic_value(self) -> Estimate:
        """The policy value with the narrower asymptotic sequence, past its burn-in only."""
        low, high = self.reward_range.low, self.reward_range.high
        return self._asymptotic(self.value_sequence, low, high, offset=low)

    def asymptotic_uplift(self) -> Estimate:
        """The uplift with the narrower asymptotic sequence, past its burn-in only."""
        if self.same_policy:
            return self.uplift()
        width = self.reward_range.width
        return self._asymptotic(self.uplift_sequence, -width, width, offset=0.0)

    def _asymptotic(
        self, sequence: ConfidenceSequence, low: float, high: float, *, offset: float
    ) -> Estimate:
        stream, width = sequence.stream, self.reward_range.width
        if sequence.collecting or not burnt_in(stream):
            note = "too few rows, or too few that matter, for an asymptotic sequence"
            return _collecting(None, low, high, stream.n, interval=ASYMPTOTIC, note=note)
        horizon = sequence.settings.horizon
        bounds = asymptotic_bounds(stream, alpha=self.alpha, horizon=horizon)
        shown = [
            min(max(offset + width * number, low), high)
            for number in (stream.z / stream.n, *bounds)
        ]
        return Estimate(
            value=shown[0], lower=shown[1], upper=shown[2], interval=ASYMPTOTIC, n=stream.n
        )

    def ips(self) -> Estimate:
        """The IPS value over all rows with a normal interval (one look only)."""
        return ips(self.target, scale=self.reward_range, alpha=self.alpha)

    def snips(self) -> Estimate:
        """The SNIPS value over all rows with its linearised interval (one look only)."""
        return snips(self.target, scale=self.reward_range, alpha=self.alpha)

    def snips_uplift(self) -> Estimate:
        """The difference of SNIPS values over all rows, linearised interval (one look only)."""
        return snips_uplift(
            self.target, self.baseline, self.cross, scale=self.reward_range, alpha=self.alpha
        )

    def diagnostics(self) -> WeightDiagnostics:
        """Effective sample size, weights and verdict for the target policy."""
        few = hangs_on_few_rows(self.value_sequence.stream)
        return diagnose(self.target, evidence=Evidence(mild=few))

    def to_state(self) -> dict[str, Any]:
        """Plain numbers and mappings that survive JSON exactly."""
        return {
            "reward_range": [self.reward_range.low, self.reward_range.high],
            "alpha": self.alpha,
            "same_policy": self.same_policy,
            "target": self.target.to_state(),
            "baseline": self.baseline.to_state(),
            "cross": self.cross.to_state(),
            "value_sequence": self.value_sequence.to_state(),
            "uplift_sequence": self.uplift_sequence.to_state(),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> PolicyAccumulator:
        """The inverse of :meth:`to_state`."""
        low, high = state["reward_range"]
        return cls(
            reward_range=RewardRange(low=low, high=high),
            alpha=float(state["alpha"]),
            same_policy=bool(state["same_policy"]),
            target=WeightSums.from_state(state["target"]),
            baseline=WeightSums.from_state(state["baseline"]),
            cross=CrossSums.from_state(state["cross"]),
            value_sequence=ConfidenceSequence.from_state(state["value_sequence"]),
            uplift_sequence=ConfidenceSequence.from_state(state["uplift_sequence"]),
        )


def _bounded(weight: Floats, most: npt.ArrayLike, what: str) -> Floats:
    """Weight bounds, one per row; refuses a weight above its bound."""
    bound = np.asarray(most, dtype=np.float64)
    if bound.ndim > 1 or (bound.ndim == 1 and bound.shape != weight.shape):
        raise EvaluationError(f"largest {what} must be one number or one per row")
    if not bool(((bound > 0.0) & (bound < np.inf)).all()):
        raise EvaluationError(f"largest {what} must be a finite number above 0")
    over = weight > bound * _SLACK
    if over.any():
        row = int(np.argmax(over))
        limit = float(np.broadcast_to(bound, weight.shape)[row])
        raise EvaluationError(
            f"row {row}: {what} {weight[row]} is above the declared largest {limit}"
        )
    return np.broadcast_to(bound, weight.shape)


def _collecting(
    value: float | None,
    low: float,
    high: float,
    n: int,
    *,
    interval: str = INTERVAL,
    note: str = "too few rows for a confidence sequence yet",
) -> Estimate:
    return Estimate(
        value=value, lower=low, upper=high, interval=interval, n=n, collecting=True, note=note
    )
