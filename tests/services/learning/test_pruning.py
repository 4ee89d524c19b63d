from __future__ import annotations

from datetime import timedelta
from typing import Any


def versions(world: Any) -> list[int]:
    return [row[0] for row in world.rows("SELECT version FROM model_version ORDER BY version")]


def learn_new_version(world: Any, learner: Any) -> None:
    """A new version of the model, which no server notices."""
    world.traffic(8)
    world.settle()
    learner.learn("checkout-offers", world.clock())


def test_versions_that_nothing_refers_to_are_deleted_an_hour_after(world: Any, spec: Any) -> None:
    world.launch(spec)
    learner = world.learner()
    for _ in range(3):  # two hours apart; decisions stay uniform, because nobody refreshes
        learn_new_version(world, learner)
        world.clock.advance(3700)
    assert versions(world) == [2, 3]  # when 3 was published, 2 had been superseded just now
    world.refresh()
    used = world.measured()
    assert used.model_version == 3
    world.ingest()
    for _ in range(3):
        learn_new_version(world, learner)
        world.clock.advance(3700)
    assert versions(world) == [3, 5, 6]
    assert world.rows("SELECT experiment, version FROM model_use") == [("checkout-offers", 3)]


def test_versions_superseded_lately_are_kept(world: Any, spec: Any) -> None:
    world.launch(spec)
    world.traffic(40)
    world.settle()
    learner = world.learner()
    learner.learn("checkout-offers", world.clock())
    for _ in range(4):
        world.clock.advance(700)
        world.traffic(5, seconds=0.1)
        world.ingest()
        world.mature(world.clock() + timedelta(hours=2))
        learner.learn("checkout-offers", world.clock())
    assert versions(world) == [1, 2, 3, 4, 5]
