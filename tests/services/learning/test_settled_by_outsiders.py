"""A stranger with a page's key takes no segment, no range and no counter for good."""

from __future__ import annotations

from typing import Any

import pytest

from bandit_platform.domain.caller import Caller
from bandit_platform.services.learning.cuts import MOST_VALUES, OTHER
from bandit_platform.services.learning.metric_state import MetricState
from bandit_platform.services.learning.outcomes import MOST_TYPES
from bandit_platform.services.learning.outcomes import OTHER as OTHER_TYPES
from bandit_platform.services.learning.rollup_state import encoded
from bandit_platform.services.learning.segment_block import SegmentBlock
from bandit_platform.services.learning.tracked import LOGGING
from bandit_platform.storage.metrics import metric_states
from tests.services.learning.test_metric_rollup import recomputed as recomputed_metrics
from tests.services.learning.test_metric_rollup import stored as stored_metrics
from tests.services.learning.test_rollups import recomputed, relearned, rollups_of

KEY = "checkout-offers"
SERVER = Caller(key_id="sk", trusted=True, address="192.0.2.1")


def page(address: str) -> Caller:
    return Caller(key_id="pk", trusted=False, address=address)


def asks(world: Any, caller: Caller, country: str, cart_value: float = 80.0) -> Any:
    world.clock.advance(0.1)
    context = {"cart_value": cart_value, "country": country, "returning": True}
    return world.decide(caller=caller, context=context)


def stranger(world: Any, count: int, *, first: int = 0) -> list[Any]:
    """Invented values, each for an invented unit, from one address."""
    return [
        asks(world, page("198.51.100.7"), f"made-up-{first + n}", cart_value=1e6 + n)
        for n in range(count)
    ]


def shoppers(world: Any, count: int, *, networks: int = 40) -> list[Any]:
    return [
        asks(world, page(f"203.0.113.{n % networks}"), ("GB", "US")[n % 2], 20.0 + n % 90)
        for n in range(count)
    ]


def block(world: Any, field: str) -> SegmentBlock:
    return next(one for one in rollups_of(world).segments if one.cut.field == field)


def taken(world: Any) -> None:
    world.settle()
    world.learn()


@pytest.mark.parametrize("caller", ["pages", "server"])
def test_a_stranger_takes_no_segment(world: Any, spec: Any, caller: str) -> None:
    world.launch(spec)
    stranger(world, 3 * MOST_VALUES)
    taken(world)
    assert set(block(world, "country").segments) == {OTHER}
    for n in range(120):  # a third of the traffic
        if caller == "server":
            asks(world, SERVER, ("GB", "US")[n % 2])
        else:
            asks(world, page(f"203.0.113.{n % 40}"), ("GB", "US")[n % 2])
        if n % 2:
            stranger(world, 1, first=1000 + n)
    taken(world)
    found = block(world, "country")
    assert set(found.segments) == {OTHER, "value:GB", "value:US"}
    whole = sum(sums.weights.n for sums in found.segments.values())
    assert whole == world.counter("interactions.policy")
    assert recomputed(world) == encoded(rollups_of(world))


def test_a_stranger_settles_no_ranges(world: Any, spec: Any) -> None:
    world.launch(spec)
    stranger(world, 300)
    taken(world)
    waits = block(world, "cart_value")
    assert waits.edges is None
    assert len(waits.numbers) <= 20
    for _ in range(3):
        shoppers(world, 100)
        stranger(world, 50)
    taken(world)
    found = block(world, "cart_value")
    assert found.edges is not None
    assert max(found.edges) < 120  # a tenth of the sample moves no quarter out of the honest ones
    assert found.given == {}
    assert recomputed(world) == encoded(rollups_of(world))


def test_batches_and_restarts_change_nothing_of_it(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    for n in range(4):
        stranger(lite, 25, first=100 * n)
        shoppers(lite, 90)
    lite.settle()
    lite.learn()
    whole = relearned(lite, rows=1000, restarts=False)
    assert "value:GB" in block(lite, "country").segments
    assert block(lite, "cart_value").edges is not None
    for rows, restarts in ((1, False), (13, True)):
        assert relearned(lite, rows=rows, restarts=restarts) == whole, rows


def test_values_that_the_definition_names_need_nobody(lite: Any, spec_text: str) -> None:
    named = 'country = { type = "category", values = ["GB", "US"] }'
    lite.launch(spec_text.replace('country = { type = "category" }', named))
    asks(lite, page("198.51.100.7"), "GB")
    lite.settle()
    while not lite.learn():
        asks(lite, page("198.51.100.7"), "GB")
        lite.settle()
    assert set(block(lite, "country").segments) == {"value:GB"}
    assert recomputed(lite) == encoded(rollups_of(lite))


def counted_types(world: Any) -> set[str]:
    rows = world.rows("SELECT name FROM counter WHERE name LIKE 'events.%' AND value <> 0")
    return {row.name.removeprefix("events.") for row in rows}


def metric_types(world: Any) -> set[str]:
    with world.database.read() as connection:
        return set(MetricState.from_json(metric_states(connection, KEY)[LOGGING][1]).events)


def test_a_stranger_takes_no_event_type(world: Any, spec: Any) -> None:
    world.launch(spec)
    for n, decision in enumerate(stranger(world, 2 * MOST_TYPES)):
        world.report(decision, f"made-up-{n}", trusted=False)
        world.report(decision, "accept", trusted=False)
        if n % 17 == 0:
            world.ingest()
    taken(world)
    assert counted_types(world) == metric_types(world) == {"accept", OTHER_TYPES}
    for decision in shoppers(world, 120):
        world.report(decision, "watched", trusted=False)
    world.report(shoppers(world, 1)[0], "told-a-friend", trusted=True)
    world.report(asks(world, SERVER, "GB"), "told-a-friend", trusted=True)
    taken(world)
    both = {"accept", OTHER_TYPES, "watched", "told-a-friend"}
    assert counted_types(world) == metric_types(world) == both
    assert world.one("SELECT state FROM event_type_state").count("made-up") <= 24
    total = sum(
        row.value for row in world.rows("SELECT value FROM counter WHERE name LIKE 'events.%'")
    )
    assert total == world.one("SELECT count(*) FROM event")
    before = stored_metrics(world)
    assert recomputed_metrics(world, 17)[0] == before
