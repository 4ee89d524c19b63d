"""Walk a log in order, a piece at a time, and keep the state of every policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, replace

from bandit_platform.ope.evaluating.log_state import LogState
from bandit_platform.ope.evaluating.lookout import PIECE, PartLook
from bandit_platform.ope.evaluating.model_state import LearnerFactory, ridge
from bandit_platform.ope.evaluating.modelling import Modelling
from bandit_platform.ope.evaluating.plan import Plan
from bandit_platform.ope.evaluating.policy_state import PolicyState
from bandit_platform.ope.evaluating.starts import joined, moved, onward
from bandit_platform.ope.logs.log import DecisionLog
from bandit_platform.ope.logs.targets import TargetSource, target_of

SNAPSHOTS = 64


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A policy's two sequences at one moment: n, ΣZ and Σ(Z - Ẑ)² of each.

    Attributes:
        rows: rows of the log so far.
        moment: when the last of them was decided, ISO 8601 with its time zone; empty where the log
            does not say.
        value: of the value sequence.
        uplift: of the uplift sequence.
    """

    rows: int
    moment: str
    value: tuple[int, float, float]
    uplift: tuple[int, float, float]

    def after(self, state: PolicyState) -> Snapshot:
        """The same with the squares of rows that came before the ones it was taken on."""
        value = state.accumulator.value_sequence.stream.v
        uplift = state.accumulator.uplift_sequence.stream.v
        return replace(
            self,
            value=(*self.value[:2], self.value[2] + value),
            uplift=(*self.uplift[:2], self.uplift[2] + uplift),
        )


class Evaluation:
    """An evaluation under way: feed it the log's parts in decision order, then read the states."""

    def __init__(
        self,
        plan: Plan,
        *,
        sources: Mapping[str, TargetSource] | None = None,
        factory: LearnerFactory = ridge,
    ) -> None:
        """Set up an evaluation.

        Args:
            plan: everything fixed beforehand.
            sources: policies that the log alone cannot define, by specification.
            factory: makes the learner of the reward model.
        """
        self.plan = plan
        self.before = 0
        """Rows of the log before those of the sums."""
        self.log_state = LogState.empty(plan)
        self.modelling = Modelling(plan, factory) if plan.models else None
        self.states = {policy: PolicyState.empty(plan, policy) for policy in plan.policies}
        self.snapshots: dict[str, list[Snapshot]] = {policy: [] for policy in plan.policies}
        self.baseline_unsupported = 0
        self._sources = dict(sources or {})

    @property
    def rows(self) -> int:
        """Rows of the log so far."""
        return self.before + self.log_state.n

    def take(self, log: DecisionLog) -> None:
        """Take in the next part of the log.

        Raises:
            EvaluationError: a reward outside the range or a weight above its bound.
        """
        for piece in self._pieces(self.plan.completed(log)):
            self._take_piece(piece)

    def onward(self) -> Evaluation:
        """Where the rows after these start; it can be moved on by looks at parts."""
        other = copy(self)
        other.before = self.rows
        other.log_state = self.log_state.onward(self.plan)
        other.modelling = None if self.modelling is None else self.modelling.onward()
        other.states = {policy: onward(state) for policy, state in self.states.items()}
        other.snapshots = {policy: [] for policy in self.states}
        other.baseline_unsupported = 0
        other._sources = {}
        return other

    def resumed(self, sources: Mapping[str, TargetSource]) -> Evaluation:
        """A copy of this start that can go through its part."""
        other = self.onward()
        other._sources = dict(sources)
        return other

    def released(self) -> Evaluation:
        """The same without its sources, which hold rows."""
        other = copy(self)
        other._sources = {}
        return other

    def move(self, look: PartLook) -> Evaluation:
        """Move this start on by a part, but for DR.

        Returns:
            The start for going through that part.
        """
        part = self.onward()
        if self.modelling is not None and look.lessons is not None:
            part.modelling = self.modelling.taught(look.lessons)
        self.before += look.n
        ratio = self.log_state.ratio
        if ratio is not None and look.counts is not None and look.expected is not None:
            self.log_state = replace(self.log_state, ratio=ratio.moved(look.counts, look.expected))
        for policy, totals in look.policies.items():
            self.states[policy] = moved(self.states[policy], totals, self.plan, policy)
        return part

    def placed(self, models: Modelling | None) -> Evaluation:
        """This start with its DR sequences where those of another one are."""
        other = self.onward()
        if other.modelling is not None and models is not None:
            other.modelling.sums = dict(models.sums)
        return other

    def join(self, later: Evaluation) -> None:
        """Add what went through later rows that started from here."""
        for policy, state in self.states.items():
            self.snapshots[policy] += [one.after(state) for one in later.snapshots[policy]]
            self.states[policy] = joined(state, later.states[policy])
        self.log_state = self.log_state.joined(later.log_state)
        self.baseline_unsupported += later.baseline_unsupported
        if self.modelling is not None and later.modelling is not None:
            self.modelling.join(later.modelling)

    def _pieces(self, log: DecisionLog) -> Iterator[DecisionLog]:
        """Cut where a model falls due and where a snapshot is taken."""
        every = max(self.plan.survey.n // SNAPSHOTS, 1)
        start = 0
        while start < len(log):
            size = min(PIECE, every - self.rows % every, len(log) - start)
            if self.rows < self.plan.tuning_rows:
                size = min(PIECE, self.plan.tuning_rows - self.rows, len(log) - start)
            if self.modelling is not None:
                size = min(size, self.modelling.rows_to_next_fit)
            yield log.rows(slice(start, start + size))
            start += size

    def _take_piece(self, log: DecisionLog) -> None:
        plan = self.plan
        targets = {
            policy: target_of(log, policy, self._sources, floor=plan.floor)
            for policy in {plan.baseline, *plan.policies}
        }
        second = targets[plan.baseline]
        self.baseline_unsupported += int(second.unsupported.sum())
        codes = {each.column: each.codes(log) for each in plan.segmenters}
        self.log_state = self.log_state.updated(log, log.pmf)
        for policy in plan.policies:
            state = self.states[policy].weighed(plan, log, targets[policy], second, log.pmf)
            self.states[policy] = state.cut(plan, log, targets[policy], second, codes)
        if self.modelling is not None:
            self.modelling.take(log, targets)
        all_rows = plan.survey.n
        if self.rows % max(all_rows // SNAPSHOTS, 1) == 0 or self.rows == all_rows:
            self._snap(log)

    def _snap(self, log: DecisionLog) -> None:
        moment = "" if log.moment is None else f"{log.moment[-1]}+00:00"
        for policy, state in self.states.items():
            value = state.accumulator.value_sequence.stream
            uplift = state.accumulator.uplift_sequence.stream
            self.snapshots[policy].append(
                Snapshot(
                    rows=self.rows,
                    moment=moment,
                    value=(value.n, value.z, value.v),
                    uplift=(uplift.n, uplift.z, uplift.v),
                )
            )
