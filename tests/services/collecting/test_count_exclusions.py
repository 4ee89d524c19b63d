"""Why arms fell out, counted exactly once, and again from the stored decisions."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from bandit_platform.domain.exclusion import Exclusion, ExclusionCode
from bandit_platform.services.collecting.count_exclusions import (
    count_exclusions,
    reason_from,
    recount_exclusions,
)
from bandit_platform.services.collecting.ingest import Ingest
from bandit_platform.services.learning.outcomes import MOST_TYPES, OTHER
from bandit_platform.storage.exclusions import Place, exclusions

KEY = "checkout-offers"


def kept(world: Any) -> dict[Place, int]:
    with world.database.read() as connection:
        return exclusions(connection, KEY)


def test_every_arm_is_eligible_or_out_in_each_decision_of_the_policy(world: Any, spec: Any) -> None:
    world.launch(spec)
    for number in range(30):
        world.decide(context={"cart_value": 40.0 + number, "country": "GB"})
    world.decide(excluded_arms=("upgrade", "insurance"))
    world.decide(eligible_arms=("upgrade",), context={"returning": True})
    world.change("pause")
    world.decide()
    world.ingest()
    counts = kept(world)
    of = {place[2:]: number for place, number in counts.items()}
    decided = of["", "decided", "uniform"]
    assert of["", "decided", "paused"] == 1
    assert decided + of.get(("", "decided", "holdout"), 0) == 32
    assert of["nothing", "eligible", ""] == decided
    for arm in ("upgrade", "insurance"):
        assert decided == sum(
            number
            for (name, fate, _why), number in of.items()
            if name == arm and fate in {"eligible", "out"}
        )
    too_small = '{"code": "condition", "field": "cart_value", "operator": "gte", "limit": 50.0}'
    assert 5 <= of["upgrade", "out", too_small] <= 10
    assert of["insurance", "out", '{"code": "excluded_by_request"}'] <= 1
    shown = sum(number for (_, fate, _), number in of.items() if fate == "shown")
    assert shown == decided
    assert {place.revision for place in counts} == {1}


def test_counts_equal_a_recount_and_count_nothing_twice(
    world: Any, spec: Any, spec_text: str
) -> None:
    world.launch(spec)
    world.traffic(60)
    copies = [path.read_bytes() for path in world.folder.glob("*.jsonl")]
    world.ingest()
    world.apply(spec_text.replace("gte = 50", "gte = 90"))
    world.traffic(40)
    world.ingest()
    before = kept(world)
    assert before == recount_exclusions(world.database, KEY)
    assert {place.revision for place in before} == {1, 2}
    for number, content in enumerate(copies):  # the same lines once more, as after a crash
        (world.folder / f"again-{number}.jsonl").write_bytes(content)
    Ingest(world.database, world.folder).run_once()
    assert kept(world) == before


def test_a_reason_too_long_for_an_index_is_counted_without_its_limit(make_decision: Any) -> None:
    code = ExclusionCode.CONDITION
    long = ("x" * 100, "y" * 100)
    reasons = [
        Exclusion(code=code, field="country", operator=operator, limit=limit)
        for operator in ("in", "not_in")
        for limit in (("GB", "US"), long)
    ]
    made = [
        make_decision(eligible=("nothing", "insurance"), exclusions={"upgrade": why})
        for why in reasons
    ]
    counted = [place.why for place in count_exclusions(made) if place.fate == "out"]
    expected = [replace(why, limit=None) if why.limit == long else why for why in reasons]
    assert sorted(map(str, map(reason_from, counted))) == sorted(map(str, expected))
    assert all(len(why) <= 200 for why in counted)


def test_event_types_are_counted_up_to_a_number_of_them(world: Any, spec: Any) -> None:
    world.launch(spec)
    decision = world.measured()
    for number in range(MOST_TYPES + 20):
        world.report(decision, f"numbered-{number}")
        if number % 30 == 0:
            world.ingest()
    world.report(decision, "complaint")
    world.report(decision, "purchase")
    world.ingest()
    names = {
        row.name.removeprefix("events.")
        for row in world.rows("SELECT name FROM counter WHERE name LIKE 'events.%'")
    }
    assert len(names) == MOST_TYPES + 3
    assert names > {"complaint", "purchase", OTHER}
    assert world.counter(f"events.{OTHER}") == 20
    world.report(decision, "numbered-3")
    world.report(decision, "another")
    world.ingest()
    assert world.counter("events.numbered-3") == 2
    assert world.counter(f"events.{OTHER}") == 21
