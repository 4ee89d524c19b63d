"""The parts of a reward add up to the reward that matured."""

from __future__ import annotations

from typing import Any

import pytest

from bandit_platform.services.reporting.trace import trace

KEY = "checkout-offers"


def test_parts_add_up_to_the_stored_reward(lite: Any, spec_text: str) -> None:
    lite.launch(spec_text + '\n[events]\nsecret_only = ["dismiss"]\n')
    made = lite.traffic(40, seconds=5.0)
    for number, decision in enumerate(made):
        if number % 3 == 0:
            lite.report(decision, "purchase", amount=40.0, currency="GBP")
        if number % 4 == 0:
            lite.report(decision, "purchase", amount=99.0, currency="USD")
        if number % 5 == 0:
            lite.report(decision, "purchase")
        if number % 6 == 0:
            lite.report(decision, "dismiss", trusted=False)
        if number % 7 == 0:
            lite.report(decision, "impression")
    lite.settle()
    lite.report(made[0], "accept")
    lite.ingest()
    seen = set()
    for decision in made:
        told = trace(lite.database, KEY, decision.decision_id)
        low, high = told["reward_range"]
        total = told["reward_default"] + sum(e["adds"] or 0.0 for e in told["events"])
        assert told["reward"] == pytest.approx(min(max(total, low), high))
        seen |= {event["why"] for event in told["events"] if event["adds"] is None}
    assert seen == {
        "late: after the reward window",
        "not trusted: only servers may report it",
        "has no weight in the reward",
        "came without an amount",
        "in another currency than GBP",
    }


def test_a_trace_says_whether_the_decision_follows(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    decision = lite.measured()
    lite.ingest()

    def checked() -> Any:
        return trace(lite.database, KEY, decision.decision_id, lite.secret)["checked"]

    assert checked() == {"agrees": True, "what": None}
    lite.run("UPDATE decision SET propensity = 0.123")
    assert checked()["agrees"] is False
    assert "propensity" in checked()["what"]
    assert trace(lite.database, KEY, decision.decision_id)["checked"] is None


def test_a_disputed_decision_tells_the_other_answer(
    make_world: Any, sqlite_database: Any, clock: Any, spec: Any
) -> None:
    nodes = [make_world(sqlite_database, clock, name) for name in ("one", "two")]
    nodes[0].launch(spec)
    number = 0
    while nodes[0].decide(f"unit-{number}").reason == "holdout":
        number += 1
    kept = nodes[0].decide(f"unit-{number}", request_key="order")
    other = nodes[1].decide(f"unit-{number}", request_key="order", excluded_arms=("insurance",))
    for node in nodes:
        node.ingest()
    nodes[0].settle()
    told = trace(sqlite_database, KEY, kept.decision_id)
    assert told["status"] == "disputed"
    assert told["disputed"]["arm"] == other.arm
    assert told["disputed"]["pmf"] == dict(zip(other.eligible, other.pmf, strict=True))
