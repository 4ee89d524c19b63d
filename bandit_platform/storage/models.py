"""Published model versions, and how far models have learned."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, or_, select

from bandit_platform.storage.learning_tables import (
    DeploymentRow,
    ModelStateRow,
    ModelUseRow,
    ModelVersionRow,
)
from bandit_platform.storage.statements import from_micros, insert_new, put, table, to_micros

_VERSION = table(ModelVersionRow)
_STATE = table(ModelStateRow)
_USE = table(ModelUseRow)
_DEPLOYMENT = table(DeploymentRow)


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """A published model; the blob is loaded only where it is needed."""

    experiment: str
    version: int
    model_hash: str
    arguments: str
    blob_hash: str
    #: interactions learned from, and the number of the last of them
    interactions: int
    cursor: int
    published_at: datetime


@dataclass(frozen=True, kw_only=True)
class ModelLine:
    """A model as far as it has learned."""

    model_hash: str
    #: 0 has learned most; further lines value policies that are new
    line: int
    #: number of the last interaction learned from
    cursor: int
    interactions: int
    blob: bytes

    @property
    def digest(self) -> str:
        """The hash of what is stored."""
        return digest_of(self.model_hash, self.line, self.cursor, self.interactions, self.blob)


def digest_of(*parts: object) -> str:
    """A hash that tells apart any two lists of parts."""
    found = sha256()
    for part in parts:
        piece = part if isinstance(part, bytes) else repr(part).encode()
        found.update(b"%d:" % len(piece))
        found.update(piece)
    return found.hexdigest()


def newest_versions(connection: Connection) -> dict[tuple[str, str], int]:
    """(experiment, model) → its newest version."""
    rows = connection.execute(
        select(
            _VERSION.c.experiment,
            _VERSION.c.model_hash,
            func.max(_VERSION.c.version).label("version"),
        ).group_by(_VERSION.c.experiment, _VERSION.c.model_hash)
    )
    return {(row.experiment, row.model_hash): row.version for row in rows}


def versions_before(
    connection: Connection, experiment: str, version: int, model_hash: str, limit: int
) -> list[int]:
    """Older versions of the same model, newest first."""
    statement = (
        select(_VERSION.c.version)
        .where(
            _VERSION.c.experiment == experiment,
            _VERSION.c.version < version,
            _VERSION.c.model_hash == model_hash,
        )
        .order_by(_VERSION.c.version.desc())
        .limit(limit)
    )
    return list(connection.execute(statement).scalars())


def newest_version(
    connection: Connection, experiment: str, model_hash: str | None = None
) -> ModelVersion | None:
    """The version published last, of any model or of one."""
    conditions = [_VERSION.c.experiment == experiment]
    if model_hash is not None:
        conditions.append(_VERSION.c.model_hash == model_hash)
    return _version(connection, and_(*conditions))


def model_version(connection: Connection, experiment: str, version: int) -> ModelVersion | None:
    """One version."""
    return _version(
        connection, and_(_VERSION.c.experiment == experiment, _VERSION.c.version == version)
    )


def furthest_cursor(connection: Connection, experiment: str) -> int:
    """The last interaction that any published version learned from; 0 without versions."""
    statement = select(func.max(_VERSION.c.cursor)).where(_VERSION.c.experiment == experiment)
    return connection.execute(statement).scalar() or 0


def _version(connection: Connection, condition: ColumnElement[bool]) -> ModelVersion | None:
    """The newest version of those that fulfil a condition."""
    columns = [column for column in _VERSION.c if column.name != "blob"]
    row = connection.execute(
        select(*columns).where(condition).order_by(_VERSION.c.version.desc()).limit(1)
    ).one_or_none()
    if row is None:
        return None
    return ModelVersion(
        experiment=row.experiment,
        version=row.version,
        model_hash=row.model_hash,
        arguments=row.arguments,
        blob_hash=row.blob_hash,
        interactions=row.interactions,
        cursor=row.cursor,
        published_at=from_micros(row.published_at),
    )


def model_blob(connection: Connection, experiment: str, version: int) -> tuple[bytes, str] | None:
    """The bytes of a version and the hash they must have."""
    row = connection.execute(
        select(_VERSION.c.blob, _VERSION.c.blob_hash).where(
            _VERSION.c.experiment == experiment, _VERSION.c.version == version
        )
    ).one_or_none()
    return None if row is None else (row.blob, row.blob_hash)


def publish_version(connection: Connection, version: ModelVersion, blob: bytes) -> None:
    """Publish a model: from here on servers pick it up."""
    connection.execute(
        insert(_VERSION).values(
            experiment=version.experiment,
            version=version.version,
            model_hash=version.model_hash,
            arguments=version.arguments,
            blob=blob,
            blob_hash=version.blob_hash,
            interactions=version.interactions,
            cursor=version.cursor,
            published_at=to_micros(version.published_at),
        )
    )


def note_model_uses(connection: Connection, uses: Collection[tuple[str, int]]) -> None:
    """Remember that stored decisions refer to versions: (experiment, version)."""
    rows = [{"experiment": experiment, "version": version} for experiment, version in sorted(uses)]
    insert_new(connection, ModelUseRow, rows)


def prune_versions(connection: Connection, experiment: str, superseded_before: datetime) -> int:
    """Delete versions that no stored decision and no deployment refers to.

    Args:
        connection: a transaction.
        experiment: key.
        superseded_before: versions that were still the newest at this moment are kept, because
            journals may hold decisions that refer to them; so are all later ones.

    Returns:
        How many were deleted.
    """
    other = _VERSION.alias("other")
    then_newest = (
        select(func.max(other.c.version))
        .where(
            other.c.experiment == experiment,
            other.c.model_hash == _VERSION.c.model_hash,
            other.c.published_at <= to_micros(superseded_before),
        )
        .scalar_subquery()
    )
    named = select(_DEPLOYMENT.c.number).where(
        _DEPLOYMENT.c.experiment == _VERSION.c.experiment,
        or_(
            _DEPLOYMENT.c.champion_version == _VERSION.c.version,
            _DEPLOYMENT.c.challenger_version == _VERSION.c.version,
            _DEPLOYMENT.c.version_before == _VERSION.c.version,
        ),
    )
    used = select(_USE.c.version).where(
        _USE.c.experiment == _VERSION.c.experiment, _USE.c.version == _VERSION.c.version
    )
    return connection.execute(
        delete(_VERSION).where(
            _VERSION.c.experiment == experiment,
            _VERSION.c.version < then_newest,
            ~used.exists(),
            ~named.exists(),
        )
    ).rowcount


def model_states(connection: Connection, experiment: str) -> list[ModelLine]:
    """The models of an experiment that are stored whole, each line of them."""
    rows = connection.execute(select(_STATE).where(_STATE.c.experiment == experiment))
    found = []
    for row in rows:
        state = _state(row)
        if state.digest == row.digest:
            found.append(state)
    return found


def model_state(connection: Connection, experiment: str, model_hash: str) -> ModelLine | None:
    """The line of a model that has learned most; None where it is not there or damaged."""
    row = connection.execute(
        select(_STATE).where(
            _STATE.c.experiment == experiment,
            _STATE.c.model_hash == model_hash,
            _STATE.c.line == 0,
        )
    ).one_or_none()
    if row is None:
        return None
    state = _state(row)
    return state if state.digest == row.digest else None


def put_model_states(
    connection: Connection, experiment: str, states: Collection[ModelLine]
) -> None:
    """Store how far models have learned."""
    put(
        connection,
        ModelStateRow,
        [
            {
                "experiment": experiment,
                "model_hash": state.model_hash,
                "line": state.line,
                "cursor": state.cursor,
                "interactions": state.interactions,
                "blob": state.blob,
                "digest": state.digest,
            }
            for state in states
        ],
    )


def remove_model_states(
    connection: Connection, experiment: str, lines: Collection[tuple[str, int]]
) -> None:
    """Forget lines of models: (model, line)."""
    for model_hash, line in lines:
        connection.execute(
            delete(_STATE).where(
                _STATE.c.experiment == experiment,
                _STATE.c.model_hash == model_hash,
                _STATE.c.line == line,
            )
        )


def _state(row: Any) -> ModelLine:
    return ModelLine(
        model_hash=row.model_hash,
        line=row.line,
        cursor=row.cursor,
        interactions=row.interactions,
        blob=row.blob,
    )


def versions_by_number(connection: Connection, experiment: str) -> dict[int, int]:
    """Stored version → interactions it learned from."""
    rows = connection.execute(
        select(_VERSION.c.version, _VERSION.c.interactions).where(
            _VERSION.c.experiment == experiment
        )
    )
    return {row.version: row.interactions for row in rows}
