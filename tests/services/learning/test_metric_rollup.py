"""Metrics stand exactly as a recomputation from the stored interactions gives them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from bandit_platform.ope import RewardRange
from bandit_platform.services.learning.metric_rollup import add_metrics
from bandit_platform.services.learning.metric_state import MetricState
from bandit_platform.services.learning.model_lines import ModelLines
from bandit_platform.services.learning.outcomes import MOST_TYPES, OTHER, outcomes, type_name
from bandit_platform.services.learning.revision_text import revision_texts
from bandit_platform.services.learning.support import WaitingValues
from bandit_platform.services.learning.tracked import LOGGING, SERVING, tracked_now
from bandit_platform.services.learning.walk import fresh_standing, walk
from bandit_platform.services.learning.weight_bounds import WeightBounds
from bandit_platform.services.reporting.report import experiment_report
from bandit_platform.storage.interactions import Interaction, policy_interactions
from bandit_platform.storage.metrics import Outcome, metric_days, metric_states

KEY = "checkout-offers"


def stored(world: Any) -> dict[str, tuple[int, str]]:
    with world.database.read() as connection:
        return metric_states(connection, KEY)


def days(world: Any) -> dict[str, Any]:
    with world.database.read() as connection:
        return metric_days(connection, KEY)


def shop(world: Any, count: int) -> None:
    """Traffic with accepts, dismissals, purchases in two currencies, returns and a new type."""
    for number, decision in enumerate(world.traffic(count, seconds=10.0)):
        if number % 4 == 0:
            world.report(decision, "purchase", amount=20.0 + number % 7, currency="GBP")
        if number % 12 == 0:
            world.report(decision, "return", amount=20.0, currency="GBP")
        if number % 50 == 7:
            world.report(decision, "purchase", amount=9.0, currency="USD")
        if number > count // 2 and number % 3 == 0:
            world.report(decision, "told-a-friend")
        world.ingest()


def recomputed(world: Any, size: int) -> tuple[dict[str, tuple[int, str]], dict[str, Any]]:
    """States and days after walking everything again in batches of another size."""
    with world.database.write() as connection:
        spec = world.experiments.get(KEY).spec
        texts = revision_texts(connection, KEY)
        bounds = WeightBounds.stored(connection, KEY, texts)
        models = ModelLines(connection, KEY, {})
        standings = [
            fresh_standing(policy, spec, models.of(policy, 0))
            for policy in tracked_now(connection, spec)
            if policy.name in {LOGGING, SERVING}
        ]
        cursor = 0
        while batch := policy_interactions(connection, KEY, cursor, limit=size):
            standings = walk(batch, standings, texts, bounds)
            add_metrics(connection, spec, batch, standings, texts, before=cursor)
            cursor = batch[-1].number
    return stored(world), days(world)


def test_states_and_days_equal_a_recomputation_to_the_last_bit(world: Any, spec_text: str) -> None:
    world.launch(spec_text + '\n[report]\ntime_zone = "Pacific/Auckland"\n')  # nearly midnight
    learner = world.learner()
    for _ in range(3):
        shop(world, 70)
        world.settle()
        world.learn(learner)
    kept, by_day = stored(world), days(world)
    assert set(kept) == {LOGGING, world.states()[SERVING].policy_hash}
    assert list(by_day) == ["2026-11-22", "2026-11-23"]
    assert recomputed(world, 17) == (kept, by_day)


def test_a_metric_that_appears_late_stands_as_if_it_had_been_there(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    shop(lite, 300)
    lite.settle()
    lite.learn()
    state = MetricState.from_json(stored(lite)[LOGGING][1])
    late, early = state.events["told-a-friend"], state.events["accept"]
    assert late.target.n == early.target.n == state.shown.decisions + state.nothing.decisions
    happened = lite.one(
        "SELECT count(DISTINCT e.decision_id) FROM event e JOIN interaction i "
        "ON i.decision_id = e.decision_id "
        "WHERE e.type = 'told-a-friend' AND i.policy_traffic AND NOT e.late"
    )
    assert happened > 10
    assert late.snips().value == happened / late.target.n


def test_sums_are_those_of_the_tables(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    shop(lite, 200)
    lite.settle()
    lite.learn()
    state = MetricState.from_json(stored(lite)[LOGGING][1])
    joined = (
        "FROM decision d JOIN interaction i ON i.decision_id = d.decision_id "
        "JOIN event e ON e.decision_id = d.decision_id WHERE i.policy_traffic AND NOT e.late "
    )
    for kind in ("accept", "dismiss", "purchase", "return"):
        shown = lite.one(
            f"SELECT count(DISTINCT d.decision_id) {joined} "
            "AND d.arm != 'nothing' AND e.type = :kind",
            kind=kind,
        )
        assert state.shown.happened.get(kind, 0) == shown
    revenue = lite.one(
        "SELECT sum(CASE e.type WHEN 'purchase' THEN e.amount ELSE -e.amount END) "
        f"{joined} AND e.type IN ('purchase', 'return') AND e.currency = 'GBP'"
    )
    assert state.shown.revenue + state.nothing.revenue == pytest.approx(revenue)
    dollars = lite.one(f"SELECT count(*) {joined} AND e.currency = 'USD'")
    assert (state.currency, state.foreign) == ("GBP", dollars)
    summed = days(lite).values()
    assert sum(day["decisions"] for day in summed) == lite.counter("interactions.policy")
    assert sum(day["happened"]["purchase"] for day in summed) == (
        state.shown.happened["purchase"] + state.nothing.happened["purchase"]
    )


def test_events_that_only_servers_may_report_count_from_servers(lite: Any, spec_text: str) -> None:
    lite.launch(spec_text + '\n[events]\nsecret_only = ["purchase"]\n')
    decision = lite.measured()
    lite.report(decision, "purchase", amount=10.0, currency="GBP", trusted=False)
    lite.report(decision, "accept", trusted=False)
    lite.settle()
    lite.learn()
    state = MetricState.from_json(stored(lite)[LOGGING][1])
    assert list(state.events) == ["accept"]
    assert state.shown.revenue + state.nothing.revenue == 0.0


def test_late_events_are_in_no_metric(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    decision = lite.measured()
    lite.settle(3700)
    lite.report(decision, "complaint")
    lite.ingest()
    lite.learn()
    assert MetricState.from_json(stored(lite)[LOGGING][1]).events == {}


def test_a_policy_that_starts_again_starts_its_metrics_again(lite: Any, spec_text: str) -> None:
    lite.launch(spec_text)
    shop(lite, 60)
    lite.settle()
    lite.learn()
    before = stored(lite)
    lite.apply(spec_text.replace("floor = 0.1", "floor = 0.1\nlearning_rate = 0.4"))
    lite.learn()
    after = stored(lite)
    assert after[LOGGING] == before[LOGGING]
    serving = lite.states()[SERVING].policy_hash
    assert serving not in before
    assert MetricState.from_json(after[serving][1]).skipped == 0
    assert after == recomputed(lite, 1000)[0]


def test_metrics_that_begin_in_the_middle_say_how_much_they_have_not_seen(
    lite: Any, spec: Any
) -> None:
    lite.launch(spec)
    shop(lite, 40)
    lite.settle()
    lite.learn()
    earlier = int(lite.counter("interactions.policy"))
    lite.run("DELETE FROM metric_state")
    shop(lite, 30)
    lite.settle()
    lite.learn()
    state = MetricState.from_json(stored(lite)[LOGGING][1])
    assert state.skipped == earlier
    assert state.absent.target.n == lite.counter("interactions.policy") - earlier


@pytest.mark.parametrize("damage", ["", "{}", "[]", '{"skipped": 0, "absent": 3}'])
def test_a_damaged_state_begins_anew_and_holds_up_nothing(
    lite: Any, spec: Any, damage: str
) -> None:
    lite.launch(spec)
    shop(lite, 20)
    lite.settle()
    lite.learn()
    earlier = int(lite.counter("interactions.policy"))
    lite.run("UPDATE metric_state SET state = :damage", damage=damage)
    assert experiment_report(lite.database, KEY, lite.clock()).happened is None
    shop(lite, 20)
    lite.settle()
    assert lite.learn() > 0
    assert MetricState.from_json(stored(lite)[LOGGING][1]).skipped == earlier


def test_types_beyond_the_most_are_other_but_never_a_declared_one(
    spec: Any, make_decision: Any
) -> None:
    batch = [
        Interaction(number=n + 1, decision=make_decision(), reward=0.0, policy_traffic=True)
        for n in range(80)
    ]
    events = [
        Outcome(i.decision.decision_id, f"type-{n}", None, None, True) for n, i in enumerate(batch)
    ]
    events += [Outcome(batch[79].decision.decision_id, "accept", None, None, True)]
    found = outcomes(
        batch,
        events,
        {1: spec},
        kept=(),
        waiting=WaitingValues(),
        currency=None,
        first_currency=None,
    )
    assert len(found.happened) == MOST_TYPES + 2
    assert found.happened[OTHER].sum() == 80 - MOST_TYPES
    assert found.happened["accept"].sum() == 1
    kept = found.happened.keys()
    assert type_name("type-3", kept, set(), lambda: False) == "type-3"
    assert type_name("type-79", kept, set(), lambda: True) == OTHER
    assert type_name("type-79", kept, {"type-79"}, lambda: False) == "type-79"


def test_a_state_survives_json_to_the_last_bit() -> None:
    empty = MetricState.empty(RewardRange(low=-1.0, high=2.0))
    assert MetricState.from_json(empty.to_json()) == empty
    assert not np.isnan(json.loads(empty.to_json())["revenue"]["total"])
