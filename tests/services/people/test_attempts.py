from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from bandit_platform.services.people.attempts import (
    MOST_PER_ADDRESS,
    MOST_PER_NAME,
    WINDOW,
    Attempts,
)

SECRET = b"s" * 32
HERE = "192.0.2.1"
Make = Callable[[], Attempts]


@pytest.fixture
def process(world: Any) -> Make:
    """Another process on the same database, each time it is called."""
    return lambda: Attempts(world.database, world.clock, SECRET)


def rows(world: Any) -> int:
    return int(world.one("SELECT count(*) FROM sign_in_attempt"))


def test_a_name_waits_after_five_failures_until_the_oldest_is_over(
    world: Any, process: Make
) -> None:
    for _ in range(MOST_PER_NAME):
        assert process().begin("anna", HERE) == 0.0
        world.clock.advance(10)
    window = WINDOW.total_seconds()
    assert process().begin("anna", HERE) == window - 50
    assert process().begin("ben", HERE) == 0.0
    assert process().begin("anna", "192.0.2.2") == 0.0
    world.clock.advance(window - 50)
    assert process().begin("anna", HERE) == 0.0
    assert process().begin("anna", HERE) > 0.0


def test_success_forgets_the_failures_of_the_name(world: Any, process: Make) -> None:
    attempts = process()
    for _ in range(MOST_PER_ADDRESS + 5):
        assert attempts.begin("anna", HERE) == 0.0
        attempts.succeeded("anna", HERE)
    assert rows(world) == 0


def test_an_address_waits_however_many_names_it_tries(process: Make) -> None:
    attempts = process()
    tried = [attempts.begin(f"name-{number}", HERE) for number in range(MOST_PER_ADDRESS + 10)]
    assert tried.count(0.0) == MOST_PER_ADDRESS
    assert process().begin("name", "192.0.2.2") == 0.0


def test_many_at_once_in_several_processes_are_no_way_around(process: Make) -> None:
    processes = [process() for _ in range(4)]
    with ThreadPoolExecutor(8) as pool:
        waits = list(pool.map(lambda n: processes[n % 4].begin("anna", HERE), range(24)))
    assert waits.count(0.0) == MOST_PER_NAME


def test_a_clock_that_is_set_back_locks_nobody_out(world: Any, process: Make) -> None:
    for _ in range(MOST_PER_NAME):
        process().begin("anna", HERE)
    world.clock.now -= timedelta(hours=10)
    assert process().begin("anna", HERE) == 0.0


def test_what_is_kept_is_bounded_soon_gone_and_names_nobody(
    world: Any, process: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bandit_platform.storage.attempts.MOST_ROWS", 20)
    attempts = process()
    for number in range(40):
        attempts.begin("anna", f"address-{number}")
    assert rows(world) == 20
    kept = repr(world.rows("SELECT * FROM sign_in_attempt"))
    assert "anna" not in kept
    assert "address" not in kept
    world.clock.advance(WINDOW.total_seconds() + 1)
    attempts.begin("ben", HERE)
    assert rows(world) == 2
