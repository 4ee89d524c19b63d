"""Outcomes reported for request keys: stored until their decision is found, and after."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, false, func, select, text, update

from bandit_platform.domain.decision import Reason
from bandit_platform.domain.request_event import Candidate, RequestEvent, RequestEventState
from bandit_platform.storage.statements import batches, from_micros, insert_new, table, to_micros
from bandit_platform.storage.tables import ActivationRow, DecisionRow, RequestEventRow

_EVENT = table(RequestEventRow)
_DECISION = table(DecisionRow)
_ACTIVATION = table(ActivationRow)
#: as the partial indexes say it; a bound value would keep SQLite from using them
_IS_WAITING = text("state = 'waiting'")
_IS_OPEN = text("state IN ('unknown', 'not_shown', 'ambiguous')")
_KEY = ("experiment", "request_key", "unit", "event_id", "trusted")
#: open outcomes that are looked through here rather than asked for one by one
_FEW = 500
#: decisions of a kind under one request key that settle where an outcome belongs
_ENOUGH = 2


@dataclass(frozen=True, kw_only=True)
class OpenOutcome:
    """An outcome whose decision was not found."""

    event_id: str
    type: str
    occurred_at: datetime
    trusted: bool
    state: RequestEventState


def insert_request_events(
    connection: Connection, events: Iterable[RequestEvent]
) -> set[tuple[Any, ...]]:
    """Store outcomes not stored before; their decision is looked for later.

    Returns:
        The primary keys of those that were new; each begins with the experiment.
    """
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for e in events:
        row = {
            "experiment": e.experiment,
            "request_key": e.request,
            "unit": e.unit or "",
            "event_id": e.event_id,
            "trusted": e.trusted,
            "type": e.type,
            "amount": e.amount,
            "currency": e.currency,
            "occurred_at": to_micros(e.occurred_at),
            "received_at": to_micros(e.received_at),
            "state": RequestEventState.WAITING.value,
            "decision_id": None,
        }
        rows.setdefault(tuple(row[name] for name in _KEY), row)
    return insert_new(connection, RequestEventRow, list(rows.values()))


def waiting_events(
    connection: Connection,
    until: datetime,
    limit: int,
    requests: Collection[str],
    without: Collection[str] = (),
) -> list[RequestEvent]:
    """Outcomes whose decision is to be looked for now.

    Args:
        connection: a transaction.
        until: those received up to this moment, the earliest first.
        limit: at most so many of these.
        requests: hashes of request keys whose outcomes are looked for as well, whenever received.
        without: experiments that are left alone.
    """
    statement = select(_EVENT).where(_IS_WAITING).order_by(_EVENT.c.received_at).limit(limit)
    if without:
        statement = statement.where(_EVENT.c.experiment.not_in(sorted(without)))
    first = connection.execute(statement).all()
    if not first:
        return []
    rows = [row for row in first if row.received_at <= to_micros(until)]
    for some in batches(sorted(requests)):
        rows += connection.execute(
            select(_EVENT).where(_IS_WAITING, _EVENT.c.request_key.in_(some))
        ).all()
    return list({tuple(row[:5]): _event_from(row) for row in rows}.values())


def candidates(
    connection: Connection, events: Collection[RequestEvent]
) -> dict[str, list[Candidate]]:
    """Hash of a request key → the decisions under it that can settle where outcomes belong.

    A page can ask under one request key for any number of units. So what is read of each key is the
    decisions of the units that its outcomes name, and of all others the earliest two that were
    shown and that were not: more than one shown is ambiguous, however many there are.
    """
    found: dict[str, list[Candidate]] = {}
    for some in batches(list(events)):
        for row in connection.execute(_deciding(some)):
            found.setdefault(row.request_key, []).append(_candidate(row))
    return {
        key: list({each.decision_id: each for each in all_}.values()) for key, all_ in found.items()
    }


def _deciding(events: Collection[RequestEvent]) -> Select[Any]:
    same = _ACTIVATION.c.decision_id == _DECISION.c.decision_id
    in_time = _ACTIVATION.c.activated_at <= _DECISION.c.expires_at
    shown = (_DECISION.c.reason != Reason.FALLBACK.value) & (
        ~_DECISION.c.deferred | func.coalesce(in_time, false())
    )
    columns = (
        _DECISION.c.decision_id,
        _DECISION.c.request_key,
        _DECISION.c.unit,
        _DECISION.c.trusted,
        _DECISION.c.decided_at,
    )
    kind = [_DECISION.c.request_key, _DECISION.c.trusted, shown]
    rank = func.row_number().over(partition_by=kind, order_by=_DECISION.c.decided_at)
    ranked = (
        select(*columns, shown.label("shown"), rank.label("rank"))
        .outerjoin(_ACTIVATION, same)
        .where(_DECISION.c.request_key.in_({event.request for event in events}))
        .subquery()
    )
    units = {event.unit for event in events if event.unit is not None}
    return select(ranked).where((ranked.c.rank <= _ENOUGH) | ranked.c.unit.in_(units))


def settle_events(
    connection: Connection,
    settled: Iterable[tuple[RequestEvent, str | None, RequestEventState]],
) -> None:
    """Note which decision each outcome belongs to, or why none was found."""
    rows = [
        {
            "of_experiment": event.experiment,
            "of_request_key": event.request,
            "of_unit": event.unit or "",
            "of_event_id": event.event_id,
            "of_trusted": event.trusted,
            "decision_id": decision_id,
            "state": state.value,
        }
        for event, decision_id, state in settled
    ]
    if rows:
        same = [_EVENT.c[name] == bindparam(f"of_{name}") for name in _KEY]
        connection.execute(update(_EVENT).where(*same), rows)


def look_again(
    connection: Connection, requests: Collection[str | None], activated: Collection[str]
) -> None:
    """Let open outcomes wait for another look, whose decisions have changed.

    Args:
        connection: a transaction that writes.
        requests: hashes of the request keys of new decisions.
        activated: decisions that were shown.
    """
    few = select(_EVENT.c.request_key).where(_IS_OPEN).limit(_FEW)
    known = set(connection.execute(few).scalars())
    if not known:
        return
    changed = {request for request in requests if request is not None}
    for some in batches(sorted(activated)):
        chosen = _DECISION.c.decision_id.in_(some) & _DECISION.c.request_key.is_not(None)
        changed.update(connection.execute(select(_DECISION.c.request_key).where(chosen)).scalars())
    for some in batches(sorted(changed & known if len(known) < _FEW else changed)):
        connection.execute(
            update(_EVENT)
            .where(_IS_OPEN, _EVENT.c.request_key.in_(some))
            .values(state=RequestEventState.WAITING.value)
        )


def count_open(connection: Connection, experiment: str) -> Mapping[RequestEventState, int]:
    """Why → outcomes of an experiment whose decision was not found."""
    rows = connection.execute(
        select(_EVENT.c.state, func.count().label("number"))
        .where(_IS_OPEN, _EVENT.c.experiment == experiment)
        .group_by(_EVENT.c.state)
    )
    return {RequestEventState(row.state): row.number for row in rows}


def newest_open(connection: Connection, experiment: str, limit: int) -> list[OpenOutcome]:
    """The newest outcomes of an experiment whose decision was not found."""
    rows = connection.execute(
        select(_EVENT)
        .where(_IS_OPEN, _EVENT.c.experiment == experiment)
        .order_by(_EVENT.c.received_at.desc(), _EVENT.c.event_id)
        .limit(limit)
    )
    return [
        OpenOutcome(
            event_id=row.event_id,
            type=row.type,
            occurred_at=from_micros(row.occurred_at),
            trusted=row.trusted,
            state=RequestEventState(row.state),
        )
        for row in rows
    ]


def _candidate(row: Any) -> Candidate:
    return Candidate(
        decision_id=row.decision_id,
        request=row.request_key,
        unit=row.unit,
        trusted=row.trusted,
        decided_at=from_micros(row.decided_at),
        shown=bool(row.shown),
    )


def _event_from(row: Row[Any]) -> RequestEvent:
    return RequestEvent(
        experiment=row.experiment,
        request=row.request_key,
        unit=row.unit or None,
        event_id=row.event_id,
        type=row.type,
        amount=row.amount,
        currency=row.currency,
        occurred_at=from_micros(row.occurred_at),
        received_at=from_micros(row.received_at),
        trusted=row.trusted,
    )
