"""Page traffic above a limit by unit or address is told apart, in fixed memory."""

from __future__ import annotations

import timeit
import tracemalloc

from bandit_platform.services.serving.page_limits import PageLimits


class Ticks:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def limits(ticks: Ticks, unit: int = 20, address: int = 60) -> PageLimits:
    return PageLimits(unit=unit, address=address, clock=ticks)


def test_a_unit_counts_so_often_in_any_minute() -> None:
    ticks = Ticks()
    found = limits(ticks, unit=10)
    asked = [found.over("e", "a", "192.0.2.1") for _ in range(15)]
    assert asked == [False] * 10 + [True] * 5
    assert not found.over("e", "b", "192.0.2.1")
    ticks.now = 90.0  # half of the minute before still counts
    assert sum(not found.over("e", "a", "192.0.2.1") for _ in range(15)) == 5
    ticks.now = 500.0
    assert sum(not found.over("e", "a", "192.0.2.1") for _ in range(15)) == 10


def test_limits_of_zero_are_none() -> None:
    found = limits(Ticks(), unit=0, address=0)
    assert not any(found.over("e", "a", "192.0.2.1") for _ in range(1000))


def test_a_request_without_an_address_is_limited_by_its_unit_alone() -> None:
    found = limits(Ticks())
    assert sum(not found.over("e", f"unit-{n}", None) for n in range(1000)) == 1000
    assert sum(not found.over("e", "unit", None) for _ in range(30)) == 20


def test_an_address_with_a_new_unit_each_time_is_over_its_limit() -> None:
    found = limits(Ticks())
    over = [found.over("e", f"unit-{n}", "192.0.2.1") for n in range(1800)]
    assert over.count(False) == 60
    assert not any(over[:60])
    assert not found.over("e", "other", "192.0.2.2")


def test_a_unit_with_a_new_address_each_time_is_over_its_limit() -> None:
    found = limits(Ticks())
    over = [found.over("e", "unit", f"192.0.2.{n}") for n in range(200)]
    assert over.count(False) == 20


def test_a_unit_over_its_limit_uses_up_nothing_of_its_address() -> None:
    """One shopper who reloads a page takes nothing from an office."""
    found = limits(Ticks())
    for _ in range(1000):
        found.over("e", "reloads", "192.0.2.1")
    assert [found.over("e", f"colleague-{n}", "192.0.2.1") for n in range(40)] == [False] * 40


def test_each_experiment_counts_on_its_own() -> None:
    found = limits(Ticks())
    asked = [found.over(f"experiment-{n}", "shopper", "192.0.2.1") for n in range(50)]
    assert not any(asked)


def test_new_networks_of_one_provider_are_over_a_limit_together() -> None:
    found = limits(Ticks())
    over = [found.over("e", f"u-{n}", f"2001:db8:1:{n:x}::") for n in range(5000)]
    assert over.count(False) == 4 * 60
    assert not found.over("e", "shopper", "2001:db8:2:1::")
    assert not found.over("e", "shopper-2", "2001:db8::")


def test_inventing_names_frees_nobody_and_hurts_nobody() -> None:
    """As many invented networks as an attacker can send in a minute change nothing else."""
    found = limits(Ticks())
    for n in range(100):
        found.over("e", f"invented-{n}", "192.0.2.1")
    for n in range(300_000):
        found.over("e", f"other-{n}", f"{n}")
    assert found.over("e", "one-more", "192.0.2.1")
    honest = [found.over("e", f"shopper-{n}", f"honest-{n}") for n in range(10_000)]
    assert honest.count(True) <= 1


def test_memory_does_not_grow_with_names() -> None:
    ticks = Ticks()
    found = limits(ticks)
    tracemalloc.start()
    for n in range(50_000):
        ticks.now += 0.002
        found.over("e", f"unit-{n}", f"2001:db8:{n:x}:{n:x}::")
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held < 4e6  # two new windows, and what lru_cache keeps


def test_a_mark_costs_next_to_nothing() -> None:
    found = PageLimits(unit=10**9, address=10**9)
    seconds = timeit.repeat(lambda: found.over("e", "u", "192.0.2.1"), number=10_000, repeat=5)
    assert min(seconds) / 10_000 < 20e-6
