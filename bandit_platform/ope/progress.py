"""Walk a log in order, a piece at a time, and keep the state of every policy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from bandit_platform.errors import EvaluationError
from bandit_platform.ope.log import DecisionLog
from bandit_platform.ope.log_state import LogState
from bandit_platform.ope.model_state import LearnerFactory, ridge
from bandit_platform.ope.modelling import Modelling
from bandit_platform.ope.plan import Plan
from bandit_platform.ope.policy_state import PolicyState
from bandit_platform.ope.targets import Target, target

PIECE = 32_768
"""Rows evaluated together; bounds memory."""
SNAPSHOTS = 64

TargetSource = Callable[[DecisionLog], Target]
"""Gives a policy's weights on the next rows; called with all rows, once each, in order."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """A policy's two sequences at one moment: n, ΣZ and Σ(Z - Ẑ)² of each.

    Attributes:
        rows: rows of the log so far.
        moment: when the last of them was decided, ISO 8601; empty where the log does not say.
        value: of the value sequence.
        uplift: of the uplift sequence.
    """

    rows: int
    moment: str
    value: tuple[int, float, float]
    uplift: tuple[int, float, float]


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
        self.log_state = LogState.empty(plan)
        self.modelling = Modelling(plan, factory) if plan.models else None
        self.states = {policy: PolicyState.empty(plan, policy) for policy in plan.policies}
        self.snapshots: dict[str, list[Snapshot]] = {policy: [] for policy in plan.policies}
        self.baseline_unsupported = 0
        self._sources = dict(sources or {})
        self._constant = plan.survey.constant_pmf()

    def take(self, log: DecisionLog) -> None:
        """Take in the next part of the log.

        Raises:
            EvaluationError: a reward outside the range or a weight above its bound.
        """
        log = log.recoded(self.plan.survey.arms)
        if self._constant is not None and log.pmf is None:
            log = replace(log, pmf=np.broadcast_to(self._constant, (len(log), len(log.arms))))
        for piece in self._pieces(log):
            self._take_piece(piece)

    def _pieces(self, log: DecisionLog) -> Iterator[DecisionLog]:
        """Cut where a model falls due and where a snapshot is taken."""
        every = max(self.plan.survey.n // SNAPSHOTS, 1)
        start = 0
        while start < len(log):
            done = self.log_state.n
            size = min(PIECE, every - done % every, len(log) - start)
            if self.modelling is not None:
                size = min(size, self.modelling.rows_to_next_fit)
            yield log.rows(slice(start, start + size))
            start += size

    def _take_piece(self, log: DecisionLog) -> None:
        plan = self.plan
        targets = {policy: self._target(policy, log) for policy in {plan.baseline, *plan.policies}}
        second = targets[plan.baseline]
        self.baseline_unsupported += int(second.unsupported.sum())
        codes = {each.column: each.codes(log) for each in plan.segmenters}
        self.log_state = self.log_state.updated(log, log.pmf)
        for policy in plan.policies:
            state = self.states[policy].weighed(plan, log, targets[policy], second, log.pmf)
            self.states[policy] = state.cut(plan, log, targets[policy], second, codes)
        if self.modelling is not None:
            self.modelling.take(log, targets)
        done, all_rows = self.log_state.n, plan.survey.n
        if done % max(all_rows // SNAPSHOTS, 1) == 0 or done == all_rows:
            self._snap(log)

    def _target(self, policy: str, log: DecisionLog) -> Target:
        source = self._sources.get(policy)
        if source is None:
            return target(log, policy, floor=self.plan.floor)
        made = source(log)
        if made.weight.shape != (len(log),):
            raise EvaluationError(f"{policy}: {made.weight.shape[0]} weights for {len(log)} rows")
        return made

    def _snap(self, log: DecisionLog) -> None:
        moment = "" if log.moment is None else f"{log.moment[-1]}"
        for policy, state in self.states.items():
            value = state.accumulator.value_sequence.stream
            uplift = state.accumulator.uplift_sequence.stream
            self.snapshots[policy].append(
                Snapshot(
                    rows=self.log_state.n,
                    moment=moment,
                    value=(value.n, value.z, value.v),
                    uplift=(uplift.n, uplift.z, uplift.v),
                )
            )
