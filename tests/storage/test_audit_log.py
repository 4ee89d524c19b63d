"""The audit log only grows, on both databases, whoever asks otherwise."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from bandit_platform.domain.actor import Actor
from bandit_platform.domain.audit_entry import subject_of
from bandit_platform.domain.revision import Change
from bandit_platform.errors import StorageError
from bandit_platform.storage.audit_log import Sought, entries, note
from bandit_platform.storage.database import Database

ANNA = Actor(kind="user", name="anna")
NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)


def write(database: Database, *whats: str, by: Actor = ANNA) -> None:
    with database.write() as connection:
        for number, what in enumerate(whats):
            told = [Change(path="a.b", before=None, after={"ü": [1, 2.5, None]})]
            subject = subject_of("experiment", "x")
            at = NOW + timedelta(seconds=number)
            note(connection, at, by, what, subject, difference=told)


def test_what_is_written_comes_back_newest_first(database: Database) -> None:
    write(database, "experiment.created", "experiment.changed")
    with database.read() as connection:
        newest, oldest = entries(connection, subject=subject_of("experiment", "x"))
        assert entries(connection, subject="experiment:y") == []
        assert entries(connection, older_than=newest.number) == [oldest]
        assert entries(connection, most=1) == [newest]
    assert (oldest.what, newest.what) == ("experiment.created", "experiment.changed")
    assert newest.by == ANNA
    assert newest.at == NOW + timedelta(seconds=1)
    assert newest.difference == (Change(path="a.b", before=None, after={"ü": [1, 2.5, None]}),)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_log SET name = 'nobody'",
        "UPDATE audit_log SET name = 'nobody' WHERE number = 1",
        "DELETE FROM audit_log",
        "DELETE FROM audit_log WHERE number = 1",
    ],
)
def test_nothing_is_changed_or_deleted(database: Database, statement: str) -> None:
    write(database, "experiment.created")
    with (
        pytest.raises(StorageError, match="the audit log only grows"),
        database.write() as connection,
    ):
        connection.execute(text(statement))
    with database.read() as connection:
        assert [entry.by.name for entry in entries(connection)] == ["anna"]


def test_sqlite_does_not_replace_either(sqlite_database: Database) -> None:
    write(sqlite_database, "experiment.created")
    replacing = "INSERT OR REPLACE INTO audit_log SELECT * FROM audit_log"
    with pytest.raises(StorageError, match="only grows"), sqlite_database.write() as connection:
        connection.execute(text(replacing))


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_postgresql_does_not_truncate_either(database: Database) -> None:
    write(database, "experiment.created")
    with pytest.raises(StorageError, match="only grows"), database.write() as connection:
        connection.execute(text("TRUNCATE audit_log"))


def test_conditions_take_signs_of_patterns_as_they_are(database: Database) -> None:
    write(database, "key.created", by=Actor(kind="key", name="100%_sure"))
    write(database, "key.created")
    with database.read() as connection:
        for who, count in {"%": 1, "_": 1, "100%": 1, "": 2, "n_a": 0}.items():
            assert len(entries(connection, sought=Sought(who=who))) == count, who


def test_what_is_refused_leaves_no_entry(database: Database) -> None:
    def fail() -> None:
        with database.write() as connection:
            note(connection, NOW, ANNA, "experiment.started", "experiment:x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with database.read() as connection:
        assert entries(connection) == []
