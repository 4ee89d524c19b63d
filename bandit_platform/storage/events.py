"""Reported outcomes and their flags."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from sqlalchemy import Connection, Row, func, select, update

from bandit_platform.domain.event import Event, Lateness
from bandit_platform.storage.statements import batches, from_micros, insert_new, table, to_micros
from bandit_platform.storage.tables import EventRow

_EVENT = table(EventRow)
#: orphans that are looked through here rather than asked for one by one
_FEW = 500


def insert_events(
    connection: Connection, events: Iterable[tuple[Event, Lateness | None, bool]]
) -> set[tuple[str, str]]:
    """Store events not stored before, each with why it is late and whether it is an orphan.

    Returns:
        (decision_id, event_id) of the events that were new.
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for event, late, orphan in events:
        rows.setdefault(
            (event.decision_id, event.event_id),
            {
                "decision_id": event.decision_id,
                "event_id": event.event_id,
                **_content_values(event),
                **_late_values(late),
                "orphan": orphan,
            },
        )
    return insert_new(connection, EventRow, list(rows.values()))


def stored_events(
    connection: Connection, keys: Collection[tuple[str, str]]
) -> dict[tuple[str, str], tuple[Event, Lateness | None]]:
    """(decision_id, event_id) → the stored event and why it is late."""
    wanted = set(keys)
    return {
        (row.decision_id, row.event_id): (_event_from(row), _lateness(row))
        for some in batches({decision_id for decision_id, _ in wanted})
        for row in connection.execute(select(_EVENT).where(_EVENT.c.decision_id.in_(some)))
        if (row.decision_id, row.event_id) in wanted
    }


def replace_events(connection: Connection, events: Iterable[tuple[Event, Lateness | None]]) -> None:
    """Put events in the place of those stored under their ids, each with why it is late."""
    for event, late in events:
        connection.execute(
            update(_EVENT)
            .where(_EVENT.c.decision_id == event.decision_id, _EVENT.c.event_id == event.event_id)
            .values(**_content_values(event), **_late_values(late))
        )


def adopt_orphans(connection: Connection, ids: Collection[str]) -> list[Row[Any]]:
    """Events that came before their decision: no longer orphans. Returns their rows."""
    few = select(_EVENT.c.decision_id).where(_EVENT.c.orphan.is_(True)).limit(_FEW)
    known = connection.execute(few).scalars().all()
    adopted: list[Row[Any]] = []
    for some in batches(set(ids).intersection(known) if len(known) < _FEW else ids):
        chosen = _EVENT.c.orphan.is_(True) & _EVENT.c.decision_id.in_(some)
        rows = connection.execute(select(_EVENT).where(chosen)).all()
        if rows:
            adopted += rows
            connection.execute(update(_EVENT).where(chosen).values(orphan=False))
    return adopted


def mark_late(
    connection: Connection,
    keys: Iterable[tuple[str, str]],
    lateness: Lateness = Lateness.AFTER_WINDOW,
) -> None:
    """Flag events as late, for one reason."""
    for decision_id, event_id in keys:
        connection.execute(
            update(_EVENT)
            .where((_EVENT.c.decision_id == decision_id) & (_EVENT.c.event_id == event_id))
            .values(**_late_values(lateness))
        )


def count_orphans(connection: Connection) -> int:
    """How many events have a decision that is not known."""
    return connection.execute(
        select(func.count()).select_from(_EVENT).where(_EVENT.c.orphan.is_(True))
    ).scalar_one()


def events_of(
    connection: Connection, ids: Collection[str]
) -> dict[str, list[tuple[Event, Lateness | None]]]:
    """The events of decisions in the order they happened, each with why it is late."""
    found: dict[str, list[tuple[Event, Lateness | None]]] = {}
    order = (_EVENT.c.occurred_at, _EVENT.c.event_id)
    for some in batches(ids):
        statement = select(_EVENT).where(_EVENT.c.decision_id.in_(some)).order_by(*order)
        for row in connection.execute(statement):
            found.setdefault(row.decision_id, []).append((_event_from(row), _lateness(row)))
    return found


def _content_values(event: Event) -> dict[str, Any]:
    return {
        "type": event.type,
        "amount": event.amount,
        "currency": event.currency,
        "occurred_at": to_micros(event.occurred_at),
        "received_at": to_micros(event.received_at),
        "trusted": event.trusted,
    }


def _late_values(late: Lateness | None) -> dict[str, Any]:
    return {"late": late is not None, "late_because": None if late is None else late.value}


def _lateness(row: Row[Any]) -> Lateness | None:
    return Lateness(row.late_because or Lateness.AFTER_WINDOW) if row.late else None


def _event_from(row: Row[Any]) -> Event:
    return Event(
        decision_id=row.decision_id,
        event_id=row.event_id,
        type=row.type,
        amount=row.amount,
        currency=row.currency,
        occurred_at=from_micros(row.occurred_at),
        received_at=from_micros(row.received_at),
        trusted=row.trusted,
    )
