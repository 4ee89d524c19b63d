"""Turn an evaluation's states into its report."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bandit_platform.ope.checks.diagnostics import (
    Evidence,
    WeightDiagnostics,
    diagnose,
    hangs_on_few_rows,
)
from bandit_platform.ope.estimators.estimate import Estimate
from bandit_platform.ope.estimators.normal import vacuous
from bandit_platform.ope.evaluating.plan import Plan
from bandit_platform.ope.evaluating.policy_state import PolicyState, histogram_edges
from bandit_platform.ope.evaluating.progress import Evaluation, Snapshot
from bandit_platform.ope.evaluating.report import (
    EvaluationReport,
    Moment,
    PolicyReport,
    SegmentReport,
    Uplift,
    WeightBin,
)
from bandit_platform.ope.evaluating.value_estimates import dr_estimate, ips_uplift, scaled, value_by
from bandit_platform.ope.live.accumulator import PolicyAccumulator
from bandit_platform.ope.sequences.confidence_sequence import ConfidenceSequence

WITHHELD = "withheld: the data cannot answer"
ESTIMATED = (
    "propensities were estimated from the log, not recorded when deciding: no interval here has "
    "its stated error unless the choice depended on nothing but what was modelled"
)


def summarise(evaluation: Evaluation) -> EvaluationReport:
    """The report on all rows taken in so far."""
    plan, log = evaluation.plan, evaluation.log_state
    alarms = log.alarms(plan)
    notes = [*plan.notes, *log.wide_range(plan), *alarms]
    if plan.survey.estimated:
        notes.append(ESTIMATED)
    if plan.guesses_bound:
        notes.append(
            f"the greatest weight that could occur is taken from the log's least propensity, "
            f"{plan.floor:.3g}; declare the logging policy's floor (--floor) to be sure of it"
        )
    if plan.segmenters:
        notes.append(
            "each segment's intervals share the policy's error (Bonferroni): the best segment may "
            "be picked afterwards"
        )
    return EvaluationReport(
        n=log.n,
        reward_range=plan.scale,
        alpha=plan.alpha,
        alpha_per_policy=plan.alpha_each,
        baseline=plan.baseline,
        diagnostics=log.facts(plan),
        policies=tuple(_policy(evaluation, policy, alarms) for policy in plan.policies),
        notes=tuple(notes),
    )


def _policy(evaluation: Evaluation, policy: str, alarms: tuple[str, ...]) -> PolicyReport:
    plan, state = evaluation.plan, evaluation.states[policy]
    rows = max(evaluation.log_state.n, 1)
    other = diagnose(state.accumulator.baseline, unsupported=evaluation.baseline_unsupported / rows)
    facts = _with_baseline(_diagnostics(state, plan, policy, alarms), other, plan.baseline)
    estimates = _estimates(evaluation, policy)
    uplift = _uplift(evaluation, policy)
    if facts.verdict == "cannot-evaluate":
        estimates = {name: _withheld(one, plan, False) for name, one in estimates.items()}
    same = state.accumulator.same_policy
    if "cannot-evaluate" in (facts.verdict, other.verdict) and not same:
        uplift = replace(
            uplift,
            estimate=_withheld(uplift.estimate, plan, True),
            others={name: _withheld(one, plan, True) for name, one in uplift.others.items()},
        )
    return PolicyReport(
        policy=policy,
        estimates=estimates,
        uplift=uplift,
        diagnostics=facts,
        segments=_segments(state, plan),
        over_time=_over_time(state.accumulator, evaluation.snapshots[policy], plan),
        weights=_histogram(state, 1.0 / plan.floor),
    )


def _estimates(evaluation: Evaluation, policy: str) -> dict[str, Estimate]:
    plan, state, log = evaluation.plan, evaluation.states[policy], evaluation.log_state
    mean = (log.reward / max(log.n, 1) - plan.scale.low) / plan.scale.width
    models = None if evaluation.modelling is None else evaluation.modelling.sums[policy]
    return {
        name: value_by(
            name,
            state.accumulator,
            state.clipped,
            models,
            plan=plan,
            mean_reward=mean,
            bound=plan.weight_bound(policy),
        )
        for name in plan.estimators
    }


def _uplift(evaluation: Evaluation, policy: str) -> Uplift:
    plan, state = evaluation.plan, evaluation.states[policy]
    others = {"snips": state.accumulator.snips_uplift()}
    models = None if evaluation.modelling is None else evaluation.modelling.sums[policy]
    if (
        models is not None
        and not models.uplift.collecting
        and "dr" in plan.estimators
        and policy != plan.baseline
    ):
        others["dr"] = dr_estimate(models.uplift, plan)
    return Uplift(
        baseline=plan.baseline, estimate=ips_uplift(state.accumulator, plan), others=others
    )


def _diagnostics(
    state: PolicyState, plan: Plan, policy: str, alarms: tuple[str, ...]
) -> WeightDiagnostics:
    support, rows = state.support, max(state.support.rows, 1)
    weights = support.arm_weight
    ess = weights**2 / np.maximum(support.arm_square, 1e-300)
    evidence = Evidence(
        mean_weight_bounds=state.calibration.bounds() if policy != "logging" else None,
        pareto_k=state.top.shape(),
        ess_by_arm={
            arm: float(ess[code])
            for code, arm in enumerate(plan.survey.arms)
            if weights[code] > 0.0
        },
        thin=support.thin / rows,
        fatal=alarms if policy != "logging" else (),
        mild=(
            *_never_logged(state, plan),
            *hangs_on_few_rows(state.accumulator.value_sequence.stream),
        ),
    )
    return diagnose(
        state.accumulator.target, unsupported=support.unsupported / rows, evidence=evidence
    )


def _never_logged(state: PolicyState, plan: Plan) -> tuple[str, ...]:
    """Caution where the policy chooses arms that the log never has."""
    support, arms = state.support, plan.survey.arms
    absent = (support.arm_mass > 0.0) & (support.arm_weight == 0.0)
    if not absent.any() or state.accumulator.target.w <= 0.0:
        return ()
    names = ", ".join([arms[code] for code in np.flatnonzero(absent)][:5])
    share = float(support.arm_mass[absent].sum()) / max(support.rows, 1)
    return (
        f"{share:.1%} of the policy's choices are on arms never logged ({names}): their reward is "
        "not in the estimate",
    )


def _with_baseline(
    facts: WeightDiagnostics, other: WeightDiagnostics, baseline: str
) -> WeightDiagnostics:
    """The target's diagnostics, with what is wrong with the baseline added as caution."""
    if other.verdict != "cannot-evaluate":
        return facts
    why = tuple(f"the baseline {baseline} cannot be valued: {reason}" for reason in other.why)
    verdict = "caution" if facts.verdict == "ok" else facts.verdict
    return replace(facts, verdict=verdict, why=(*facts.why, *why))


def _withheld(estimate: Estimate, plan: Plan, uplift: bool) -> Estimate:
    return vacuous(
        scale=plan.scale,
        interval=estimate.interval,
        n=estimate.n,
        uplift=uplift,
        note=WITHHELD,
    )


def _segments(state: PolicyState, plan: Plan) -> tuple[SegmentReport, ...]:
    found = []
    for segmenter in plan.segmenters:
        for level in segmenter.levels:
            one = state.segments.get((segmenter.column, level))
            if one is None:
                continue
            facts, value, uplift = diagnose(one.target), one.value(), one.uplift()
            if facts.verdict == "cannot-evaluate":
                value, uplift = _withheld(value, plan, False), _withheld(uplift, plan, True)
            found.append(
                SegmentReport(
                    column=segmenter.column,
                    level=level,
                    value=value,
                    uplift=uplift,
                    diagnostics=facts,
                )
            )
    return tuple(found)


def _over_time(
    state: PolicyAccumulator, snapshots: list[Snapshot], plan: Plan
) -> tuple[Moment, ...]:
    started = [one for one in snapshots if one.value[0] > 0]
    if not started:
        return ()
    values = _curve(state.value_sequence, [one.value for one in started], plan, uplift=False)
    if state.same_policy:
        uplifts = [state.uplift()] * len(started)
    else:
        uplifts = _curve(state.uplift_sequence, [one.uplift for one in started], plan, uplift=True)
    return tuple(
        Moment(rows=one.rows, moment=one.moment, value=value, uplift=uplift)
        for one, value, uplift in zip(started, values, uplifts, strict=True)
    )


def _curve(
    sequence: ConfidenceSequence,
    points: list[tuple[int, float, float]],
    plan: Plan,
    *,
    uplift: bool,
) -> list[Estimate]:
    n, z, v = np.array(points, dtype=np.float64).T
    lower, upper = sequence.curve(n, z, v)
    return [
        scaled(
            float(z[at] / n[at]),
            (float(lower[at]), float(upper[at])),
            scale=plan.scale,
            interval="confidence-sequence",
            n=int(n[at]),
            uplift=uplift,
        )
        for at in range(n.size)
    ]


def _histogram(state: PolicyState, bound: float) -> tuple[WeightBin, ...]:
    edges = (0.0, *histogram_edges(bound).tolist())
    return tuple(
        WeightBin(up_to=edge, rows=int(rows))
        for edge, rows in zip(edges, state.support.histogram, strict=True)
    )
