from __future__ import annotations

import pytest

from bandit_platform.errors import StorageError
from bandit_platform.storage.counters import counters
from bandit_platform.storage.database import Database
from bandit_platform.storage.statements import insert_many
from bandit_platform.storage.tables import CounterRow

NAMES = ("experiment", "name", "value")


def rows(first: int, last: int) -> list[tuple[str, str, float]]:
    return [("e", f"n{number}", float(number)) for number in range(first, last)]


def test_rows_that_are_all_new_are_inserted_at_once(database: Database) -> None:
    with database.write() as connection:
        assert insert_many(connection, CounterRow, NAMES, []) is None
        assert insert_many(connection, CounterRow, NAMES, rows(0, 300)) is None
    with database.read() as connection:
        assert counters(connection, "e") == {f"n{number}": number for number in range(300)}


@pytest.mark.parametrize("size", [3, 300])
def test_where_keys_are_there_only_the_others_are_inserted(database: Database, size: int) -> None:
    with database.write() as connection:
        insert_many(connection, CounterRow, NAMES, [("e", "n1", -1.0)])
    with database.write() as connection:
        found = insert_many(connection, CounterRow, NAMES, rows(0, size))
        assert found == {("e", name) for _, name, _ in rows(0, size) if name != "n1"}
        assert insert_many(connection, CounterRow, NAMES, rows(size, size + 5)) is None
    with database.read() as connection:
        known = counters(connection, "e")
    assert len(known) == size + 5
    assert known["n1"] == -1.0


def test_what_the_database_refuses_is_told_as_its_trouble(database: Database) -> None:
    with pytest.raises(StorageError), database.write() as connection:
        insert_many(connection, CounterRow, ("experiment", "no such column"), [("e", "x")])
    with database.read() as connection:
        assert counters(connection, "e") == {}
