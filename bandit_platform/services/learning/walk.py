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
from bandit_platform.services.learning.revision_text import RevisionText
from bandit_platform.services.learning.tracked import (
    ALWAYS_NOTHING,
    Runner,
    TrackedPolicy,
    largest_weight,
)
from bandit_platform.storage.interactions import Interaction


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A tracked policy at its cursor, ready for the next interactions."""

    runner: Runner
    cursor: int
    interactions: int
    accumulator: PolicyAccumulator
    #: interactions it had taken in when it last learned from one
    lesson: int = 0
    #: interactions on which its model failed, so that it counts as showing nothing there
    failures: int = 0
    #: the newest of them, and why
    failure: str | None = None
    #: importance weights of the interactions it took in last, and the greatest there could be
    weights: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    largest_weights: npt.NDArray[np.float64] = field(default_factory=lambda: np.empty(0))

    @property
    def name(self) -> str:
        """The policy's name."""
        return self.runner.policy.name


def fresh_standing(policy: TrackedPolicy, spec: ExperimentSpec) -> Standing:
    """A tracked policy before the first interaction."""
    learned = None if policy.exploration is None else LearnedPolicy.fresh(policy.exploration)
    low, high = spec.reward_range
    return Standing(
        runner=Runner(policy, learned),
        cursor=0,
        interactions=0,
        accumulator=PolicyAccumulator.empty(
            reward_range=RewardRange(low=low, high=high),
            same_policy=policy.name == ALWAYS_NOTHING,
        ),
    )


def walk(
    batch: Sequence[Interaction],
    standings: Sequence[Standing],
    specs: dict[int, RevisionText],
) -> list[Standing]:
    """Every policy's standing after a batch of interactions.

    A policy whose model fails on one counts as showing nothing there, as a shop would see it, and
    learns nothing from it.
    """
    weights = np.empty((len(standings), len(batch)))
    nothing = np.empty(len(batch))
    learns = any(standing.runner.learned is not None for standing in standings)
    for row, interaction in enumerate(batch):
        decision = interaction.decision
        revision = specs[decision.revision]
        lines = revision.text.lines(decision.context, decision.eligible) if learns else []
        drawn = decision.eligible.index(decision.arm)
        for column, standing in enumerate(standings):
            pmf = standing.runner.step(interaction, lines, revision)
            weights[column, row] = pmf[drawn] / decision.propensity
        nothing[row] = 1.0 / decision.propensity if decision.arm == NOTHING else 0.0
    rewards = np.array([interaction.reward for interaction in batch])
    return [
        _after(
            standing,
            batch,
            specs,
            weight=weights[column],
            nothing=nothing,
            rewards=rewards,
        )
        for column, standing in enumerate(standings)
    ]


def _after(
    standing: Standing,
    batch: Sequence[Interaction],
    specs: dict[int, RevisionText],
    *,
    weight: npt.NDArray[np.float64],
    nothing: npt.NDArray[np.float64],
    rewards: npt.NDArray[np.float64],
) -> Standing:
    policy = standing.runner.policy
    bounds = {number: largest_weight(policy, each.spec) for number, each in specs.items()}
    baseline = {number: each.spec.largest_nothing_weight for number, each in specs.items()}
    largest = np.array([bounds[i.decision.revision] for i in batch])
    teaching = {number for number, each in specs.items() if policy.learns_under(each.spec)}
    lessons = (n for n in range(len(batch), 0, -1) if batch[n - 1].decision.revision in teaching)
    taught = next(lessons, 0)
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
            baseline_max_weight=np.array([baseline[i.decision.revision] for i in batch]),
        ),
        lesson=standing.interactions + taught if taught else standing.lesson,
        failures=standing.failures + len(failures),
        failure=failures[-1] if failures else standing.failure,
        weights=weight,
        largest_weights=largest,
    )
