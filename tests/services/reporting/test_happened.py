"""Metrics, restraint and funnel of a report, against the tables they sum up."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from bandit_platform.domain.direction import Direction
from bandit_platform.services.learning.metric_state import MetricState
from bandit_platform.services.reporting.happened_records import Happened
from bandit_platform.services.reporting.report import experiment_report
from bandit_platform.storage.metrics import metric_states

KEY = "checkout-offers"


@pytest.fixture
def served(lite: Any, spec: Any) -> Any:
    """Four hundred decisions, some of them followed by purchases, returns and complaints."""
    lite.launch(spec)
    for part in range(4):
        for number, decision in enumerate(lite.traffic(100, seconds=5.0)):
            if number % 5 == part:
                lite.report(decision, "purchase", amount=30.0, currency="GBP")
            if number % 20 == part:
                lite.report(decision, "return", amount=30.0, currency="GBP")
            if number % 25 == 3:
                lite.report(decision, "complaint")
        lite.settle()
        lite.learn()
    return lite


def happened(world: Any) -> Happened:
    found = experiment_report(world.database, KEY, world.clock()).happened
    assert found is not None
    return found


def shown_with(world: Any, kind: str) -> int:
    return int(
        world.one(
            "SELECT count(DISTINCT d.decision_id) FROM decision d "
            "JOIN interaction i ON i.decision_id = d.decision_id "
            "JOIN event e ON e.decision_id = d.decision_id "
            "WHERE i.policy_traffic AND d.arm != 'nothing' AND NOT e.late AND e.type = :kind",
            kind=kind,
        )
    )


def test_the_funnel_counts_the_decisions_of_the_tables(served: Any) -> None:
    steps = {step.name: step for step in happened(served).funnel}
    assert list(steps) == [
        "decided", "shown", "accepted", "purchased", "kept", "returned", "complained",
    ]  # fmt: skip
    measured = served.counter("interactions.policy")
    assert steps["decided"].offers == measured
    assert steps["shown"].offers == measured - served.counter("arm.nothing.count")
    assert steps["shown"].nothing == served.counter("arm.nothing.count")
    for name, kind in (("accepted", "accept"), ("purchased", "purchase"), ("returned", "return")):
        assert steps[name].offers == shown_with(served, kind) > 0
    assert steps["kept"].offers <= steps["purchased"].offers
    assert steps["kept"].offers >= steps["purchased"].offers - steps["returned"].offers


def test_metrics_carry_direction_unit_and_their_own_intervals(served: Any) -> None:
    found = {row.name: row for row in happened(served).metrics}
    assert next(iter(found)) == "revenue"
    assert found["revenue"].unit == "GBP per decision"
    assert found["revenue"].logging.interval == "asymptotic-cs"
    assert found["revenue"].logging.collecting
    assert found["dismiss"].direction is Direction.LOWER
    accept = found["accept"]
    assert accept.direction is Direction.HIGHER
    assert accept.logging.interval == accept.serving.interval == "confidence-sequence"
    assert accept.logging.lower < accept.logging.value < accept.logging.upper
    share = served.one(
        "SELECT avg(x) FROM (SELECT max(CASE WHEN e.type = 'accept' AND NOT e.late THEN 1.0 "
        "ELSE 0 END) x FROM interaction i LEFT JOIN event e ON e.decision_id = i.decision_id "
        "WHERE i.policy_traffic GROUP BY i.decision_id)"
    )
    assert accept.logging.n == served.counter("interactions.policy") - 200  # rows that tuned it
    assert accept.decisions == round(share * served.counter("interactions.policy"))


def test_the_differences_hold_together_for_every_outcome_and_policy(served: Any) -> None:
    found = happened(served)
    assert found.metric_looks == 2 * len(found.metrics)
    with served.database.read() as connection:
        texts = metric_states(connection, KEY)
    for policy, own, corrected in (
        ("logging", "logging_uplift", "logging_corrected"),
        (served.states()["serving"].policy_hash, "serving_uplift", "serving_corrected"),
    ):
        state = MetricState.read(texts[policy][1])
        assert state is not None
        for row in found.metrics:
            alone, together = getattr(row, own), getattr(row, corrected)
            assert (together.value, together.n) == (alone.value, alone.n)
            if row.name == "revenue":
                assert together.collecting is alone.collecting
                continue
            one = state.events[row.name].uplift_sequence
            settings = replace(one.settings, alpha=0.05 / found.metric_looks)
            wanted = replace(one, settings=settings).bounds()
            assert (together.lower, together.upper) == pytest.approx(wanted)
            assert together.lower <= alone.lower
            assert together.upper >= alone.upper
    purchase = next(row for row in found.metrics if row.name == "purchase")
    assert purchase.logging_corrected.upper > purchase.logging_uplift.upper


def test_restraint_says_how_sparingly_offers_were_shown(served: Any) -> None:
    restraint = happened(served).restraint
    assert restraint.decisions == restraint.nothing + restraint.offers
    assert restraint.nothing_share == restraint.nothing / restraint.decisions
    assert restraint.units == served.counter("units.policy.count")
    assert restraint.offers_per_unit == restraint.offers / restraint.units
    regrets = {row.name: row for row in restraint.regrets}
    for kind in ("dismiss", "return", "complaint"):
        assert regrets[kind].count == shown_with(served, kind) > 0
        assert regrets[kind].rate.lower <= regrets[kind].count / restraint.offers
        assert regrets[kind].rate.upper >= regrets[kind].count / restraint.offers
    assert restraint.reward_per_offer.n == restraint.offers - 200  # rows that tuned it


def test_the_report_is_json_and_needs_no_metrics(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    empty = experiment_report(lite.database, KEY, lite.clock())
    assert empty.happened is None
    lite.traffic(30)
    lite.settle()
    lite.learn()
    told = json.loads(json.dumps(experiment_report(lite.database, KEY, lite.clock()).to_dict()))
    assert {row["name"] for row in told["happened"]["metrics"]} >= {"accept"}
    assert told["happened"]["metrics"][0]["direction"] == "higher is better"
    assert told["happened"]["days"][0]["decisions"] > 0
    brief = experiment_report(lite.database, KEY, lite.clock(), happened=False)
    assert brief.happened is None
