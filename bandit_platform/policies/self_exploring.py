"""A Vowpal Wabbit model with built-in exploration (``--cb_explore_adf``), to evaluate logs.

The platform serves none of these: its own explorations can be recomputed on any machine.
"""

from __future__ import annotations

from collections.abc import Sequence

from bandit_platform.domain.pmf import sound_pmf
from bandit_platform.policies.vowpal import VowpalModel


class SelfExploringModel:
    """Gives the PMF of a model whose predictions are probabilities."""

    def __init__(self, model: VowpalModel) -> None:
        self.model = model

    def pmf(self, lines: Sequence[str]) -> tuple[float, ...]:
        """The probability of each eligible arm, in their order.

        Args:
            lines: the decision's text, from :class:`FeatureText`.

        Raises:
            PolicyError: the model gives no probability distribution.
        """
        size = len(lines) - 1
        if size == 1:
            return (1.0,)
        return sound_pmf(self.model.predict(lines), size)

    def predict_and_learn(
        self,
        lines: Sequence[str],
        *,
        position: int,
        cost: float,
        propensity: float,
    ) -> tuple[float, ...]:
        """The PMF before learning, then learning: one step of progressive validation.

        Arguments and errors as for :meth:`pmf` and :meth:`VowpalModel.predict_and_learn`.
        """
        size = len(lines) - 1
        if size == 1:
            return (1.0,)
        raw = self.model.predict_and_learn(lines, position, cost, propensity)
        return sound_pmf(raw, size)
