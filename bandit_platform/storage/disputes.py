"""Decisions that two nodes made differently for one request key: kept, marked, in no estimate."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import replace

from sqlalchemy import Connection, select

from bandit_platform.domain.decision import Decision
from bandit_platform.storage.decision_rows import decision_row
from bandit_platform.storage.decisions import DecisionRows, readable
from bandit_platform.storage.statements import batches, insert_new, table
from bandit_platform.storage.tables import DecisionRow, DisputeRow

_DECISION = table(DecisionRow)
_DISPUTE = table(DisputeRow)


def stored_among(connection: Connection, ids: Collection[str]) -> dict[str, Decision]:
    """The stored decisions among ``ids``, whole; damaged ones are left to the audit."""
    damaged: dict[str, str] = {}
    return {
        decision.decision_id: decision
        for some in batches(ids)
        for decision in readable(
            DecisionRows.of(
                connection,
                connection.execute(
                    select(_DECISION).where(_DECISION.c.decision_id.in_(some))
                ).all(),
            ),
            damaged,
        )
    }


def insert_disputes(connection: Connection, others: Mapping[str, Decision]) -> set[str]:
    """Mark stored decisions as disputed, each with the other decision.

    Returns:
        The ids of those that were not disputed before.
    """
    rows = [
        {
            "decision_id": decision_id,
            "experiment": other.experiment,
            "other": json.dumps(decision_row(_without_list(other))),
        }
        for decision_id, other in others.items()
    ]
    return {str(key[0]) for key in insert_new(connection, DisputeRow, rows)}


def _without_list(decision: Decision) -> Decision:
    """The decision for columns that need no stored list of arms."""
    return replace(decision, draws=tuple(replace(draw, arms=None) for draw in decision.draws))


def disputed(connection: Connection, ids: Collection[str]) -> set[str]:
    """Which of the decisions are disputed."""
    return {
        row.decision_id
        for some in batches(ids)
        for row in connection.execute(
            select(_DISPUTE.c.decision_id).where(_DISPUTE.c.decision_id.in_(some))
        )
    }


def dispute_of(connection: Connection, decision_id: str) -> str | None:
    """The other decision made under a decision's id, as JSON of its columns, if there is one."""
    statement = select(_DISPUTE.c.other).where(_DISPUTE.c.decision_id == decision_id)
    return connection.execute(statement).scalar_one_or_none()
