"""How often each arm was eligible, shown or out, and why: counts by revision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection, select

from bandit_platform.storage.statements import insert, table
from bandit_platform.storage.tables import ExclusionRow

_EXCLUSION = table(ExclusionRow)
_KEYS = ["experiment", "revision", "arm", "fate", "why"]


class Place(NamedTuple):
    """What is counted: an arm's fate under a revision, or a whole decision's reason."""

    experiment: str
    revision: int
    #: empty for the decision as a whole
    arm: str
    fate: str
    why: str


def add_exclusions(connection: Connection, amounts: Mapping[Place, int]) -> None:
    """Add to the counts."""
    rows = [
        {**place._asdict(), "decisions": amount}
        for place, amount in sorted(amounts.items())
        if amount
    ]
    if rows:
        statement = insert(connection, _EXCLUSION)
        more = _EXCLUSION.c.decisions + statement.excluded.decisions
        connection.execute(
            statement.on_conflict_do_update(index_elements=_KEYS, set_={"decisions": more}), rows
        )


def excluded_arms(connection: Connection, experiment: str) -> list[str]:
    """The arms that have counts."""
    arms = select(_EXCLUSION.c.arm).where(
        _EXCLUSION.c.experiment == experiment, _EXCLUSION.c.arm != ""
    )
    return list(connection.execute(arms.distinct()).scalars())


def exclusions(connection: Connection, experiment: str) -> dict[Place, int]:
    """Every count of an experiment."""
    rows = connection.execute(
        select(_EXCLUSION).where(_EXCLUSION.c.experiment == experiment).order_by(*_EXCLUSION.c)
    )
    return {
        Place(row.experiment, row.revision, row.arm, row.fate, row.why): row.decisions
        for row in rows
    }
