"""Off-policy evaluation of Parquet logs on a dask.distributed cluster.

Reading, checking, decoding and scoring run on the workers, part by part. The parts come back in
order and go through the very same accumulators as on one machine, because a confidence sequence
is a sequence: so results are the same to the last bit, whatever the cluster.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bandit_platform.errors import InputError
from bandit_platform.ope.log import DecisionLog
from bandit_platform.ope.model_state import ridge
from bandit_platform.ope.plan import Options, default_policies, make_plan
from bandit_platform.ope.progress import Evaluation
from bandit_platform.ope.report import EvaluationReport
from bandit_platform.ope.reward_range import RewardRange
from bandit_platform.ope.segments import Segmenter
from bandit_platform.ope.summary import summarise
from bandit_platform.ope.survey import Survey
from bandit_platform.ope.targets import Target
from bandit_platform.services.learned_targets import model_sources
from bandit_platform.services.log_parts import PartsReader, TimeOrder, decoded, open_parquet

if TYPE_CHECKING:
    from bandit_platform.services.evaluate import EvaluationRequest

AHEAD = 4
"""Parts under way for each worker thread; bounds memory."""


@dataclass(frozen=True, kw_only=True)
class PartTask:
    """One row group of one file, and what is to be done with it.

    Attributes:
        path: the file.
        group: number of the row group.
        first: rows of the file before it.
        columns: columns to read.
        skip_bad_rows: leave bad rows out.
        models: ``model:`` policies to score.
        floor: least propensity of the logging policy.
        scale: declared reward range.
    """

    path: Path
    group: int
    first: int
    columns: tuple[str, ...]
    skip_bad_rows: bool
    models: tuple[str, ...]
    floor: float
    scale: RewardRange

    def read(self) -> DecisionLog:
        """The rows as a decision log."""
        table = open_parquet(self.path).read_row_group(self.group, columns=list(self.columns))
        return decoded(table, self.path, self.first, skip_bad_rows=self.skip_bad_rows).log


def survey_part(task: PartTask) -> Survey:
    """On a worker: what must be known of one part beforehand."""
    return Survey.of(task.read())


def score_part(task: PartTask) -> tuple[DecisionLog, dict[str, Target]]:
    """On a worker: one part with the weights of its ``model:`` policies."""
    log = task.read()
    made = model_sources(task.models, floor=task.floor, scale=task.scale, spec=None)
    return log, {policy: source(log) for policy, source in made.items()}


class Fed:
    """Gives a policy's weights on pieces of the part last fed."""

    def __init__(self) -> None:
        self._whole: Target | None = None
        self._done = 0

    def feed(self, target: Target) -> None:
        """Set the part's weights."""
        self._whole, self._done = target, 0

    def __call__(self, log: DecisionLog) -> Target:
        """The weights of the next rows."""
        if self._whole is None:
            raise InputError("no part was fed")
        rows = slice(self._done, self._done + len(log))
        self._done += len(log)
        return self._whole.rows(rows)


def evaluate_on_dask(request: EvaluationRequest, options: Options) -> EvaluationReport:
    """Value the policies on a cluster.

    Raises:
        InputError: dask is not installed, or the request needs what only one machine can do.
    """
    low, high = request.reward_range or (0.0, 1.0)
    scale = RewardRange(low=low, high=high)
    tasks = _tasks(request, scale)
    with _client(request.scheduler) as client:
        survey = reduce(Survey.merged, _in_order(client, survey_part, tasks))
        policies = tuple(request.policies) or default_policies(survey.arms)
        models = tuple(policy for policy in policies if policy.startswith("model:"))
        floor = survey.least if request.floor is None else request.floor
        tasks = [replace(task, models=models, floor=floor) for task in tasks]
        segmenters = []
        if options.by:
            first = tasks[0].read().recoded(survey.arms)
            segmenters = [Segmenter.of(first, column) for column in options.by]
        plan = make_plan(survey, policies, scale=scale, options=options, segmenters=segmenters)
        fed = {policy: Fed() for policy in models}
        evaluation = Evaluation(plan, sources=fed, factory=ridge)
        order = TimeOrder()
        for log, targets in _in_order(client, score_part, tasks):
            order.check(log)
            recoded = log.recoded(survey.arms)
            for policy, target in targets.items():
                fed[policy].feed(_recoded(target, log, survey.arms))
            evaluation.take(recoded)
    return summarise(evaluation)


def _recoded(target: Target, log: DecisionLog, arms: tuple[str, ...]) -> Target:
    """A target's PMF over the arms of the whole log instead of those of its part."""
    if target.pmf is None or log.arms == arms:
        return target
    return replace(target, pmf=replace(log, pmf=target.pmf).recoded(arms).pmf)


def _tasks(request: EvaluationRequest, scale: RewardRange) -> list[PartTask]:
    learned = [policy for policy in request.policies if policy.startswith("learn:")]
    if learned:
        raise InputError(f"{learned[0]} learns row by row: use --engine local")
    if request.experiment is not None or request.trained_until is not None:
        raise InputError("--engine dask takes neither --experiment nor --trained-until")
    if not request.log.is_dir() and request.log.suffix != ".parquet":
        raise InputError(f"{request.log}: --engine dask reads Parquet files; export one first")
    reader = PartsReader.of(request.log, skip_bad_rows=request.skip_bad_rows)
    tasks = []
    for path in reader.paths:
        opened, first = open_parquet(path), 0
        for group in range(opened.metadata.num_row_groups):
            tasks.append(
                PartTask(
                    path=path.resolve(),
                    group=group,
                    first=first,
                    columns=tuple(reader.wanted(opened)),
                    skip_bad_rows=request.skip_bad_rows,
                    models=(),
                    floor=1.0,
                    scale=scale,
                )
            )
            first += int(opened.metadata.row_group(group).num_rows)
    return tasks


def _client(scheduler: str | None) -> Any:
    try:
        from distributed import Client  # noqa: PLC0415 - optional
    except ImportError as why:
        raise InputError(
            "--engine dask needs dask: pip install 'bandit-platform[dask,parquet]'"
        ) from why
    connect: Any = Client  # it is not typed
    if scheduler is not None:
        return connect(scheduler, timeout="10s")
    return connect(threads_per_worker=1, dashboard_address=None, set_as_default=False)


def _in_order(client: Any, work: Callable[[PartTask], Any], tasks: list[PartTask]) -> Iterator[Any]:
    """Results of the tasks in their order, a bounded number under way at a time."""
    ahead = max(AHEAD * sum(client.nthreads().values()), 1)
    waiting = iter(tasks)
    under_way: deque[Any] = deque()
    for task in waiting:
        under_way.append(client.submit(work, task, pure=False))
        if len(under_way) >= ahead:
            yield under_way.popleft().result()
    while under_way:
        yield under_way.popleft().result()
