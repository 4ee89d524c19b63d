"""One evaluation of several target policies on one log, as a frozen report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bandit_platform.errors import InputError
from bandit_platform.ope.diagnostics import WeightDiagnostics
from bandit_platform.ope.estimate import Estimate
from bandit_platform.ope.log import NOTHING, DecisionLog
from bandit_platform.ope.reward_range import RewardRange


@dataclass(frozen=True, kw_only=True)
class Uplift:
    """Difference of two policies' values on the same rows.

    Attributes:
        baseline: specification of the policy compared with.
        estimate: the difference with its own interval, in reward units.
        snips: the difference of SNIPS values with its linearised interval.
    """

    baseline: str
    estimate: Estimate
    snips: Estimate

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready mapping."""
        return {
            "baseline": self.baseline,
            **self.estimate.to_dict(),
            "snips": self.snips.to_dict(),
        }


@dataclass(frozen=True, kw_only=True)
class PolicyReport:
    """All that is known about one target policy.

    Attributes:
        policy: its specification.
        estimates: policy value by estimator name.
        uplift: over the baseline policy.
        diagnostics: its weights and the verdict.
    """

    policy: str
    estimates: Mapping[str, Estimate]
    uplift: Uplift
    diagnostics: WeightDiagnostics

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready mapping."""
        return {
            "policy": self.policy,
            "estimates": {name: one.to_dict() for name, one in self.estimates.items()},
            "uplift": self.uplift.to_dict(),
            "diagnostics": self.diagnostics.to_dict(),
        }


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

    def to_dict(self) -> dict[str, Any]:
        """The JSON shape of ``bandit-platform evaluate --format json``."""
        return {
            "n": self.n,
            "reward_range": [self.reward_range.low, self.reward_range.high],
            "alpha": self.alpha,
            "alpha_per_policy": self.alpha_per_policy,
            "baseline": self.baseline,
            "diagnostics": dict(self.diagnostics),
            "policies": [policy.to_dict() for policy in self.policies],
            "notes": list(self.notes),
        }


def default_baseline(log: DecisionLog) -> str:
    """``always:nothing`` where the log knows that arm, else ``logging``."""
    return f"always:{NOTHING}" if NOTHING in log.arms else "logging"


def corrected_alpha(
    alpha: float, policies: Sequence[str], baseline: str
) -> tuple[float, tuple[str, ...]]:
    """Error left for each policy when several are compared, and the note that says so.

    The best of m intervals, picked after looking, is only valid at alpha/m each (Bonferroni). The
    baseline itself is not a competitor.
    """
    if not policies:
        raise InputError("give at least one policy to evaluate")
    competitors = max(len({policy for policy in policies if policy != baseline}), 1)
    if competitors == 1:
        return alpha, ()
    note = (
        f"{competitors} policies are compared, so each interval has error {alpha}/{competitors} "
        "(Bonferroni): the best of them may be picked afterwards"
    )
    return alpha / competitors, (note,)
