"""Progressive reward models: predict each row from earlier rows, then learn from it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bandit_platform.errors import EvaluationError
from bandit_platform.ope.estimators.features import Encoder
from bandit_platform.ope.estimators.reward_model import (
    Codes,
    RewardLearner,
    RewardModel,
    RidgeLearner,
)
from bandit_platform.ope.logs.log import DecisionLog
from bandit_platform.ope.reward_range import Floats
from bandit_platform.ope.sequences.dr_sequence import ModelSpan

LearnerFactory = Callable[[int, int], RewardLearner]
"""Makes an untrained learner from the number of arms and the number of features."""


def ridge(arms: int, width: int) -> RewardLearner:
    """The default learner."""
    return RidgeLearner.empty(arms=arms, width=width)


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelState:
    """A reward model that is refitted whenever the number of rows has doubled.

    The rows before the first fit only train: every prediction is for a row that no fit has seen,
    which keeps DR unbiased and its confidence sequence valid while the logging policy learns.

    Attributes:
        encoder: features of a context, fixed by the first rows; None before them.
        learner: what has been taken in; None before the first rows.
        model: the model in force; None before the first fit.
        span: where predictions are clipped to, fixed at the first fit.
        due: number of rows at which the next fit is due.
        n: rows so far.
        factory: makes the learner.
    """

    due: int
    factory: LearnerFactory
    encoder: Encoder | None = None
    learner: RewardLearner | None = None
    model: RewardModel | None = None
    span: ModelSpan | None = None
    n: int = 0

    def features(self, log: DecisionLog) -> tuple[ModelState, Floats]:
        """Features of the rows, and the state that knows how they are made."""
        state = self if self.encoder else replace(self, encoder=Encoder.of(log.context))
        encoder = state.encoder or Encoder()
        return state, encoder.encoded(log.context, len(log))

    def predicted(self, features: Floats) -> Floats | None:
        """Clipped q̂ of every arm, shape (n, arms); None before the first fit."""
        if self.model is None or self.span is None:
            return None
        predictions = self.model.predicted(features)
        return np.clip(predictions, self.span.low, self.span.high, out=predictions)

    def learned(
        self, log: DecisionLog, features: Floats, reward: Floats, weight: Floats | None = None
    ) -> ModelState:
        """The state after rows it has predicted; fits anew when due.

        Args:
            log: the rows.
            features: theirs, shape (n, d).
            reward: scaled rewards, shape (n,).
            weight: weight of each row in the fit.
        """
        learner = self.learner or self.factory(len(log.arms), features.shape[1])
        learner = learner.updated(features, log.arm, reward, weight)
        state = replace(self, learner=learner, n=self.n + len(log))
        if state.n < self.due:
            return state
        model = learner.fitted()
        span = self.span or ModelSpan.of(model.predicted(features))
        return replace(state, model=model, span=span, due=2 * state.n)

    def taught(self, lessons: Sequence[RidgeLearner]) -> tuple[ModelState, ModelState]:
        """Where a part of the log starts and where the next one does.

        Args:
            lessons: what the linear learner takes from the part's rows, cut where fits fall due.

        Returns:
            The state for going through the part, with all fits in it foretold, and the state
            after it.
        """
        state, models = self, {}
        for lesson in lessons:
            learner = state.learner
            if not isinstance(learner, RidgeLearner):
                raise EvaluationError("only the linear reward model learns parts at once")
            learner = learner.merged(lesson)
            state = replace(state, learner=learner, n=state.n + lesson.n)
            if state.n >= state.due:
                models[state.n] = learner.fitted()
                state = replace(state, model=models[state.n], due=2 * state.n)
        return replace(self, learner=Foretold(models=models, n=self.n)), state


def fits_within(first: int, rows: int, tuning_rows: int) -> list[int]:
    """Where fits fall due among rows that come after the first ones, counted from there.

    Args:
        first: rows before, at least one of which.
        rows: how many rows.
        tuning_rows: number of rows at the first fit; each later fit is at twice as many.
    """
    due, found = tuning_rows, []
    while due <= first + rows:
        if due > first:
            found.append(due - first)
        due *= 2
    return found


@dataclass(frozen=True, kw_only=True, eq=False)
class Foretold:
    """A learner that knows already which models it will be fitted to.

    Attributes:
        models: by the number of rows at which they are due.
        n: rows so far.
    """

    models: Mapping[int, RewardModel]
    n: int

    def updated(
        self, features: Floats, arm: Codes, reward: Floats, weight: Floats | None
    ) -> Foretold:
        """The learner after more rows, of which only the number counts."""
        del features, reward, weight
        return replace(self, n=self.n + arm.shape[0])

    def fitted(self) -> RewardModel:
        """The model foretold for now."""
        return self.models[self.n]
