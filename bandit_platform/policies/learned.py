"""A learned policy: a Vowpal Wabbit model behind the experiment's floor."""

from __future__ import annotations

from collections.abc import Sequence

from bandit_platform.domain.pmf import sound_pmf, with_floor
from bandit_platform.domain.policy_spec import Exploration
from bandit_platform.domain.reward import RewardSpec
from bandit_platform.policies.arguments import vowpal_arguments
from bandit_platform.policies.vowpal import VowpalModel


class LearnedPolicy:
    """Gives a PMF for a context and eligible arms, and learns from rewards."""

    def __init__(self, exploration: Exploration, model: VowpalModel) -> None:
        self.floor = exploration.floor
        self.model = model

    @classmethod
    def start(cls, exploration: Exploration, blob: bytes | None = None) -> LearnedPolicy:
        """A fresh policy, or the one that a stored model holds."""
        model = (
            VowpalModel.fresh(vowpal_arguments(exploration))
            if blob is None
            else VowpalModel.load(blob)
        )
        return cls(exploration, model)

    def pmf(self, lines: Sequence[str]) -> tuple[float, ...]:
        """The probability of each eligible arm, in their order, floor included.

        Args:
            lines: the decision's text, from :class:`FeatureText`.

        Raises:
            PolicyError: the model gives no probability distribution.
        """
        size = len(lines) - 1
        if size == 1:
            return (1.0,)
        return with_floor(sound_pmf(self.model.predict(lines), size), self.floor)

    def predict_and_learn(
        self, lines: Sequence[str], *, position: int, cost: float, propensity: float
    ) -> tuple[float, ...]:
        """The PMF before learning, then learning: one step of progressive validation."""
        pmf = self.pmf(lines)
        if len(pmf) > 1:
            self.model.learn(lines, position, cost, propensity)
        return pmf


def cost_of(reward: float, spec: RewardSpec) -> float:
    """What VW minimises: the reward's shortfall against the default, in widths of the range.

    The default reward costs zero, so that an arm nobody has seen is neither praised nor blamed.
    """
    low, high = spec.range
    return -(reward - spec.default) / (high - low)
