"""Estimates beside the simulator's truth."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from bandit_platform.domain.context import Context
from bandit_platform.domain.policy_spec import NOTHING
from bandit_platform.services.learning.recompute import RecomputedRow
from bandit_platform.services.learning.tracked import ALWAYS_NOTHING
from bandit_platform.services.reporting.report_records import (
    EstimateRow,
    ExperimentReport,
    PolicyRow,
)

#: (context, arm) → exact expected reward
Mu = Callable[[Context, str], float]


@dataclass(frozen=True, kw_only=True)
class Compared:
    """An estimate, what is true, and whether the interval holds it."""

    estimate: EstimateRow
    truth: float
    covered: bool


@dataclass(frozen=True, kw_only=True)
class ComparedPolicy:
    """One policy's value and uplift beside what they truly are."""

    policy: str
    kind: str
    value: Compared
    #: over always showing nothing
    uplift: Compared
    ess: float


@dataclass(frozen=True, kw_only=True)
class Truth:
    """What the numbers of a report truly are, for the shoppers that came."""

    #: policy → mean over the interactions of Σ_a π_t(a|x_t)·mu(x_t, a), π_t the policy at that
    #: moment: what a progressive estimate estimates
    policies: Mapping[str, float]
    #: mean over policy units of Σ_a p_t(a|x_t)·mu(x_t, a) - mu(x_t, nothing), p_t as logged
    programme: float
    interactions: int


def progressive_truth(
    rows: Iterable[RecomputedRow], mu: Mu, progress: Callable[[int], None] = lambda _: None
) -> Truth:
    """The truth behind a report, from every policy's recomputed PMF at every interaction."""
    totals: dict[str, float] = defaultdict(float)
    programme = 0.0
    interactions = 0
    for row in rows:
        worth = [mu(row.context, arm) for arm in row.eligible]
        for policy, pmf in row.policies.items():
            totals[policy] += _dot(pmf, worth)
        programme += _dot(row.pmf, worth) - mu(row.context, NOTHING)
        interactions += 1
        if interactions % 500 == 0:
            progress(interactions)
    progress(interactions)
    size = max(interactions, 1)
    return Truth(
        policies={policy: total / size for policy, total in totals.items()},
        programme=programme / size,
        interactions=interactions,
    )


def _dot(pmf: Iterable[float], worth: Iterable[float]) -> float:
    return sum(p * value for p, value in zip(pmf, worth, strict=True))


def compare(estimate: EstimateRow, truth: float) -> Compared:
    """An estimate beside its truth."""
    covered = estimate.lower <= truth <= estimate.upper
    return Compared(estimate=estimate, truth=truth, covered=covered)


def compare_policies(report: ExperimentReport, truth: Truth) -> tuple[ComparedPolicy, ...]:
    """Every line of the leaderboard beside its truth."""
    return tuple(
        _compare_policy(row, truth.policies)
        for row in report.policies
        if row.name in truth.policies
    )


def _compare_policy(row: PolicyRow, truths: Mapping[str, float]) -> ComparedPolicy:
    value = truths[row.name]
    return ComparedPolicy(
        policy=row.name,
        kind=row.kind,
        value=compare(row.value, value),
        uplift=compare(row.uplift, value - truths[ALWAYS_NOTHING]),
        ess=row.ess,
    )
