from __future__ import annotations

import random
import threading

from bandit_platform.storage.counters import add, counters
from bandit_platform.storage.database import Database


def test_amounts_add_up_by_experiment_and_name(database: Database) -> None:
    with database.write() as connection:
        add(connection, {("e", "a"): 1, ("e", "b"): 2.5, ("f", "a"): 10})
        add(connection, {("e", "a"): 2, ("e", "zero"): 0})
        add(connection, {})
        assert counters(connection, "e") == {"a": 3.0, "b": 2.5}
        assert counters(connection, "f") == {"a": 10.0}
        assert counters(connection, "unknown") == {}


def test_threads_that_add_at_once_lose_nothing(database: Database) -> None:
    """In any order of names: nobody may be locked out by somebody else's order."""
    names = [f"n{i}" for i in range(6)]
    failures: list[Exception] = []

    def work(seed: int) -> None:
        rng = random.Random(seed)
        try:
            for _ in range(15):
                rng.shuffle(names_of_mine := list(names))
                with database.write() as connection:
                    add(connection, {("e", name): 1 for name in names_of_mine})
        except Exception as error:  # noqa: BLE001 - shown by the assertion
            failures.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.read() as connection:
        assert counters(connection, "e") == dict.fromkeys(names, 75.0)
