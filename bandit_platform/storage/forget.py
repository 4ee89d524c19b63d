"""Removing everything that is kept about one unit."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, Table, delete, select

from bandit_platform.storage.audit_state import forget_audited
from bandit_platform.storage.statements import batches, table
from bandit_platform.storage.tables import (
    ActivationRow,
    DecisionRow,
    DisputeRow,
    EventRow,
    ImmatureRow,
    InteractionRow,
    UnitTotalRow,
)

_DECISION = table(DecisionRow)
_DISPUTE = table(DisputeRow)
_UNIT = table(UnitTotalRow)
_OF_DECISIONS = {
    "events": table(EventRow),
    "activations": table(ActivationRow),
    "immature": table(ImmatureRow),
    "interactions": table(InteractionRow),
    "decisions": _DECISION,
}


def decisions_of(connection: Connection, unit: str) -> set[str]:
    """Ids of every decision made for a unit."""
    ids = connection.execute(select(_DECISION.c.decision_id).where(_DECISION.c.unit == unit))
    return set(ids.scalars())


def forget_unit(connection: Connection, unit: str, ids: Collection[str]) -> dict[str, int]:
    """Remove a unit's totals, its decisions and everything that hangs on them.

    Args:
        connection: a transaction that writes.
        unit: pseudonym.
        ids: its decisions, in the database or not.

    Returns:
        What was removed → how many rows.
    """
    if connection.dialect.name == "sqlite":  # else the bytes stay in the file
        connection.exec_driver_sql("PRAGMA secure_delete = ON")
    removed = {name: _remove(connection, rows, ids) for name, rows in _OF_DECISIONS.items()}
    removed["disputes"] = _remove(connection, _DISPUTE, ids)
    removed["disputes"] += connection.execute(
        delete(_DISPUTE).where(_DISPUTE.c.other.contains(unit, autoescape=True))
    ).rowcount
    forget_audited(connection, ids)
    totals = connection.execute(delete(_UNIT).where(_UNIT.c.unit == unit))
    return {**removed, "unit totals": totals.rowcount}


def _remove(connection: Connection, rows: Table, ids: Collection[str]) -> int:
    return sum(
        connection.execute(delete(rows).where(rows.c.decision_id.in_(some))).rowcount
        for some in batches(sorted(ids))
    )
