from __future__ import annotations

from collections import Counter

from bandit_platform.domain.page_source import (
    MOST_SOURCES,
    TOTAL,
    ArmCounts,
    PageSource,
    SourceKind,
    kept_sources,
)


def count_all(names: list[str], batch: int) -> dict[str, PageSource]:
    """Count names as they come, some at a time."""
    total = PageSource(kind=SourceKind.UNIT, name=TOTAL, rank=0)
    known: dict[str, PageSource] = {}
    for first in range(0, len(names), batch):
        for name, number in Counter(names[first : first + batch]).items():
            new = PageSource(kind=SourceKind.UNIT, name=name, rank=total.rank)
            known[name] = known.get(name, new).plus(number, 0)
        total, kept = kept_sources(total, known.values())
        known = {name: source for name, source in known.items() if name in kept}
    return known


def test_whoever_asks_often_stays_in_sight_among_any_number_of_others() -> None:
    """One in ten is the flooder, all others come once."""
    names = [("flooder" if n % 10 == 0 else f"once-{n}") for n in range(20_000)]
    for batch in (1, 37, 1000):
        known = count_all(names, batch)
        assert len(known) <= MOST_SOURCES
        assert known["flooder"].decisions == 2000
        assert known["flooder"].rank == max(each.rank for each in known.values())


def test_few_sources_are_all_kept_and_counted_exactly() -> None:
    names = [f"unit-{n % MOST_SOURCES}" for n in range(640)]
    known = count_all(names, 7)
    assert {name: each.decisions for name, each in known.items()} == Counter(names)


def test_outcomes_add_up_by_arm() -> None:
    source = PageSource(kind=SourceKind.KEY, name="k", rank=0)
    added = source.with_outcomes("vip", 10, 4).with_outcomes("vip", 5, 1)
    assert added.arms == {"vip": ArmCounts(decisions=15, rewarded=5)}
    assert source.arms == {}
