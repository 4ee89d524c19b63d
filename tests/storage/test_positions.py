from __future__ import annotations

from bandit_platform.storage.database import Database
from bandit_platform.storage.positions import (
    forget_journal_position,
    journal_positions,
    put_journal_position,
)


def test_positions_are_kept_moved_on_and_forgotten(database: Database) -> None:
    with database.write() as connection:
        assert journal_positions(connection) == {}
        put_journal_position(connection, "one", 5)
        put_journal_position(connection, "two", 2**40)
        put_journal_position(connection, "one", 70)
    with database.write() as connection:
        assert journal_positions(connection) == {"one": 70, "two": 2**40}
        forget_journal_position(connection, "one")
        forget_journal_position(connection, "never-there")
        assert journal_positions(connection) == {"two": 2**40}
