"""Experiments and their revisions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from pydantic import ValidationError
from sqlalchemy import Connection, func, insert, select, update

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.lifecycle import State
from bandit_platform.errors import NotFoundError, UnreadableError
from bandit_platform.storage.statements import from_micros, table, to_micros
from bandit_platform.storage.tables import ExperimentRow, RevisionRow

_EXPERIMENT = table(ExperimentRow)
_REVISION = table(RevisionRow)
_log = structlog.get_logger(__name__)


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
    """Every experiment, by key; those whose spec cannot be read are logged and left out."""
    found = []
    for row in _rows(connection):
        try:
            found.append(_experiment(row))
        except UnreadableError as error:
            _log.error("experiment left out", experiment=row.key, error=str(error))
    return found


def get_experiment(connection: Connection, key: str) -> StoredExperiment:
    """One experiment.

    Raises:
        NotFoundError: there is none of that key.
        UnreadableError: its spec cannot be read.
    """
    for row in _rows(connection, key):
        return _experiment(row)
    raise NotFoundError("there is no experiment with this key")


def revisions(connection: Connection, key: str) -> list[StoredRevision]:
    """Every revision of an experiment, oldest first.

    Raises:
        UnreadableError: one of them cannot be read.
    """
    rows = connection.execute(
        select(_REVISION).where(_REVISION.c.experiment == key).order_by(_REVISION.c.number)
    )
    return [
        StoredRevision(
            number=row.number,
            spec=_spec(row.spec, row.number),
            created_at=from_micros(row.created_at),
        )
        for row in rows
    ]


def revision_spec(connection: Connection, key: str, number: int) -> ExperimentSpec | None:
    """The spec of one revision; None where it is not stored or cannot be read (logged)."""
    text = connection.execute(
        select(_REVISION.c.spec).where(_REVISION.c.experiment == key, _REVISION.c.number == number)
    ).scalar_one_or_none()
    if text is None:
        _log.error("revision missing", experiment=key, revision=number)
        return None
    try:
        return _spec(text, number)
    except UnreadableError as error:
        _log.error("revision left out", experiment=key, revision=number, error=str(error))
        return None


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
    if state is State.RUNNING:
        values["started_at"] = func.coalesce(_EXPERIMENT.c.started_at, to_micros(now))
    if state is State.STOPPED:
        values["stopped_at"] = to_micros(now)
    connection.execute(update(_EXPERIMENT).where(_EXPERIMENT.c.key == key).values(**values))


def set_currency(connection: Connection, key: str, currency: str) -> None:
    """Fix the currency in which an experiment's amounts count."""
    connection.execute(
        update(_EXPERIMENT).where(_EXPERIMENT.c.key == key).values(currency=currency)
    )


def _rows(connection: Connection, key: str | None = None) -> Iterable[Any]:
    joined = _EXPERIMENT.join(
        _REVISION,
        (_REVISION.c.experiment == _EXPERIMENT.c.key)
        & (_REVISION.c.number == _EXPERIMENT.c.revision),
    )
    statement = select(_EXPERIMENT, _REVISION.c.spec).select_from(joined)
    if key is not None:
        statement = statement.where(_EXPERIMENT.c.key == key)
    return connection.execute(statement.order_by(_EXPERIMENT.c.key))


def _experiment(row: Any) -> StoredExperiment:
    return StoredExperiment(
        spec=_spec(row.spec, row.revision),
        state=State(row.state),
        revision=row.revision,
        currency=row.currency,
        created_at=from_micros(row.created_at),
        started_at=_moment(row.started_at),
        stopped_at=_moment(row.stopped_at),
    )


def _spec(text: str, number: int) -> ExperimentSpec:
    try:
        return ExperimentSpec.model_validate_json(text)
    except ValidationError as error:
        places = sorted({".".join(map(str, each["loc"])) or "all of it" for each in error.errors()})
        raise UnreadableError(
            f"revision {number} cannot be read by this version: {', '.join(places[:5])}"
        ) from None


def _moment(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)


def experiment_heads(connection: Connection) -> dict[str, tuple[State, int]]:
    """Experiment → (state, revision in force), without reading any spec."""
    rows = connection.execute(
        select(_EXPERIMENT.c.key, _EXPERIMENT.c.state, _EXPERIMENT.c.revision)
    )
    return {row.key: (State(row.state), row.revision) for row in rows}
