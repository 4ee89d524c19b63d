"""Off-policy evaluation on a dask.distributed cluster.

Each part of the log is read and scored once, by a worker, and stays there while three things are
done with it, the same ones for all parts at once:

1. :func:`look_at`: how far the part moves whatever later parts depend on (plain sums).
2. :func:`look_at_models`: the same for DR, once the models that earlier parts taught are known.
3. :func:`go_through`: the accumulators of one machine, started where the part starts.

Between the steps the driver adds up a few numbers of each part in order. It goes through the
tuning rows itself, because everything later rests on them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from itertools import chain, islice
from operator import itemgetter
from typing import Any

from bandit_platform.errors import EvaluationError
from bandit_platform.ope.evaluating.evaluation import segmenters_of
from bandit_platform.ope.evaluating.lookout import PartLook, segment_rows
from bandit_platform.ope.evaluating.model_sums import DrTotals
from bandit_platform.ope.evaluating.plan import Options, make_plan
from bandit_platform.ope.evaluating.progress import Evaluation
from bandit_platform.ope.evaluating.report import EvaluationReport
from bandit_platform.ope.evaluating.starts import Segment
from bandit_platform.ope.evaluating.summary import summarise
from bandit_platform.ope.logs.parts import combined
from bandit_platform.ope.logs.survey import Survey
from bandit_platform.ope.reward_range import RewardRange
from bandit_platform.services.evaluation.cluster import Cluster
from bandit_platform.services.evaluation.learned_targets import Progress
from bandit_platform.services.evaluation.log_parts import Span, TimeOrder, span_of
from bandit_platform.services.evaluation.log_source import HeldShare, LogSource
from bandit_platform.services.evaluation.part_work import (
    Position,
    Setting,
    ShareSurvey,
    first_and_rest,
    go_through,
    look_at,
    look_at_dr,
    score,
    survey_share,
)

LEAST_ROWS = 262_144
"""Parts with fewer rows are put together, so that the work outweighs its administration."""


class OnCluster:
    """The evaluation of one log on one cluster."""

    def __init__(self, cluster: Cluster, source: LogSource, by: Sequence[str]) -> None:
        """Survey the log.

        Raises:
            InputError: it cannot be read, or lacks a column of ``by``.
            EvaluationError: it has no rows.
        """
        self._cluster, self._source = cluster, source
        self._segmenters = tuple(segmenters_of(source.parts(), by)) if by else ()
        self._shares = list(cluster.settled(self._surveys(), lambda begun: begun()))
        known = [each.survey for each in self._shares if each.survey.n]
        if not known:
            raise EvaluationError("the log has no rows")
        self.survey = reduce(Survey.merged, known)

    def evaluate(
        self,
        policies: tuple[str, ...],
        *,
        scale: RewardRange,
        options: Options,
        progress: Progress,
    ) -> EvaluationReport:
        """Value the policies.

        Raises:
            InputError: as on one machine.
            EvaluationError: as on one machine.
        """
        plan = make_plan(
            self.survey, policies, scale=scale, options=options, segmenters=self._segmenters
        )
        setting = Setting(plan=plan, spec=self._source.spec)
        walk = _Walk(self._cluster, setting, progress)
        return summarise(walk.through(self._parts(setting, progress)))

    def _surveys(self) -> Iterator[Callable[[], ShareSurvey]]:
        for share in self._source.shares():
            if isinstance(share, HeldShare):
                yield partial(survey_share, share, self._segmenters)
            else:
                yield self._cluster.run(survey_share, share, self._segmenters).result

    def _parts(self, setting: Setting, progress: Progress) -> Iterator[_Part]:
        """Begin to read and score the parts; none is shorter than the tuning rows."""
        least = max(setting.plan.tuning_rows, LEAST_ROWS)
        cluster, shares = self._cluster, iter(self._source.shares())
        learning = setting.sources("learn:", progress)
        for surveys in _grouped(self._shares, least):
            taken = list(islice(shares, len(surveys)))
            learned = {}
            if learning:
                log = setting.plan.completed(combined([share.read() for share in taken]))
                learned = {name: cluster.send(source(log).pmf) for name, source in learning.items()}
            sent = [cluster.send(one) if isinstance(one, HeldShare) else one for one in taken]
            counts: Counter[Segment] = Counter()
            for each in surveys:
                counts.update(each.segments)
            yield _Part(
                rows=sum(each.survey.n for each in surveys),
                segments=counts,
                scored=cluster.run(score, setting, sent, learned),
            )


@dataclass(kw_only=True, eq=False)
class _Part:
    """A part whose reading has begun: its rows, those of its segments, and where it will be."""

    rows: int
    segments: Counter[Segment]
    scored: Any


class _Walk:
    """All parts through all steps."""

    def __init__(self, cluster: Cluster, setting: Setting, progress: Progress) -> None:
        self._cluster, self._setting, self._progress = cluster, setting, progress
        self._models = sum(
            name.startswith("model:") for name in {*setting.plan.policies, setting.plan.baseline}
        )
        self._order = TimeOrder()

    def through(self, parts: Iterator[_Part]) -> Evaluation:
        """The evaluation of all of them."""
        part = next(parts)
        tuning = self._setting.plan.tuning_rows
        both = self._cluster.run(first_and_rest, part.scored, tuning)
        head = self._cluster.run(itemgetter(0), both).result()
        evaluation = Evaluation(self._setting.plan, sources=head.sources())
        evaluation.take(head.log)
        self._order.check(span_of(head.log))
        taken = Counter(segment_rows(self._setting.plan.segmenters, head.log))
        rest = _Part(
            rows=part.rows - len(head.log),
            segments=part.segments - taken,
            scored=self._cluster.run(itemgetter(1), both),
        )
        del part, both
        for later in self._gone_through(evaluation, taken, chain([rest], parts)):
            evaluation.join(later)
        return evaluation

    def _gone_through(
        self, head: Evaluation, taken: Counter[Segment], parts: Iterable[_Part]
    ) -> Iterator[Evaluation]:
        cluster, models = self._cluster, head.onward().modelling

        def begun() -> Iterator[Any]:
            looked = cluster.settled(self._looks(head, taken, parts), _looked)
            for scored, start, totals in cluster.settled(self._dr_looks(head, looked), _dr_looked):
                placed = start.placed(models)
                if models is not None:
                    models.move(totals)
                yield cluster.run(go_through, placed, scored)

        return cluster.settled(begun(), lambda future: future.result())

    def _looks(
        self, head: Evaluation, taken: Counter[Segment], parts: Iterable[_Part]
    ) -> Iterator[tuple[Any, Any]]:
        encoder = None if head.modelling is None else head.modelling.common.encoder
        first, segments = head.rows, Counter(taken)
        for part in parts:
            if part.rows == 0:
                continue
            position = Position(first=first, segments=dict(segments), encoder=encoder)
            yield part.scored, self._cluster.run(look_at, self._setting, part.scored, position)
            first += part.rows
            segments.update(part.segments)

    def _dr_looks(
        self, head: Evaluation, looked: Iterable[tuple[Any, PartLook, Span | None]]
    ) -> Iterator[tuple[Any, Evaluation, Any]]:
        front = head.onward()
        for scored, found, span in looked:
            self._order.check(span)
            for _ in range(self._models):
                self._progress(found.n)
            start = front.move(found)
            modelled = start.modelling is not None
            yield scored, start, self._cluster.run(look_at_dr, start, scored) if modelled else None


def _looked(begun: tuple[Any, Any]) -> tuple[Any, PartLook, Span | None]:
    return begun[0], *begun[1].result()


def _dr_looked(begun: tuple[Any, Evaluation, Any]) -> tuple[Any, Evaluation, dict[str, DrTotals]]:
    scored, start, totals = begun
    return scored, start, {} if totals is None else totals.result()


def _grouped(surveys: list[ShareSurvey], least: int) -> Iterator[list[ShareSurvey]]:
    """Neighbours together until they have so many rows; what is left over joins the last."""
    groups: list[list[ShareSurvey]] = [[]]
    rows = 0
    for each in surveys:
        if rows >= least:
            groups.append([])
            rows = 0
        groups[-1].append(each)
        rows += each.survey.n
    if len(groups) > 1 and rows < least:
        last = groups.pop()
        groups[-1] += last
    yield from groups
