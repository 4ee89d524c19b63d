"""All that an evaluation keeps of one target policy, updated a piece of the log at a time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from bandit_platform.ope.checks.calibration import WeightCalibration
from bandit_platform.ope.checks.pareto import TopWeights
from bandit_platform.ope.estimators.clipped_ips import clipped_ips_scores
from bandit_platform.ope.estimators.scores import ScoreSums, updated_together
from bandit_platform.ope.estimators.slope import weight_grid
from bandit_platform.ope.evaluating.plan import Plan
from bandit_platform.ope.live.accumulator import PolicyAccumulator
from bandit_platform.ope.logs.log import DecisionLog
from bandit_platform.ope.logs.targets import Target
from bandit_platform.ope.reward_range import Floats

CALIBRATION_ALPHA = 0.001
HISTOGRAM_BINS = 24


@dataclass(frozen=True, kw_only=True, eq=False)
class SupportSums:
    """Where a policy's weight and probability lie.

    Attributes:
        rows: rows so far.
        unsupported: rows in which the policy's choice could not be logged.
        thin: Σ over rows of target probability on arms whose propensity is 0, or at the floor where
            that is below half an even share; 0 where PMFs are not known.
        arm_weight: Σw by logged arm, shape (arms,).
        arm_square: Σw² by logged arm, shape (arms,).
        arm_mass: Σ target probability by arm, shape (arms,); where the PMF is not known, that
            of the logged arm.
        histogram: rows by weight: those of weight 0, then up to each edge; shape (bins + 1,).
    """

    rows: int
    unsupported: int
    thin: float
    arm_weight: Floats
    arm_square: Floats
    arm_mass: Floats
    histogram: npt.NDArray[np.int64]

    @classmethod
    def empty(cls, arms: int) -> SupportSums:
        """Before the first row."""
        return cls(
            rows=0,
            unsupported=0,
            thin=0.0,
            arm_weight=np.zeros(arms),
            arm_square=np.zeros(arms),
            arm_mass=np.zeros(arms),
            histogram=np.zeros(HISTOGRAM_BINS + 1, dtype=np.int64),
        )

    def updated(
        self, log: DecisionLog, target: Target, pmf: Floats | None, *, floor: float
    ) -> SupportSums:
        """The sums after more rows.

        Args:
            log: the rows.
            target: the policy on them.
            pmf: the logging policy's probabilities, shape (n, arms); None where not known.
            floor: least propensity the logging policy permits.
        """
        k, w = len(log.arms), target.weight
        thin = 0.0
        if target.pmf is None:
            logged = np.bincount(log.arm, weights=target.probability, minlength=k)
            mass = logged.astype(np.float64)
        else:
            mass = np.ones(len(log)) @ target.pmf  # far faster than a sum along the long axis
            if pmf is not None:
                thin = float(target.pmf[pmf <= _thin_limit(log, floor)].sum())
        return SupportSums(
            rows=self.rows + len(log),
            unsupported=self.unsupported + int(target.unsupported.sum()),
            thin=self.thin + thin,
            arm_weight=self.arm_weight + np.bincount(log.arm, weights=w, minlength=k),
            arm_square=self.arm_square + np.bincount(log.arm, weights=w * w, minlength=k),
            arm_mass=self.arm_mass + mass,
            histogram=self.histogram + _histogram(w, 1.0 / floor),
        )

    def merged(self, other: SupportSums) -> SupportSums:
        """The sums of both sets of rows."""
        return SupportSums(
            rows=self.rows + other.rows,
            unsupported=self.unsupported + other.unsupported,
            thin=self.thin + other.thin,
            arm_weight=self.arm_weight + other.arm_weight,
            arm_square=self.arm_square + other.arm_square,
            arm_mass=self.arm_mass + other.arm_mass,
            histogram=self.histogram + other.histogram,
        )


def _thin_limit(log: DecisionLog, floor: float) -> float:
    return floor * (1.0 + 1e-9) if floor < 0.5 / len(log.arms) else 0.0


def _histogram(weight: Floats, bound: float) -> npt.NDArray[np.int64]:
    """Rows of weight 0, then of those up to each edge; the last bin takes what is above it."""
    upto = [np.count_nonzero(weight <= edge) for edge in (0.0, *_edges(bound)[:-1])]
    return np.diff(upto, prepend=0, append=weight.shape[0])


def histogram_edges(bound: float) -> Floats:
    """Upper edges of the weight histogram's bins above 0, shape (bins,).

    Args:
        bound: greatest weight of any policy, so that all policies have the same bins.
    """
    return np.array(_edges(bound))


@lru_cache(maxsize=16)
def _edges(bound: float) -> tuple[float, ...]:
    edges = np.geomspace(min(0.01, bound / 100.0), bound, HISTOGRAM_BINS)
    return tuple(edges.tolist())


@dataclass(frozen=True, kw_only=True, eq=False)
class PolicyState:
    """One target policy after some rows.

    Attributes:
        accumulator: weight sums and confidence sequences against the baseline.
        calibration: confidence sequence of the mean weight.
        top: the largest weights.
        support: where weight and probability lie.
        clipped: sums of clipped IPS by threshold, the least biased first.
        segments: accumulators by segment column and level.
    """

    accumulator: PolicyAccumulator
    calibration: WeightCalibration
    top: TopWeights
    support: SupportSums
    clipped: tuple[ScoreSums, ...]
    segments: dict[tuple[str, str], PolicyAccumulator] = field(default_factory=dict)

    @classmethod
    def empty(cls, plan: Plan, policy: str) -> PolicyState:
        """One policy of a plan before the first row."""
        bound = plan.weight_bound(policy)
        grid = weight_grid(bound) if "clipped-ips" in plan.estimators else ()
        return cls(
            accumulator=empty_accumulator(plan, policy, alpha=plan.alpha_each, n=plan.survey.n),
            calibration=WeightCalibration(
                bound=bound, horizon=plan.horizon, alpha=CALIBRATION_ALPHA
            ),
            top=TopWeights.empty(plan.survey.n),
            support=SupportSums.empty(len(plan.survey.arms)),
            clipped=(ScoreSums(),) * len(grid),
        )

    def weighed(
        self, plan: Plan, log: DecisionLog, first: Target, second: Target, pmf: Floats | None
    ) -> PolicyState:
        """The state after more rows, but for segments.

        Args:
            plan: the evaluation.
            log: the rows.
            first: the target policy on them.
            second: the baseline policy on them.
            pmf: the logging policy's probabilities, shape (n, arms); None where not known.
        """
        bound = plan.weight_bound(first.policy)
        supported = first.weight if not first.unsupported.any() else None
        if supported is None:
            supported = first.weight[~first.unsupported]
        clipped = self.clipped
        if clipped:
            scaled = plan.scale.scale(log.reward)
            grid = weight_grid(bound)
            scores = [clipped_ips_scores(first.weight, scaled, most=most) for most in grid]
            clipped = updated_together(clipped, scores)
        return replace(
            self,
            accumulator=fed(self.accumulator, plan, log, first, second),
            calibration=self.calibration.updated(supported),
            top=self.top.updated(first.weight),
            support=self.support.updated(log, first, pmf, floor=plan.floor),
            clipped=clipped,
        )

    def cut(
        self,
        plan: Plan,
        log: DecisionLog,
        first: Target,
        second: Target,
        codes: dict[str, npt.NDArray[np.int64]],
    ) -> PolicyState:
        """The state after the rows have been given to their segments."""
        segments = dict(self.segments)
        for segmenter in plan.segmenters:
            of_rows = codes[segmenter.column]
            for code in np.unique(of_rows):
                rows = np.flatnonzero(of_rows == code)
                key = (segmenter.column, segmenter.levels[code])
                state = segments.get(key) or empty_segment(
                    plan, first.policy, len(segmenter.levels)
                )
                segments[key] = fed(state, plan, log, first, second, rows=rows)
        return replace(self, segments=segments)


def empty_accumulator(plan: Plan, policy: str, *, alpha: float, n: int) -> PolicyAccumulator:
    """An accumulator for about n rows of a finished log."""
    tuning = min(max(n // 50, 50), 1000)
    return PolicyAccumulator.empty(
        reward_range=plan.scale,
        alpha=alpha,
        tuning_rows=tuning,
        horizon=max(n - tuning, 1),
        level_share=1.0,
        same_policy=policy == plan.baseline,
    )


def empty_segment(plan: Plan, policy: str, levels: int) -> PolicyAccumulator:
    """A segment's accumulator before its first row, for a column of so many levels."""
    return empty_accumulator(
        plan, policy, alpha=plan.alpha_each / levels, n=plan.survey.n // levels
    )


def fed(
    state: PolicyAccumulator,
    plan: Plan,
    log: DecisionLog,
    first: Target,
    second: Target,
    *,
    rows: npt.NDArray[np.intp] | slice = slice(None),
) -> PolicyAccumulator:
    """An accumulator after (some of) the rows."""
    return state.updated(
        weight=first.weight[rows],
        baseline_weight=second.weight[rows],
        reward=log.reward[rows],
        max_weight=plan.weight_bound(first.policy),
        baseline_max_weight=plan.weight_bound(second.policy),
    )
