"""A learned policy: scores of a Vowpal Wabbit regression, and our exploration."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import ValidationError

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.policy_spec import Exploration
from bandit_platform.errors import PolicyError
from bandit_platform.policies.exploration import Explorer
from bandit_platform.policies.stored_model import unpack
from bandit_platform.policies.trained_model import TrainedModel


class LearnedPolicy:
    """Gives a PMF for a context and eligible arms, and learns from rewards.

    Args:
        model: predicts the cost of each arm; other policies may share it.
        exploration: how scores become probabilities.
    """

    def __init__(self, model: TrainedModel, exploration: Exploration) -> None:
        self.model = model
        self.exploration = exploration

    @classmethod
    def fresh(cls, exploration: Exploration) -> LearnedPolicy:
        """A policy that has learned nothing yet."""
        return cls(TrainedModel.fresh(exploration), exploration)

    @classmethod
    def load(cls, blob: bytes) -> LearnedPolicy:
        """The policy that :meth:`save` wrote; what the model may combine is in the model's bytes.

        Raises:
            PolicyError: the bytes are not a stored policy.
        """
        header, _ = unpack(blob)
        if header.exploration is None:
            raise PolicyError("the file holds a model without the exploration of a policy")
        try:
            exploration = Exploration(exploration=header.exploration, parameters=header.parameters)
        except ValidationError as error:
            raise PolicyError("the model's header names no known exploration") from error
        return cls(TrainedModel.load(blob), exploration)

    def save(self) -> bytes:
        """The policy as bytes; loading them continues exactly where this policy is."""
        return self.model.save(self.exploration)

    def pmf(
        self, lines: Sequence[str], explorer: Explorer, nothing: int | None
    ) -> tuple[float, ...]:
        """The probability of each eligible arm, in their order.

        Args:
            lines: the decision's text, from :class:`FeatureText`.
            explorer: how scores become probabilities.
            nothing: position of ``nothing`` among the arms; None for a log without it.

        Raises:
            PolicyError: the model gives no finite scores.
        """
        if len(lines) == 2:
            return (1.0,)
        scores = [-cost for cost in self.model.predict(lines)]
        _demand_scores(scores, lines)
        return explorer.pmf(scores, self.model.examples, nothing)

    def predict_and_learn(
        self,
        lines: Sequence[str],
        explorer: Explorer,
        nothing: int | None,
        *,
        position: int,
        cost: float,
        interaction: int,
    ) -> tuple[float, ...]:
        """The PMF before learning, then learning: one step of progressive validation.

        A choice among one arm teaches nothing. Arguments and errors as for :meth:`pmf` and
        :meth:`TrainedModel.score_and_learn`.
        """
        if len(lines) == 2:
            return (1.0,)
        scores, examples = self.model.score_and_learn(lines, position, cost, interaction)
        _demand_scores(scores, lines)
        return explorer.pmf(scores, examples, nothing)


def explorer_for(exploration: Exploration, spec: ExperimentSpec) -> Explorer:
    """How a policy explores: a unit of score is the width of the reward range (:func:`cost_of`)."""
    low, high = spec.reward_range
    return Explorer(exploration, width=high - low)


def _demand_scores(scores: Sequence[float], lines: Sequence[str]) -> None:
    """Refuse anything but one score for each arm."""
    if len(scores) != len(lines) - 1:
        raise PolicyError(f"the model gave {len(scores)} scores for {len(lines) - 1} arms")


def cost_of(reward: float, spec: ExperimentSpec) -> float:
    """What VW minimises: the reward's shortfall against the default, in widths of the range.

    The default reward costs zero, so that an arm nobody has seen is neither praised nor blamed.
    """
    low, high = spec.reward_range
    return -(reward - spec.reward.default) / (high - low)
