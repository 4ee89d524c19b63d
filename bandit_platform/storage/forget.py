"""Removing everything that is kept about one unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from sqlalchemy import Connection, Table, delete, func, select

from bandit_platform.storage.audit_state import forget_audited
from bandit_platform.storage.counters import add
from bandit_platform.storage.page_sources import forget_page_sources
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

FORGOTTEN_WAITING = "forgotten.waiting"
"""Counter of decisions that were removed before they matured."""

_DECISION = table(DecisionRow)
_IMMATURE = table(ImmatureRow)
_DISPUTE = table(DisputeRow)
_UNIT = table(UnitTotalRow)
_OF_DECISIONS = {
    "events": table(EventRow),
    "activations": table(ActivationRow),
    "immature": _IMMATURE,
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
    add(connection, _waiting(connection, ids))
    sources = forget_page_sources(connection, unit, _addresses(connection, ids))
    removed = {name: _remove(connection, rows, ids) for name, rows in _OF_DECISIONS.items()}
    removed["disputes"] = _remove(connection, _DISPUTE, ids)
    removed["disputes"] += connection.execute(
        delete(_DISPUTE).where(_DISPUTE.c.other.contains(unit, autoescape=True))
    ).rowcount
    forget_audited(connection, ids)
    totals = connection.execute(delete(_UNIT).where(_UNIT.c.unit == unit))
    return {**removed, "unit totals": totals.rowcount, "sources of page traffic": sources}


def _addresses(connection: Connection, ids: Collection[str]) -> set[str]:
    """Pseudonyms of the addresses that the decisions came from."""
    return {
        address
        for some in batches(sorted(ids))
        for address in connection.execute(
            select(_DECISION.c.address).where(_DECISION.c.decision_id.in_(some)).distinct()
        ).scalars()
        if address is not None
    }


def _waiting(connection: Connection, ids: Collection[str]) -> dict[tuple[str, str], float]:
    """How many of the decisions have not matured, as counters."""
    counts: Counter[tuple[str, str]] = Counter()
    for some in batches(sorted(ids)):
        statement = (
            select(_IMMATURE.c.experiment, func.count())
            .where(_IMMATURE.c.decision_id.in_(some))
            .group_by(_IMMATURE.c.experiment)
        )
        for experiment, number in connection.execute(statement):
            counts[experiment, FORGOTTEN_WAITING] += number
    return dict(counts)


def _remove(connection: Connection, rows: Table, ids: Collection[str]) -> int:
    return sum(
        connection.execute(delete(rows).where(rows.c.decision_id.in_(some))).rowcount
        for some in batches(sorted(ids))
    )
