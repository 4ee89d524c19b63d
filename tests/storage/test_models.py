from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bandit_platform.errors import StorageError
from bandit_platform.storage.database import Database
from bandit_platform.storage.models import (
    ModelVersion,
    PolicyState,
    model_blob,
    newest_version,
    newest_versions,
    policy_states,
    publish_version,
    put_policy_states,
    remove_policy_states,
)

VERSION = ModelVersion(
    experiment="e",
    version=1,
    policy_hash="p" * 32,
    arguments="--cb_explore_adf",
    blob_hash="b" * 64,
    interactions=1000,
    published_at=datetime(2026, 11, 22, 10, 0, 0, 5, tzinfo=UTC),
)
BLOB = bytes(range(256)) * 300
STATE = PolicyState(
    policy="serving",
    policy_hash="p",
    cursor=2**40,
    interactions=7,
    accumulator='{"n":7}',
    blob=BLOB,
)


def test_a_published_version_comes_back_exactly(database: Database) -> None:
    with database.write() as connection:
        publish_version(connection, VERSION, BLOB)
    with database.read() as connection:
        assert newest_version(connection, "e") == VERSION
        assert model_blob(connection, "e", 1) == (BLOB, "b" * 64)


def test_what_was_never_published_is_not_there(database: Database) -> None:
    with database.read() as connection:
        assert newest_version(connection, "e") is None
        assert model_blob(connection, "e", 1) is None
        assert newest_versions(connection) == {}


def test_the_newest_version_is_the_highest_of_its_experiment(database: Database) -> None:
    with database.write() as connection:
        for experiment, version in (("e", 9), ("e", 10), ("f", 3), ("e", 2)):
            publish_version(
                connection,
                replace(
                    VERSION,
                    experiment=experiment,
                    version=version,
                    policy_hash=f"{experiment}{version}",
                ),
                bytes([version]),
            )
        assert newest_versions(connection) == {"e": (10, "e10"), "f": (3, "f3")}
        newest = newest_version(connection, "e")
        assert newest is not None
        assert newest.version == 10
        assert model_blob(connection, "e", 2) == (b"\x02", "b" * 64)


def test_a_published_version_is_never_replaced(database: Database) -> None:
    with database.write() as connection:
        publish_version(connection, VERSION, BLOB)
    with pytest.raises(StorageError), database.write() as connection:
        publish_version(connection, VERSION, b"another")
    with database.read() as connection:
        assert model_blob(connection, "e", 1) == (BLOB, "b" * 64)


def test_where_policies_stand_comes_back_exactly_and_is_replaced(database: Database) -> None:
    fixed = replace(STATE, policy="always:nothing", blob=None)
    moved = replace(STATE, cursor=2**40 + 1, accumulator="{}", blob=os.urandom(50_000))
    with database.write() as connection:
        put_policy_states(connection, "e", [STATE, fixed])
        put_policy_states(connection, "f", [STATE])
        put_policy_states(connection, "e", [])
    with database.write() as connection:
        assert policy_states(connection, "e") == {"serving": STATE, "always:nothing": fixed}
        put_policy_states(connection, "e", [moved])
    with database.read() as connection:
        assert policy_states(connection, "e") == {"serving": moved, "always:nothing": fixed}
        assert policy_states(connection, "f") == {"serving": STATE}


def test_policies_that_are_not_tracked_any_more_are_forgotten(database: Database) -> None:
    with database.write() as connection:
        put_policy_states(connection, "e", [STATE, replace(STATE, policy="old")])
        put_policy_states(connection, "f", [replace(STATE, policy="old")])
        remove_policy_states(connection, "e", {"old", "never-there"})
        remove_policy_states(connection, "e", set())
        assert set(policy_states(connection, "e")) == {"serving"}
        assert set(policy_states(connection, "f")) == {"old"}
