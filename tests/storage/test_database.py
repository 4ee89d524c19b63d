from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text

from bandit_platform.domain.decision import Decision
from bandit_platform.errors import InputError, StorageError
from bandit_platform.storage.counters import add, counters
from bandit_platform.storage.database import Database
from bandit_platform.storage.decisions import find_decisions, insert_decisions
from bandit_platform.storage.positions import journal_positions, put_journal_position


def test_what_was_written_is_there_for_the_next_connection(database_url: str) -> None:
    with closing(Database(database_url)) as one, one.write() as connection:
        put_journal_position(connection, "segment", 7)
    with closing(Database(database_url)) as two, two.read() as connection:
        assert journal_positions(connection) == {"segment": 7}


def test_a_transaction_that_fails_leaves_nothing(
    database: Database, make_decision: Callable[..., Decision]
) -> None:
    decision = make_decision()

    def fail() -> None:
        with database.write() as connection:
            insert_decisions(connection, [decision])
            add(connection, {("e", "decisions"): 1.0})
            put_journal_position(connection, "segment", 99)
            raise KeyError("in the middle")

    with pytest.raises(KeyError, match="in the middle"):
        fail()
    with database.read() as connection:
        assert find_decisions(connection, [decision.decision_id]) == {}
        assert counters(connection, "e") == {}
        assert journal_positions(connection) == {}


def test_a_refusal_of_the_database_is_a_storage_error_and_leaves_nothing(
    database: Database,
) -> None:
    def fail() -> None:
        with database.write() as connection:
            put_journal_position(connection, "segment", 99)
            connection.execute(text("INSERT INTO journal_position VALUES ('another', NULL)"))

    with pytest.raises(StorageError, match="position"):
        fail()
    with database.read() as connection:
        assert journal_positions(connection) == {}


def test_readers_see_nothing_of_a_transaction_before_it_commits(database: Database) -> None:
    with database.write() as writing:
        put_journal_position(writing, "segment", 7)
        with database.read() as reading:
            assert journal_positions(reading) == {}
    with database.read() as reading:
        assert journal_positions(reading) == {"segment": 7}


def test_writers_of_different_threads_wait_for_each_other(database: Database) -> None:
    """Each reads and then writes; none may fail, and none may lose what another wrote."""
    failures: list[Exception] = []

    def work() -> None:
        try:
            for _ in range(20):
                with database.write() as connection:
                    add(connection, {("e", "n"): 1.0})
        except Exception as error:  # noqa: BLE001 - shown by the assertion
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    with database.read() as connection:
        assert counters(connection, "e") == {"n": 80.0}


def test_a_database_that_is_locked_too_long_is_a_storage_error(sqlite_url: str) -> None:
    with (
        closing(Database(sqlite_url)) as holder,
        closing(Database(sqlite_url, busy_seconds=0.2)) as waiter,
        holder.write() as connection,
    ):
        put_journal_position(connection, "segment", 7)
        began = time.monotonic()
        with pytest.raises(StorageError, match="locked"), waiter.write():
            pass
        assert 0.15 < time.monotonic() - began < 2.0
        with waiter.read() as reading:  # reading goes on
            assert journal_positions(reading) == {}
    with closing(Database(sqlite_url)) as database, database.read() as connection:
        assert journal_positions(connection) == {"segment": 7}


def unreachable_urls(tmp_path: Path) -> dict[str, str]:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    (tmp_path / "rubbish.sqlite3").write_bytes(b"this is no database" * 100)
    (tmp_path / "folder.sqlite3").mkdir()
    return {
        "refused": f"postgresql://postgres@127.0.0.1:{port}/x",
        "no such host": "postgresql://postgres@no-such-host.invalid/x",
        "rubbish": f"sqlite:///{tmp_path}/rubbish.sqlite3",
        "folder": f"sqlite:///{tmp_path}/folder.sqlite3",
    }


@pytest.mark.parametrize("kind", ["refused", "no such host", "rubbish", "folder"])
def test_a_database_that_cannot_be_reached_is_a_storage_error_soon(
    tmp_path: Path, kind: str
) -> None:
    began = time.monotonic()
    with closing(Database(unreachable_urls(tmp_path)[kind], busy_seconds=1.0)) as database:
        for use in (database.read, database.write):
            with pytest.raises(StorageError), use():
                pass
        with pytest.raises(StorageError):
            database.is_current()
        with pytest.raises(StorageError):
            database.migrate()
    assert time.monotonic() - began < 8.0  # four attempts


def test_a_server_that_never_answers_is_given_up_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://postgres@127.0.0.1:{silent.getsockname()[1]}/x"
        began = time.monotonic()
        with (
            closing(Database(url, busy_seconds=1.0)) as database,
            pytest.raises(StorageError),
            database.read(),
        ):
            pass
        assert time.monotonic() - began < 4.0


def test_a_lost_connection_is_replaced(postgres_url: str) -> None:
    with closing(Database(postgres_url)) as database:
        with database.read() as connection:
            pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with closing(Database(postgres_url)) as other, other.write() as connection:
            connection.execute(text(f"SELECT pg_terminate_backend({pid})"))
        with database.read() as connection:
            assert journal_positions(connection) == {}


@pytest.mark.parametrize(
    "url",
    ["", "no address", "postgresql://host:port/x", "mongodb://host/x", "sqlite+nosuch:///x"],
)
def test_an_address_that_cannot_be_used_is_an_input_error(url: str) -> None:
    with pytest.raises(InputError, match="database address"):
        Database(url)


def test_an_address_is_never_repeated_with_its_password() -> None:
    with pytest.raises(InputError) as caught:
        Database("mongodb://user:canary@host/x")
    assert "canary" not in str(caught.value)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    url = f"postgresql://user:canary@127.0.0.1:{port}/x"
    with closing(Database(url)) as database, pytest.raises(StorageError) as refused:
        database.is_current()
    assert "canary" not in str(refused.value)


def test_sqlite_is_durable_and_lets_readers_go_on(sqlite_database: Database) -> None:
    with sqlite_database.read() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar_one() == 2


def test_statements_of_every_length_do_not_fill_the_memory(tmp_path: Path) -> None:
    """Inserts of each number of rows are statements of their own, 100 KB each."""
    process = psutil.Process()
    with closing(Database(f"sqlite:///{tmp_path}/d")) as database, database.read() as connection:

        def ask(first: int) -> None:
            for number in range(first, first + 100):
                values = ",".join(f"({n},{n})" for n in range(1000 + number))
                connection.exec_driver_sql(f"VALUES {values}").all()

        ask(0)
        before = process.memory_info().rss
        ask(100)
        ask(200)
        assert process.memory_info().rss - before < 3_000_000
