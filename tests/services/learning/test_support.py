"""What settles places for good: trusted requests, or many units of many networks."""

from __future__ import annotations

import json

import pytest

from bandit_platform.services.learning.support import (
    ENOUGH_ADDRESSES,
    ENOUGH_UNITS,
    MOST_WAITING,
    Shares,
    Source,
    WaitingValues,
)


def page(unit: int, address: int, *, over_limit: bool = False) -> Source:
    return Source(trusted=False, over_limit=over_limit, unit=f"u{unit}", address=f"a{address}")


SERVER = Source(trusted=True, over_limit=False, unit="u", address="a")


def test_a_trusted_request_settles_at_once() -> None:
    waiting = WaitingValues()
    assert not waiting.takes_place("GB", page(1, 1))
    assert waiting.takes_place("GB", SERVER)
    assert waiting.state() == []


def test_pages_need_enough_units_of_enough_networks() -> None:
    waiting = WaitingValues()
    took = [waiting.takes_place("GB", page(n, n % ENOUGH_ADDRESSES)) for n in range(ENOUGH_UNITS)]
    assert took == [False] * (ENOUGH_UNITS - 1) + [True]
    assert waiting.state() == []


@pytest.mark.parametrize(
    "sources",
    [
        [page(n, n % (ENOUGH_ADDRESSES - 1)) for n in range(500)],
        [page(n % (ENOUGH_UNITS - 1), n) for n in range(500)],
        [page(n, n, over_limit=True) for n in range(500)],
    ],
    ids=["few networks", "few units", "over a limit"],
)
def test_too_few_settle_nothing_however_often(sources: list[Source]) -> None:
    waiting = WaitingValues()
    assert not any(waiting.takes_place("GB", source) for source in sources)


def test_invented_values_neither_fill_the_state_nor_keep_honest_ones_out() -> None:
    """A stranger names two new values for every honest request, each for a unit of its own."""
    waiting, invented, honest, settled = WaitingValues(), 0, 0, False
    while not settled:
        for _ in range(2):
            invented += 1
            assert not waiting.takes_place(f"invented-{invented}", page(invented, 0))
        honest += 1
        settled = waiting.takes_place("GB", page(10**6 + honest, honest))
        assert len(waiting.state()) <= MOST_WAITING
        assert honest <= ENOUGH_UNITS
    assert honest == ENOUGH_UNITS
    assert len(json.dumps(waiting.state())) < 2000


def test_the_state_is_bounded_whatever_is_sent() -> None:
    waiting = WaitingValues()
    for n in range(20_000):
        waiting.takes_place(f"v{n % 40}", page(n, n % (ENOUGH_ADDRESSES - 1)))
    assert len(waiting.state()) == MOST_WAITING
    assert len(json.dumps(waiting.state())) < 10_000


def test_the_state_goes_on_where_it_was() -> None:
    whole, parts, state = WaitingValues(), [], "[]"
    for n in range(300):
        name, source = f"v{n % 30}", page(n // 2, n // 7)
        expected = whole.takes_place(name, source)
        restarted = WaitingValues(json.loads(state))
        parts.append(restarted.takes_place(name, source) == expected)
        state = json.dumps(restarted.state())
    assert all(parts)
    assert state == json.dumps(whole.state())


def test_a_sample_takes_no_more_than_its_share_of_anybody() -> None:
    shares = Shares(200)
    one_unit = sum(shares.takes(page(1, n)) for n in range(100))
    one_network = sum(shares.takes(page(10 + n, 999)) for n in range(100))
    assert (one_unit, one_network) == (8, 20)
    assert not shares.takes(page(5, 5, over_limit=True))
    assert all(shares.takes(SERVER) for _ in range(200))
    again = Shares(200, json.loads(json.dumps(shares.state())))
    assert not again.takes(page(99, 999))
    assert again.takes(page(99, 98))
