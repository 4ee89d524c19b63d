"""A locked SQLite never stalls a page: it is answered from what can be read, or says so at once."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from bandit_platform import bootstrap
from bandit_platform.bootstrap import build_console
from bandit_platform.domain.access import Role
from bandit_platform.errors import StorageError
from bandit_platform.settings import Settings
from bandit_platform.storage.database import Database
from bandit_platform.web.apps import create_console_app
from tests.cli.test_processes import decided
from tests.signing_in import signed_in

KEY = "checkout-offers"
#: of one page, on a machine with much other work; a page that waits as long as work takes more
BOUND_SECONDS = 6.0


@pytest.fixture
def console(tmp_path: Path, spec: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An administrator's client of a console, its platform and the file of its database."""
    monkeypatch.setattr(bootstrap, "PAGE_SECONDS", 0.2)
    decided(Settings(data_dir=tmp_path / "made", refresh_seconds=3600), spec, 3)
    settings = Settings(data_dir=tmp_path / "data")
    shutil.copytree(tmp_path / "made", settings.data_dir)  # which nobody else has open
    platform = build_console(settings)
    client = signed_in(create_console_app(platform, settings), platform, Role.ADMIN)
    yield client, platform, Path(settings.database.removeprefix("sqlite:///"))
    platform.database.close()


@contextmanager
def locked(path: Path, *statements: str) -> Iterator[None]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)
        yield


def pages(client: Any) -> list[str]:
    """Every address that shows something, of the experiment where one has to be named."""
    return sorted(
        rule.rule.replace("<key>", KEY)
        for rule in client.application.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and rule.arguments <= {"key"}
    )


def answers(client: Any, paths: list[str]) -> dict[str, int]:
    """Status by address; each is answered in time."""
    found = {}
    for path in paths:
        began = time.monotonic()
        found[path] = client.get(path, headers={"Accept": "text/html"}).status_code
        assert time.monotonic() - began < BOUND_SECONDS, path
    return found


def test_pages_are_read_while_somebody_writes(console: Any) -> None:
    client, _, path = console
    every = pages(client)
    assert len(every) > 25
    before = answers(client, every)
    with locked(path, "BEGIN IMMEDIATE"):
        during = answers(client, every)
        began = time.monotonic()
        changed = client.post(f"/experiments/{KEY}/setup/steps/pause")
        assert time.monotonic() - began < BOUND_SECONDS
    assert during == before
    assert changed.status_code == 503
    assert "Nothing was changed" in changed.text
    assert changed.headers["Retry-After"]


def test_pages_say_that_the_database_is_locked(console: Any) -> None:
    client, platform, path = console
    every = pages(client)
    before = answers(client, every)
    platform.database.close()
    with locked(path, "PRAGMA locking_mode = EXCLUSIVE", "BEGIN EXCLUSIVE"):
        during = answers(client, every)
        shown = client.get("/", headers={"Accept": "text/html"})
    assert set(during.values()) <= {200, 204, 302, 303, 304, 401, 404, 503}
    assert during["/"] == during[f"/experiments/{KEY}"] == 503
    assert "Its database is locked or does not answer" in shown.text
    assert answers(client, ["/"]) == {"/": before["/"]}


@pytest.mark.parametrize("statement", ["SELECT 1", "UPDATE lease SET holder = 'x'"])
def test_a_lock_of_postgresql_is_waited_for_only_so_long(postgres_url: str, statement: str) -> None:
    from sqlalchemy import text  # noqa: PLC0415

    with (
        closing(Database(postgres_url)) as other,
        closing(Database(postgres_url, lock_seconds=0.2)) as database,
        other.write() as holder,
    ):
        holder.execute(text("LOCK TABLE lease IN ACCESS EXCLUSIVE MODE"))
        if "lease" not in statement:
            with database.read() as connection:
                assert connection.execute(text(statement)).scalar() == 1
            return
        with pytest.raises(StorageError, match="LockNotAvailable"), database.write() as connection:
            connection.execute(text(statement))
