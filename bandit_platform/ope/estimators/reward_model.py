"""Reward models that are fitted on earlier rows only, and the protocol for other ones."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from bandit_platform.ope.reward_range import Floats

Codes = npt.NDArray[np.int64]


class RewardModel(Protocol):
    """Predicts the reward of every arm."""

    def predicted(self, features: Floats) -> Floats:
        """q̂ on the scale [0, 1], shape (n, arms), for features of shape (n, d)."""
        ...


class RewardLearner(Protocol):
    """Takes rows in and gives the model fitted on all rows so far."""

    def updated(
        self, features: Floats, arm: Codes, reward: Floats, weight: Floats | None
    ) -> RewardLearner:
        """The learner after more rows.

        Args:
            features: shape (n, d), the constant first.
            arm: logged arms, shape (n,).
            reward: scaled rewards, shape (n,).
            weight: weight of each row in the fit, shape (n,); None for equal weights.
        """
        ...

    def fitted(self) -> RewardModel:
        """The model as of now."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearModel:
    """One linear function of the features for each arm, clipped to the reward scale.

    Attributes:
        coefficients: shape (d, arms).
    """

    coefficients: Floats

    def predicted(self, features: Floats) -> Floats:
        """q̂ on the scale [0, 1], shape (n, arms)."""
        predictions = features @ self.coefficients
        np.clip(predictions, 0.0, 1.0, out=predictions)
        return predictions


@dataclass(frozen=True, kw_only=True, eq=False)
class RidgeLearner:
    """Ridge regression for each arm, drawn towards one regression common to all arms.

    State is sums of products, so it streams and two learners merge by adding. An arm with few
    rows predicts like the common regression, which with no rows predicts 0.

    Attributes:
        gram: Σ u xxᵀ by arm, shape (arms, d, d).
        moment: Σ u xr by arm, shape (arms, d).
        n: rows.
        weight: Σu.
        penalty: rows' worth of pull towards the common regression; a tenth of it pulls the
            common slopes towards 0.
    """

    gram: Floats
    moment: Floats
    n: int = 0
    weight: float = 0.0
    penalty: float = field(default=10.0)

    @classmethod
    def empty(cls, *, arms: int, width: int) -> RidgeLearner:
        """Before the first row, for features of the given width."""
        return cls(gram=np.zeros((arms, width, width)), moment=np.zeros((arms, width)))

    def updated(
        self, features: Floats, arm: Codes, reward: Floats, weight: Floats | None
    ) -> RidgeLearner:
        """The learner after more rows (see :class:`RewardLearner`)."""
        gram, moment = self.gram.copy(), self.moment.copy()
        small = arm.astype(np.int16) if gram.shape[0] < 2**15 else arm  # sorted by radix
        order = np.argsort(small, kind="stable")
        ends = np.concatenate(([0], np.bincount(arm, minlength=gram.shape[0]).cumsum()))
        for code in range(gram.shape[0]):
            rows = order[ends[code] : ends[code + 1]]
            if rows.size:
                x = features[rows]
                ux = x if weight is None else x * weight[rows, None]
                gram[code] += ux.T @ x
                moment[code] += ux.T @ reward[rows]
        added = float(arm.size if weight is None else weight.sum())
        return replace(
            self, gram=gram, moment=moment, n=self.n + arm.size, weight=self.weight + added
        )

    def merged(self, other: RidgeLearner) -> RidgeLearner:
        """The learner of both sets of rows."""
        return replace(
            self,
            gram=self.gram + other.gram,
            moment=self.moment + other.moment,
            n=self.n + other.n,
            weight=self.weight + other.weight,
        )

    def fitted(self) -> LinearModel:
        """The model as of now."""
        arms, width = self.moment.shape
        if self.n == 0 or self.weight <= 0.0:
            return LinearModel(coefficients=np.zeros((width, arms)))
        even = self.n / self.weight  # weights matter relative to each other only
        gram, moment = self.gram * even, self.moment * even
        slopes = np.eye(width)
        slopes[0, 0] = 1e-6
        common = np.linalg.solve(gram.sum(0) + 0.1 * self.penalty * slopes, moment.sum(0))
        pulled = gram + self.penalty * np.eye(width)
        own = np.linalg.solve(pulled, (moment + self.penalty * common)[..., None])
        return LinearModel(coefficients=own[..., 0].T.astype(np.float64))
