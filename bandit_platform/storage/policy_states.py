"""The progress of tracked policies, and of the tests of the data."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, delete, select

from bandit_platform.storage.learning_tables import PolicyStateRow, QualityRow
from bandit_platform.storage.models import digest_of
from bandit_platform.storage.statements import put, table

_STATE = table(PolicyStateRow)
_QUALITY = table(QualityRow)


@dataclass(frozen=True, kw_only=True)
class PolicyState:
    """A tracked policy's progress and its sums."""

    #: hash of a learned policy, name of a fixed one
    policy_hash: str
    cursor: int
    interactions: int
    accumulator: str
    #: interactions on which its model failed, and the newest of them
    failures: int = 0
    failure: str | None = None
    #: as it is stored; None for a state that is not stored yet
    stored_digest: str | None = field(default=None, compare=False)

    @property
    def digest(self) -> str:
        """The hash of what is stored."""
        return digest_of(
            self.policy_hash,
            self.cursor,
            self.interactions,
            self.accumulator,
            self.failures,
            self.failure,
        )

    def is_whole(self) -> bool:
        """Whether the stored data match their hash."""
        return self.stored_digest is None or self.stored_digest == self.digest


def policy_states(connection: Connection, experiment: str) -> dict[str, PolicyState]:
    """The tracked policies of an experiment by hash."""
    rows = connection.execute(select(_STATE).where(_STATE.c.experiment == experiment))
    return {
        row.policy_hash: PolicyState(
            policy_hash=row.policy_hash,
            cursor=row.cursor,
            interactions=row.interactions,
            accumulator=row.accumulator,
            failures=row.failures,
            failure=row.failure,
            stored_digest=row.digest,
        )
        for row in rows
    }


def put_policy_states(
    connection: Connection, experiment: str, states: Collection[PolicyState]
) -> None:
    """Store the progress of policies."""
    rows: list[dict[str, Any]] = [
        {
            "experiment": experiment,
            "policy_hash": state.policy_hash,
            "cursor": state.cursor,
            "interactions": state.interactions,
            "accumulator": state.accumulator,
            "failures": state.failures,
            "failure": state.failure,
            "digest": state.digest,
        }
        for state in states
    ]
    put(connection, PolicyStateRow, rows)


def remove_policy_states(
    connection: Connection, experiment: str, policies: Collection[str]
) -> None:
    """Forget policies that are not tracked any more, by hash."""
    if policies:
        connection.execute(
            delete(_STATE).where(
                _STATE.c.experiment == experiment, _STATE.c.policy_hash.in_(sorted(policies))
            )
        )


def quality_state(connection: Connection, experiment: str) -> str | None:
    """The stored state of an experiment's data-quality tests."""
    statement = select(_QUALITY.c.state).where(_QUALITY.c.experiment == experiment)
    return connection.execute(statement).scalar_one_or_none()


def put_quality_state(connection: Connection, experiment: str, state: str) -> None:
    """Store the state of an experiment's data-quality tests."""
    put(connection, QualityRow, [{"experiment": experiment, "state": state}])
