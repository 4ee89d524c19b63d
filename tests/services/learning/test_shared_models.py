"""Policies that differ in exploration only learn from each interaction once, together."""

from __future__ import annotations

from typing import Any

import pytest

from bandit_platform.policies.vowpal import VowpalModel
from bandit_platform.simulation.proof import check_learned
from tests.services.learning.batches import batches_of

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
    learned = world.models()
    assert len(learned) == 5
    taken = {state.interactions for state in learned.values()}
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
    before = world.states()["serving"].interactions
    rounds(world, world.learner(), 1)
    after = world.states()["serving"].interactions
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


TEN = "".join(
    f"""
[[candidates]]
name = "c{number}"
exploration = "epsilon_greedy"
parameters = {{ epsilon = 0.2{number} }}
interactions = [{'"context*arm"' if number % 2 else ""}]
"""
    for number in range(1, 10)
)


def test_ten_candidates_over_two_models_learn_as_often_as_two_models(
    lite: Any, spec_text: str, lessons: list[int]
) -> None:
    world = lite
    world.launch(spec_text + TEN)
    rounds(world, world.learner(), 2)
    learned = world.models()
    assert len(learned) == 2 + 9
    assert len({state.model_hash for state in learned.values()}) == 2
    assert world.one("SELECT count(*) FROM model_state") == 2, "no bytes are stored for a policy"
    assert len(lessons) == 2 * world.states()["serving"].interactions > 50
    assert check_learned(world.database, KEY) == []


def test_a_policy_that_is_new_walks_with_a_second_line_until_it_has_caught_up(
    lite: Any, spec_text: str, lessons: list[int]
) -> None:
    world = lite
    world.launch(spec_text)
    learner = world.learner()
    rounds(world, learner, 3)
    front = world.models()["serving"]
    world.apply(spec_text + '[[candidates]]\nname = "softer"\nexploration = "softmax"\n')
    lessons.clear()
    with batches_of(20):
        learner.learn(KEY, world.clock())
    lines = world.rows("SELECT line, interactions FROM model_state ORDER BY line")
    assert [tuple(each) for each in lines] == [(0, front.interactions), (1, 20)]
    world.learn(learner)
    assert [tuple(each) for each in world.rows("SELECT line, blob FROM model_state")] == [
        (0, front.blob)
    ]
    assert len(lessons) == front.interactions
    assert check_learned(world.database, KEY) == []
