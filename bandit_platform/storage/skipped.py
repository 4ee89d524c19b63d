"""Interactions that no policy could take in: left out by everybody who walks them, and told of."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, func, select

from bandit_platform.storage.statements import insert_new, table
from bandit_platform.storage.tables import SkippedRow

_SKIPPED = table(SkippedRow)


def put_skipped(connection: Connection, experiment: str, why: Mapping[int, str]) -> None:
    """Leave interactions out from now on: number → why."""
    rows = [{"number": n, "experiment": experiment, "why": text} for n, text in sorted(why.items())]
    insert_new(connection, SkippedRow, rows)


def skipped(connection: Connection, experiment: str) -> dict[int, str]:
    """The interactions left out: number → why."""
    rows = connection.execute(
        select(_SKIPPED).where(_SKIPPED.c.experiment == experiment).order_by(_SKIPPED.c.number)
    )
    return {row.number: row.why for row in rows}


def skipped_counts(connection: Connection) -> dict[str, int]:
    """Experiment → interactions left out."""
    rows = connection.execute(
        select(_SKIPPED.c.experiment, func.count().label("rows")).group_by(_SKIPPED.c.experiment)
    )
    return {row.experiment: row.rows for row in rows}
