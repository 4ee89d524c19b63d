from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bandit_platform.errors import NotFoundError
from bandit_platform.services.reporting.trace import trace

KEY = "checkout-offers"


def story(world: Any, decision: Any) -> dict[str, Any]:
    told: dict[str, Any] = trace(world.database, KEY, decision.decision_id)
    return told


def test_the_whole_story_of_a_decision(world: Any, spec: Any) -> None:
    world.launch(spec)
    world.traffic(40)
    world.settle()
    world.learn()
    decision = world.measured(context={"cart_value": 20.0, "country": "GB", "returning": False})
    world.clock.advance(5)
    world.report(decision, "purchase", event_id="p1", amount=400.0, currency="GBP")
    world.clock.advance(-1)
    world.report(decision, "impression", event_id="i1")
    world.ingest()
    told = story(world, decision)
    assert told["status"] == "immature"
    assert (told["interaction"], told["reward"], told["clipped"]) == (None, None, None)
    assert told["context"] == {"cart_value": 20.0, "country": "GB", "returning": False}
    assert told["excluded"] == {
        "upgrade": {"code": "condition", "field": "cart_value", "operator": "gte", "limit": 50.0}
    }
    assert told["eligible"] == ["nothing", "insurance"]
    assert told["pmf"] == dict(zip(decision.eligible, decision.pmf, strict=True))
    assert told["propensity"] == told["pmf"][told["arm"]] == decision.propensity
    assert (told["reason"], told["model_version"], told["revision"]) == ("policy", 1, 1)
    assert (told["seed"], told["unit"]) == (decision.seed, decision.unit)
    assert told["decided_at"] == decision.decided_at.isoformat()
    assert told["expires_at"] == (decision.decided_at + timedelta(hours=1)).isoformat()
    assert (told["deferred"], told["activated_at"]) == (False, None)
    assert [(e["event_id"], e["type"], e["amount"], e["late"]) for e in told["events"]] == [
        ("i1", "impression", None, False),
        ("p1", "purchase", 400.0, False),
    ]
    world.settle()
    world.report(decision, "accept", event_id="late")
    world.ingest()
    told = story(world, decision)
    ((number, reward, clipped),) = world.rows(
        "SELECT number, reward, clipped FROM interaction WHERE decision_id = :d",
        d=decision.decision_id,
    )
    assert (told["status"], told["interaction"], told["reward"]) == ("matured", number, reward)
    assert told["clipped"] is bool(clipped) is True
    assert reward == 2.0
    assert [e["event_id"] for e in told["events"] if e["late"]] == ["late"]


def test_a_deferred_decision_tells_whether_it_was_shown(world: Any, spec: Any) -> None:
    world.launch(spec)
    shown, unseen = (world.measured(defer_activation=True) for _ in range(2))
    moment = world.clock.advance(3)
    world.server.recorder.activate(shown.decision_id)
    world.settle()
    assert story(world, shown)["activated_at"] == moment.isoformat()
    assert story(world, shown)["status"] == "matured"
    assert story(world, unseen)["activated_at"] is None
    assert story(world, unseen)["status"] == "not activated"
    assert story(world, unseen)["deferred"]


def test_a_decision_outside_the_measurement_says_so(world: Any, spec: Any) -> None:
    world.launch(spec)
    world.change("pause")
    decision = world.decide()
    world.settle()
    assert story(world, decision)["status"] == "not measured"
    assert story(world, decision)["reason"] == "paused"


def test_only_stored_decisions_of_the_experiment_are_told(
    world: Any, spec: Any, spec_text: str
) -> None:
    world.launch(spec)
    world.launch(spec_text.replace(KEY, "another"))
    decision, other = world.decide(), world.decide(experiment="another")
    for unknown in (decision.decision_id, "0" * 48, "", "'; --"):
        with pytest.raises(NotFoundError):
            trace(world.database, KEY, unknown)
    world.ingest()
    assert story(world, decision)["decision_id"] == decision.decision_id
    with pytest.raises(NotFoundError):
        story(world, other)
