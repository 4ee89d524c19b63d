"""Page traffic is counted by key, unit and address: a few rows, however much there is."""

from __future__ import annotations

from collections import Counter
from typing import Any

from bandit_platform.domain.caller import Caller
from bandit_platform.domain.page_source import MOST_SOURCES, TOTAL, PageSource, SourceKind
from bandit_platform.services.collecting.forget import forget
from bandit_platform.services.serving.page_limits import PageLimits
from bandit_platform.storage.page_sources import page_sources

KEY = "checkout-offers"
PAGE_KEY = "0123456789abcdef"


def ask(world: Any, unit: str, address: str = "192.0.2.1", *, trusted: bool = False) -> Any:
    caller = Caller(key_id=PAGE_KEY, trusted=trusted, address=address)
    return world.decide(unit, caller=caller)


def sources(world: Any) -> dict[tuple[SourceKind, str], PageSource]:
    with world.database.read() as connection:
        return {(each.kind, each.name): each for each in page_sources(connection, KEY)}


def test_counts_are_those_of_the_stored_decisions(world: Any, spec: Any) -> None:
    world.limits = PageLimits(unit=3, address=8)
    world.launch(spec)
    made = [ask(world, f"u-{n % 4}", f"192.0.2.{n % 3}") for n in range(30)]
    server = [ask(world, "server", trusted=True) for _ in range(5)]
    for _ in range(2):
        world.ingest()
    found = sources(world)
    assert server[0].unit not in {name for _, name in found}
    for kind, name_of in (
        (SourceKind.KEY, lambda d: d.key_id),
        (SourceKind.UNIT, lambda d: d.unit),
        (SourceKind.ADDRESS, lambda d: d.address),
    ):
        expected = Counter((name_of(each), each.over_limit) for each in made)
        names = {name for name, _ in expected}
        assert {n for k, n in found if k is kind} == {*names, TOTAL}
        for name in names:
            counted = found[kind, name]
            assert counted.decisions == expected[name, False]
            assert counted.over_limit == expected[name, True]
        assert found[kind, TOTAL].asked == 30
    assert any(each.over_limit for each in made)


def test_matured_decisions_are_counted_by_arm_and_reward(world: Any, spec: Any) -> None:
    world.launch(spec)
    made = [ask(world, f"u-{n % 3}") for n in range(40)]
    accepted = [each for number, each in enumerate(made) if number % 2]
    for each in accepted:
        world.report(each, "accept", trusted=False)
    world.ingest()
    world.settle()
    policy = [each for each in made if each.reason != "holdout"]
    expected = Counter((each.arm, each in accepted) for each in policy)
    for key in ((SourceKind.KEY, PAGE_KEY), (SourceKind.KEY, TOTAL)):
        arms = sources(world)[key].arms
        assert {arm: (one.decisions, one.rewarded) for arm, one in arms.items()} == {
            arm: (expected[arm, True] + expected[arm, False], expected[arm, True])
            for arm, _ in expected
        }
    per_unit = [each for (kind, name), each in sources(world).items() if kind == "unit" and name]
    assert sum(one.decisions for each in per_unit for one in each.arms.values()) == len(policy)


def test_rows_stay_few_and_the_flooder_among_them(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    flooder = ""
    for number in range(600):
        made = ask(lite, "flooder" if number % 5 == 0 else f"u-{number}", f"192.0.2.{number}")
        flooder = made.unit if number % 5 == 0 else flooder
        if number % 50 == 49:
            lite.ingest()
    assert lite.one("SELECT COUNT(*) FROM page_source") <= 3 * (MOST_SOURCES + 1)
    assert sources(lite)[SourceKind.UNIT, flooder].decisions == 120
    assert sources(lite)[SourceKind.UNIT, TOTAL].decisions == 600


def test_forgetting_a_unit_removes_its_counts_and_its_addresses(world: Any, spec: Any) -> None:
    world.launch(spec)
    ann = ask(world, "ann", "192.0.2.7")
    bob = ask(world, "bob", "192.0.2.8")
    world.ingest()
    forget(world.database, world.folder, world.secret, "ann", pause=0.0)
    names = {name for _, name in sources(world)}
    assert not {ann.unit, ann.address} & names
    assert {bob.unit, bob.address} <= names
    assert sources(world)[SourceKind.KEY, TOTAL].decisions == 2
