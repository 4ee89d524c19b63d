"""A page cannot make a server's report a repeat, whichever of them is read first."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from bandit_platform.services.collecting.ingest import Ingest

PAGE, SERVER = False, True
#: what each sender says of order-1, in the order of the cases below
SENT = {PAGE: ("purchase", 1.0), SERVER: ("purchase", 100.0)}


def report(world: Any, server: Any, decision: Any, trusted: bool, **changed: Any) -> str:
    kind, amount = SENT[trusted]
    fields = {"event_id": "order-1", "amount": amount, "currency": "GBP", **changed}
    world._first = server
    status: str = world.report(decision, fields.pop("type", kind), trusted=trusted, **fields).status
    return status


def stored(world: Any) -> tuple[str, float, bool]:
    ((kind, amount, trusted),) = world.rows("SELECT type, amount, trusted FROM event")
    return kind, amount, bool(trusted)


def reward(world: Any) -> float:
    value: float = world.one("SELECT reward FROM interaction")
    return value


@pytest.mark.parametrize("order", [(PAGE, SERVER), (SERVER, PAGE), (PAGE, SERVER, PAGE)])
@pytest.mark.parametrize("chunks", ["one", "each"])
def test_the_servers_report_counts_wherever_the_pages_came_from(
    world: Any, spec: Any, order: Sequence[bool], chunks: str
) -> None:
    world.launch(spec)
    decision = world.measured()
    for trusted in order:  # each sender meets another process, which remembers nothing of the rest
        assert report(world, world.new_server(), decision, trusted) == "accepted"
        if chunks == "each":
            world.ingest()
    world.settle()
    assert stored(world) == ("purchase", 100.0, True)
    assert reward(world) == 1.0
    assert world.counter("events.purchase") == 1
    assert world.counter("conflicting_events") == len(order) - 1
    assert world.counter("late") == 0


def test_a_purchase_that_only_servers_may_report_is_not_lost_to_a_page(
    world: Any, spec_text: str
) -> None:
    world.launch(spec_text + '\n[events]\nsecret_only = ["purchase"]\n')
    decision = world.measured()
    assert report(world, world.server, decision, PAGE) == "accepted"
    assert report(world, world.server, decision, SERVER) == "accepted"
    world.settle()
    assert reward(world) == 1.0


@pytest.mark.parametrize(("first", "second"), [(PAGE, SERVER), (SERVER, PAGE)])
def test_nodes_agree_whichever_of_them_arrives_first(
    world: Any, make_world: Any, spec: Any, first: bool, second: bool
) -> None:
    world.launch(spec)
    other = make_world(world.database, world.clock, "another-node")
    other.server.registry.refresh()
    decision = world.measured()
    for trusted, node in ((PAGE, world), (SERVER, other)):
        report(node, node.server, decision, trusted)
    # an event may come before its decision, and be replaced before it
    nodes = {PAGE: world, SERVER: other}
    for trusted in (first, second):
        Ingest(nodes[trusted].database, nodes[trusted].folder).run_once()
    world.settle()
    assert stored(world) == ("purchase", 100.0, True)
    assert reward(world) == 1.0
    assert world.counter("events.purchase") == 1
    assert world.one("SELECT count(*) FROM event WHERE orphan") == 0


def test_an_event_that_waits_for_its_decision_is_replaced_too(
    world: Any, make_world: Any, spec: Any
) -> None:
    world.launch(spec)
    other = make_world(world.database, world.clock, "another-node")
    decision = world.measured()
    for trusted in (PAGE, SERVER):
        report(other, other.new_server(), decision, trusted)
        other.ingest()
    assert stored(world) == ("purchase", 100.0, True)
    assert world.one("SELECT count(*) FROM event WHERE orphan") == 1
    world.settle()
    assert reward(world) == 1.0
    assert world.counter("events.purchase") == 1


def test_the_kind_of_event_is_counted_as_the_server_reported_it(world: Any, spec: Any) -> None:
    world.launch(spec)
    decision = world.measured()
    report(world, world.server, decision, PAGE, type="complaint")
    world.ingest()
    report(world, world.server, decision, SERVER)
    world.ingest()
    assert world.counter("events.complaint") == 0
    assert world.counter("events.purchase") == 1


def test_what_counted_in_a_reward_is_not_replaced_afterwards(world: Any, spec: Any) -> None:
    world.launch(spec)
    decision = world.measured()
    report(world, world.server, decision, PAGE, currency=None)
    world.settle()
    assert reward(world) == 0.01
    report(world, world.server, decision, SERVER)
    world.ingest()
    assert stored(world) == ("purchase", 1.0, False)
    assert world.counter("late") == 1
    assert world.counter("conflicting_events") == 1


def test_a_late_page_report_is_replaced_by_a_late_server_report(world: Any, spec: Any) -> None:
    world.launch(spec)
    decision = world.measured()
    world.settle()
    for trusted in (PAGE, SERVER):
        report(world, world.server, decision, trusted)
        world.ingest()
    assert stored(world) == ("purchase", 100.0, True)
    assert (world.counter("events.purchase"), world.counter("late")) == (1, 1)
    assert reward(world) == 0.0


@pytest.mark.parametrize("trusted", [PAGE, SERVER])
def test_of_reports_with_equal_trust_the_first_counts(world: Any, spec: Any, trusted: bool) -> None:
    world.launch(spec)
    decision = world.measured()
    for amount in (50.0, 60.0, 50.0):
        report(world, world.new_server(), decision, trusted, amount=amount)
        world.ingest()
    assert stored(world) == ("purchase", 50.0, trusted)
    assert world.counter("conflicting_events") == 1


@pytest.mark.parametrize("shift", [None, 0.0, 5.0])
def test_a_repeat_is_no_conflict(world: Any, spec: Any, shift: float | None) -> None:
    """Senders that name no time are given that of each arrival, which says nothing."""
    world.launch(spec)
    decision = world.measured()
    occurred = None if shift is None else world.clock.now + timedelta(seconds=shift)
    for _ in range(2):
        report(world, world.new_server(), decision, SERVER, occurred_at=occurred)
        world.clock.advance(60)
    world.ingest()
    assert world.counter("conflicting_events") == 0


def test_reports_of_different_moments_conflict(world: Any, spec: Any) -> None:
    world.launch(spec)
    decision = world.measured()
    world.clock.advance(100)
    for seconds in (5, 6):
        moment = decision.decided_at + timedelta(seconds=seconds)
        report(world, world.new_server(), decision, SERVER, occurred_at=moment)
    world.ingest()
    assert world.counter("conflicting_events") == 1
