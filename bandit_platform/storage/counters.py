"""Running counts, kept in the transaction that changes what they count."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, select

from bandit_platform.storage.statements import insert, table
from bandit_platform.storage.tables import CounterRow

SERVER_CONFLICTS, PAGE_CONFLICTS = "request_conflicts.server", "request_conflicts.page"
"""Counters of requests refused for what their request key was used for before."""

REQUEST_EVENTS = "request_events"
"""Counter of outcomes that were reported for a request key."""

_COUNTER = table(CounterRow)


def add(connection: Connection, amounts: Mapping[tuple[str, str], float]) -> None:
    """Add to counters, named by (experiment, name)."""
    rows = [
        {"experiment": experiment, "name": name, "value": float(amount)}
        for (experiment, name), amount in sorted(amounts.items())
        if amount
    ]
    if rows:
        statement = insert(connection, _COUNTER)
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=["experiment", "name"],
                set_={"value": _COUNTER.c.value + statement.excluded.value},
            ),
            rows,
        )


def counters(connection: Connection, experiment: str) -> dict[str, float]:
    """Every counter of an experiment."""
    rows = connection.execute(
        select(_COUNTER.c.name, _COUNTER.c.value).where(_COUNTER.c.experiment == experiment)
    )
    return {row.name: row.value for row in rows}


def counted_arms(connection: Connection, experiment: str) -> list[str]:
    """The names of the arms whose interactions are counted."""
    rows = connection.execute(
        select(_COUNTER.c.name).where(
            _COUNTER.c.experiment == experiment,
            _COUNTER.c.name.startswith("arm."),
            _COUNTER.c.name.endswith(".count"),
        )
    )
    return [name.removeprefix("arm.").removesuffix(".count") for name in rows.scalars()]


def counted_everywhere(connection: Connection, name: str) -> dict[str, float]:
    """Experiment → one counter, where it was ever added to."""
    rows = connection.execute(
        select(_COUNTER.c.experiment, _COUNTER.c.value).where(_COUNTER.c.name == name)
    )
    return {row.experiment: row.value for row in rows}
