from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import pytest

from bandit_platform.errors import UnavailableError
from bandit_platform.storage.counters import add, counters
from bandit_platform.storage.database import Database
from bandit_platform.storage.lease import demand_lease, release_lease, take_lease, take_turns

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
LENGTH = timedelta(seconds=5)


def take(database: Database, holder: str, seconds: float = 0.0) -> bool:
    with database.write() as connection:
        return take_lease(connection, holder, NOW + timedelta(seconds=seconds), LENGTH)


def leads(database: Database, holder: str) -> bool:
    try:
        with database.write() as connection:
            demand_lease(connection, holder)
    except UnavailableError:
        return False
    return True


def test_one_holder_at_a_time(database: Database) -> None:
    assert take(database, "a")
    assert not take(database, "b")
    assert leads(database, "a")
    assert not leads(database, "b")


def test_before_anybody_took_it_nobody_leads(database: Database) -> None:
    assert not leads(database, "a")


def test_renewing_keeps_the_lead(database: Database) -> None:
    assert take(database, "a")
    assert take(database, "a", 4.0)
    assert not take(database, "b", 8.0)
    assert take(database, "b", 9.1)


def test_a_holder_that_fell_silent_is_replaced_and_notices(database: Database) -> None:
    assert take(database, "a")
    assert not take(database, "b", 5.0)
    assert take(database, "b", 5.000001)
    assert not leads(database, "a")
    assert leads(database, "b")
    assert not take(database, "a", 6.0)


def test_a_released_lead_is_free_at_once(database: Database) -> None:
    assert take(database, "a")
    with database.write() as connection:
        release_lease(connection, "b")
    assert not take(database, "b", 0.1)
    with database.write() as connection:
        release_lease(connection, "a")
    assert take(database, "b", 0.1)


def test_nothing_of_a_transaction_without_the_lead_counts(database: Database) -> None:
    take(database, "a")

    def work() -> None:
        with database.write() as connection:
            add(connection, {("e", "n"): 1.0})
            demand_lease(connection, "b")

    with pytest.raises(UnavailableError, match="another worker leads"):
        work()
    with database.read() as connection:
        assert counters(connection, "e") == {}


def test_of_many_that_take_it_at_once_one_leads(database: Database) -> None:
    results: dict[str, bool] = {}
    start = threading.Barrier(6)

    def work(name: str) -> None:
        start.wait()
        results[name] = take(database, name)

    threads = [threading.Thread(target=work, args=(f"w{i}",)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 6
    assert sum(results.values()) == 1


def test_the_lead_cannot_be_taken_while_its_holder_commits(database: Database) -> None:
    """Whoever demanded the lead keeps it until the transaction ends."""
    take(database, "a")
    taken: list[bool] = []
    with database.write() as connection:
        demand_lease(connection, "a")
        rival = threading.Thread(target=lambda: taken.append(take(database, "b", 60.0)))
        rival.start()
        rival.join(timeout=0.3)
        assert taken == []
    rival.join()
    assert taken == [True]


def test_writers_that_take_turns_never_overlap(database: Database) -> None:
    inside: list[str] = []
    overlaps: list[list[str]] = []
    start = threading.Barrier(4)

    def work(name: str) -> None:
        start.wait()
        for _ in range(5):
            with database.write() as connection:
                take_turns(connection)
                inside.append(name)
                if len(inside) > 1:
                    overlaps.append(list(inside))
                add(connection, {("e", "n"): 1.0})
                inside.remove(name)

    threads = [threading.Thread(target=work, args=(f"w{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert overlaps == []
    with database.read() as connection:
        assert counters(connection, "e") == {"n": 20.0}
