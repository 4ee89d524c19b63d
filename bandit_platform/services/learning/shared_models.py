"""Tracked policies with equal models share one in memory, which learns each interaction once."""

from __future__ import annotations

from collections.abc import Sequence

from bandit_platform.policies.arguments import model_hash
from bandit_platform.policies.learned import LearnedPolicy
from bandit_platform.policies.trained_model import TrainedModel
from bandit_platform.services.learning.tracked import SERVING
from bandit_platform.services.learning.walk import Standing


def share_models(standings: Sequence[Standing], *, was_frozen: bool) -> None:
    """Let policies with the same model, learned from the same interactions, use one object.

    A served policy that was ever frozen has lessons of its own, so it shares with nobody.

    Args:
        standings: the tracked policies of an experiment, each at its cursor.
        was_frozen: whether the served policy was ever frozen.
    """
    leaders: dict[tuple[str, int, int], LearnedPolicy] = {}
    replaced: list[TrainedModel] = []
    for standing in standings:
        learned, exploration = standing.runner.learned, standing.runner.policy.exploration
        if learned is None or exploration is None:
            continue
        if was_frozen and standing.name == SERVING:
            _demand_own_model(standing, standings)
            continue
        same = (model_hash(exploration), standing.cursor, learned.model.examples)
        leader = leaders.setdefault(same, learned)
        if leader.model is not learned.model and leader.model.save() == learned.model.save():
            replaced.append(learned.model)  # which the next policy may use as well
            learned.model = leader.model
    for model in replaced:
        model.close()


def _demand_own_model(standing: Standing, standings: Sequence[Standing]) -> None:
    """Give a policy a copy of its model where another one uses the same object."""
    learned = standing.runner.learned
    others = [each.runner.learned for each in standings if each is not standing]
    if learned is not None and any(each and each.model is learned.model for each in others):
        standing.runner.learned = LearnedPolicy.load(learned.save())
