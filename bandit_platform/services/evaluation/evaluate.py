"""Off-policy evaluation of a decision-log file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

import numpy as np

from bandit_platform.errors import InputError
from bandit_platform.ope.evaluating.evaluation import evaluate_parts
from bandit_platform.ope.evaluating.model_state import LearnerFactory, ridge
from bandit_platform.ope.evaluating.plan import (
    DEFAULT_ESTIMATORS,
    INTERVALS,
    MODEL_BASED,
    Options,
    default_policies,
)
from bandit_platform.ope.evaluating.report import EvaluationReport
from bandit_platform.ope.logs.survey import Survey
from bandit_platform.ope.reward_range import RewardRange
from bandit_platform.services.evaluation.learned_targets import (
    Progress,
    is_model,
    model_sources,
    no_progress,
)
from bandit_platform.services.evaluation.log_source import LogSource, open_log
from bandit_platform.services.evaluation.policy_names import LOG_KINDS, require_known

ENGINES = ("local", "dask")
REWARD_MODELS = ("linear", "vw")
IN_SAMPLE = (
    "a model may only be valued on rows it has not learned from: say --trained-until MOMENT, and "
    "only rows decided after it are used, or --held-out if it has seen none of this log"
)


@dataclass(frozen=True, kw_only=True)
class EvaluationRequest:
    """What to evaluate.

    Attributes:
        log: the decision-log file, or a folder of Parquet or CSV files.
        policies: specifications of the target policies; none for a choice that suits the log.
        baseline: what uplifts are over; None for nothing where it exists, else logging.
        reward_range: declared least and greatest reward; None for the experiment's, else [0, 1].
        alpha: two-sided error of the whole table.
        estimators: estimator names; none for the default.
        interval: kind of interval for IPS, DR and uplifts.
        floor: least propensity the logging policy permits; None for the smallest in the log.
        by: context columns to cut the log by.
        experiment: folder of the experiment whose files say how a foreign log is to be read.
        skip_bad_rows: leave bad rows out and say how many.
        estimate_propensities: estimate missing propensities by the arms' shares.
        trained_until: ``model:`` policies had learned up to this moment.
        held_out: ``model:`` policies have seen none of the log.
        reward_model: linear, or vw for a Vowpal Wabbit regression.
        engine: local, or dask for a cluster.
        scheduler: address of the cluster's scheduler; None for a cluster on this machine.
    """

    log: Path
    policies: Sequence[str] = ()
    baseline: str | None = None
    reward_range: tuple[float, float] | None = None
    alpha: float = 0.05
    estimators: Sequence[str] = ()
    interval: str = INTERVALS[0]
    floor: float | None = None
    by: Sequence[str] = ()
    experiment: Path | None = None
    skip_bad_rows: bool = False
    estimate_propensities: bool = False
    trained_until: datetime | None = None
    held_out: bool = False
    reward_model: str = REWARD_MODELS[0]
    engine: str = ENGINES[0]
    scheduler: str | None = None


def evaluate_log(request: EvaluationRequest, progress: Progress = no_progress) -> EvaluationReport:
    """Read the log and value the policies.

    Args:
        request: what to evaluate.
        progress: told how many rows a model was applied to.

    Raises:
        InputError: a bad option or a bad log, with the mend.
        EvaluationError: the data contradict what was declared.
    """
    options = _options(request)
    _check_models(request)
    require_known([*request.policies, *filter(None, [request.baseline])], LOG_KINDS)
    source = _open(request, options)
    with _engine(request, source, options) as engine:
        scale = _scale(request, source, engine.survey)
        policies = tuple(request.policies) or default_policies(engine.survey.arms)
        report = engine.evaluate(policies, scale=scale, options=options, progress=progress)
    notes = (*report.notes, *source.notes, *_declared(request, policies))
    return replace(report, notes=notes)


class _Engine(Protocol):
    """Computes where it is told to."""

    survey: Survey

    def evaluate(
        self,
        policies: tuple[str, ...],
        *,
        scale: RewardRange,
        options: Options,
        progress: Progress,
    ) -> EvaluationReport:
        """Value the policies."""
        ...


class _Here:
    """The evaluation of one log in this process."""

    def __init__(self, source: LogSource, learner: LearnerFactory) -> None:
        self._source, self._learner = source, learner
        self.survey = source.survey()

    def evaluate(
        self,
        policies: tuple[str, ...],
        *,
        scale: RewardRange,
        options: Options,
        progress: Progress,
    ) -> EvaluationReport:
        floor = self.survey.least if options.floor is None else options.floor
        return evaluate_parts(
            self._source.parts,
            policies,
            reward_range=scale,
            options=options,
            sources=model_sources(
                (*policies, options.baseline or ""),
                floor=floor,
                scale=scale,
                spec=self._source.spec,
                progress=progress,
            ),
            survey=self.survey,
            learner=self._learner,
        )


@contextmanager
def _engine(request: EvaluationRequest, source: LogSource, options: Options) -> Iterator[_Engine]:
    if request.engine == "dask":
        from bandit_platform.services.evaluation.cluster import open_cluster  # noqa: PLC0415 - an extra
        from bandit_platform.services.evaluation.evaluate_dask import OnCluster  # noqa: PLC0415 - as above

        with open_cluster(request.scheduler) as cluster:
            yield OnCluster(cluster, source, options.by)
    else:
        yield _Here(source, _learner(request.reward_model))


def _learner(name: str) -> LearnerFactory:
    if name == "linear":
        return ridge
    from bandit_platform.policies.regression import vowpal_regression  # noqa: PLC0415 - slow

    return vowpal_regression


def _options(request: EvaluationRequest) -> Options:
    options = Options(
        baseline=request.baseline,
        alpha=request.alpha,
        estimators=tuple(request.estimators) or DEFAULT_ESTIMATORS,
        interval=request.interval,
        floor=request.floor,
        by=tuple(request.by),
    )
    options.check()
    if request.reward_model not in REWARD_MODELS:
        known = ", ".join(REWARD_MODELS)
        raise InputError(f"unknown reward model {request.reward_model!r}; there are {known}")
    if request.engine == "dask" and request.reward_model != REWARD_MODELS[0]:
        raise InputError("--reward-model vw learns row by row, so it has no use for a cluster")
    if request.engine not in ENGINES:
        raise InputError(f"unknown engine {request.engine!r}; there are {', '.join(ENGINES)}")
    if request.engine != "dask" and request.scheduler is not None:
        raise InputError("--scheduler goes with --engine dask")
    return options


def _check_models(request: EvaluationRequest) -> None:
    asked = [*request.policies, request.baseline or ""]
    loaded = [policy for policy in asked if policy.startswith("model:")]
    if loaded and not request.held_out and request.trained_until is None:
        raise InputError(f"{loaded[0]}: {IN_SAMPLE}")


def _declared(request: EvaluationRequest, policies: Sequence[str]) -> tuple[str, ...]:
    if request.held_out and any(policy.startswith("model:") for policy in policies):
        return ("the models are declared never to have learned from this log (--held-out)",)
    return ()


def _open(request: EvaluationRequest, options: Options) -> LogSource:
    modelled = not MODEL_BASED.isdisjoint(options.estimators)
    learned = any(is_model(policy) for policy in (*request.policies, request.baseline or ""))
    source = open_log(
        request.log,
        experiment=request.experiment,
        skip_bad_rows=request.skip_bad_rows,
        estimate_propensities=request.estimate_propensities,
        context=modelled or learned or bool(options.by),
    )
    if request.trained_until is None:
        return source
    moment = request.trained_until
    if moment.tzinfo is None:
        raise InputError("--trained-until needs a time zone, such as 2026-11-01T00:00:00Z")
    return source.later_than(np.datetime64(int(moment.timestamp() * 1e6), "us"))


def _scale(request: EvaluationRequest, source: LogSource, survey: Survey) -> RewardRange:
    """The declared range; without one the rewards must fit the default."""
    if request.reward_range is not None:
        low, high = request.reward_range
    elif source.spec is not None:
        low, high = source.spec.reward_range
    else:
        low, high = 0.0, 1.0
        if survey.least_reward < low or survey.most_reward > high:
            raise InputError(
                "there are rewards outside 0 to 1: say --reward-range LO HI, the least and the "
                "greatest reward that can occur (not the observed ones)"
            )
    return RewardRange(low=low, high=high)
