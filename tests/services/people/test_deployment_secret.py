"""A process with another secret than the data's refuses to start and decides nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bandit_platform.bootstrap import (
    build,
    build_console,
    build_ingest,
    build_serving,
    build_worker,
)
from bandit_platform.domain.lifecycle import Action
from bandit_platform.errors import SecretError, StorageError, UnavailableError
from bandit_platform.services.people.deployment_secret import demand_secret
from bandit_platform.services.serving.readiness import serving_readiness
from bandit_platform.services.serving.registry import Registry
from bandit_platform.settings import Settings
from bandit_platform.storage.database import Database
from bandit_platform.storage.decisions import insert_decisions
from tests.cli.test_processes import decided

OTHER = b"another secret, which is also longer than 32 bytes"


def fingerprints(database: Database) -> list[str]:
    from sqlalchemy import text  # noqa: PLC0415

    with database.read() as connection:
        return list(
            connection.execute(text("SELECT fingerprint FROM secret_fingerprint")).scalars()
        )


def test_the_first_process_decides_whose_data_they_are(database: Any, secret: bytes) -> None:
    demand_secret(database, secret, adopt=False)
    assert fingerprints(database) == []
    demand_secret(database, secret, adopt=True)
    (kept,) = fingerprints(database)
    demand_secret(database, secret, adopt=True)
    for adopt in (True, False):
        with pytest.raises(SecretError, match="Restore the original secret"):
            demand_secret(database, OTHER, adopt=adopt)
    assert fingerprints(database) == [kept]
    assert secret.hex() not in kept


def test_of_two_that_start_at_once_one_refuses(database: Any, secret: bytes) -> None:
    def begin(mine: bytes) -> bool:
        try:
            demand_secret(database, mine, adopt=True)
        except SecretError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        started = list(pool.map(begin, [secret, OTHER] * 4))
    assert sum(started) == 4
    assert len(set(started[::2])) == len(set(started[1::2])) == 1


def test_data_of_before_are_adopted_by_the_secret_of_their_decisions_alone(
    world: Any, secret: bytes, spec: Any, make_decision: Any
) -> None:
    database = world.database
    world.launch(spec)
    with database.write() as connection:
        insert_decisions(connection, [make_decision() for _ in range(9)])
    for adopt in (True, False):
        with pytest.raises(SecretError, match="stored decisions were made with a different secret"):
            demand_secret(database, OTHER, adopt=adopt)
    assert fingerprints(database) == []
    demand_secret(database, secret, adopt=True)
    assert len(fingerprints(database)) == 1


@pytest.fixture
def deployment(tmp_path: Any, spec: Any) -> Settings:
    """Settings with another secret than the data's, which hold decisions."""
    settings = Settings(data_dir=tmp_path / "data", refresh_seconds=3600)
    decided(settings, spec, 3)
    return Settings(**{**vars(settings), "secret": OTHER.decode()})


@pytest.mark.parametrize("make", [build_serving, build_console, build_worker, build_ingest])
def test_no_process_starts_with_another_secret(deployment: Settings, make: Any) -> None:
    with pytest.raises(SecretError, match="the database was created with a different secret"):
        make(deployment)


def test_what_needs_no_secret_goes_on_and_what_needs_it_refuses(deployment: Settings) -> None:
    platform = build(deployment)
    platform.change_state("checkout-offers", Action.PAUSE)
    with pytest.raises(SecretError):
        platform.audit("checkout-offers")
    with pytest.raises(SecretError):
        platform.trace("checkout-offers", "x")
    with pytest.raises(SecretError):
        platform.decisions.unit("u")
    platform.database.close()


def test_a_server_that_starts_without_its_database_loads_nothing_of_another_secret(
    deployment: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> None:
        raise StorageError("away")

    with monkeypatch.context() as patch:
        patch.setattr(Database, "ensure_ready", away)
        serving = build_serving(deployment)
    try:
        with pytest.raises(SecretError):
            serving.registry.refresh()
        serving.registry.note_trouble(SecretError("it is another"))
        with pytest.raises(UnavailableError):
            serving.registry.get("checkout-offers")
        found = serving_readiness(serving.registry, serving.journal, serving.upkeep.look())
        assert found.why == "the database was created with a different secret"
    finally:
        serving.registry.close()
        serving.upkeep.close()
        serving.journal.close()


def test_the_secret_is_looked_at_once(database: Any, secret: bytes) -> None:
    asked = []
    registry = Registry(database, lambda: asked.append(1))
    registry.refresh()
    registry.refresh()
    assert asked == [1]
