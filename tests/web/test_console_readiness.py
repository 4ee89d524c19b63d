from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import pytest
from sqlalchemy import text

from bandit_platform.errors import StorageError
from bandit_platform.services.serving.upkeep import UpkeepWatch
from bandit_platform.storage.database import Database
from bandit_platform.web.console_readiness import ConsoleReadiness


class Ticks:
    """A monotonic clock that a test sets."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


@pytest.fixture
def ready(deployment: Any, ticks: Ticks) -> ConsoleReadiness:
    database = deployment.platform.database
    watch = UpkeepWatch(database, deployment.settings.journal_dir, deployment.clock)
    return ConsoleReadiness(database, watch, ticks)


def test_the_database_is_asked_once_a_second(
    ready: ConsoleReadiness, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ready().why is None

    def away(_: Database) -> bool:
        raise StorageError("no route to db.internal")

    monkeypatch.setattr(Database, "is_current", away)
    ticks.now += 0.9
    assert ready().why is None
    ticks.now += 0.2
    assert ready().why == "the database does not answer"
    monkeypatch.undo()
    assert ready().why == "the database does not answer"
    ticks.now += 1.1
    assert ready().why is None


def test_while_one_caller_waits_for_the_database_the_others_do_not(
    ready: ConsoleReadiness, ticks: Ticks, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = ready()
    asked, answer = Event(), Event()

    def hangs(_: Database) -> bool:
        asked.set()
        assert answer.wait(20)
        return True

    monkeypatch.setattr(Database, "is_current", hangs)
    ticks.now += 2.0
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(ready)
        assert asked.wait(20)
        assert ready() is known
        answer.set()
        assert first.result().why is None


def test_tables_of_another_version_are_told_of(
    ready: ConsoleReadiness, ticks: Ticks, deployment: Any
) -> None:
    no_worker = "no worker leads; nothing is lost, and nothing is learned"
    assert ready().warnings == (no_worker,)
    with deployment.platform.database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    ticks.now += 2.0
    (_, told) = ready().warnings
    assert "tables are of another version" in told
