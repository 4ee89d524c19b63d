"""A page settles no currency, and what a page settled in earlier versions can be repaired."""

from __future__ import annotations

from typing import Any

import pytest

from bandit_platform.errors import LockedError
from bandit_platform.services.learning.metric_state import MetricState
from bandit_platform.services.learning.tracked import LOGGING
from bandit_platform.services.reporting.trace import trace
from bandit_platform.storage.metrics import metric_days, metric_states
from tests.services.learning.test_metric_rollup import recomputed, stored

KEY = "checkout-offers"


def declaring(spec_text: str, currency: str) -> str:
    return spec_text.replace("[reward]\n", f'[reward]\ncurrency = "{currency}"\n')


def only_servers(spec_text: str, *types: str) -> str:
    listed = ", ".join(f'"{each}"' for each in types)
    return f"{spec_text}\n[events]\nsecret_only = [{listed}]\n"


def bought(world: Any, currency: str | None, *, trusted: bool, amount: float = 50.0) -> Any:
    decision = world.measured()
    world.report(decision, "purchase", amount=amount, currency=currency, trusted=trusted)
    world.clock.advance(1)
    return decision


def rewards(world: Any, *decisions: Any) -> list[float]:
    found = dict(world.rows("SELECT decision_id, reward FROM interaction"))
    return [found[each.decision_id] for each in decisions]


def why(world: Any, decision: Any) -> str:
    (event,) = trace(world.database, KEY, decision.decision_id)["events"]
    return str(event["why"])


def revenue(world: Any) -> MetricState:
    with world.database.read() as connection:
        return MetricState.from_json(metric_states(connection, KEY)[LOGGING][1])


def test_a_page_settles_no_currency(world: Any, spec: Any) -> None:
    world.launch(spec)
    poison = bought(world, "XTS", trusted=False)
    honest = bought(world, "GBP", trusted=True)
    page = bought(world, "GBP", trusted=False)
    world.settle()
    assert rewards(world, poison, honest, page) == [0.0, 0.5, 0.5]
    assert world.one("SELECT currency FROM experiment") == "GBP"
    assert world.counter("unknown_currency") == 1
    later = bought(world, "XTS", trusted=False)
    world.settle()
    assert rewards(world, later) == [0.0]
    assert (world.counter("unknown_currency"), world.counter("other_currency")) == (1, 1)


def test_until_a_currency_is_known_amounts_of_pages_in_one_count_for_nothing(
    world: Any, spec: Any
) -> None:
    world.launch(spec)
    pounds, plain = bought(world, "GBP", trusted=False), bought(world, None, trusted=False)
    world.settle()
    assert rewards(world, pounds, plain) == [0.0, 0.5]
    assert world.one("SELECT currency FROM experiment") is None
    assert why(world, pounds) == "reported by a page while the experiment had no currency"


def test_the_currency_that_was_meant_can_be_declared_while_it_runs(
    world: Any, spec_text: str
) -> None:
    world.launch(spec_text)
    # what an earlier version let a page settle
    world.run("UPDATE experiment SET currency = 'XTS'")
    final = bought(world, "GBP", trusted=False)
    world.settle()
    waiting = bought(world, "GBP", trusted=False)
    world.apply(declaring(spec_text, "GBP"))
    after = bought(world, "GBP", trusted=False)
    world.settle()
    assert rewards(world, final, waiting, after) == [0.0, 0.5, 0.5]
    # each reward is told by the rule that counted in it
    assert why(world, final) == "in another currency than XTS"
    assert why(world, waiting) == why(world, after) == "0.01 times 50"
    kept = world.rows("SELECT reward_revision, currency FROM interaction ORDER BY number")
    assert [tuple(row) for row in kept] == [(1, "XTS"), (2, "GBP"), (2, "GBP")]


@pytest.mark.parametrize("change", ["another", "none"])
def test_a_declared_currency_is_locked(lite: Any, spec_text: str, change: str) -> None:
    lite.launch(declaring(spec_text, "GBP"))
    changed = spec_text if change == "none" else declaring(spec_text, "USD")
    with pytest.raises(LockedError, match=r"reward\.currency"):
        lite.apply(changed)


def test_types_that_only_servers_may_report_can_be_added_while_it_runs(
    world: Any, spec_text: str
) -> None:
    spec_text = declaring(spec_text, "GBP")
    world.launch(spec_text)
    final = bought(world, "GBP", trusted=False)
    world.settle()
    waiting = bought(world, "GBP", trusted=False)
    world.apply(only_servers(spec_text, "purchase"))
    forged, honest = (bought(world, "GBP", trusted=each) for each in (False, True))
    world.settle()
    assert rewards(world, final, waiting, forged, honest) == [0.5, 0.0, 0.0, 0.5]
    assert why(world, final) == "0.01 times 50"
    assert why(world, waiting) == "not trusted: only servers may report it"
    world.learn()
    assert (
        revenue(world).shown.happened.get("purchase", 0)
        + revenue(world).nothing.happened.get("purchase", 0)
        == 2
    )
    with pytest.raises(LockedError, match=r"events\.secret_only"):
        world.apply(spec_text)


def test_both_are_in_the_audit_log(lite: Any, spec_text: str) -> None:
    lite.launch(spec_text)
    lite.apply(only_servers(declaring(spec_text, "GBP"), "purchase"))
    noted = lite.rows("SELECT * FROM audit_log ORDER BY number DESC LIMIT 1")
    assert "reward.currency" in repr(noted)
    assert "events.secret_only" in repr(noted)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_revenue_begins_anew_in_the_currency_that_was_meant(
    lite: Any, spec_text: str, size: int
) -> None:
    lite.launch(spec_text)
    lite.run("UPDATE experiment SET currency = 'XTS'")
    learner = lite.learner()
    for _ in range(4):
        bought(lite, "XTS", trusted=False, amount=700.0)
        bought(lite, "GBP", trusted=False, amount=10.0)
    lite.settle()
    lite.learn(learner)
    state = revenue(lite)
    assert (state.currency, state.shown.revenue + state.nothing.revenue) == ("XTS", 2800.0)
    bought(lite, "XTS", trusted=False, amount=700.0)
    lite.settle()
    lite.apply(declaring(spec_text, "GBP"))
    for _ in range(3):
        bought(lite, "XTS", trusted=False, amount=700.0)
        bought(lite, "GBP", trusted=False, amount=10.0)
    lite.settle()
    lite.learn(learner)
    state = revenue(lite)
    assert (state.currency, state.shown.revenue + state.nothing.revenue) == ("GBP", 30.0)
    with lite.database.read() as connection:
        days = metric_days(connection, KEY)
    assert sum(day["revenue"] for day in days.values()) == 30.0
    before = stored(lite), days
    assert recomputed(lite, size) == before


def test_a_page_settles_no_currency_of_revenue_where_amounts_are_worth_nothing(
    lite: Any, spec_text: str
) -> None:
    lite.launch(spec_text.replace("purchase = { amount = 0.01 }\n", ""))
    bought(lite, "XTS", trusted=False)
    bought(lite, "GBP", trusted=True)
    lite.settle()
    lite.learn()
    state = revenue(lite)
    assert (state.currency, state.foreign) == ("GBP", 1)
    assert state.shown.revenue + state.nothing.revenue == 50.0
