"""The stored sums of segments and of policies over one another."""

from __future__ import annotations

from sqlalchemy import Connection, select

from bandit_platform.storage.learning_tables import RollupRow
from bandit_platform.storage.statements import put, table

_ROLLUP = table(RollupRow)


def rollup_state(connection: Connection, experiment: str) -> bytes | None:
    """The bytes of an experiment's roll-ups; None before the first batch."""
    statement = select(_ROLLUP.c.state).where(_ROLLUP.c.experiment == experiment)
    found: bytes | None = connection.execute(statement).scalar_one_or_none()
    return found


def put_rollup_state(connection: Connection, experiment: str, state: bytes) -> None:
    """Store an experiment's roll-ups."""
    put(connection, RollupRow, [{"experiment": experiment, "state": state}])
