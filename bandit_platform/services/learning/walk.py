"""One walk over a batch of interactions for every tracked policy: predict, accumulate, learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.policy_spec import NOTHING
from bandit_platform.ope import PolicyAccumulator, RewardRange
from bandit_platform.policies.learned import LearnedPolicy
from bandit_platform.policies.trained_model import TrainedModel
from bandit_platform.services.learning.revision_text import RevisionText
from bandit_platform.services.learning.tracked import (
    ALWAYS_NOTHING,
    LOGGING,
    Lesson,
    Runner,
    TrackedPolicy,
    largest_weight,
    lesson_of,
)
from bandit_platform.services.learning.weight_bounds import WeightBound, WeightBounds
from bandit_platform.storage.interactions import Interaction


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A tracked policy at its cursor, ready for the next interactions."""

    runner: Runner
    cursor: int
    interactions: int
    accumulator: PolicyAccumulator
    #: interactions on which its model failed, so that it counts as showing nothing there
    failures: int = 0
    #: the newest of them, and why
    failure: str | None = None
    #: importance weights of the interactions it took in last, and the greatest there could be
    weights: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    largest_weights: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    #: the same of always showing nothing
    nothing: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    largest_nothing: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    @property
    def name(self) -> str:
        """The policy's name."""
        return self.runner.policy.name

    @property
    def identity(self) -> str:
        """What the policy is."""
        return self.runner.policy.identity


def fresh_standing(
    policy: TrackedPolicy, spec: ExperimentSpec, model: TrainedModel | None
) -> Standing:
    """A tracked policy before the first interaction that it is valued on.

    Args:
        policy: any.
        spec: the experiment as it is.
        model: of a learned policy, as it is before that interaction.
    """
    learned = None
    if policy.exploration is not None and model is not None:
        learned = LearnedPolicy(model, policy.exploration)
    low, high = spec.reward_range
    return Standing(
        runner=Runner(policy, learned),
        cursor=0 if policy.pinned is None else policy.pinned.cursor,
        interactions=0,
        accumulator=PolicyAccumulator.empty(
            reward_range=RewardRange(low=low, high=high),
            same_policy=policy.name == ALWAYS_NOTHING,
        ),
    )


def walk(
    batch: Sequence[Interaction],
    standings: Sequence[Standing],
    texts: dict[int, RevisionText],
    bounds: WeightBounds,
) -> list[Standing]:
    """Every policy's standing after a batch of interactions.

    A policy whose model fails on one counts as showing nothing there, as a shop would see it, and
    learns nothing from it.
    """
    ratios: list[list[float]] = []
    nothing = np.empty(len(batch))
    learned = [n for n, one in enumerate(standings) if one.runner.learned is not None]
    fixed = [n for n, one in enumerate(standings) if one.runner.learned is None]
    steps = [standings[column].runner.step for column in learned]
    chances = _FixedChances([standings[column].runner for column in fixed])
    for row, interaction in enumerate(batch):
        decision = interaction.decision
        revision = texts[decision.revision]
        draw = decision.draws[0]
        lines = revision.text.lines(decision.context, draw.eligible, draw.arms) if learned else []
        lesson = lesson_of(interaction, revision)
        drawn, propensity = lesson.drawn, draw.propensity
        given = [step(interaction, lines, revision, lesson)[drawn] for step in steps]
        given += chances.of(interaction, revision, lesson)
        ratios.append([chance / propensity for chance in given])
        nothing[row] = 1.0 / propensity if draw.arm == NOTHING else 0.0
    weights = np.empty((len(standings), len(batch)))
    weights[learned + fixed] = np.array(ratios).T
    rewards = np.array([interaction.reward for interaction in batch])
    permitted, rows = bounds.distinct([interaction.decision for interaction in batch])
    largest = np.array([each.largest_nothing for each in permitted])[rows]
    return [
        _after(
            standing,
            batch,
            weight=weights[column],
            nothing=nothing,
            rewards=rewards,
            largest=_largest(standing.runner.policy, permitted)[rows],
            largest_nothing=largest,
        )
        for column, standing in enumerate(standings)
    ]


class _FixedChances:
    """What policies that do not learn give the arm that was drawn.

    The same few situations come again and again, so each is worked out once a batch.
    """

    def __init__(self, runners: Sequence[Runner]) -> None:
        self._runners = runners
        self._logging = [n for n, one in enumerate(runners) if one.policy.name == LOGGING]
        self._known: dict[tuple[tuple[str, ...], int], list[float]] = {}

    def of(self, interaction: Interaction, revision: RevisionText, lesson: Lesson) -> list[float]:
        """The probability of the arm that was drawn under each policy."""
        draw, drawn = interaction.decision.draws[0], lesson.drawn
        found = self._known.get((draw.eligible, drawn))
        if found is None:
            found = [one.step(interaction, (), revision, lesson)[drawn] for one in self._runners]
            self._known[draw.eligible, drawn] = found
        for place in self._logging:
            found[place] = draw.pmf[drawn]
        return found


def _largest(policy: TrackedPolicy, permitted: Sequence[WeightBound]) -> npt.NDArray[np.float64]:
    """The largest weight of a policy under each bound."""
    return np.array([largest_weight(policy, bound) for bound in permitted])


def _after(
    standing: Standing,
    batch: Sequence[Interaction],
    *,
    weight: npt.NDArray[np.float64],
    nothing: npt.NDArray[np.float64],
    rewards: npt.NDArray[np.float64],
    largest: npt.NDArray[np.float64],
    largest_nothing: npt.NDArray[np.float64],
) -> Standing:
    failures = standing.runner.take_failures()
    return Standing(
        runner=standing.runner,
        cursor=batch[-1].number,
        interactions=standing.interactions + len(batch),
        accumulator=standing.accumulator.updated(
            weight=weight,
            baseline_weight=nothing,
            reward=rewards,
            max_weight=largest,
            baseline_max_weight=largest_nothing,
        ),
        failures=standing.failures + len(failures),
        failure=failures[-1] if failures else standing.failure,
        weights=weight,
        largest_weights=largest,
        nothing=nothing,
        largest_nothing=largest_nothing,
    )
