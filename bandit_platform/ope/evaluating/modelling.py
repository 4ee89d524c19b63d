"""The model-based estimators of all policies of an evaluation, a piece of the log at a time."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from dataclasses import dataclass

import numpy as np

from bandit_platform.ope.estimators.mrdr import mrdr_fit_weights
from bandit_platform.ope.estimators.reward_model import RidgeLearner
from bandit_platform.ope.estimators.scores import ModelColumns
from bandit_platform.ope.evaluating.model_state import LearnerFactory, ModelState
from bandit_platform.ope.evaluating.model_sums import DrTotals, ModelSums
from bandit_platform.ope.evaluating.plan import Plan
from bandit_platform.ope.logs.log import DecisionLog
from bandit_platform.ope.logs.targets import Target
from bandit_platform.ope.reward_range import Floats
from bandit_platform.ope.sequences.dr_sequence import DrSequence


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """What a model says of some rows.

    Attributes:
        every: q̂ of every arm, shape (n, arms).
        logged: q̂ of the logged arm, shape (n,).
        reward: scaled rewards, shape (n,).
    """

    every: Floats
    logged: Floats
    reward: Floats

    @classmethod
    def of(cls, every: Floats, log: DecisionLog, reward: Floats) -> Predictions:
        """The predictions for the rows of a log."""
        return cls(every=every, logged=every[np.arange(len(log)), log.arm], reward=reward)

    def by_policy(self, targets: Mapping[str, Target]) -> dict[str, ModelColumns | None]:
        """The columns of every policy."""
        return {policy: self.columns(target) for policy, target in targets.items()}

    def columns(self, target: Target) -> ModelColumns | None:
        """The columns of one policy; None where its whole PMF is not known."""
        if target.pmf is None:
            return None
        direct = np.einsum("na,na->n", target.pmf, self.every)
        return ModelColumns(
            weight=target.weight, reward=self.reward, direct=direct, fitted=self.logged
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Lessons:
    """What linear reward models learn from a part, cut where fits fall due.

    Attributes:
        common: sums for the common model.
        own: sums for each policy's MRDR model.
    """

    common: tuple[RidgeLearner, ...]
    own: Mapping[str, tuple[RidgeLearner, ...]]


class Modelling:
    """Predicts each piece with models of earlier rows, adds it up, then learns from it."""

    def __init__(self, plan: Plan, factory: LearnerFactory) -> None:
        """Set up the estimators of a plan; the factory makes the learners."""
        self.plan = plan
        self.common = ModelState(due=plan.tuning_rows, factory=factory)
        self.sums: dict[str, ModelSums | None] = {
            policy: empty_model_sums(plan, policy) for policy in plan.policies
        }
        own = plan.policies if "mrdr" in plan.estimators else ()
        self.own = {policy: ModelState(due=plan.tuning_rows, factory=factory) for policy in own}

    @property
    def rows_to_next_fit(self) -> int:
        """A piece must not be longer than this."""
        return max(self.common.due - self.common.n, 1)

    def take(self, log: DecisionLog, targets: Mapping[str, Target]) -> None:
        """Take in the next piece.

        Args:
            log: the rows.
            targets: every policy on them, the baseline included.
        """
        reward = self.plan.scale.scale(log.reward)
        self.common, features = self.common.features(log)
        every = self.common.predicted(features)
        if every is not None:
            columns = Predictions.of(every, log, reward).by_policy(targets)
            for policy in self.plan.policies:
                own = self.own[policy].predicted(features) if policy in self.own else None
                special = None if own is None else Predictions.of(own, log, reward)
                self._add_up(
                    policy, columns, None if special is None else special.columns(targets[policy])
                )
        self.common = self.common.learned(log, features, reward)
        for policy, state in self.own.items():
            weight = mrdr_fit_weights(targets[policy].probability, log.propensity)
            self.own[policy] = state.learned(log, features, reward, weight)
        first = self.common.predicted(features) if every is None else None
        if first is not None:
            self._start(targets, Predictions.of(first, log, reward))

    def onward(self) -> Modelling:
        """Where rows after these start: models and sequences' positions, and no sums."""
        other = copy(self)
        other.own = dict(self.own)
        other.sums = {policy: one and one.onward() for policy, one in self.sums.items()}
        return other

    def taught(self, lessons: Lessons) -> Modelling:
        """For going through a part from this start, which itself moves on to the next part's."""
        through = self.onward()
        through.common, self.common = self.common.taught(lessons.common)
        for policy, state in self.own.items():
            through.own[policy], self.own[policy] = state.taught(lessons.own[policy])
        return through

    def move(self, totals: Mapping[str, DrTotals]) -> None:
        """Move this start's sequences on by a part."""
        for policy, sums in self.sums.items():
            self.sums[policy] = sums and sums.moved(totals[policy])

    def join(self, later: Modelling) -> None:
        """Add what went through later rows that started from here."""
        for policy, sums in self.sums.items():
            other = later.sums[policy]
            self.sums[policy] = None if sums is None or other is None else sums.joined(other)

    def _add_up(
        self,
        policy: str,
        columns: Mapping[str, ModelColumns | None],
        special: ModelColumns | None,
    ) -> None:
        """Add one policy's rows up.

        Args:
            policy: its specification.
            columns: every policy with the common model.
            special: the policy with its MRDR model; None where that is not asked for.
        """
        sums, own = self.sums[policy], columns[policy]
        if sums is None or own is None:
            self.sums[policy] = None
            return
        self.sums[policy] = sums.updated(own, columns[self.plan.baseline], special)

    def _start(self, targets: Mapping[str, Target], predictions: Predictions) -> None:
        """Fix what the DR sequences need from the rows before the first fit."""
        span, columns = self.common.span, predictions.by_policy(targets)
        for policy, sums in self.sums.items():
            own = columns[policy]
            if span is not None and sums is not None and own is not None:
                self.sums[policy] = sums.started(span, own, columns[self.plan.baseline])


def empty_model_sums(plan: Plan, policy: str) -> ModelSums:
    """The sums of one policy before the first row."""

    def sequence(uplift: bool) -> DrSequence:
        return DrSequence(
            uplift=uplift,
            alpha=plan.alpha_each,
            horizon=plan.horizon,
            bound=plan.weight_bound(policy),
            baseline_bound=plan.weight_bound(plan.baseline) if uplift else 0.0,
        )

    return ModelSums(
        estimators=frozenset(plan.estimators),
        bound=plan.weight_bound(policy),
        value=sequence(False),
        uplift=sequence(True),
    )
