"""Turn one policy's sums into estimates, one function for each kind."""

from __future__ import annotations

import math
from dataclasses import replace

from bandit_platform.ope.estimators.cressie_read import cressie_read
from bandit_platform.ope.estimators.dm import NOTE as DM_NOTE
from bandit_platform.ope.estimators.estimate import Estimate
from bandit_platform.ope.estimators.normal import uplift_estimate, vacuous, value_estimate
from bandit_platform.ope.estimators.scores import ScoreSums
from bandit_platform.ope.estimators.slope import slope, weight_grid
from bandit_platform.ope.evaluating.model_sums import ModelSums
from bandit_platform.ope.evaluating.plan import Plan
from bandit_platform.ope.live.accumulator import INTERVAL, PolicyAccumulator
from bandit_platform.ope.reward_range import RewardRange
from bandit_platform.ope.sequences.asymptotic import INTERVAL as ASYMPTOTIC
from bandit_platform.ope.sequences.asymptotic import asymptotic_bounds, burnt_in
from bandit_platform.ope.sequences.dr_sequence import DrSequence
from bandit_platform.ope.sequences.stream import Stream

NO_PMF = "needs the policy's probability of every arm, which this policy does not give"


def bounded(
    stream: Stream,
    bounds: tuple[float, float],
    *,
    plan: Plan,
    uplift: bool,
    collecting: bool,
) -> Estimate:
    """The mean of a pseudo-outcome with the kind of interval that the plan asks for.

    Args:
        stream: its sums.
        bounds: its confidence sequence now, on the reward scale.
        plan: says the kind of interval.
        uplift: it is a difference of two policies.
        collecting: the sequence has not started.
    """
    scale, alpha = plan.scale, plan.alpha_each
    if collecting or stream.n < 2:
        note = "too few rows for a confidence sequence yet"
        return vacuous(scale=scale, interval=plan.interval, n=stream.n, uplift=uplift, note=note)
    mean = stream.z / stream.n
    if plan.interval == ASYMPTOTIC:
        if not burnt_in(stream):
            note = "too few rows, or too few that matter, for an asymptotic sequence"
            return vacuous(scale=scale, interval=ASYMPTOTIC, n=stream.n, uplift=uplift, note=note)
        bounds = asymptotic_bounds(stream, alpha=alpha, horizon=plan.horizon)
    elif plan.interval == "normal":
        made = uplift_estimate if uplift else value_estimate
        error = math.sqrt(stream.v) / stream.n
        return made(
            value=mean, error=error, n=stream.n, alpha=alpha, scale=scale, interval="normal"
        )
    return scaled(mean, bounds, scale=scale, interval=plan.interval, n=stream.n, uplift=uplift)


def scaled(
    mean: float,
    bounds: tuple[float, float],
    *,
    scale: RewardRange,
    interval: str,
    n: int,
    uplift: bool,
    note: str = "",
) -> Estimate:
    """A point and bounds given on the reward scale, in reward units and clipped to the range."""
    if uplift:
        low, high = max(bounds[0], -1.0), min(bounds[1], 1.0)
        point = min(max(mean, -1.0), 1.0)
        shown = [scale.unscale_difference(number) for number in (point, low, high)]
    else:
        shown = [scale.clip(scale.unscale(number)) for number in (mean, *bounds)]
    return Estimate(
        value=shown[0], lower=shown[1], upper=shown[2], interval=interval, n=n, note=note
    )


def ips_value(state: PolicyAccumulator, plan: Plan) -> Estimate:
    """IPS with an offset."""
    sequence = state.value_sequence
    return bounded(
        sequence.stream,
        sequence.bounds(),
        plan=plan,
        uplift=False,
        collecting=sequence.collecting,
    )


def ips_uplift(state: PolicyAccumulator, plan: Plan) -> Estimate:
    """Uplift by IPS with an offset; exactly 0 for the baseline itself."""
    if state.same_policy:
        return state.uplift()
    sequence = state.uplift_sequence
    return bounded(
        sequence.stream, sequence.bounds(), plan=plan, uplift=True, collecting=sequence.collecting
    )


def dr_estimate(sequence: DrSequence, plan: Plan) -> Estimate:
    """Value or uplift by DR."""
    return bounded(
        sequence.stream,
        sequence.bounds(),
        plan=plan,
        uplift=sequence.uplift,
        collecting=sequence.collecting,
    )


def tuned(
    grid: tuple[float, ...], sums: tuple[ScoreSums, ...], unbiased: Estimate, *, plan: Plan
) -> Estimate:
    """SLOPE's choice among biased estimators, with the interval of the unbiased one.

    Args:
        grid: the parameters, the least biased first.
        sums: their sums.
        unbiased: the estimate whose interval is valid.
        plan: scale and error.
    """
    if not sums or sums[0].n < 2:
        return unbiased
    chosen = slope(list(zip(grid, sums, strict=True)), alpha=plan.alpha_each)
    return Estimate(
        value=plan.scale.unscale(chosen.value),
        lower=unbiased.lower,
        upper=unbiased.upper,
        interval=unbiased.interval,
        n=chosen.n,
        collecting=unbiased.collecting,
        note=f"parameter {chosen.parameter:g} by SLOPE; the bounds are those of the unbiased "
        "estimator",
    )


def value_by(
    name: str,
    state: PolicyAccumulator,
    clipped: tuple[ScoreSums, ...],
    models: ModelSums | None,
    *,
    plan: Plan,
    mean_reward: float,
    bound: float,
) -> Estimate:
    """A policy's value by an estimator's name.

    Args:
        name: the estimator.
        state: the policy's sums and sequences.
        clipped: sums of clipped IPS by threshold.
        models: sums of the model-based estimators; None where they cannot be had.
        plan: scale, error and interval.
        mean_reward: mean scaled reward of the log.
        bound: the policy's weight bound.
    """
    if name == "ips":
        return ips_value(state, plan)
    if name == "snips":
        return state.snips()
    if name == "clipped-ips":
        return tuned(weight_grid(bound), clipped, ips_value(state, plan), plan=plan)
    if name == "cressie-read":
        return cressie_read(
            state.target,
            mean_reward=mean_reward,
            scale=plan.scale,
            alpha=plan.alpha_each,
            max_weight=bound if bound > 1.0 else math.inf,
        )
    if models is None:
        return vacuous(
            scale=plan.scale, interval=INTERVAL, n=state.target.n, uplift=False, note=NO_PMF
        )
    return _by_model(name, models, plan)


def _direct(sums: ScoreSums, unbiased: Estimate, plan: Plan) -> Estimate:
    """The direct method's point within the bounds of the unbiased estimator."""
    value = None if sums.n == 0 else plan.scale.unscale(sums.mean)
    return replace(unbiased, value=value, n=sums.n, note=DM_NOTE)


def _by_model(name: str, models: ModelSums, plan: Plan) -> Estimate:
    unbiased = dr_estimate(models.value, plan)
    if name == "dm":
        return _direct(models.dm, unbiased, plan)
    if name == "sndr":
        return models.sndr.estimate(scale=plan.scale, alpha=plan.alpha_each)
    if name == "mrdr":
        return models.mrdr.estimate(scale=plan.scale, alpha=plan.alpha_each)
    if name == "switch-dr":
        return tuned(models.grid, models.switch.by_threshold(), unbiased, plan=plan)
    if name == "dros":
        grid = (math.inf, *(threshold**2 for threshold in models.grid))
        return tuned(grid, models.dros, unbiased, plan=plan)
    return unbiased
