"""Off-policy evaluation of a running experiment: its own interactions, straight from the tables.

Besides what any log can be asked, a live experiment knows two kinds of policies of its own:

- ``version:N``, a published model version. It learned from the first interactions, so it is valued
  only on those it had not learned from when it was published; where there are none, the question
  is refused, because an estimate on its own lessons would flatter it.
- ``serving`` and candidates by name, as they were at each moment: predicted before they learned.

The interactions are walked twice, a batch at a time: once to learn which arms and propensities
there are, once in order to evaluate. So memory does not grow with the experiment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.selection import EVERYTHING, Selection
from bandit_platform.errors import EvaluationError
from bandit_platform.ope.evaluating.plan import Options, Plan, default_policies, make_plan
from bandit_platform.ope.evaluating.progress import Evaluation
from bandit_platform.ope.evaluating.report import EvaluationReport
from bandit_platform.ope.evaluating.summary import summarise
from bandit_platform.ope.logs.log import DecisionLog
from bandit_platform.ope.logs.segments import Segmenter
from bandit_platform.ope.logs.survey import Survey
from bandit_platform.ope.reward_range import RewardRange
from bandit_platform.services.evaluation.export import context_types
from bandit_platform.services.evaluation.learned_targets import model_sources
from bandit_platform.services.evaluation.live_policies import (
    Handed,
    LiveSource,
    Offering,
    Tracked,
    Versions,
    is_version,
    unlearned_from,
)
from bandit_platform.services.evaluation.live_rows import LiveRows, decision_log
from bandit_platform.services.evaluation.policy_names import LIVE_KINDS, require_known
from bandit_platform.storage.database import Database
from bandit_platform.storage.experiments import get_experiment, revisions
from bandit_platform.storage.interactions import Interaction, number_of_nth

Progress = Callable[[int, int], None]
"""Told how many rows of how many were done, counting both walks."""


def no_progress(_done: int, _total: int) -> None:
    """Told of progress, does nothing."""


def evaluate_live(
    database: Database,
    experiment: str,
    policies: Sequence[str],
    options: Options,
    *,
    selection: Selection = EVERYTHING,
    progress: Progress = no_progress,
) -> EvaluationReport:
    """Value policies on an experiment's matured policy traffic.

    Args:
        database: where it is stored.
        experiment: key.
        policies: specifications; none for a choice that suits the experiment.
        options: baseline, alpha, estimators, interval and segments, as for a log.
        selection: a period and conditions on the context.
        progress: told how far the work is; what it raises ends the work.

    Raises:
        NotFoundError: there is no such experiment or version.
        EvaluationError: a version has learned from every interaction there is.
    """
    options.check()
    asked = list(dict.fromkeys([*policies, *([options.baseline] if options.baseline else [])]))
    left_out = unlearned_from(database, experiment, asked)
    with database.read() as connection:
        spec = get_experiment(connection, experiment).spec
        types = context_types([each.spec for each in revisions(connection, experiment)])
        after = number_of_nth(connection, experiment, left_out)
    if after is None:
        raise EvaluationError(_in_sample(asked, selection))
    walk = _Walk(
        rows=LiveRows.of(database, experiment, after, selection), types=types, told=progress
    )
    if not walk.rows.extent.rows:
        raise EvaluationError(_empty(asked, left_out, selection))
    report = _evaluated(
        database, spec, walk, policies=tuple(policies), asked=asked, options=options
    )
    return replace(
        report,
        diagnostics={**report.diagnostics, **walk.period},
        notes=(*report.notes, *_left_out(left_out), *_selected(selection)),
    )


@dataclass(kw_only=True)
class _Walk:
    """Both walks over the rows, and how far they are."""

    rows: LiveRows
    types: dict[str, str]
    told: Progress
    #: when the first and the last decision valued were made, ISO 8601
    period: dict[str, str] = field(default_factory=dict)
    _done: int = 0

    def parts(self) -> Iterator[tuple[list[Interaction], DecisionLog]]:
        """Interactions and the same as a log, batch by batch."""
        for read, wanted in self.rows.walk():
            if wanted:
                self.period.setdefault("decided_from", wanted[0].decision.decided_at.isoformat())
                self.period["decided_until"] = wanted[-1].decision.decided_at.isoformat()
                yield wanted, decision_log(wanted, self.types)
            self._done += read
            self.tick()

    def tick(self) -> None:
        """Say how far the work is."""
        self.told(self._done, 2 * self.rows.extent.rows)


def _evaluated(
    database: Database,
    spec: ExperimentSpec,
    walk: _Walk,
    *,
    policies: tuple[str, ...],
    asked: list[str],
    options: Options,
) -> EvaluationReport:
    walk.tick()
    plan = _plan(spec, walk, policies, options)
    versions = Versions(database, spec, asked)
    tracked = Tracked(database, spec, asked, walk.tick)
    own = (versions, Offering(asked), tracked)
    handed = {
        name: Handed(policy=name, floor=plan.survey.least)
        for source in own
        for name in source.names
    }
    learned = model_sources(
        [name for name in asked if name.startswith("learn:")],
        floor=plan.survey.least,
        scale=plan.scale,
        spec=spec,
        progress=lambda _: walk.tick(),
    )
    evaluation = Evaluation(plan, sources={**handed, **learned})
    candidates = [each.name for each in spec.candidates]
    require_known(asked, (*LIVE_KINDS, *candidates), {*handed, *learned})
    for rows, log in walk.parts():
        known = log.recoded(plan.survey.arms)
        _hand(handed, own, rows, known)
        evaluation.take(known)
    versions.close()
    return summarise(evaluation)


def _plan(spec: ExperimentSpec, walk: _Walk, policies: tuple[str, ...], options: Options) -> Plan:
    first: DecisionLog | None = None
    survey: Survey | None = None
    for _, log in walk.parts():
        first = log if first is None else first
        survey = Survey.of(log) if survey is None else survey.merged(Survey.of(log))
    if first is None or survey is None:
        raise EvaluationError(_empty((), 0, walk.rows.selection))
    low, high = spec.reward_range
    return make_plan(
        survey,
        policies or default_policies(survey.arms),
        scale=RewardRange(low=low, high=high),
        options=options,
        segmenters=[Segmenter.of(first, column) for column in options.by],
    )


def _hand(
    handed: dict[str, Handed],
    sources: Sequence[LiveSource],
    rows: Sequence[Interaction],
    log: DecisionLog,
) -> None:
    for source in sources:
        for name, pmf in source.pmfs(rows, log).items():
            handed[name].hand(pmf)


def _in_sample(asked: Sequence[str], selection: Selection) -> str:
    versions = ", ".join(name for name in asked if is_version(name))
    period = "" if selection == EVERYTHING else " in what was selected"
    return (
        f"{versions}: every interaction{period} has been learned from; a model may only be valued "
        "on interactions it has not learned from. Ask for an older version, or wait for more "
        "decisions to mature"
    )


def _empty(asked: Sequence[str], left_out: int, selection: Selection) -> str:
    if left_out:
        return _in_sample(asked, selection)
    if selection == EVERYTHING:
        return "no interactions have matured yet, so nothing can be valued"
    return (
        "no matured interaction is in the period and meets the conditions; choose a longer period "
        "or other conditions"
    )


def _left_out(left_out: int) -> tuple[str, ...]:
    if not left_out:
        return ()
    return (
        f"the first {left_out:,} interactions are left out: a version asked for has learned from "
        "them",
    )


def _selected(selection: Selection) -> tuple[str, ...]:
    return tuple(f"only decisions with {condition}" for condition in selection.where)
