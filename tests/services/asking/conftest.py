"""What the tests of questions begin with."""

from __future__ import annotations

from typing import Any

import pytest

from bandit_platform.services.asking.answer import Answerer
from bandit_platform.services.asking.questions import Questions


@pytest.fixture
def running(world: Any, spec: Any) -> Any:
    """An experiment on each database, with interactions that no model has learned from yet."""
    world.launch(spec)
    world.traffic(60)
    world.settle()
    world.learn()
    world.clock.advance(10)
    world.learn()
    world.traffic(60)
    world.settle()
    return world


@pytest.fixture
def questions(running: Any) -> Questions:
    return Questions(running.database, running.clock)


@pytest.fixture
def answerer(running: Any) -> Answerer:
    return Answerer(running.database, running.clock, "an answering process")
