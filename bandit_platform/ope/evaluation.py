"""Evaluate target policies on a decision log held in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bandit_platform.errors import EvaluationError, InputError
from bandit_platform.ope.accumulator import INTERVAL, PolicyAccumulator
from bandit_platform.ope.diagnostics import WeightDiagnostics, diagnose
from bandit_platform.ope.estimate import Estimate
from bandit_platform.ope.log import DecisionLog
from bandit_platform.ope.normal import vacuous
from bandit_platform.ope.report import (
    EvaluationReport,
    PolicyReport,
    Uplift,
    corrected_alpha,
    default_baseline,
)
from bandit_platform.ope.reward_range import RewardRange
from bandit_platform.ope.targets import Target, target

ESTIMATORS = ("ips", "snips")


def file_tuning_rows(n: int) -> int:
    """Rows that tune a confidence sequence on a log of n known rows: n/50 within 50 … 1000."""
    return min(max(n // 50, 50), 1000)


def evaluate(
    log: DecisionLog,
    policies: Sequence[str],
    *,
    reward_range: RewardRange,
    baseline: str | None = None,
    alpha: float = 0.05,
    estimators: Sequence[str] = ESTIMATORS,
    floor: float | None = None,
    prepared: Mapping[str, Target] | None = None,
) -> EvaluationReport:
    """Value target policies, and their uplift over a baseline, on the rows of one log.

    The weight bound W behind the confidence sequences is the largest weight that ``floor``
    permits. Without it, W is 1/(smallest propensity in the log), which is right where the log
    shows the smallest propensity its policy could give, and a guess where it does not.

    Args:
        log: the decisions, in decision order.
        policies: specifications of the target policies (see :func:`~.targets.target`).
        reward_range: declared before looking.
        baseline: what uplifts are over; None for nothing where it exists, else logging.
        alpha: two-sided error of the whole table.
        estimators: names among :data:`ESTIMATORS`.
        floor: least propensity the logging policy permits.
        prepared: weights of policies that the log alone cannot define, by specification.

    Raises:
        InputError: an unknown policy or estimator.
        EvaluationError: a reward outside the range, a weight above its bound, an empty log.
    """
    if len(log) == 0:
        raise EvaluationError("the log has no rows")
    unknown = [name for name in estimators if name not in ESTIMATORS]
    if unknown:
        raise InputError(f"unknown estimator {unknown[0]!r}; there are {', '.join(ESTIMATORS)}")
    compared = baseline or default_baseline(log)
    each, notes = corrected_alpha(alpha, policies, compared)
    ready = dict(prepared or {})
    for policy in (compared, *policies):
        if policy not in ready:
            ready[policy] = target(log, policy, floor=floor)
    reports = tuple(
        _policy_report(
            log, ready[policy], ready[compared], scale=reward_range, alpha=each, names=estimators
        )
        for policy in dict.fromkeys(policies)
    )
    return EvaluationReport(
        n=len(log),
        reward_range=reward_range,
        alpha=alpha,
        alpha_per_policy=each,
        baseline=compared,
        diagnostics=_log_facts(log, floor),
        policies=reports,
        notes=(*notes, *_log_notes(log)),
    )


def accumulate(
    log: DecisionLog, first: Target, second: Target, *, scale: RewardRange, alpha: float
) -> PolicyAccumulator:
    """The accumulator of one policy against another after the whole log."""
    tuning = file_tuning_rows(len(log))
    empty = PolicyAccumulator.empty(
        reward_range=scale,
        alpha=alpha,
        tuning_rows=tuning,
        horizon=max(len(log) - tuning, 1),
        level_share=1.0,
        same_policy=first.policy == second.policy,
    )
    return empty.updated(
        weight=first.weight,
        baseline_weight=second.weight,
        reward=log.reward,
        max_weight=np.full(len(log), float(first.max_weight.max())),
        baseline_max_weight=np.full(len(log), float(second.max_weight.max())),
    )


def _policy_report(
    log: DecisionLog,
    first: Target,
    second: Target,
    *,
    scale: RewardRange,
    alpha: float,
    names: Sequence[str],
) -> PolicyReport:
    state = accumulate(log, first, second, scale=scale, alpha=alpha)
    facts = diagnose(state.target, unsupported=float(first.unsupported.mean()))
    other = diagnose(state.baseline, unsupported=float(second.unsupported.mean()))
    facts = _with_baseline(facts, other, second.policy)
    estimates = {name: _estimate(state, name) for name in names}
    uplift = Uplift(baseline=second.policy, estimate=state.uplift(), snips=state.snips_uplift())
    if facts.verdict == "cannot-evaluate":
        estimates = {name: _withheld(one, scale, False) for name, one in estimates.items()}
    if "cannot-evaluate" in (facts.verdict, other.verdict) and not state.same_policy:
        uplift = replace(
            uplift,
            estimate=_withheld(uplift.estimate, scale, True),
            snips=_withheld(uplift.snips, scale, True),
        )
    return PolicyReport(policy=first.policy, estimates=estimates, uplift=uplift, diagnostics=facts)


def _with_baseline(
    facts: WeightDiagnostics, other: WeightDiagnostics, baseline: str
) -> WeightDiagnostics:
    """The target's diagnostics, with what is wrong with the baseline added as caution."""
    if other.verdict != "cannot-evaluate":
        return facts
    why = tuple(f"the baseline {baseline} cannot be valued: {reason}" for reason in other.why)
    verdict = "caution" if facts.verdict == "ok" else facts.verdict
    return replace(facts, verdict=verdict, why=(*facts.why, *why))


def _estimate(state: PolicyAccumulator, name: str) -> Estimate:
    return state.value() if name == "ips" else state.snips()


def _withheld(estimate: Estimate, scale: RewardRange, uplift: bool) -> Estimate:
    note = "withheld: the data cannot answer"
    return vacuous(scale=scale, interval=estimate.interval, n=estimate.n, uplift=uplift, note=note)


def _log_facts(log: DecisionLog, floor: float | None) -> dict[str, Any]:
    counts = np.bincount(log.arm, minlength=len(log.arms))
    return {
        "mean_reward": float(log.reward.mean()),
        "least_propensity": log.least_propensity,
        "floor": floor,
        "interval_method": INTERVAL,
        "tuning_rows": file_tuning_rows(len(log)),
        "arms": {arm: int(count) for arm, count in zip(log.arms, counts, strict=True)},
    }


def _log_notes(log: DecisionLog) -> tuple[str, ...]:
    if not log.estimated_propensity:
        return ()
    return (
        "propensities were estimated from the log, not recorded when deciding: no interval here "
        "has its stated error unless the choice depended on nothing but what was modelled",
    )
