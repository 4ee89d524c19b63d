"""Rows by the ten thousand, for filling a database that is to be measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, insert

from bandit_platform.storage.statements import put, table
from bandit_platform.storage.tables import DecisionRow, EventRow, InteractionRow, UnitTotalRow


@dataclass(frozen=True, kw_only=True)
class BulkRows:
    """Rows by the columns of their tables, all of one experiment, none of them stored yet."""

    decisions: Sequence[Mapping[str, Any]]
    events: Sequence[Mapping[str, Any]]
    interactions: Sequence[Mapping[str, Any]]
    #: unit → what its interactions brought; each unit in one set of rows only
    units: Mapping[str, float]


def insert_bulk(connection: Connection, rows: BulkRows) -> None:
    """Insert the rows; they must be new."""
    for model, values in (
        (DecisionRow, rows.decisions),
        (EventRow, rows.events),
        (InteractionRow, rows.interactions),
    ):
        if values:
            connection.execute(insert(table(model)), list(values))
    experiment = rows.decisions[0]["experiment"]
    put(
        connection,
        UnitTotalRow,
        [
            {"experiment": experiment, "unit": unit, "holdout": False, "total": total}
            for unit, total in rows.units.items()
        ],
    )
