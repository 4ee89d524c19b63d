"""An outcome dated before its decision is kept, counted and shown, and never rewarded."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bandit_platform.services.collecting.ingest import Ingest
from bandit_platform.services.learning.metric_state import MetricState
from bandit_platform.services.learning.tracked import LOGGING
from bandit_platform.services.reporting.report import experiment_report
from bandit_platform.services.reporting.trace import trace
from bandit_platform.storage.metrics import metric_states

KEY = "checkout-offers"


@pytest.mark.parametrize("minutes", [-60, -5.001, -5, 0])
@pytest.mark.parametrize("order", ["decision first", "event first"])
def test_no_reward_before_the_decision(
    world: Any, make_world: Any, spec: Any, order: str, minutes: float
) -> None:
    counts = minutes >= -5
    world.launch(spec)
    decision = world.measured()
    other = make_world(world.database, world.clock, "another-node")
    moment = decision.decided_at + timedelta(minutes=minutes)
    assert other.report(decision, "accept", occurred_at=moment).status == "accepted"
    for node in (world, other) if order == "decision first" else (other, world):
        Ingest(node.database, node.folder).run_once()
    world.settle()
    assert world.one("SELECT reward FROM interaction") == (1.0 if counts else 0.0)
    assert world.counter("early_events") == (0 if counts else 1)
    assert world.counter("late") == 0
    assert world.counter("events.accept") == 1
    (event,) = trace(world.database, KEY, decision.decision_id)["events"]
    assert event["late"] is False
    if not counts:
        assert event["late_because"] == "before_decision"
        assert event["why"] == "dated before the decision"
    assert experiment_report(world.database, KEY, world.clock()).counts.early_events == (
        0 if counts else 1
    )


def test_it_is_in_no_metric(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    decision = lite.measured()
    lite.report(decision, "accept", occurred_at=decision.decided_at - timedelta(hours=1))
    lite.settle()
    lite.learn()
    with lite.database.read() as connection:
        state = MetricState.from_json(metric_states(connection, KEY)[LOGGING][1])
    assert state.events == {}
