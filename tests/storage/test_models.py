from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from bandit_platform.errors import StorageError
from bandit_platform.storage.database import Database
from bandit_platform.storage.models import (
    ModelLine,
    ModelVersion,
    model_blob,
    model_state,
    model_states,
    newest_version,
    newest_versions,
    publish_version,
    put_model_states,
    remove_model_states,
    versions_before,
)
from bandit_platform.storage.policy_states import (
    PolicyState,
    policy_states,
    put_policy_states,
    remove_policy_states,
)

VERSION = ModelVersion(
    experiment="e",
    version=1,
    model_hash="m" * 32,
    arguments="--cb_explore_adf",
    blob_hash="b" * 64,
    interactions=1000,
    cursor=2**40,
    published_at=datetime(2026, 11, 22, 10, 0, 0, 5, tzinfo=UTC),
)
BLOB = bytes(range(256)) * 300
STATE = PolicyState(
    policy_hash="p", cursor=2**40, interactions=7, accumulator='{"n":7}', failures=1, failure="x"
)
MODEL = ModelLine(model_hash="m", line=0, cursor=2**40, interactions=7, blob=BLOB)


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
                    model_hash="even" if version % 2 == 0 else "odd",
                ),
                bytes([version]),
            )
        assert newest_versions(connection) == {
            ("e", "even"): 10,
            ("e", "odd"): 9,
            ("f", "odd"): 3,
        }
        assert versions_before(connection, "e", 10, "even", 5) == [2]
        odd = newest_version(connection, "e", "odd")
        assert odd is not None
        assert odd.version == 9
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


def test_the_progress_of_policies_comes_back_exactly_and_is_replaced(database: Database) -> None:
    fixed = replace(STATE, policy_hash="always:nothing")
    moved = replace(STATE, cursor=2**40 + 1, accumulator="{}")
    with database.write() as connection:
        put_policy_states(connection, "e", [STATE, fixed])
        put_policy_states(connection, "f", [STATE])
        put_policy_states(connection, "e", [])
    with database.write() as connection:
        assert policy_states(connection, "e") == {"p": STATE, "always:nothing": fixed}
        put_policy_states(connection, "e", [moved])
    with database.read() as connection:
        assert policy_states(connection, "e") == {"p": moved, "always:nothing": fixed}
        assert policy_states(connection, "f") == {"p": STATE}
        assert all(state.is_whole() for state in policy_states(connection, "e").values())


def test_policies_that_are_not_tracked_any_more_are_forgotten(database: Database) -> None:
    with database.write() as connection:
        put_policy_states(connection, "e", [STATE, replace(STATE, policy_hash="old")])
        put_policy_states(connection, "f", [replace(STATE, policy_hash="old")])
        remove_policy_states(connection, "e", {"old", "never-there"})
        remove_policy_states(connection, "e", set())
        assert set(policy_states(connection, "e")) == {"p"}
        assert set(policy_states(connection, "f")) == {"old"}


def test_the_lines_of_models_come_back_exactly_and_damaged_ones_do_not(
    database: Database,
) -> None:
    second = replace(MODEL, line=1, cursor=3, interactions=2, blob=os.urandom(50_000))
    with database.write() as connection:
        put_model_states(connection, "e", [MODEL, second])
        put_model_states(connection, "f", [second])
    with database.write() as connection:
        assert sorted(model_states(connection, "e"), key=lambda s: s.line) == [MODEL, second]
        assert model_state(connection, "e", "m") == MODEL
        assert model_state(connection, "f", "m") is None, "its first line is missing"
        remove_model_states(connection, "e", {("m", 1), ("never", 0)})
        assert model_states(connection, "e") == [MODEL]
        connection.execute(text("UPDATE model_state SET interactions = 8"))
        assert model_states(connection, "e") == []
        assert model_state(connection, "e", "m") is None
