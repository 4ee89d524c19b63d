"""Everything an evaluation fixes before the first row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from bandit_platform.errors import InputError
from bandit_platform.ope.logs.log import NOTHING, DecisionLog
from bandit_platform.ope.logs.segments import Segmenter
from bandit_platform.ope.logs.survey import Survey
from bandit_platform.ope.reward_range import RewardRange

ESTIMATORS = (
    "ips",
    "snips",
    "clipped-ips",
    "dm",
    "dr",
    "sndr",
    "switch-dr",
    "dros",
    "mrdr",
    "cressie-read",
)
DEFAULT_ESTIMATORS = ("ips", "snips", "dr", "cressie-read")
MODEL_BASED = frozenset({"dm", "dr", "sndr", "switch-dr", "dros", "mrdr"})
#: below, intervals say nothing any more, and in the end cannot be computed
LEAST_ALPHA = 0.000001
INTERVALS = ("confidence-sequence", "asymptotic-cs", "normal")


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a caller may choose about an evaluation.

    Attributes:
        baseline: what uplifts are over; None for nothing where it exists, else logging.
        alpha: two-sided error of the whole table.
        estimators: names among :data:`ESTIMATORS`.
        interval: kind of interval for IPS, DR and uplifts, among :data:`INTERVALS`.
        floor: least propensity the logging policy permits; None for the least in the log.
        by: context columns to cut the log by.
    """

    baseline: str | None = None
    alpha: float = 0.05
    estimators: tuple[str, ...] = DEFAULT_ESTIMATORS
    interval: str = INTERVALS[0]
    floor: float | None = None
    by: tuple[str, ...] = ()

    def check(self) -> None:
        """Refuse what cannot be.

        Raises:
            InputError: an unknown estimator or interval, or a number out of range.
        """
        for name in self.estimators:
            if name not in ESTIMATORS:
                raise InputError(f"unknown estimator {name!r}; there are {', '.join(ESTIMATORS)}")
        if not self.estimators:
            raise InputError("give at least one estimator")
        if self.interval not in INTERVALS:
            known = ", ".join(INTERVALS)
            raise InputError(f"unknown interval {self.interval!r}; there are {known}")
        if not LEAST_ALPHA <= self.alpha < 1.0:
            raise InputError(f"alpha {self.alpha:g} must lie between {LEAST_ALPHA:f} and 1")
        if self.floor is not None and not 0.0 < self.floor <= 1.0:
            raise InputError(f"the floor {self.floor:g} must lie in (0, 1]")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """An evaluation before its first row.

    Attributes:
        policies: specifications of the target policies, each once.
        baseline: specification of the policy uplifts are over.
        scale: declared reward range.
        alpha: two-sided error of all intervals together.
        alpha_each: two-sided error of each policy's intervals.
        estimators: names of the estimators asked for.
        interval: kind of interval for IPS, DR and uplifts.
        survey: what is known of the whole log.
        floor: least propensity the logging policy permits, declared or the least in the log.
        declared_floor: the floor was declared.
        segmenters: how to cut the log into segments.
        notes: what a reader must know.
    """

    policies: tuple[str, ...]
    baseline: str
    scale: RewardRange
    alpha: float
    alpha_each: float
    estimators: tuple[str, ...]
    interval: str
    survey: Survey
    floor: float
    declared_floor: bool
    segmenters: tuple[Segmenter, ...]
    notes: tuple[str, ...]

    @property
    def tuning_rows(self) -> int:
        """Rows that tune the sequences and train the first reward model: n/50 in 50 … 1000."""
        return min(max(self.survey.n // 50, 50), 1000)

    @property
    def horizon(self) -> int:
        """Rows after tuning, at which the sequences should be tightest."""
        return max(self.survey.n - self.tuning_rows, 1)

    @property
    def models(self) -> bool:
        """Some estimator needs a reward model."""
        return not MODEL_BASED.isdisjoint(self.estimators)

    @property
    def guesses_bound(self) -> bool:
        """The weight bound is read off propensities that happened to be logged."""
        known = self.declared_floor or self.survey.has_pmf
        return not known and self.survey.constant_pmf() is None

    def completed(self, log: DecisionLog) -> DecisionLog:
        """A part of the log as the whole log has it: with all its arms, and PMFs or none."""
        log = log.recoded(self.survey.arms)
        if self.survey.has_pmf:
            return log
        constant, shape = self.survey.constant_pmf(), (len(log), len(log.arms))
        return replace(log, pmf=None if constant is None else np.broadcast_to(constant, shape))

    def weight_bound(self, policy: str) -> float:
        """W: the greatest weight a row can give the policy."""
        if policy == "logging":
            return 1.0
        if policy == "uniform":
            fewest = len(self.survey.arms) if self.survey.fewest is None else self.survey.fewest
            return 1.0 / (max(fewest, 1) * self.floor)
        return 1.0 / self.floor


def default_baseline(arms: Sequence[str]) -> str:
    """``always:nothing`` where that arm exists, else ``logging``."""
    return f"always:{NOTHING}" if NOTHING in arms else "logging"


def default_policies(arms: Sequence[str]) -> tuple[str, ...]:
    """Logging, uniform and each arm for ever, where there are few enough arms for a table."""
    each = tuple(f"always:{arm}" for arm in arms) if len(arms) <= 10 else ()
    return ("logging", "uniform", *each)


def corrected_alpha(
    alpha: float, policies: Sequence[str], baseline: str
) -> tuple[float, tuple[str, ...]]:
    """Error left for each policy when several are compared, and the note that says so.

    The best of m intervals, picked after looking, is only valid at alpha/m each (Bonferroni). The
    baseline itself is not a competitor.
    """
    competitors = max(len({policy for policy in policies if policy != baseline}), 1)
    if competitors == 1:
        return alpha, ()
    note = (
        f"{competitors} policies are compared, so each interval has error {alpha:g}/{competitors} "
        "(Bonferroni): the best of them may be picked afterwards"
    )
    return alpha / competitors, (note,)


def make_plan(
    survey: Survey,
    policies: Sequence[str],
    *,
    scale: RewardRange,
    options: Options,
    segmenters: Sequence[Segmenter] = (),
) -> Plan:
    """Check the options of an evaluation and settle what depends on the whole log.

    Args:
        survey: what is known of the whole log.
        policies: specifications of the target policies.
        scale: declared reward range.
        options: what the caller chose.
        segmenters: how to cut the log into segments.

    Raises:
        InputError: no policy, or an unknown estimator, interval, alpha or floor.
    """
    if not policies:
        raise InputError("give at least one policy to evaluate")
    options.check()
    baseline = options.baseline or default_baseline(survey.arms)
    each, notes = corrected_alpha(options.alpha, policies, baseline)
    return Plan(
        policies=tuple(dict.fromkeys(policies)),
        baseline=baseline,
        scale=scale,
        alpha=options.alpha,
        alpha_each=each,
        estimators=tuple(dict.fromkeys(options.estimators)),
        interval=options.interval,
        survey=survey,
        floor=survey.least if options.floor is None else options.floor,
        declared_floor=options.floor is not None,
        segmenters=tuple(segmenters),
        notes=notes,
    )
