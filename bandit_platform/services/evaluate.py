"""Off-policy evaluation of a decision-log file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bandit_platform.errors import InputError
from bandit_platform.ope.evaluation import evaluate
from bandit_platform.ope.log import DecisionLog
from bandit_platform.ope.plan import DEFAULT_ESTIMATORS
from bandit_platform.ope.report import EvaluationReport
from bandit_platform.ope.reward_range import RewardRange
from bandit_platform.services.decision_log import read_decision_log


@dataclass(frozen=True, kw_only=True)
class EvaluationRequest:
    """What to evaluate.

    Attributes:
        log: the decision-log file.
        policies: specifications of the target policies; none for a choice that suits the log.
        baseline: what uplifts are over; None for nothing where it exists, else logging.
        reward_range: declared least and greatest reward; None for [0, 1], which then must hold.
        alpha: two-sided error of the whole table.
        estimators: estimator names; none for the default.
        floor: least propensity the logging policy permits; None for the smallest in the log.
        experiment: folder of the experiment whose file says how a foreign log is to be read.
        skip_bad_rows: leave bad rows out and say how many.
    """

    log: Path
    policies: Sequence[str] = ()
    baseline: str | None = None
    reward_range: tuple[float, float] | None = None
    alpha: float = 0.05
    estimators: Sequence[str] = ()
    floor: float | None = None
    experiment: Path | None = None
    skip_bad_rows: bool = False


def evaluate_log(request: EvaluationRequest) -> EvaluationReport:
    """Read the log and value the policies.

    Raises:
        InputError: a bad option or a bad log, with the mend.
        EvaluationError: the data contradict what was declared.
    """
    _check(request)
    if request.experiment is not None:
        raise InputError("--experiment: reading a log through an experiment is not available yet")
    file = read_decision_log(request.log, skip_bad_rows=request.skip_bad_rows)
    low, high = request.reward_range or (0.0, 1.0)
    report = evaluate(
        file.log,
        request.policies or default_policies(file.log),
        reward_range=RewardRange(low=low, high=high),
        baseline=request.baseline,
        alpha=request.alpha,
        estimators=request.estimators or DEFAULT_ESTIMATORS,
        floor=request.floor,
    )
    if file.skipped:
        note = f"{file.skipped} bad rows were skipped, the first: {file.first_problem}"
        report = replace(report, notes=(*report.notes, note))
    return report


def default_policies(log: DecisionLog) -> tuple[str, ...]:
    """Logging, uniform and each arm for ever, where there are few enough arms for a table."""
    arms = tuple(f"always:{arm}" for arm in log.arms) if len(log.arms) <= 10 else ()
    return ("logging", "uniform", *arms)


def _check(request: EvaluationRequest) -> None:
    if not 0.0 < request.alpha < 1.0:
        raise InputError(f"--alpha {request.alpha:g} must lie between 0 and 1")
    if request.floor is not None and not 0.0 < request.floor <= 1.0:
        raise InputError(f"--floor {request.floor:g} must lie in (0, 1]")
