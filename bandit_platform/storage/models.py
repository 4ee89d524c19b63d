"""Published model versions, and where each tracked policy stands."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from sqlalchemy import Connection, delete, func, insert, select

from bandit_platform.storage.statements import from_micros, insert_new, put, table, to_micros
from bandit_platform.storage.tables import (
    ModelUseRow,
    ModelVersionRow,
    PolicyStateRow,
    QualityRow,
)

_VERSION = table(ModelVersionRow)
_STATE = table(PolicyStateRow)
_QUALITY = table(QualityRow)
_USE = table(ModelUseRow)


@dataclass(frozen=True, kw_only=True)
class ModelVersion:
    """A published model; the blob is loaded only where it is needed."""

    experiment: str
    version: int
    policy_hash: str
    arguments: str
    blob_hash: str
    interactions: int
    published_at: datetime


@dataclass(frozen=True, kw_only=True)
class PolicyState:
    """Where a tracked policy stands: everything here changes in one transaction."""

    policy: str
    policy_hash: str
    cursor: int
    interactions: int
    accumulator: str
    blob: bytes | None
    #: interactions it had taken in when it last learned from one
    lesson: int = 0
    #: interactions on which its model failed, and the newest of them
    failures: int = 0
    failure: str | None = None
    #: hash of all this; None where a version that kept none wrote it
    digest: str | None = None

    def own_digest(self) -> str:
        """The hash of what is kept."""
        found = sha256()
        for part in (
            self.policy,
            self.policy_hash,
            self.cursor,
            self.interactions,
            self.accumulator,
            None,  # where the blob and this hash stand among the fields
            self.lesson,
            self.failures,
            self.failure,
            None,
            self.blob,
        ):
            piece = part if isinstance(part, bytes) else repr(part).encode()
            found.update(b"%d:" % len(piece))
            found.update(piece)
        return found.hexdigest()

    def is_whole(self) -> bool:
        """Whether it is as it was written, as far as that can be told."""
        return self.digest is None or self.digest == self.own_digest()


def newest_versions(connection: Connection) -> dict[str, tuple[int, str]]:
    """Experiment → (newest version, its policy hash)."""
    newest = (
        select(_VERSION.c.experiment, func.max(_VERSION.c.version).label("version"))
        .group_by(_VERSION.c.experiment)
        .subquery()
    )
    statement = select(_VERSION.c.experiment, _VERSION.c.version, _VERSION.c.policy_hash).join(
        newest,
        (newest.c.experiment == _VERSION.c.experiment) & (newest.c.version == _VERSION.c.version),
    )
    return {row.experiment: (row.version, row.policy_hash) for row in connection.execute(statement)}


def versions_before(
    connection: Connection, experiment: str, version: int, policy_hash: str, limit: int
) -> list[int]:
    """Older versions of the same policy, newest first."""
    statement = (
        select(_VERSION.c.version)
        .where(
            _VERSION.c.experiment == experiment,
            _VERSION.c.version < version,
            _VERSION.c.policy_hash == policy_hash,
        )
        .order_by(_VERSION.c.version.desc())
        .limit(limit)
    )
    return list(connection.execute(statement).scalars())


def newest_version(connection: Connection, experiment: str) -> ModelVersion | None:
    """The version published last."""
    row = connection.execute(
        select(
            _VERSION.c.version,
            _VERSION.c.policy_hash,
            _VERSION.c.arguments,
            _VERSION.c.blob_hash,
            _VERSION.c.interactions,
            _VERSION.c.published_at,
        )
        .where(_VERSION.c.experiment == experiment)
        .order_by(_VERSION.c.version.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        return None
    return ModelVersion(
        experiment=experiment,
        version=row.version,
        policy_hash=row.policy_hash,
        arguments=row.arguments,
        blob_hash=row.blob_hash,
        interactions=row.interactions,
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
            policy_hash=version.policy_hash,
            arguments=version.arguments,
            blob=blob,
            blob_hash=version.blob_hash,
            interactions=version.interactions,
            published_at=to_micros(version.published_at),
        )
    )


def note_model_uses(connection: Connection, uses: Collection[tuple[str, int]]) -> None:
    """Remember that stored decisions refer to versions: (experiment, version)."""
    rows = [{"experiment": experiment, "version": version} for experiment, version in sorted(uses)]
    insert_new(connection, ModelUseRow, rows)


def prune_versions(connection: Connection, experiment: str, superseded_before: datetime) -> int:
    """Delete versions that no stored decision refers to.

    Args:
        connection: a transaction.
        experiment: key.
        superseded_before: versions that were still the newest at this moment are kept, because
            journals may hold decisions that refer to them; so are all later ones.

    Returns:
        How many were deleted.
    """
    then_newest = (
        select(func.max(_VERSION.c.version))
        .where(
            _VERSION.c.experiment == experiment,
            _VERSION.c.published_at <= to_micros(superseded_before),
        )
        .scalar_subquery()
    )
    used = select(_USE.c.version).where(
        _USE.c.experiment == _VERSION.c.experiment, _USE.c.version == _VERSION.c.version
    )
    return connection.execute(
        delete(_VERSION).where(
            _VERSION.c.experiment == experiment,
            _VERSION.c.version < then_newest,
            ~used.exists(),
        )
    ).rowcount


def policy_states(connection: Connection, experiment: str) -> dict[str, PolicyState]:
    """The tracked policies of an experiment by name."""
    rows = connection.execute(select(_STATE).where(_STATE.c.experiment == experiment))
    return {
        row.policy: PolicyState(
            policy=row.policy,
            policy_hash=row.policy_hash,
            cursor=row.cursor,
            interactions=row.interactions,
            accumulator=row.accumulator,
            blob=row.blob,
            lesson=row.lesson,
            failures=row.failures,
            failure=row.failure,
            digest=row.digest,
        )
        for row in rows
    }


def put_policy_states(connection: Connection, experiment: str, states: list[PolicyState]) -> None:
    """Store where policies stand."""
    put(
        connection,
        PolicyStateRow,
        [
            {
                "experiment": experiment,
                "policy": state.policy,
                "policy_hash": state.policy_hash,
                "cursor": state.cursor,
                "interactions": state.interactions,
                "accumulator": state.accumulator,
                "blob": state.blob,
                "lesson": state.lesson,
                "failures": state.failures,
                "failure": state.failure,
                "digest": state.digest,
            }
            for state in states
        ],
    )


def remove_policy_states(connection: Connection, experiment: str, policies: set[str]) -> None:
    """Forget policies that are not tracked any more."""
    if policies:
        connection.execute(
            delete(_STATE).where(
                _STATE.c.experiment == experiment, _STATE.c.policy.in_(sorted(policies))
            )
        )


def quality_state(connection: Connection, experiment: str) -> str | None:
    """The stored state of an experiment's data-quality tests."""
    statement = select(_QUALITY.c.state).where(_QUALITY.c.experiment == experiment)
    return connection.execute(statement).scalar_one_or_none()


def put_quality_state(connection: Connection, experiment: str, state: str) -> None:
    """Store the state of an experiment's data-quality tests."""
    put(connection, QualityRow, [{"experiment": experiment, "state": state}])


def versions_by_number(connection: Connection, experiment: str) -> dict[int, int]:
    """Stored version → interactions it learned from."""
    rows = connection.execute(
        select(_VERSION.c.version, _VERSION.c.interactions).where(
            _VERSION.c.experiment == experiment
        )
    )
    return {row.version: row.interactions for row in rows}
