"""How many decisions are asked for, read from the newest few so that it costs little."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from bandit_platform.domain.decision import Reason
from bandit_platform.storage.statements import from_micros, table, to_micros
from bandit_platform.storage.tables import DecisionRow

_DECISION = table(DecisionRow)
_DAY = timedelta(days=1)
#: decisions that are looked at; where a day has more, their pace stands for the day
_MOST = 5_000


def decisions_per_day(connection: Connection, experiment: str, now: datetime) -> float:
    """Decisions of the last 24 hours; where they are too many to look at, by the newest' pace.

    Page traffic above a limit is in no estimate, so it is not counted here either.

    Args:
        connection: to the database.
        experiment: key.
        now: the present moment.
    """
    newest = (
        select(_DECISION.c.decided_at, _DECISION.c.over_limit)
        .where(
            _DECISION.c.experiment == experiment,
            _DECISION.c.decided_at > to_micros(now - _DAY),
        )
        .order_by(_DECISION.c.decided_at.desc())
        .limit(_MOST + 1)
    )
    found = connection.execute(newest).all()
    counted = sum(not row.over_limit for row in found[:_MOST])
    if len(found) <= _MOST:
        return float(counted)
    seconds = max((now - from_micros(found[_MOST - 1].decided_at)).total_seconds(), 1.0)
    return counted * _DAY.total_seconds() / seconds


def newest_of_reason(connection: Connection, experiment: str, reason: Reason) -> str | None:
    """The id of the newest decision with a reason; cheap where the newest have it."""
    return connection.execute(
        select(_DECISION.c.decision_id)
        .where(_DECISION.c.experiment == experiment, _DECISION.c.reason == reason.value)
        .order_by(_DECISION.c.decided_at.desc())
        .limit(1)
    ).scalar_one_or_none()
