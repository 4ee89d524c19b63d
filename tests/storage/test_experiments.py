from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.lifecycle import State
from bandit_platform.errors import NotFoundError, StorageError
from bandit_platform.storage.database import Database
from bandit_platform.storage.experiments import (
    StoredExperiment,
    StoredRevision,
    add_revision,
    all_experiments,
    experiment_heads,
    get_experiment,
    revisions,
    set_currency,
    set_state,
)

NOW = datetime(2026, 11, 22, 10, 0, 0, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_new_experiment_is_a_draft_of_revision_one(
    database: Database, spec: ExperimentSpec
) -> None:
    with database.write() as connection:
        add_revision(connection, spec, 1, NOW)
    with database.read() as connection:
        assert get_experiment(connection, spec.key) == StoredExperiment(
            spec=spec,
            state=State.DRAFT,
            revision=1,
            currency=None,
            created_at=NOW,
            started_at=None,
            stopped_at=None,
        )


def test_revisions_are_kept_and_the_last_one_is_in_force(
    database: Database, spec: ExperimentSpec
) -> None:
    changed = spec.model_copy(update={"owner": "somebody else"})
    with database.write() as connection:
        add_revision(connection, spec, 1, NOW)
        add_revision(connection, changed, 2, NOW + HOUR)
        assert revisions(connection, spec.key) == [
            StoredRevision(number=1, spec=spec, created_at=NOW),
            StoredRevision(number=2, spec=changed, created_at=NOW + HOUR),
        ]
        current = get_experiment(connection, spec.key)
        assert (current.revision, current.spec, current.created_at) == (2, changed, NOW)


def test_a_revision_is_never_replaced(database: Database, spec: ExperimentSpec) -> None:
    with database.write() as connection:
        add_revision(connection, spec, 1, NOW)
    with pytest.raises(StorageError), database.write() as connection:
        add_revision(connection, spec, 1, NOW + HOUR)


def test_an_unknown_experiment_is_not_found(database: Database) -> None:
    with database.read() as connection:
        with pytest.raises(NotFoundError):
            get_experiment(connection, "unknown")
        assert revisions(connection, "unknown") == []
        assert all_experiments(connection) == []


def test_experiments_are_listed_by_key(database: Database, spec: ExperimentSpec) -> None:
    with database.write() as connection:
        for key in ("zebra", "apple"):
            add_revision(connection, spec.model_copy(update={"key": key}), 1, NOW)
        set_state(connection, "zebra", State.RUNNING, NOW)
        assert [each.spec.key for each in all_experiments(connection)] == ["apple", "zebra"]
        assert experiment_heads(connection) == {
            "apple": (State.DRAFT, 1),
            "zebra": (State.RUNNING, 1),
        }


def test_the_first_start_and_the_last_stop_are_remembered(
    database: Database, spec: ExperimentSpec
) -> None:
    with database.write() as connection:
        add_revision(connection, spec, 1, NOW)
        for state, after in ((State.RUNNING, 1), (State.PAUSED, 2), (State.RUNNING, 3)):
            set_state(connection, spec.key, state, NOW + after * HOUR)
            current = get_experiment(connection, spec.key)
            assert (current.state, current.started_at) == (state, NOW + HOUR)
            assert current.stopped_at is None
        set_state(connection, spec.key, State.STOPPED, NOW + 4 * HOUR)
        set_state(connection, spec.key, State.ARCHIVED, NOW + 5 * HOUR)
        current = get_experiment(connection, spec.key)
        assert (current.state, current.stopped_at) == (State.ARCHIVED, NOW + 4 * HOUR)


def test_the_currency_is_the_experiments_own(database: Database, spec: ExperimentSpec) -> None:
    with database.write() as connection:
        add_revision(connection, spec, 1, NOW)
        add_revision(connection, spec.model_copy(update={"key": "another"}), 1, NOW)
        set_currency(connection, spec.key, "GBP")
        assert get_experiment(connection, spec.key).currency == "GBP"
        assert get_experiment(connection, "another").currency is None
