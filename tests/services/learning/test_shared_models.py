"""Policies that differ in exploration only learn from each interaction once, together."""

from __future__ import annotations

from typing import Any

import pytest

from bandit_platform.policies.vowpal import VowpalModel
from bandit_platform.simulation.proof import check_learned
from bandit_platform.storage.models import policy_states

KEY = "checkout-offers"
MORE = """
[[candidates]]
name = "softer"
exploration = "softmax"

[[candidates]]
name = "other-model"
interactions = []

[[candidates]]
name = "other-model-greedier"
exploration = "epsilon_greedy"
interactions = []
"""


@pytest.fixture
def lessons(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each time that any regression learned."""
    found: list[int] = []
    real = VowpalModel.score_and_learn

    def counted(self: VowpalModel, *args: Any) -> Any:
        found.append(id(self))
        return real(self, *args)

    monkeypatch.setattr(VowpalModel, "score_and_learn", counted)
    return found


def rounds(world: Any, learner: Any, number: int) -> None:
    for _ in range(number):
        world.traffic(40)
        world.settle()
        while world.learn(learner):
            pass
        world.refresh()


def test_five_policies_over_two_models_cost_what_two_cost(
    lite: Any, spec_text: str, lessons: list[int]
) -> None:
    world = lite
    world.launch(spec_text + MORE)
    rounds(world, world.learner(), 3)
    with world.database.read() as connection:
        states = policy_states(connection, KEY)
    learned = [state for state in states.values() if state.blob is not None]
    assert len(learned) == 5
    taken = {state.interactions for state in learned}
    assert len(lessons) == 2 * taken.pop() > 100
    assert taken == set()
    assert check_learned(world.database, KEY) == []


def test_a_worker_that_was_restarted_shares_them_again(
    lite: Any, spec_text: str, lessons: list[int]
) -> None:
    world = lite
    world.launch(spec_text + MORE)
    rounds(world, world.learner(), 1)
    lessons.clear()
    with world.database.read() as connection:
        before = policy_states(connection, KEY)["serving"].interactions
    rounds(world, world.learner(), 1)
    with world.database.read() as connection:
        after = policy_states(connection, KEY)["serving"].interactions
    assert len(lessons) == 2 * (after - before) > 20
    assert check_learned(world.database, KEY) == []


def test_a_candidate_that_catches_up_joins_the_others(
    lite: Any, spec_text: str, lessons: list[int]
) -> None:
    world = lite
    world.launch(spec_text)
    learner = world.learner()
    rounds(world, learner, 2)
    world.apply(spec_text + MORE)
    rounds(world, learner, 1)
    lessons.clear()
    rounds(world, learner, 1)
    assert len(set(lessons)) == 2
    assert check_learned(world.database, KEY) == []


def test_a_candidate_that_catches_up_may_come_before_two_that_share(
    lite: Any, spec_text: str, lessons: list[int]
) -> None:
    world = lite
    world.launch(spec_text + MORE)
    learner = world.learner()
    rounds(world, learner, 2)
    first = '[[candidates]]\nname = "first"\ninteractions = []\n\n[[candidates]]'
    world.apply(spec_text.replace("[[candidates]]", first, 1) + MORE)
    rounds(world, learner, 1)
    lessons.clear()
    rounds(world, learner, 1)
    assert len(set(lessons)) == 2
    assert check_learned(world.database, KEY) == []


def test_a_frozen_policy_learns_nothing_from_those_it_shared_with(
    lite: Any, spec_text: str
) -> None:
    world = lite
    world.launch(spec_text)
    learner = world.learner()
    rounds(world, learner, 2)
    world.apply(spec_text.replace("floor = 0.1", 'floor = 0.1\nmode = "frozen"', 1))
    rounds(world, learner, 2)
    assert check_learned(world.database, KEY) == []
    with world.database.read() as connection:
        states = policy_states(connection, KEY)
    assert states["serving"].lesson < states["greedier"].lesson
