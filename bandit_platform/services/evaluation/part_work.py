"""What a worker of a cluster does with a part of a log."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.ope.estimators.features import Encoder
from bandit_platform.ope.evaluating.lookout import PartLook, look, look_at_models, segment_rows
from bandit_platform.ope.evaluating.model_sums import DrTotals
from bandit_platform.ope.evaluating.plan import Plan
from bandit_platform.ope.evaluating.progress import Evaluation
from bandit_platform.ope.evaluating.starts import Segment
from bandit_platform.ope.logs.log import DecisionLog
from bandit_platform.ope.logs.parts import combined
from bandit_platform.ope.logs.segments import Segmenter
from bandit_platform.ope.logs.survey import Survey
from bandit_platform.ope.logs.targets import Target, TargetSource, from_pmf, sliced, target_of
from bandit_platform.ope.reward_range import Floats
from bandit_platform.services.evaluation.learned_targets import Progress, model_sources, no_progress
from bandit_platform.services.evaluation.log_parts import Span, span_of
from bandit_platform.services.evaluation.log_source import Share


@dataclass(frozen=True, kw_only=True, eq=False)
class Scored:
    """A part on a worker.

    Attributes:
        log: its rows.
        models: the policies that are models on them.
    """

    log: DecisionLog
    models: Mapping[str, Target]

    def __sizeof__(self) -> int:
        """Bytes of all columns, so that the scheduler knows what moving a part would cost."""
        log = self.log
        columns = [log.arm, log.propensity, log.reward, log.eligible, log.pmf, log.unit, log.moment]
        columns += log.targets.values()
        for target in self.models.values():
            columns += [target.probability, target.weight, target.max_weight, target.pmf]
        context = 0 if log.context is None else int(log.context.memory_usage().sum())
        return context + sum(column.nbytes for column in columns if column is not None)

    def sources(self) -> dict[str, TargetSource]:
        """Gives the models' weights a piece at a time."""
        return {policy: sliced(target) for policy, target in self.models.items()}

    def rows(self, chosen: slice) -> Scored:
        """Some of the rows."""
        models = {policy: target.rows(chosen) for policy, target in self.models.items()}
        return Scored(log=self.log.rows(chosen), models=models)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What every worker must know.

    Attributes:
        plan: the evaluation.
        spec: experiment whose arm features and encoding the models know.
    """

    plan: Plan
    spec: ExperimentSpec | None

    def sources(self, kind: str, progress: Progress = no_progress) -> dict[str, TargetSource]:
        """The policies of a kind: ``model:`` or ``learn:``."""
        plan = self.plan
        names = [name for name in (*plan.policies, plan.baseline) if name.startswith(kind)]
        return model_sources(
            names, floor=plan.floor, scale=plan.scale, spec=self.spec, progress=progress
        )


@dataclass(frozen=True, kw_only=True)
class ShareSurvey:
    """What must be known of a part beforehand: its survey and its segments' rows."""

    survey: Survey
    segments: dict[Segment, int]


def survey_share(share: Share, segmenters: tuple[Segmenter, ...]) -> ShareSurvey:
    """On a worker: survey a part."""
    log = share.lean([each.column for each in segmenters]).read()
    return ShareSurvey(survey=Survey.of(log), segments=segment_rows(segmenters, log))


def score(setting: Setting, shares: list[Share], learned: Mapping[str, Floats]) -> Scored:
    """On a worker: read parts as one and apply the models to it."""
    log = setting.plan.completed(combined([share.read() for share in shares]))
    models = {policy: source(log) for policy, source in setting.sources("model:").items()}
    for policy, pmf in learned.items():
        models[policy] = from_pmf(log, policy, pmf, floor=setting.plan.floor)
    return Scored(log=log, models=models)


def first_and_rest(scored: Scored, rows: int) -> tuple[Scored, Scored]:
    """On a worker: the first rows of a part, and the others."""
    return scored.rows(slice(0, rows)), scored.rows(slice(rows, None))


@dataclass(frozen=True, kw_only=True, eq=False)
class Position:
    """Where a part stands in the log, and what its features are.

    Attributes:
        first: rows before it.
        segments: rows of each segment before it.
        encoder: features of the reward models; None where there are none.
    """

    first: int
    segments: dict[Segment, int]
    encoder: Encoder | None


def look_at(setting: Setting, scored: Scored, position: Position) -> tuple[PartLook, Span | None]:
    """On a worker: how far a part moves what later parts depend on, but for DR."""
    plan, log, sources = setting.plan, scored.log, scored.sources()
    targets = {
        policy: target_of(log, policy, sources, floor=plan.floor)
        for policy in {plan.baseline, *plan.policies}
    }
    found = look(
        plan,
        log,
        targets,
        first=position.first,
        segment_rows=position.segments,
        encoder=position.encoder,
    )
    return found, span_of(log)


def look_at_dr(start: Evaluation, scored: Scored) -> dict[str, DrTotals]:
    """On a worker: how far a part moves the DR sequences."""
    if start.modelling is None:
        return {}
    return look_at_models(start.modelling, scored.log, scored.sources())


def go_through(start: Evaluation, scored: Scored) -> Evaluation:
    """On a worker: the accumulators of one machine on a part, from where it starts."""
    evaluation = start.resumed(scored.sources())
    evaluation.take(scored.log)
    return evaluation.released()
