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

    def __init__(self, model: VowpalModel) -> None:
        self.model = model

    @classmethod
    def fresh(cls, exploration: Exploration) -> LearnedPolicy:
        """A policy that has learned nothing yet."""
        return cls(VowpalModel.fresh(vowpal_arguments(exploration)))

    @classmethod
    def load(cls, blob: bytes) -> LearnedPolicy:
        """The policy that a stored model holds.

        Raises:
            PolicyError: the bytes are not a model.
        """
        return cls(VowpalModel.load(blob))

    def pmf(self, lines: Sequence[str], floor: float) -> tuple[float, ...]:
        """The probability of each eligible arm, in their order.

        Args:
            lines: the decision's text, from :class:`FeatureText`.
            floor: mass spread evenly over the arms.

        Raises:
            PolicyError: the model gives no probability distribution.
        """
        size = len(lines) - 1
        if size == 1:
            return (1.0,)
        return with_floor(sound_pmf(self.model.predict(lines), size), floor)

    def predict_and_learn(
        self,
        lines: Sequence[str],
        floor: float,
        *,
        position: int,
        cost: float,
        propensity: float,
    ) -> tuple[float, ...]:
        """The PMF before learning, then learning: one step of progressive validation.

        A choice among one arm teaches nothing. Arguments and errors as for :meth:`pmf` and
        :meth:`VowpalModel.predict_and_learn`.
        """
        size = len(lines) - 1
        if size == 1:
            return (1.0,)
        raw = self.model.predict_and_learn(lines, position, cost, propensity)
        return with_floor(sound_pmf(raw, size), floor)


def cost_of(reward: float, spec: RewardSpec) -> float:
    """What VW minimises: the reward's shortfall against the default, in widths of the range.

    The default reward costs zero, so that an arm nobody has seen is neither praised nor blamed.
    """
    low, high = spec.range
    return -(reward - spec.default) / (high - low)
