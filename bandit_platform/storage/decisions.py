"""Decisions, what they wait for, and whether they were shown."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, delete, func, select, update

from bandit_platform.domain.decision import MEASURED, Decision, Reason
from bandit_platform.domain.request_arms import ArmList
from bandit_platform.errors import UnreadableError
from bandit_platform.storage.arm_lists import arm_lists
from bandit_platform.storage.decision_rows import COLUMNS, decision_from, decision_values
from bandit_platform.storage.statements import (
    batches,
    from_micros,
    insert_many,
    insert_new,
    table,
    to_micros,
)
from bandit_platform.storage.tables import (
    ActivationRow,
    DecisionRow,
    ImmatureRow,
)

_DECISION = table(DecisionRow)
_IMMATURE = table(ImmatureRow)
_ACTIVATION = table(ActivationRow)


class DecisionRows(list[Row[Any]]):
    """Rows of the table with the lists of arms that they refer to."""

    def __init__(self, rows: Iterable[Row[Any]], lists: Mapping[str, ArmList]) -> None:
        super().__init__(rows)
        self.lists = lists

    @classmethod
    def of(cls, connection: Connection, rows: Sequence[Row[Any]]) -> DecisionRows:
        """The rows, with their lists read in the same transaction."""
        hashes = {row.arms_hash for row in rows} - {None}
        return cls(rows, arm_lists(connection, hashes))

    def chosen(self, keep: Callable[[Row[Any]], bool]) -> DecisionRows:
        """Some of the rows."""
        return DecisionRows(filter(keep, self), self.lists)


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundDecision:
    """What judging an event needs to know of its decision."""

    experiment: str
    #: microseconds, as is ``expires_at``
    decided_at: int
    expires_at: int
    reason: Reason
    over_limit: bool

    @property
    def measured(self) -> bool:
        """As :attr:`Decision.measured`."""
        return self.reason in MEASURED and not self.over_limit


def insert_decisions(connection: Connection, decisions: Iterable[Decision]) -> list[Decision]:
    """Store decisions not stored before, and queue the measured ones for maturity.

    Returns:
        The decisions that were new.
    """
    by_id: dict[str, Decision] = {}
    for decision in decisions:
        by_id.setdefault(decision.decision_id, decision)
    fresh = list(by_id.values())
    values = [decision_values(decision) for decision in fresh]
    new = insert_many(connection, DecisionRow, COLUMNS, values)
    if new is not None:
        fresh = [decision for key, decision in by_id.items() if (key,) in new]
    waiting = [
        (decision.decision_id, decision.experiment, to_micros(decision.expires_at))
        for decision in fresh
        if decision.measured
    ]
    insert_many(connection, ImmatureRow, ("decision_id", "experiment", "matures_at"), waiting)
    return fresh


def insert_activations(connection: Connection, activated: Mapping[str, datetime]) -> None:
    """Store that deferred decisions were shown; the earliest report of each counts.

    Reports of several nodes arrive in any order, and a late one must not hide one in time.
    """
    moments = {key: to_micros(moment) for key, moment in activated.items()}
    rows = [{"decision_id": key, "activated_at": moment} for key, moment in moments.items()]
    new = insert_new(connection, ActivationRow, rows)
    for key in moments.keys() - {decision_id for (decision_id,) in new}:
        connection.execute(
            update(_ACTIVATION)
            .where(_ACTIVATION.c.decision_id == key, _ACTIVATION.c.activated_at > moments[key])
            .values(activated_at=moments[key])
        )


def find_decisions(connection: Connection, ids: Collection[str]) -> dict[str, FoundDecision]:
    """The stored decisions among ``ids``."""
    columns = (
        _DECISION.c.decision_id,
        _DECISION.c.experiment,
        _DECISION.c.decided_at,
        _DECISION.c.expires_at,
        _DECISION.c.reason,
        _DECISION.c.over_limit,
    )
    return {
        row.decision_id: FoundDecision(
            experiment=row.experiment,
            decided_at=row.decided_at,
            expires_at=row.expires_at,
            reason=Reason(row.reason),
            over_limit=row.over_limit,
        )
        for some in batches(ids)
        for row in connection.execute(select(*columns).where(_DECISION.c.decision_id.in_(some)))
    }


def find_immature(connection: Connection, ids: Collection[str]) -> set[str]:
    """Which of the decisions are still waiting for the end of their window."""
    return {
        row.decision_id
        for some in batches(ids)
        for row in connection.execute(
            select(_IMMATURE.c.decision_id).where(_IMMATURE.c.decision_id.in_(some))
        )
    }


def get_decision(connection: Connection, decision_id: str) -> Decision | None:
    """A stored decision.

    Raises:
        UnreadableError: its row was damaged.
    """
    rows = connection.execute(select(_DECISION).where(_DECISION.c.decision_id == decision_id)).all()
    unreadable: dict[str, str] = {}
    found = readable(DecisionRows.of(connection, rows), unreadable)
    for why in unreadable.values():
        raise UnreadableError(f"decision {decision_id}: {why}; the audit lists all such")
    return found[0] if found else None


def activated(connection: Connection, ids: Collection[str]) -> dict[str, datetime]:
    """When deferred decisions were shown, for those that were."""
    return {
        row.decision_id: from_micros(row.activated_at)
        for some in batches(ids)
        for row in connection.execute(
            select(_ACTIVATION).where(_ACTIVATION.c.decision_id.in_(some))
        )
    }


def due(
    connection: Connection,
    until: datetime,
    limit: int,
    without: Collection[str] = (),
    *,
    unreadable: dict[str, str] | None = None,
) -> list[Decision]:
    """Immature decisions whose window ended by ``until``, in the order they were made.

    Args:
        connection: a transaction.
        until: the present moment, usually.
        limit: at most so many.
        without: experiments that are left alone.
        unreadable: takes the ids of those that cannot be read, and why; without it the first such
            one raises.
    """
    statement = (
        select(_DECISION)
        .join(_IMMATURE, _IMMATURE.c.decision_id == _DECISION.c.decision_id)
        .where(_IMMATURE.c.matures_at <= to_micros(until))
        .order_by(_IMMATURE.c.matures_at, _IMMATURE.c.decision_id)
        .limit(limit)
    )
    if without:
        statement = statement.where(_IMMATURE.c.experiment.not_in(sorted(without)))
    rows = DecisionRows.of(connection, connection.execute(statement).all())
    found = readable(rows, unreadable)
    return sorted(found, key=lambda decision: (decision.decided_at, decision.decision_id))


def decisions_since(
    connection: Connection,
    experiment: str,
    since: datetime | None,
    *,
    after: tuple[datetime, str] | None,
    limit: int,
) -> list[Decision]:
    """The next decisions of an experiment in the order they were made.

    Args:
        connection: a transaction.
        experiment: key.
        since: only those made at or after this moment.
        after: moment and id of the last decision already read.
        limit: at most so many.
    """
    place = None if after is None else (to_micros(after[0]), after[1])
    return readable(decision_rows(connection, experiment, since, after=place, limit=limit))


def decision_rows(
    connection: Connection,
    experiment: str,
    since: datetime | None,
    *,
    after: tuple[int, str] | None,
    limit: int,
) -> DecisionRows:
    """The same as rows, for those who go on where one cannot be read; ``after`` is as stored."""
    statement = (
        select(_DECISION)
        .where(_DECISION.c.experiment == experiment)
        .order_by(_DECISION.c.decided_at, _DECISION.c.decision_id)
        .limit(limit)
    )
    if since is not None:
        statement = statement.where(_DECISION.c.decided_at >= to_micros(since))
    if after is not None:
        moment, decision_id = after
        statement = statement.where(
            _DECISION.c.decided_at >= moment,
            (_DECISION.c.decided_at > moment) | (_DECISION.c.decision_id > decision_id),
        )
    return DecisionRows.of(connection, connection.execute(statement).all())


def readable(rows: DecisionRows, unreadable: dict[str, str] | None = None) -> list[Decision]:
    """The decisions that rows hold.

    Args:
        rows: those of the table.
        unreadable: takes the ids of those that cannot be read, and why; without it the first such
            one raises.
    """
    found = []
    for row in rows:
        try:
            found.append(decision_from(row, rows.lists))
        except (ValueError, TypeError, LookupError, OverflowError) as error:
            if unreadable is None:
                raise
            unreadable[row.decision_id] = f"its row cannot be read: {type(error).__name__}"
    return found


def remove_immature(connection: Connection, ids: Collection[str]) -> None:
    """Take decisions off the queue for maturity."""
    for some in batches(ids):
        connection.execute(delete(_IMMATURE).where(_IMMATURE.c.decision_id.in_(some)))


def count_immature(connection: Connection, experiment: str) -> int:
    """Measured decisions of an experiment whose window has not ended."""
    return connection.execute(
        select(func.count()).select_from(_IMMATURE).where(_IMMATURE.c.experiment == experiment)
    ).scalar_one()


def count_overdue(connection: Connection, experiment: str, before: datetime) -> int:
    """Decisions of an experiment that still wait although their window ended before a moment."""
    return connection.execute(overdue_statement(experiment, before)).scalar_one()


def overdue_statement(experiment: str, before: datetime) -> Select[int]:
    """The query behind it, along the moments: few are overdue, where millions may wait."""
    return (
        select(func.count())
        .select_from(_IMMATURE)
        .where(
            _IMMATURE.c.experiment.concat("") == experiment,  # so that its index is left alone
            _IMMATURE.c.matures_at < to_micros(before),
        )
    )
