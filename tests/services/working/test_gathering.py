"""Where little arrives, a worker learns it together; where much is waiting, at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from bandit_platform.services.working import work


class Steps(threading.Event):
    """Does one thing before each round, and ends the rounds after the last."""

    def __init__(self, *steps: Callable[[], None]) -> None:
        super().__init__()
        self._steps = list(steps)

    def is_set(self) -> bool:
        if not self._steps:
            return True
        self._steps.pop(0)()
        return False

    def wait(self, timeout: float | None = None) -> bool:
        return False


class Watch:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def learned(world: Any) -> int:
    return {state.interactions for state in world.states().values()}.pop()


def mature_ones(world: Any) -> int:
    return int(world.one("SELECT count(*) FROM interaction WHERE policy_traffic"))


def test_few_interactions_wait_a_second_for_more(world: Any, spec: Any) -> None:
    world.launch(spec)
    watch, seen = Watch(), []

    def arrive(seconds: float) -> Callable[[], None]:
        def step() -> None:
            if world.states():
                seen.append((mature_ones(world), learned(world)))
            watch.seconds += seconds
            world.traffic(20)
            world.clock.advance(3700)

        return step

    worker = world.worker(lease=1e6, stopwatch=watch)
    worker.run(Steps(arrive(0), arrive(0.4), arrive(0.4), arrive(0.4), arrive(0.4)), 0.0)
    first, second, third, fourth = (matured for matured, _ in seen)
    assert first < second < third < fourth < mature_ones(world)
    assert [taken for _, taken in seen] == [first, first, first, fourth]
    assert learned(world) == fourth
    assert worker.round() is False  # nothing new, and still no second has passed
    watch.seconds += 1.0
    assert worker.round()
    assert learned(world) == mature_ones(world)


def test_many_interactions_wait_for_nothing(
    world: Any, spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "_FEW", 5)
    world.launch(spec)

    def arrive() -> None:
        world.traffic(20)
        world.clock.advance(3700)

    world.worker(lease=1e6, stopwatch=Watch()).run(Steps(arrive, arrive), 0.0)
    assert learned(world) == mature_ones(world) > 20
