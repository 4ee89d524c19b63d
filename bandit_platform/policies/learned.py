"""A learned policy: scores of a Vowpal Wabbit regression, our exploration, the policy's floor."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from bandit_platform.domain.pmf import with_floor
from bandit_platform.domain.policy_spec import Exploration
from bandit_platform.domain.reward import RewardSpec
from bandit_platform.errors import PolicyError
from bandit_platform.policies.arguments import vowpal_arguments
from bandit_platform.policies.exploration import arm_probabilities
from bandit_platform.policies.stored_model import ModelHeader, pack, unpack
from bandit_platform.policies.vowpal import VowpalModel


class LearnedPolicy:
    """Gives a PMF for a context and eligible arms, and learns from rewards.

    Args:
        model: a regression that predicts the cost of each arm.
        exploration: how scores become probabilities.
        examples: how many decisions the model has learned from.
    """

    def __init__(self, model: VowpalModel, exploration: Exploration, examples: int) -> None:
        self.model = model
        self.exploration = exploration
        self.examples = examples

    @classmethod
    def fresh(cls, exploration: Exploration) -> LearnedPolicy:
        """A policy that has learned nothing yet."""
        return cls(VowpalModel.fresh(vowpal_arguments(exploration)), exploration, 0)

    @classmethod
    def load(cls, blob: bytes) -> LearnedPolicy:
        """The policy that :meth:`save` wrote.

        Raises:
            PolicyError: the bytes are not a stored model.
        """
        header, model = unpack(blob)
        try:
            exploration = Exploration(exploration=header.exploration, parameters=header.parameters)
        except ValidationError as error:
            raise PolicyError("the model's header names no known exploration") from error
        return cls(VowpalModel.load(model), exploration, header.examples)

    def save(self) -> bytes:
        """The policy as bytes; loading them continues exactly where this policy is."""
        header = ModelHeader(
            examples=self.examples,
            exploration=self.exploration.exploration,
            parameters=self.exploration.all_parameters(),
        )
        return pack(header, self.model.save())

    def pmf(self, lines: Sequence[str], floor: float) -> tuple[float, ...]:
        """The probability of each eligible arm, in their order.

        Args:
            lines: the decision's text, from :class:`FeatureText`.
            floor: mass spread evenly over the arms.

        Raises:
            PolicyError: the model gives no finite scores.
        """
        if len(lines) == 2:
            return (1.0,)
        return self._explore(self.model.predict(lines), len(lines) - 1, floor)

    def predict_and_learn(
        self, lines: Sequence[str], floor: float, *, position: int, cost: float
    ) -> tuple[float, ...]:
        """The PMF before learning, then learning: one step of progressive validation.

        A choice among one arm teaches nothing. Arguments and errors as for :meth:`pmf` and
        :meth:`VowpalModel.score_and_learn`.
        """
        if len(lines) == 2:
            return (1.0,)
        costs = self.model.score_and_learn(lines, position, cost)
        pmf = self._explore(costs, len(lines) - 1, floor)
        self.examples += 1
        return pmf

    def _explore(self, costs: Sequence[float], size: int, floor: float) -> tuple[float, ...]:
        if len(costs) != size:
            raise PolicyError(f"the model gave {len(costs)} scores for {size} arms")
        scores = [-cost for cost in costs]
        return with_floor(
            arm_probabilities(self.exploration, scores, examples=self.examples), floor
        )


def cost_of(reward: float, spec: RewardSpec) -> float:
    """What VW minimises: the reward's shortfall against the default, in widths of the range.

    The default reward costs zero, so that an arm nobody has seen is neither praised nor blamed.
    """
    low, high = spec.range
    return -(reward - spec.default) / (high - low)
