"""How far decisions were recomputed while they came in, and what did not agree."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, select

from bandit_platform.storage.statements import from_micros, put, table, to_micros
from bandit_platform.storage.tables import AuditStateRow

_AUDIT = table(AuditStateRow)


@dataclass(frozen=True, kw_only=True)
class AuditState:
    """The running audit of one experiment."""

    #: moment and id of the last decision looked at
    position: tuple[datetime, str]
    checked: int
    mismatches: int
    #: (decision id, what differs) of the newest mismatches, newest first
    newest: tuple[tuple[str, str], ...]
    checked_at: datetime


def audit_states(connection: Connection) -> dict[str, AuditState]:
    """Experiment → its running audit."""
    return {
        row.experiment: AuditState(
            position=(from_micros(row.decided_at), row.decision_id),
            checked=row.checked,
            mismatches=row.mismatches,
            newest=tuple((one, what) for one, what in json.loads(row.newest)),
            checked_at=from_micros(row.checked_at),
        )
        for row in connection.execute(select(_AUDIT))
    }


def forget_audited(connection: Connection, ids: Collection[str]) -> None:
    """Let no running audit name these decisions any more; how many differed stays."""
    gone = set(ids)
    for experiment, state in audit_states(connection).items():
        moment, last = state.position
        newest = tuple(each for each in state.newest if each[0] not in gone)
        if last in gone or newest != state.newest:
            position = (moment, "" if last in gone else last)
            put_audit_state(
                connection, experiment, replace(state, position=position, newest=newest)
            )


def put_audit_state(connection: Connection, experiment: str, state: AuditState) -> None:
    """Store how far an audit has come."""
    row = {
        "experiment": experiment,
        "decided_at": to_micros(state.position[0]),
        "decision_id": state.position[1],
        "checked": state.checked,
        "mismatches": state.mismatches,
        "newest": json.dumps(state.newest),
        "checked_at": to_micros(state.checked_at),
    }
    put(connection, AuditStateRow, [row])
