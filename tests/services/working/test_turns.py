"""Learning never outlasts the lead, and every experiment has its turn."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from bandit_platform.services.learning.learn import Learned


class SlowLearner:
    """Takes two seconds for a step, of which there is always another."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.steps: list[str] = []

    def learn(self, key: str, now: datetime) -> Learned:
        self.steps.append(key)
        self.seconds += 2.0
        return Learned(taken=1000, publish_at=None)


def test_a_round_stops_learning_in_time_and_the_next_goes_on(world: Any, spec: Any) -> None:
    for key in ("a", "b", "c"):
        world.launch(spec.model_copy(update={"key": key}))
    learner = SlowLearner()
    worker = world.worker(lease=5.0, stopwatch=lambda: learner.seconds)
    worker._learner = learner
    for _ in range(3):
        assert worker.round()
    assert learner.steps == ["a", "b", "c", "a", "b", "c"]
