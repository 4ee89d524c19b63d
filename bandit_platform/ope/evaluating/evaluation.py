"""Evaluate target policies on decision logs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce

from bandit_platform.errors import EvaluationError
from bandit_platform.ope.evaluating.model_state import LearnerFactory, ridge
from bandit_platform.ope.evaluating.plan import DEFAULT_ESTIMATORS, INTERVALS, Options, make_plan
from bandit_platform.ope.evaluating.progress import Evaluation
from bandit_platform.ope.evaluating.report import EvaluationReport
from bandit_platform.ope.evaluating.summary import summarise
from bandit_platform.ope.logs.log import DecisionLog
from bandit_platform.ope.logs.parts import HEAD_ROWS, first_rows, lengthened
from bandit_platform.ope.logs.segments import Segmenter
from bandit_platform.ope.logs.survey import Survey
from bandit_platform.ope.logs.targets import Target, TargetSource, sliced
from bandit_platform.ope.reward_range import RewardRange


def evaluate(
    log: DecisionLog,
    policies: Sequence[str],
    *,
    reward_range: RewardRange,
    baseline: str | None = None,
    alpha: float = 0.05,
    estimators: Sequence[str] = DEFAULT_ESTIMATORS,
    interval: str = INTERVALS[0],
    floor: float | None = None,
    by: Sequence[str] = (),
    prepared: Mapping[str, Target] | None = None,
    learner: LearnerFactory = ridge,
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
        estimators: names among :data:`~.plan.ESTIMATORS`.
        interval: kind of interval for IPS, DR and uplifts, among :data:`~.plan.INTERVALS`.
        floor: least propensity the logging policy permits.
        by: context columns to cut the log by.
        prepared: weights of policies that the log alone cannot define, by specification.
        learner: makes the learner of the reward model.

    Raises:
        InputError: an unknown policy, estimator, interval or context column.
        EvaluationError: a reward outside the range, a weight above its bound, an empty log.
    """
    options = Options(
        baseline=baseline,
        alpha=alpha,
        estimators=tuple(estimators),
        interval=interval,
        floor=floor,
        by=tuple(by),
    )
    sources = {name: sliced(target) for name, target in (prepared or {}).items()}
    return evaluate_parts(
        lambda: (log,),
        policies,
        reward_range=reward_range,
        options=options,
        sources=sources,
        learner=learner,
    )


def evaluate_parts(
    parts: Callable[[], Iterable[DecisionLog]],
    policies: Sequence[str],
    *,
    reward_range: RewardRange,
    options: Options,
    sources: Mapping[str, TargetSource] | None = None,
    learner: LearnerFactory = ridge,
    survey: Survey | None = None,
) -> EvaluationReport:
    """As :func:`evaluate` for a log that comes in parts, larger than memory if need be.

    The parts are walked twice: once to learn which arms and propensities there are, once in
    order to evaluate. Segments and features are fixed on the first rows.

    Args:
        parts: gives the parts in decision order, the same at each call.
        policies: specifications of the target policies.
        reward_range: declared before looking.
        options: what the caller chose.
        sources: policies that the log alone cannot define, by specification.
        learner: makes the learner of the reward model.
        survey: what is known of the whole log, where that has been found out already.

    Raises:
        InputError: as :func:`evaluate`.
        EvaluationError: as :func:`evaluate`.
    """
    options.check()
    plan = make_plan(
        survey or survey_of(parts()),
        policies,
        scale=reward_range,
        options=options,
        segmenters=segmenters_of(parts(), options.by) if options.by else (),
    )
    evaluation = Evaluation(plan, sources=sources, factory=learner)
    for part in lengthened(parts(), plan.tuning_rows):
        evaluation.take(part)
    return summarise(evaluation)


def segmenters_of(parts: Iterable[DecisionLog], by: Sequence[str]) -> list[Segmenter]:
    """How to cut a log by context columns, fixed by its first rows.

    Raises:
        InputError: the log has no such column.
    """
    head = first_rows(parts, HEAD_ROWS)
    return [] if head is None else [Segmenter.of(head, column) for column in by]


def survey_of(parts: Iterable[DecisionLog]) -> Survey:
    """What must be known of the whole log beforehand.

    Raises:
        EvaluationError: the log has no rows.
    """
    surveys = [Survey.of(part) for part in parts if len(part)]
    if not surveys:
        raise EvaluationError("the log has no rows")
    return reduce(Survey.merged, surveys)
