"""Progressive reward models: predict each row from earlier rows, then learn from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from bandit_platform.ope.dr_sequence import ModelSpan
from bandit_platform.ope.features import Encoder
from bandit_platform.ope.log import DecisionLog
from bandit_platform.ope.reward_model import RewardLearner, RewardModel, RidgeLearner
from bandit_platform.ope.reward_range import Floats

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
