"""What happened after decisions, and the sums that are kept of it."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, select

from bandit_platform.storage.learning_tables import MetricDayRow, MetricStateRow
from bandit_platform.storage.statements import batches, put, table
from bandit_platform.storage.tables import EventRow

_EVENT = table(EventRow)
_STATE = table(MetricStateRow)
_DAY = table(MetricDayRow)


class Outcome(NamedTuple):
    """An event inside the window, with what metrics need of it."""

    decision_id: str
    type: str
    amount: float | None
    currency: str | None
    trusted: bool


def outcomes_of(connection: Connection, ids: Collection[str]) -> Iterator[Outcome]:
    """The events of decisions that were not late; of each decision in the order they happened."""
    columns = (
        _EVENT.c.decision_id,
        _EVENT.c.type,
        _EVENT.c.amount,
        _EVENT.c.currency,
        _EVENT.c.trusted,
    )
    order = (_EVENT.c.occurred_at, _EVENT.c.event_id)
    for some in batches(ids):
        statement = select(*columns).where(_EVENT.c.decision_id.in_(some), ~_EVENT.c.late)
        for row in connection.execute(statement.order_by(*order)):
            yield Outcome(*row)


def metric_states(connection: Connection, experiment: str) -> dict[str, tuple[int, str]]:
    """Policy → (number of the last interaction taken in, state)."""
    rows = connection.execute(select(_STATE).where(_STATE.c.experiment == experiment))
    return {row.policy_hash: (row.cursor, row.state) for row in rows}


def put_metric_states(
    connection: Connection, experiment: str, cursor: int, states: Mapping[str, str]
) -> None:
    """Store states, in the transaction that moves the policies' cursors."""
    rows: list[dict[str, Any]] = [
        {"experiment": experiment, "policy_hash": policy, "cursor": cursor, "state": state}
        for policy, state in states.items()
    ]
    put(connection, MetricStateRow, rows)


def metric_days(
    connection: Connection, experiment: str, days: Collection[str] | None = None
) -> dict[str, dict[str, Any]]:
    """Day → its sums, in order; all of them unless some are named."""
    statement = select(_DAY).where(_DAY.c.experiment == experiment).order_by(_DAY.c.day)
    if days is not None:
        statement = statement.where(_DAY.c.day.in_(sorted(days)))
    return {row.day: json.loads(row.sums) for row in connection.execute(statement)}


def put_metric_days(
    connection: Connection, experiment: str, days: Mapping[str, Mapping[str, Any]]
) -> None:
    """Store the sums of days."""
    rows = [
        {"experiment": experiment, "day": day, "sums": json.dumps(sums)}
        for day, sums in days.items()
    ]
    put(connection, MetricDayRow, rows)


def remove_metric_days(connection: Connection, experiment: str) -> None:
    """Forget the sums of all days."""
    connection.execute(delete(_DAY).where(_DAY.c.experiment == experiment))
