"""The frozen report of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bandit_platform.ope.checks.diagnostics import WeightDiagnostics
from bandit_platform.ope.estimators.estimate import Estimate
from bandit_platform.ope.reward_range import RewardRange


@dataclass(frozen=True, kw_only=True)
class Uplift:
    """Difference of two policies' values on the same rows.

    Attributes:
        baseline: specification of the policy compared with.
        estimate: the difference with its own interval, in reward units.
        others: the difference by further estimators: snips, and dr where there is a model.
    """

    baseline: str
    estimate: Estimate
    others: Mapping[str, Estimate]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready mapping."""
        return {
            "baseline": self.baseline,
            **self.estimate.to_dict(),
            **{name: one.to_dict() for name, one in self.others.items()},
        }


@dataclass(frozen=True, kw_only=True)
class SegmentReport:
    """One policy in one segment of the log.

    Attributes:
        column: the context column.
        level: the value or range.
        value: policy value there.
        uplift: over the baseline there.
        diagnostics: weights and verdict there.
    """

    column: str
    level: str
    value: Estimate
    uplift: Estimate
    diagnostics: WeightDiagnostics

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready mapping."""
        return {
            "column": f"context.{self.column}",
            "level": self.level,
            "value": self.value.to_dict(),
            "uplift": self.uplift.to_dict(),
            "diagnostics": self.diagnostics.to_dict(),
        }


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A policy's confidence sequences as they stood after some rows.

    Attributes:
        rows: rows of the log so far.
        moment: when the last of them was decided, ISO 8601 with its time zone; empty where the log
            does not say.
        value: policy value then.
        uplift: over the baseline then.
    """

    rows: int
    moment: str
    value: Estimate
    uplift: Estimate

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready mapping."""
        return {
            "rows": self.rows,
            "moment": self.moment or None,
            "value": self.value.to_dict(),
            "uplift": self.uplift.to_dict(),
        }


@dataclass(frozen=True, kw_only=True)
class WeightBin:
    """One bar of the histogram of importance weights.

    Attributes:
        up_to: upper edge of the bin; 0 for the rows of weight 0.
        rows: rows in it.
    """

    up_to: float
    rows: int


@dataclass(frozen=True, kw_only=True)
class PolicyReport:
    """All that is known about one target policy.

    Attributes:
        policy: its specification.
        estimates: policy value by estimator name.
        uplift: over the baseline policy.
        diagnostics: its weights and the verdict.
        segments: the policy in each segment, where segments were asked for.
        over_time: its confidence sequences as they went, where that was asked for.
        weights: histogram of its weights.
    """

    policy: str
    estimates: Mapping[str, Estimate]
    uplift: Uplift
    diagnostics: WeightDiagnostics
    segments: tuple[SegmentReport, ...] = ()
    over_time: tuple[Moment, ...] = ()
    weights: tuple[WeightBin, ...] = ()

    def to_dict(self, *, over_time: bool = False) -> dict[str, Any]:
        """JSON-ready mapping; segments only where they were asked for.

        Args:
            over_time: with the sequences as they went.
        """
        made: dict[str, Any] = {
            "policy": self.policy,
            "estimates": {name: one.to_dict() for name, one in self.estimates.items()},
            "uplift": self.uplift.to_dict(),
            "diagnostics": self.diagnostics.to_dict(),
        }
        if self.segments:
            made["segments"] = [one.to_dict() for one in self.segments]
        if over_time:
            made["over_time"] = [one.to_dict() for one in self.over_time]
        return made


@dataclass(frozen=True, kw_only=True)
class EvaluationReport:
    """The answer to "what are these policies worth on this log?".

    Attributes:
        n: rows of the log.
        reward_range: the declared range.
        alpha: two-sided error of all intervals together.
        alpha_per_policy: two-sided error of each interval after correction for the number of
            policies compared (Bonferroni).
        baseline: specification of the policy uplifts are over.
        diagnostics: facts about the log as a whole.
        policies: one report per target policy, in the order asked for.
        notes: what a reader must know, such as the correction.
    """

    n: int
    reward_range: RewardRange
    alpha: float
    alpha_per_policy: float
    baseline: str
    diagnostics: Mapping[str, Any]
    policies: tuple[PolicyReport, ...]
    notes: tuple[str, ...]

    def to_dict(self, *, over_time: bool = False) -> dict[str, Any]:
        """The JSON shape of ``bandit-platform evaluate --format json``.

        Args:
            over_time: with each policy's sequences as they went.
        """
        return {
            "n": self.n,
            "reward_range": [self.reward_range.low, self.reward_range.high],
            "alpha": self.alpha,
            "alpha_per_policy": self.alpha_per_policy,
            "baseline": self.baseline,
            "diagnostics": dict(self.diagnostics),
            "policies": [policy.to_dict(over_time=over_time) for policy in self.policies],
            "notes": list(self.notes),
        }
