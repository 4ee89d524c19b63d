"""The fingerprint of a database's secret; it does not reveal the secret."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Row, select

from bandit_platform.storage.statements import insert, table
from bandit_platform.storage.tables import DecisionRow, ExperimentRow, SecretFingerprintRow

_FINGERPRINT = table(SecretFingerprintRow)
_DECISION = table(DecisionRow)
_EXPERIMENT = table(ExperimentRow)
_ONLY = 1


def secret_fingerprint(connection: Connection) -> str | None:
    """The fingerprint of the secret that the database belongs to; None before the first."""
    return connection.execute(select(_FINGERPRINT.c.fingerprint)).scalar_one_or_none()


def put_secret_fingerprint(connection: Connection, fingerprint: str) -> str:
    """Store the fingerprint unless another process did; returns the one that is stored."""
    statement = insert(connection, _FINGERPRINT).values(number=_ONLY, fingerprint=fingerprint)
    connection.execute(statement.on_conflict_do_nothing())
    return str(connection.execute(select(_FINGERPRINT.c.fingerprint)).scalar_one())


def newest_decision_ids(connection: Connection, most: int) -> list[str]:
    """Ids of the newest decisions of all experiments, newest first."""
    found: list[Row[Any, Any]] = []
    for key in connection.execute(select(_EXPERIMENT.c.key)).scalars().all():
        found += connection.execute(
            select(_DECISION.c.decided_at, _DECISION.c.decision_id)
            .where(_DECISION.c.experiment == key)
            .order_by(_DECISION.c.decided_at.desc())
            .limit(most)
        ).all()
    return [row.decision_id for row in sorted(found, key=tuple, reverse=True)[:most]]
