"""Outcomes that name their decision by experiment and request key."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest

from bandit_platform.domain.caller import Caller
from bandit_platform.services.collecting.forget import forget
from bandit_platform.services.reporting.report import experiment_report
from bandit_platform.storage.request_events import candidates, waiting_events

KEY = "checkout-offers"
ORDER = {"experiment": KEY, "request_key": "order-1"}
PAGE = Caller(key_id="b" * 16, trusted=False, address="192.0.2.1")


@pytest.fixture
def shop(world: Any, spec_text: str) -> Any:
    """A running experiment without a holdout."""
    world.launch(spec_text.replace("share = 0.1", "share = 0.0"))
    return world


def settled(world: Any) -> None:
    """Let the worker look for decisions now, before their window has ended."""
    world.ingest()
    world.mature()


def owners(world: Any) -> list[tuple[str, str]]:
    """(decision, event) of what is stored with its decision."""
    rows = world.rows("SELECT decision_id, event_id FROM event ORDER BY event_id, decision_id")
    return [tuple(row) for row in rows]


def states(world: Any) -> list[str]:
    return [
        row.state
        for row in world.rows("SELECT state FROM request_event ORDER BY event_id, trusted")
    ]


def rewards(world: Any) -> dict[str, float]:
    return {row.decision_id: row.reward for row in world.rows("SELECT * FROM interaction")}


def test_an_outcome_counts_for_the_decision_of_its_order(shop: Any) -> None:
    decision = shop.decide("u1", request_key="order-1")
    other = shop.decide("u2", request_key="order-2")
    receipt = shop.report(None, "purchase", amount=50.0, currency="GBP", event_id="p", **ORDER)
    assert receipt.status == "accepted"
    settled(shop)
    assert owners(shop) == [(decision.decision_id, "p")]
    assert shop.counter("events.purchase") == 1
    shop.settle()
    assert rewards(shop) == {decision.decision_id: pytest.approx(0.5), other.decision_id: 0.0}


@pytest.mark.parametrize("seconds", [0.0, 1800.0, 3599.9])
def test_an_outcome_received_inside_the_window_counts_whenever_it_is_ingested(
    shop: Any, seconds: float
) -> None:
    decision = shop.decide("u1", request_key="order-1")
    shop.clock.advance(seconds)
    shop.report(None, "accept", **ORDER)
    shop.settle(3600.0 - seconds)
    assert rewards(shop) == {decision.decision_id: 1.0}
    assert shop.counter("late") == 0


def test_an_outcome_received_in_the_grace_counts_like_one_that_names_the_decision(
    shop: Any,
) -> None:
    decision = shop.decide("u1", request_key="order-1")
    shop.clock.advance(3601.0)
    moment = decision.expires_at - timedelta(seconds=1)
    shop.report(None, "accept", occurred_at=moment, **ORDER)
    shop.report(decision, "dismiss", occurred_at=moment)
    shop.ingest()
    shop.mature(until=decision.expires_at)
    assert rewards(shop) == {decision.decision_id: pytest.approx(0.9)}


def test_a_late_outcome_is_stored_with_its_decision_as_late(shop: Any) -> None:
    decision = shop.decide("u1", request_key="order-1")
    shop.settle()
    shop.report(None, "accept", **ORDER)
    shop.clock.advance(1)
    settled(shop)
    ((decision_id, late),) = shop.rows("SELECT decision_id, late FROM event")
    assert (decision_id, bool(late)) == (decision.decision_id, True)
    assert shop.counter("late") == 1


def test_an_event_id_counts_once_however_its_decision_is_named(shop: Any) -> None:
    decision = shop.decide("u1", request_key="order-1")
    shop.report(decision, "accept", event_id="a")
    shop.report(None, "accept", event_id="a", **ORDER)
    shop.report(None, "accept", event_id="a", unit_id="u1", **ORDER)
    settled(shop)
    shop.server.recorder._seen.clear()  # as another process, or the next one
    assert shop.report(None, "accept", event_id="a", **ORDER).status == "accepted"
    shop.report(None, "accept", event_id="b", **ORDER)
    shop.settle()
    assert [event for _, event in owners(shop)] == ["a", "b"]
    assert shop.counter("events.accept") == 2
    assert shop.counter("request_events") == 3
    assert rewards(shop) == {decision.decision_id: 2.0}


def test_a_repeat_belongs_where_the_first_report_did(shop: Any) -> None:
    """Even if a server asked for the order meanwhile."""
    page = shop.decide("u1", request_key="order-1", caller=PAGE)
    shop.clock.advance(1)
    shop.report(None, "accept", event_id="a", **ORDER)
    shop.clock.advance(1)
    settled(shop)
    shop.decide("u1", request_key="order-1")
    shop.server.recorder._seen.clear()
    shop.report(None, "accept", event_id="a", **ORDER)
    shop.clock.advance(1)
    settled(shop)
    assert owners(shop) == [(page.decision_id, "a")]


def test_a_repeated_receipt_says_duplicate(shop: Any) -> None:
    shop.decide("u1", request_key="order-1")
    first, again, other = (
        shop.report(None, "accept", event_id="a", **{**ORDER, "request_key": order})
        for order in ("order-1", "order-1", "order-2")
    )
    assert [each.status for each in (first, again, other)] == ["accepted", "duplicate", "accepted"]


def test_a_servers_report_takes_the_place_of_a_pages(shop: Any) -> None:
    decision = shop.decide("u1", request_key="order-1", caller=PAGE)
    page = {**ORDER, "unit_id": "u1"}
    shop.report(None, "purchase", event_id="p", amount=1e9, currency="GBP", trusted=False, **page)
    shop.report(None, "purchase", event_id="p", amount=50.0, currency="GBP", **page)
    shop.settle()
    assert rewards(shop) == {decision.decision_id: pytest.approx(0.5)}


def test_a_page_reaches_decisions_of_pages_only(shop: Any) -> None:
    shop.decide("u1", request_key="order-1")
    receipt = shop.report(None, "accept", trusted=False, unit_id="u1", **ORDER)
    assert receipt.status == "accepted"
    settled(shop)
    assert owners(shop) == []
    assert states(shop) == ["not_shown"]
    page = shop.decide("u1", request_key="order-1", caller=PAGE)
    settled(shop)
    assert owners(shop) == [(page.decision_id, owners(shop)[0][1])]


def test_an_outcome_waits_for_its_decision(shop: Any) -> None:
    """Which may be in the journal of a node that arrives later."""
    shop.report(None, "accept", event_id="a", **ORDER)
    shop.clock.advance(1)
    settled(shop)
    assert (owners(shop), states(shop)) == ([], ["unknown"])
    decision = shop.decide("u1", request_key="order-1")
    settled(shop)
    assert (owners(shop), states(shop)) == ([(decision.decision_id, "a")], ["found"])


def test_a_deferred_decision_is_meant_once_it_is_activated(shop: Any) -> None:
    decision = shop.decide("u1", request_key="order-1", defer_activation=True)
    shop.report(None, "accept", event_id="a", **ORDER)
    settled(shop)
    assert (owners(shop), states(shop)) == ([], ["not_shown"])
    shop.server.recorder.activate(decision.decision_id)
    settled(shop)
    assert (owners(shop), states(shop)) == ([(decision.decision_id, "a")], ["found"])
    shop.settle()
    assert rewards(shop) == {decision.decision_id: 1.0}


def test_an_outcome_of_two_shoppers_stays_open_and_is_listed(shop: Any) -> None:
    shop.decide("laptop", request_key="order-1", caller=PAGE)
    phone = shop.decide("phone", request_key="order-1", caller=PAGE)
    shop.report(None, "accept", event_id="a", **ORDER)
    shop.report(None, "accept", event_id="b", unit_id="phone", **ORDER)
    settled(shop)
    assert owners(shop) == [(phone.decision_id, "b")]
    report = experiment_report(shop.database, KEY, shop.clock())
    assert (report.counts.request_events, report.counts.unresolved) == (2, {"ambiguous": 1})
    ((event_id, kind, why),) = [(e.event_id, e.type, e.why) for e in report.unresolved_events]
    assert (event_id, kind, why) == ("a", "accept", "ambiguous")


def test_a_fallback_was_not_shown(shop: Any) -> None:
    decision = shop.decide("u1", request_key="order-1")
    shop.ingest()
    shop.run("UPDATE decision SET reason = 'fallback'")
    shop.report(None, "accept", **ORDER)
    settled(shop)
    assert (owners(shop), states(shop)) == ([], ["not_shown"])
    assert decision.request_key is not None


@pytest.mark.parametrize("reason", ["draft", "paused", "holdout"])
def test_outcomes_of_decisions_outside_the_policy_are_found_too(
    lite: Any, spec_text: str, reason: str
) -> None:
    share = "share = 0.5" if reason == "holdout" else "share = 0.0"
    text = spec_text.replace("share = 0.1", share)
    lite.apply(text) if reason == "draft" else lite.launch(text)
    if reason == "paused":
        lite.change("pause")
    asked = (lite.decide(f"u{n}", request_key=f"order-{n}") for n in itertools.count())
    number, decision = next((n, d) for n, d in enumerate(asked) if d.reason == reason)
    lite.report(None, "accept", event_id="a", experiment=KEY, request_key=f"order-{number}")
    settled(lite)
    assert owners(lite) == [(decision.decision_id, "a")]
    assert lite.counter("test_events") == (reason == "draft")


@pytest.mark.parametrize(
    ("report", "why"),
    [
        ({}, "send decision_id, or experiment"),
        ({"experiment": KEY}, "send decision_id, or experiment"),
        ({"request_key": "order-1"}, "send decision_id, or experiment"),
        ({**ORDER, "trusted": False}, "needs unit_id"),
        ({**ORDER, "experiment": "another"}, "does not exist"),
        ({**ORDER, "experiments": ["another"]}, "does not exist"),
        ({**ORDER, "decision_id": "its id"}, "cannot be combined with decision_id"),
        ({"unit_id": "u", "decision_id": "its id"}, "cannot be combined with decision_id"),
    ],
)
def test_a_report_that_cannot_lead_to_a_decision_is_rejected(
    lite: Any, spec: Any, report: dict[str, Any], why: str
) -> None:
    lite.launch(spec)
    decision = lite.decide()
    lite.ingest()
    if "decision_id" in report:
        report = {**report, "decision_id": decision.decision_id}
    receipt = lite.report(None, **report)
    assert receipt.status == "rejected"
    assert why in str(receipt.why)
    assert lite.ingest().records == 0


def test_what_is_forgotten_takes_its_outcomes_along(shop: Any) -> None:
    mine = shop.decide("u1", request_key="order-1", caller=PAGE, defer_activation=True)
    other = shop.decide("u2", request_key="order-2", caller=PAGE)
    named = {"experiment": KEY, "request_key": "order-1"}
    for stage in ("ingested", "in the journal"):
        shop.report(None, "accept", event_id=f"of the order, {stage}", **named)
        shop.report(None, "accept", event_id=f"of the unit, {stage}", unit_id="u1", **named)
        shop.report(
            None, "accept", event_id=f"elsewhere, {stage}", unit_id="u1",
            experiment=KEY, request_key="order-9",
        )  # fmt: skip
        shop.report(
            None, "accept", event_id=f"another's, {stage}", experiment=KEY, request_key="order-2"
        )
        if stage == "ingested":
            settled(shop)
    found = forget(shop.database, shop.folder, shop.secret, "u1", pause=0.0)
    assert found.rows["request events"] == 3
    assert found.journal >= 3
    settled(shop)
    left = [row.event_id for row in shop.rows("SELECT event_id FROM request_event")]
    assert sorted(left) == ["another's, in the journal", "another's, ingested"]
    assert {decision for decision, _ in owners(shop)} == {other.decision_id}
    assert mine.decision_id not in {row.decision_id for row in shop.rows("SELECT * FROM decision")}


def test_neither_order_nor_unit_is_written_down(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    lite.report(None, unit_id="ada@example.com", experiment=KEY, request_key="order-8841")
    (line,) = [path.read_text() for path in lite.folder.glob("*.jsonl")]
    assert "ada" not in line
    assert "8841" not in line


def test_one_request_key_of_many_units_is_settled_from_few_decisions(shop: Any) -> None:
    """Anybody can ask under one request key for any number of units."""
    made = [shop.decide(f"u{n}", request_key="order-1", caller=PAGE) for n in range(50)]
    shop.decide("u50", request_key="order-1", caller=PAGE, defer_activation=True)
    shop.clock.advance(1)
    shop.report(None, "accept", event_id="a", trusted=False, unit_id="u40", **ORDER)
    shop.report(None, "accept", event_id="b", unit_id="u41", **ORDER)
    shop.report(None, "accept", event_id="c", **ORDER)
    shop.report(None, "accept", event_id="d", unit_id="u50", **ORDER)
    shop.report(None, "accept", event_id="e", unit_id="nobody", **ORDER)
    shop.ingest()
    with shop.database.read() as connection:
        waiting = waiting_events(connection, shop.clock(), 100, ())
        (found,) = candidates(connection, waiting).values()
    assert len(waiting) == 5
    assert len(found) == len({each.decision_id for each in found}) <= 6
    settled(shop)
    assert owners(shop) == [(made[40].decision_id, "a"), (made[41].decision_id, "b")]
    assert states(shop) == ["found", "found", "ambiguous", "not_shown", "not_shown"]
    shop.decide("u0", request_key="order-1")
    settled(shop)
    assert states(shop) == ["found", "found", "found", "found", "found"]
