"""A regression and how much it has learned; policies that differ only in exploration share it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bandit_platform.domain.policy_spec import Exploration
from bandit_platform.policies.arguments import vowpal_arguments
from bandit_platform.policies.stored_model import ModelHeader, pack, unpack
from bandit_platform.policies.vowpal import VowpalModel


class Scored(NamedTuple):
    """What a model predicted for the arms of a decision."""

    #: predicted reward of each arm: the negative of its cost
    scores: list[float]
    #: decisions that the model had learned from
    examples: int


class TrainedModel:
    """A Vowpal Wabbit regression with the number of decisions that it has learned from."""

    def __init__(self, regression: VowpalModel, examples: int = 0) -> None:
        self._regression = regression
        self.examples = examples
        #: the interaction that it learned last, and what it had predicted for it
        self._last: tuple[int, Scored] | None = None

    @classmethod
    def fresh(cls, exploration: Exploration) -> TrainedModel:
        """The model of a policy before it has learned anything."""
        return cls(VowpalModel.fresh(vowpal_arguments(exploration)))

    @classmethod
    def load(cls, blob: bytes) -> TrainedModel:
        """The model that :meth:`save` wrote; it continues exactly where that one was.

        Raises:
            PolicyError: the bytes are not a stored model.
        """
        header, regression = unpack(blob)
        return cls(VowpalModel.load(regression), header.examples)

    def predict(self, lines: Sequence[str]) -> list[float]:
        """The predicted cost of each arm; errors as :meth:`VowpalModel.predict`."""
        return self._regression.predict(lines)

    def score_and_learn(
        self, lines: Sequence[str], position: int, cost: float, interaction: int
    ) -> Scored:
        """Predict, then learn; for each further policy that shares the model only say it again.

        Args:
            lines: the decision's text.
            position: of the arm that was drawn, from 0.
            cost: what VW minimises; the negative of a reward.
            interaction: its number. Policies that share the model take in the same ones in order.

        Returns:
            What was predicted before learning from this interaction.

        Raises:
            InputError: a label that VW would take silently and misread.
            PolicyError: VW cannot answer; nothing was learned.
        """
        if self._last is not None and self._last[0] == interaction:
            return self._last[1]
        costs = self._regression.score_and_learn(lines, position, cost)
        scored = Scored([-each for each in costs], self.examples)
        self._last = interaction, scored
        self.examples += 1
        return scored

    def save(self, exploration: Exploration | None = None) -> bytes:
        """The model as bytes, with the exploration of a policy if one is given."""
        if exploration is None:
            return pack(ModelHeader(examples=self.examples), self._regression.save())
        header = ModelHeader(
            examples=self.examples,
            exploration=exploration.exploration,
            parameters=exploration.all_parameters(),
        )
        return pack(header, self._regression.save())

    def close(self) -> None:
        """Free its memory; later calls raise PolicyError."""
        self._regression.close()
