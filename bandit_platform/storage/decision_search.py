"""Finding decisions, newest first, at a cost that does not grow with their number.

A page reads along one index, by time within the experiment, the unit or the request key, from where
the page before ended. Where it is narrowed further, it looks at so many decisions at most; what was
not looked at waits for the next page.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, select

from bandit_platform.domain.decision import OVER_LIMIT, Decision
from bandit_platform.storage.decisions import DecisionRows, readable
from bandit_platform.storage.statements import from_micros, table, to_micros
from bandit_platform.storage.tables import DecisionRow

_DECISION = table(DecisionRow)
#: Decisions that a page looks at, however few of them fit.
MOST_LOOKED_AT = 10_000


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is looked for; None leaves it open."""

    experiment: str
    #: pseudonym
    unit: str | None = None
    #: hash of a request key
    request: str | None = None
    #: decided at or after this moment
    since: datetime | None = None
    #: decided before this moment
    until: datetime | None = None
    arm: str | None = None
    #: or ``over_limit``, which has decisions of other reasons
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Place:
    """A decision's place in the order of time."""

    moment: datetime
    decision_id: str


@dataclass(frozen=True, kw_only=True)
class FoundPage:
    """A page of decisions."""

    decisions: tuple[Decision, ...]
    #: where the next page goes on; None at the end
    after: Place | None
    #: the page ended early because it had looked at enough
    cut: bool


def search_statement(search: Search, after: Place | None, limit: int) -> Select[Any]:
    """The query behind a page, before it is narrowed further."""
    if search.request is not None:
        along = _DECISION.c.request_key == search.request
    elif search.unit is not None:
        along = _DECISION.c.unit == search.unit
    else:
        along = _DECISION.c.experiment == search.experiment
    statement = (
        select(_DECISION)
        .where(along)
        .order_by(_DECISION.c.decided_at.desc(), _DECISION.c.decision_id.desc())
        .limit(limit)
    )
    if search.since is not None:
        statement = statement.where(_DECISION.c.decided_at >= to_micros(search.since))
    if search.until is not None:
        statement = statement.where(_DECISION.c.decided_at < to_micros(search.until))
    if after is not None:
        moment = to_micros(after.moment)
        statement = statement.where(
            _DECISION.c.decided_at <= moment,
            (_DECISION.c.decided_at < moment) | (_DECISION.c.decision_id < after.decision_id),
        )
    return statement


def search_decisions(
    connection: Connection, search: Search, *, after: Place | None, limit: int
) -> FoundPage:
    """The next decisions that fit, newest first.

    Args:
        connection: a transaction.
        search: what is looked for.
        after: where the page before ended.
        limit: at most so many.
    """
    narrowed_by = (search.arm, search.reason, search.unit, search.request)
    if all(each is None for each in narrowed_by):
        rows = connection.execute(search_statement(search, after, limit + 1)).all()
        return _page(connection, rows[:limit], more=len(rows) > limit)
    looked_at = search_statement(search, after, MOST_LOOKED_AT).subquery()
    narrowed = (
        select(looked_at)
        .where(looked_at.c.experiment == search.experiment)
        .order_by(looked_at.c.decided_at.desc(), looked_at.c.decision_id.desc())
    )
    if search.unit is not None:
        narrowed = narrowed.where(looked_at.c.unit == search.unit)
    if search.arm is not None:
        narrowed = narrowed.where(looked_at.c.arm == search.arm)
    if search.reason is not None:
        marked = search.reason == OVER_LIMIT
        narrowed = narrowed.where(
            looked_at.c.over_limit.is_(True) if marked else looked_at.c.reason == search.reason
        )
    rows = connection.execute(narrowed.limit(limit + 1)).all()
    if len(rows) > limit:
        return _page(connection, rows[:limit], more=True)
    last = _last_looked_at(connection, search, after)
    found = _page(connection, rows, more=False)
    return FoundPage(decisions=found.decisions, after=last, cut=last is not None)


def _last_looked_at(connection: Connection, search: Search, after: Place | None) -> Place | None:
    """Where looking stopped; None where there was nothing more to look at."""
    ends = search_statement(search, after, 1).offset(MOST_LOOKED_AT - 1)
    columns = (_DECISION.c.decided_at, _DECISION.c.decision_id)
    row = connection.execute(ends.with_only_columns(*columns)).one_or_none()
    if row is None:
        return None
    return Place(moment=from_micros(row.decided_at), decision_id=row.decision_id)


def _page(connection: Connection, rows: Sequence[Any], *, more: bool) -> FoundPage:
    after = None
    if more:
        last = rows[-1]
        after = Place(moment=from_micros(last.decided_at), decision_id=last.decision_id)
    damaged: dict[str, str] = {}  # the audit lists them
    found = readable(DecisionRows.of(connection, rows), damaged)
    return FoundPage(decisions=tuple(found), after=after, cut=False)
