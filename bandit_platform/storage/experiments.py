"""Experiments and their revisions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.lifecycle import State
from bandit_platform.errors import NotFoundError
from bandit_platform.storage.statements import from_micros, table, to_micros
from bandit_platform.storage.tables import ExperimentRow, RevisionRow

_EXPERIMENT = table(ExperimentRow)
_REVISION = table(RevisionRow)


@dataclass(frozen=True, kw_only=True)
class StoredExperiment:
    """An experiment with the revision in force."""

    spec: ExperimentSpec
    state: State
    revision: int
    currency: str | None
    created_at: datetime
    started_at: datetime | None
    stopped_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class StoredRevision:
    """A spec and when it came into force."""

    number: int
    spec: ExperimentSpec
    created_at: datetime


def all_experiments(connection: Connection) -> list[StoredExperiment]:
    """Every experiment, by key."""
    return _select(connection)


def get_experiment(connection: Connection, key: str) -> StoredExperiment:
    """One experiment.

    Raises:
        NotFoundError: there is none of that key.
    """
    found = _select(connection, key)
    if not found:
        raise NotFoundError("there is no experiment with this key")
    return found[0]


def revisions(connection: Connection, key: str) -> list[StoredRevision]:
    """Every revision of an experiment, oldest first."""
    rows = connection.execute(
        select(_REVISION).where(_REVISION.c.experiment == key).order_by(_REVISION.c.number)
    )
    return [
        StoredRevision(
            number=row.number,
            spec=ExperimentSpec.model_validate_json(row.spec),
            created_at=from_micros(row.created_at),
        )
        for row in rows
    ]


def add_revision(connection: Connection, spec: ExperimentSpec, number: int, now: datetime) -> None:
    """Store a spec as a new revision; number 1 makes the experiment, as a draft."""
    moment = to_micros(now)
    connection.execute(
        insert(_REVISION).values(
            experiment=spec.key, number=number, spec=spec.to_json(), created_at=moment
        )
    )
    if number == 1:
        connection.execute(
            insert(_EXPERIMENT).values(
                key=spec.key, state=State.DRAFT, revision=1, created_at=moment
            )
        )
    else:
        connection.execute(
            update(_EXPERIMENT).where(_EXPERIMENT.c.key == spec.key).values(revision=number)
        )


def set_state(connection: Connection, key: str, state: State, now: datetime) -> None:
    """Store the state that an experiment moved to, and when it first started or stopped."""
    values: dict[str, object] = {"state": state}
    current = get_experiment(connection, key)
    if state is State.RUNNING and current.started_at is None:
        values["started_at"] = to_micros(now)
    if state is State.STOPPED:
        values["stopped_at"] = to_micros(now)
    connection.execute(update(_EXPERIMENT).where(_EXPERIMENT.c.key == key).values(**values))


def set_currency(connection: Connection, key: str, currency: str) -> None:
    """Fix the currency in which an experiment's amounts count."""
    connection.execute(
        update(_EXPERIMENT).where(_EXPERIMENT.c.key == key).values(currency=currency)
    )


def _select(connection: Connection, key: str | None = None) -> list[StoredExperiment]:
    joined = _EXPERIMENT.join(
        _REVISION,
        (_REVISION.c.experiment == _EXPERIMENT.c.key)
        & (_REVISION.c.number == _EXPERIMENT.c.revision),
    )
    statement = select(_EXPERIMENT, _REVISION.c.spec).select_from(joined)
    if key is not None:
        statement = statement.where(_EXPERIMENT.c.key == key)
    return [
        StoredExperiment(
            spec=ExperimentSpec.model_validate_json(row.spec),
            state=State(row.state),
            revision=row.revision,
            currency=row.currency,
            created_at=from_micros(row.created_at),
            started_at=_moment(row.started_at),
            stopped_at=_moment(row.stopped_at),
        )
        for row in connection.execute(statement.order_by(_EXPERIMENT.c.key))
    ]


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


def experiment_heads(connection: Connection) -> dict[str, tuple[State, int]]:
    """Experiment → (state, revision in force), without reading any spec."""
    rows = connection.execute(
        select(_EXPERIMENT.c.key, _EXPERIMENT.c.state, _EXPERIMENT.c.revision)
    )
    return {row.key: (State(row.state), row.revision) for row in rows}
