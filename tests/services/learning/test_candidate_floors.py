"""Changes of floors and names of candidates leave what was valued before as it was."""

from __future__ import annotations

from typing import Any

import pytest

from bandit_platform.simulation.proof import check_learned
from bandit_platform.storage.models import policy_states
from tests.services.learning.test_shared_models import rounds

KEY = "checkout-offers"


def candidate(name: str, floor: float) -> str:
    """A table of the experiment file; all of them are the same policy but for the floor."""
    return f'\n[[candidates]]\nname = "{name}"\nexploration = "softmax"\nfloor = {floor}\n'


def test_a_floor_that_changes_leaves_interactions_before_the_candidate(
    lite: Any, spec_text: str
) -> None:
    world = lite
    world.launch(spec_text)
    learner = world.learner()
    rounds(world, learner, 1)
    for floor in (0.05, 0.3):
        world.apply(spec_text + candidate("late", floor))
        rounds(world, learner, 1)
    assert check_learned(world.database, KEY) == []


@pytest.mark.parametrize("floors", [(0.05, 0.5), (0.5, 0.05)])
def test_a_new_name_takes_over_what_was_valued_with_its_floor(
    lite: Any, spec_text: str, floors: tuple[float, float]
) -> None:
    world = lite
    one, other = floors
    world.launch(spec_text + candidate("b", one) + candidate("a", other))
    learner = world.learner()
    rounds(world, learner, 1)
    with world.database.read() as connection:
        before = policy_states(connection, KEY)["b"]
    world.apply(spec_text + candidate("c", 0.2))
    world.learn(learner)
    with world.database.read() as connection:
        after = policy_states(connection, KEY)["c"]
    assert (after.cursor, after.accumulator) == (before.cursor, before.accumulator)
    rounds(world, learner, 1)
    assert check_learned(world.database, KEY) == []


def test_a_policy_with_floors_of_its_own_is_valued_again(lite: Any, spec_text: str) -> None:
    """Its floors were those of ``b``, then those of ``a``, which nobody had."""
    world = lite
    world.launch(spec_text + candidate("b", 0.05))
    learner = world.learner()
    rounds(world, learner, 1)
    world.apply(spec_text + candidate("a", 0.5) + candidate("b", 0.05))
    rounds(world, learner, 1)
    world.apply(spec_text + candidate("c", 0.2))
    rounds(world, learner, 1)
    assert check_learned(world.database, KEY) == []
