"""Changes of floors and names of candidates leave what was learned and valued before as it was."""

from __future__ import annotations

from typing import Any

from bandit_platform.simulation.proof import check_learned
from bandit_platform.storage.policy_states import policy_states
from tests.services.learning.test_shared_models import rounds

KEY = "checkout-offers"


def candidate(name: str, floor: float) -> str:
    """A table of the experiment file; all of them are the same policy but for the floor."""
    return f'\n[[candidates]]\nname = "{name}"\nexploration = "softmax"\nfloor = {floor}\n'


def test_a_floor_that_changes_is_another_policy_with_the_model_as_it_is(
    lite: Any, spec_text: str
) -> None:
    world = lite
    world.launch(spec_text + candidate("late", 0.05))
    learner = world.learner()
    rounds(world, learner, 1)
    before = world.states()["late"]
    model = world.models()["late"]
    world.apply(spec_text + candidate("late", 0.3))
    world.learn(learner)
    after = world.states()["late"]
    assert after.policy_hash != before.policy_hash
    assert after.accumulator != before.accumulator
    assert (after.cursor, world.models()["late"]) == (before.cursor, model)
    rounds(world, learner, 1)
    assert check_learned(world.database, KEY) == []


def test_candidates_that_differ_in_their_floor_are_valued_each_by_its_own(
    lite: Any, spec_text: str
) -> None:
    world = lite
    world.launch(spec_text + candidate("b", 0.05) + candidate("a", 0.5))
    rounds(world, world.learner(), 2)
    states = world.states()
    assert states["a"].accumulator != states["b"].accumulator
    assert check_learned(world.database, KEY) == []


def test_a_new_name_keeps_what_was_valued(lite: Any, spec_text: str) -> None:
    world = lite
    world.launch(spec_text + candidate("b", 0.05) + candidate("a", 0.5))
    learner = world.learner()
    rounds(world, learner, 1)
    before = world.states()["b"]
    world.apply(spec_text + candidate("c", 0.05))
    world.learn(learner)
    assert world.states()["c"] == before
    with world.database.read() as connection:
        assert before.policy_hash in policy_states(connection, KEY)
    rounds(world, learner, 1)
    assert check_learned(world.database, KEY) == []


def test_two_names_of_one_policy_are_valued_once(lite: Any, spec_text: str) -> None:
    world = lite
    world.launch(spec_text + candidate("b", 0.05) + candidate("a", 0.05))
    rounds(world, world.learner(), 1)
    assert "a" not in world.states()
    assert set(world.recomputed()) == set(world.states())
    assert check_learned(world.database, KEY) == []
