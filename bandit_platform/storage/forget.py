"""Removing everything that is kept about one unit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from sqlalchemy import Connection, Table, delete, func, select

from bandit_platform.storage.arm_lists import lists_of_decisions, remove_unused
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
    RequestEventRow,
    UnitTotalRow,
)

FORGOTTEN_WAITING = "forgotten.waiting"
"""Counter of decisions that were removed before they matured."""

_DECISION = table(DecisionRow)
_IMMATURE = table(ImmatureRow)
_DISPUTE = table(DisputeRow)
_UNIT = table(UnitTotalRow)
_REQUEST_EVENT = table(RequestEventRow)
_OF_DECISIONS = {
    "events": table(EventRow),
    "activations": table(ActivationRow),
    "immature": _IMMATURE,
    "interactions": table(InteractionRow),
    "decisions": _DECISION,
}


@dataclass(kw_only=True)
class UnitTraces:
    """By what the records of a unit are found; grows while it is being forgotten."""

    #: its decisions, in the database or not
    decisions: set[str] = field(default_factory=set)
    #: hashes of the request keys of these
    requests: set[str] = field(default_factory=set)


def add_traces(connection: Connection, unit: str, traces: UnitTraces) -> None:
    """Add the stored decisions made for a unit to its traces."""
    columns = (_DECISION.c.decision_id, _DECISION.c.request_key)
    rows = connection.execute(select(*columns).where(_DECISION.c.unit == unit))
    for decision_id, request in rows:
        traces.decisions.add(decision_id)
        if request is not None:
            traces.requests.add(request)


def forget_unit(connection: Connection, unit: str, traces: UnitTraces) -> dict[str, int]:
    """Remove a unit's totals, its decisions and everything that hangs on them.

    Args:
        connection: a transaction that writes.
        unit: pseudonym.
        traces: by what its records are found.

    Returns:
        What was removed → how many rows.
    """
    if connection.dialect.name == "sqlite":  # else the bytes stay in the file
        connection.exec_driver_sql("PRAGMA secure_delete = ON")
    ids = traces.decisions
    add(connection, _waiting(connection, ids))
    sources = forget_page_sources(connection, unit, _addresses(connection, ids))
    lists = lists_of_decisions(connection, ids)
    removed = {name: _remove(connection, rows, ids) for name, rows in _OF_DECISIONS.items()}
    removed["lists of arms"] = remove_unused(connection, lists)
    removed["disputes"] = _remove(connection, _DISPUTE, ids)
    removed["disputes"] += connection.execute(
        delete(_DISPUTE).where(_DISPUTE.c.other.contains(unit, autoescape=True))
    ).rowcount
    removed["request events"] = _remove_request_events(connection, unit, traces)
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


def _remove_request_events(connection: Connection, unit: str, traces: UnitTraces) -> int:
    """Outcomes that name the unit, belong to its decisions, or may yet do so."""
    event = _REQUEST_EVENT.c
    removed = connection.execute(delete(_REQUEST_EVENT).where(event.unit == unit)).rowcount
    removed += _remove(connection, _REQUEST_EVENT, traces.decisions)
    unnamed = (event.unit == "") & event.decision_id.is_(None)
    for some in batches(sorted(traces.requests)):
        chosen = delete(_REQUEST_EVENT).where(unnamed, event.request_key.in_(some))
        removed += connection.execute(chosen).rowcount
    return removed


def _remove(connection: Connection, rows: Table, ids: Collection[str]) -> int:
    return sum(
        connection.execute(delete(rows).where(rows.c.decision_id.in_(some))).rowcount
        for some in batches(sorted(ids))
    )
