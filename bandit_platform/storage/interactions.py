"""Matured decisions and what was learned from them: the stream every estimate walks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, func, insert, select

from bandit_platform.domain.decision import Decision
from bandit_platform.domain.record import record
from bandit_platform.storage.decision_rows import decision_from
from bandit_platform.storage.decisions import DecisionRows
from bandit_platform.storage.learning_tables import PolicyStateRow, TimelineRow
from bandit_platform.storage.statements import batches, put, table, to_micros
from bandit_platform.storage.tables import DecisionRow, InteractionRow, SkippedRow, UnitTotalRow

_INTERACTION = table(InteractionRow)
_DECISION = table(DecisionRow)
_UNIT = table(UnitTotalRow)
_STATE = table(PolicyStateRow)
_TIMELINE = table(TimelineRow)
_SKIPPED = table(SkippedRow)
#: policy traffic, without the interactions that no policy could take in
_WALKED = and_(
    _INTERACTION.c.policy_traffic.is_(True),
    ~select(_SKIPPED.c.number).where(_SKIPPED.c.number == _INTERACTION.c.number).exists(),
)


class RewardRules(NamedTuple):
    """What counted in a reward when it became final."""

    #: whose reward and event rules; None for rows filled in to measure
    revision: int | None
    #: the experiment's currency; None while none was known
    currency: str | None


_UNKNOWN_RULES = RewardRules(None, None)
_NO_RULES: Mapping[str, RewardRules] = MappingProxyType({})


@record
class Interaction:
    """A decision with its mature reward."""

    #: position in the one order that everything is learned in
    number: int
    decision: Decision
    reward: float
    #: False for the holdout, which no policy learns from
    policy_traffic: bool
    rules: RewardRules = _UNKNOWN_RULES


def insert_interactions(
    connection: Connection,
    rows: Iterable[tuple[Decision, float, bool, bool]],
    rules: Mapping[str, RewardRules] = _NO_RULES,
) -> None:
    """Number interactions in the order given.

    Args:
        connection: a transaction.
        rows: (decision, reward, clipped, policy traffic).
        rules: decision id → what counted in its reward.
    """
    values = [
        {
            "decision_id": decision.decision_id,
            "experiment": decision.experiment,
            "policy_traffic": policy_traffic,
            "reward": reward,
            "clipped": clipped,
            "reward_revision": counted.revision,
            "currency": counted.currency,
        }
        for decision, reward, clipped, policy_traffic in rows
        for counted in [rules.get(decision.decision_id, _UNKNOWN_RULES)]
    ]
    if not values:
        return
    first = 1 + max(
        connection.execute(select(func.max(_INTERACTION.c.number))).scalar() or 0,
        # the newest ones may have been forgotten; their numbers must not come again
        connection.execute(select(func.max(_STATE.c.cursor))).scalar() or 0,
    )
    numbered = [{"number": first + place, **value} for place, value in enumerate(values)]
    connection.execute(insert(_INTERACTION), numbered)


def policy_interactions(
    connection: Connection,
    experiment: str,
    after: int,
    *,
    up_to: int | None = None,
    limit: int,
    since: datetime | None = None,
    until: datetime | None = None,
    unreadable: dict[int, str] | None = None,
) -> list[Interaction]:
    """The next interactions of the policy traffic after a cursor, in order.

    Args:
        connection: a transaction.
        experiment: key.
        after: number of the last interaction already taken.
        up_to: number of the last one wanted, None for no end.
        limit: at most so many.
        since: decided at or after this moment.
        until: decided before this moment.
        unreadable: takes the numbers of those that cannot be read, and why; without it the first
            such one raises.
    """
    statement = (
        select(
            _DECISION,
            _INTERACTION.c.number,
            _INTERACTION.c.reward,
            _INTERACTION.c.reward_revision,
            _INTERACTION.c.currency,
        )
        .join(_INTERACTION, _INTERACTION.c.decision_id == _DECISION.c.decision_id)
        .where(
            _INTERACTION.c.experiment == experiment,
            _INTERACTION.c.number > after,
            _WALKED,
        )
        .order_by(_INTERACTION.c.number)
        .limit(limit)
    )
    if up_to is not None:
        statement = statement.where(_INTERACTION.c.number <= up_to)
    if since is not None:
        statement = statement.where(_DECISION.c.decided_at >= to_micros(since))
    if until is not None:
        statement = statement.where(_DECISION.c.decided_at < to_micros(until))
    found = []
    rows = DecisionRows.of(connection, connection.execute(statement).all())
    for row in rows:
        try:
            decision = decision_from(row, rows.lists)
        except (ValueError, TypeError, LookupError, OverflowError) as error:
            if unreadable is None:
                raise
            unreadable[row.number] = f"its decision cannot be read: {type(error).__name__}"
            continue
        found.append(
            Interaction(
                number=row.number,
                decision=decision,
                reward=row.reward,
                policy_traffic=True,
                rules=RewardRules(row.reward_revision, row.currency),
            )
        )
    return found


@dataclass(frozen=True, kw_only=True)
class Extent:
    """Interactions of the policy traffic: how many, and the numbers of the first and last."""

    rows: int
    first: int
    last: int


def policy_extent(
    connection: Connection,
    experiment: str,
    after: int,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Extent:
    """How far the policy traffic's interactions reach after a cursor, in a period."""
    number = _INTERACTION.c.number
    statement = select(func.count(), func.min(number), func.max(number)).where(
        _INTERACTION.c.experiment == experiment,
        number > after,
        _WALKED,
    )
    if since is not None or until is not None:
        statement = statement.join_from(
            _INTERACTION, _DECISION, _INTERACTION.c.decision_id == _DECISION.c.decision_id
        )
    if since is not None:
        statement = statement.where(_DECISION.c.decided_at >= to_micros(since))
    if until is not None:
        statement = statement.where(_DECISION.c.decided_at < to_micros(until))
    rows, first, last = connection.execute(statement).one()
    return Extent(rows=rows, first=first or 0, last=last or 0)


def number_of_nth(connection: Connection, experiment: str, n: int) -> int | None:
    """Number of the n-th interaction of the policy traffic, from 1; None if there are fewer."""
    if n < 1:
        return 0
    statement = (
        select(_INTERACTION.c.number)
        .where(_INTERACTION.c.experiment == experiment, _WALKED)
        .order_by(_INTERACTION.c.number)
        .offset(n - 1)
        .limit(1)
    )
    return connection.execute(statement).scalar_one_or_none()


def interaction_of(connection: Connection, decision_id: str) -> tuple[int, float, bool] | None:
    """Number, reward and whether it was clipped, of a matured decision."""
    row = connection.execute(
        select(_INTERACTION).where(_INTERACTION.c.decision_id == decision_id)
    ).one_or_none()
    return None if row is None else (row.number, row.reward, row.clipped)


def reward_rules_of(connection: Connection, decision_id: str) -> RewardRules | None:
    """What counted in the reward of a matured decision; None where it has not matured."""
    row = connection.execute(
        select(_INTERACTION.c.reward_revision, _INTERACTION.c.currency).where(
            _INTERACTION.c.decision_id == decision_id
        )
    ).one_or_none()
    return None if row is None else RewardRules(row.reward_revision, row.currency)


def unit_totals(
    connection: Connection, experiment: str, units: Sequence[str]
) -> dict[str, tuple[bool, float]]:
    """Unit → (in the holdout, total reward), for the units known so far."""
    return {
        row.unit: (row.holdout, row.total)
        for some in batches(units)
        for row in connection.execute(
            select(_UNIT).where(_UNIT.c.experiment == experiment, _UNIT.c.unit.in_(some))
        )
    }


def put_unit_totals(
    connection: Connection, experiment: str, totals: Mapping[str, tuple[bool, float]]
) -> None:
    """Store units' totals."""
    rows: list[dict[str, Any]] = [
        {"experiment": experiment, "unit": unit, "holdout": holdout, "total": total}
        for unit, (holdout, total) in totals.items()
    ]
    put(connection, UnitTotalRow, rows)


def put_timeline_point(
    connection: Connection, experiment: str, interactions: int, at: int, payload: str
) -> None:
    """Store the estimates as they stand after a number of interactions."""
    row = {"experiment": experiment, "interactions": interactions, "at": at, "payload": payload}
    put(connection, TimelineRow, [row])


def timeline(connection: Connection, experiment: str) -> list[tuple[int, int, str]]:
    """(interactions, moment in microseconds, payload) in order."""
    statement = (
        select(_TIMELINE)
        .where(_TIMELINE.c.experiment == experiment)
        .order_by(_TIMELINE.c.interactions)
    )
    return [(row.interactions, row.at, row.payload) for row in connection.execute(statement)]


def last_timeline_point(connection: Connection, experiment: str) -> int:
    """Interactions at the newest timeline point; 0 without one."""
    newest = select(func.max(_TIMELINE.c.interactions)).where(_TIMELINE.c.experiment == experiment)
    return connection.execute(newest).scalar() or 0


def newest_decided_at(connection: Connection, experiment: str) -> int | None:
    """When the newest matured decision was made, in microseconds."""
    statement = (
        select(_DECISION.c.decided_at)
        .join(_INTERACTION, _INTERACTION.c.decision_id == _DECISION.c.decision_id)
        .where(_INTERACTION.c.experiment == experiment)
        .order_by(_INTERACTION.c.number.desc())
        .limit(1)
    )
    return connection.execute(statement).scalar()
