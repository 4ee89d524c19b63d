"""Event types that have no counter of their own yet, and whose decisions they were reported for."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, select

from bandit_platform.storage.statements import batches, put, table
from bandit_platform.storage.tables import DecisionRow, EventTypeStateRow

_STATE = table(EventTypeStateRow)
_DECISION = table(DecisionRow)


def event_type_state(connection: Connection, experiment: str) -> str | None:
    """The stored text; None before there is any."""
    statement = select(_STATE.c.state).where(_STATE.c.experiment == experiment)
    found: str | None = connection.execute(statement).scalar_one_or_none()
    return found


def put_event_type_state(connection: Connection, experiment: str, state: str) -> None:
    """Store the text, in the transaction that adds the counts."""
    put(connection, EventTypeStateRow, [{"experiment": experiment, "state": state}])


def decision_sources(
    connection: Connection, experiment: str, ids: Collection[str]
) -> dict[str, tuple[str, str | None, bool]]:
    """Decision of an experiment → (unit, address, over a limit)."""
    columns = (
        _DECISION.c.decision_id,
        _DECISION.c.unit,
        _DECISION.c.address,
        _DECISION.c.over_limit,
    )
    return {
        row.decision_id: (row.unit, row.address, row.over_limit)
        for some in batches(ids)
        for row in connection.execute(
            select(*columns).where(
                _DECISION.c.decision_id.in_(some), _DECISION.c.experiment == experiment
            )
        )
    }
