"""Where a deployment stands, in a few small queries, for those who watch it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, and_, func, select

from bandit_platform.domain.decision import OVER_LIMIT
from bandit_platform.storage.audit_state import audit_states
from bandit_platform.storage.counters import counted_everywhere, counters
from bandit_platform.storage.learning_tables import DeploymentRow, ModelVersionRow, PolicyStateRow
from bandit_platform.storage.nodes import Node, nodes
from bandit_platform.storage.positions import journal_positions
from bandit_platform.storage.skipped import skipped_counts
from bandit_platform.storage.statements import from_micros, table
from bandit_platform.storage.tables import LeaseRow

_VERSION = table(ModelVersionRow)
_STATE = table(PolicyStateRow)
_LEASE = table(LeaseRow)
_DEPLOYMENT = table(DeploymentRow)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What the database knows of its own upkeep."""

    #: journal segment → bytes taken over
    positions: Mapping[str, int]
    #: experiment → (newest model version, when it was published)
    models: Mapping[str, tuple[int, datetime]]
    #: experiment → interactions that the served policy has learned from
    learned: Mapping[str, int]
    #: experiment → interactions that no policy could take in
    left_out: Mapping[str, int]
    #: experiment → interactions on which some policy's model failed
    failures: Mapping[str, int]
    #: journal lines that were cut off at the end of a segment
    torn: float
    #: other journal lines that were no records
    damaged_lines: float
    #: nodes that may hold records which are not in the database
    nodes: tuple[Node, ...] = ()
    #: experiment → (decisions the worker recomputed, those that did not agree)
    audited: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    #: experiment → decisions that two nodes made differently
    disputes: Mapping[str, float] = field(default_factory=dict)
    #: experiment → decisions of page traffic above a limit
    over_limit: Mapping[str, float] = field(default_factory=dict)
    #: experiment → decisions whose request had undeclared fields, which were dropped
    dropped_fields: Mapping[str, float] = field(default_factory=dict)
    #: until when a worker leads; None before the first one
    led_until: datetime | None


def standing(connection: Connection, *, deployment: str) -> Standing:
    """Where the deployment stands.

    Args:
        connection: a transaction.
        deployment: the name under which counters of no experiment are kept.
    """
    everywhere = counters(connection, deployment)
    led_until = connection.execute(select(func.max(_LEASE.c.expires_at))).scalar()
    return Standing(
        positions=journal_positions(connection),
        models=_models(connection),
        learned=_learned(connection),
        left_out=skipped_counts(connection),
        failures=_failures(connection),
        torn=everywhere.get("journal.torn", 0.0),
        damaged_lines=everywhere.get("journal.damaged", 0.0),
        led_until=from_micros(led_until) if led_until else None,
        nodes=nodes(connection),
        audited={
            key: (state.checked, state.mismatches)
            for key, state in audit_states(connection).items()
        },
        disputes=counted_everywhere(connection, "disputes"),
        over_limit=counted_everywhere(connection, f"decisions.{OVER_LIMIT}"),
        dropped_fields=counted_everywhere(connection, "dropped_fields"),
    )


def _learned(connection: Connection) -> dict[str, int]:
    """Experiment → interactions that its champion has taken in."""
    newest = (
        select(_DEPLOYMENT.c.experiment, func.max(_DEPLOYMENT.c.number).label("number"))
        .group_by(_DEPLOYMENT.c.experiment)
        .subquery()
    )
    champion = and_(
        _DEPLOYMENT.c.experiment == newest.c.experiment, _DEPLOYMENT.c.number == newest.c.number
    )
    state = and_(
        _STATE.c.experiment == _DEPLOYMENT.c.experiment,
        _STATE.c.policy_hash == _DEPLOYMENT.c.champion,
    )
    statement = select(_STATE.c.experiment, _STATE.c.interactions).select_from(
        newest.join(_DEPLOYMENT, champion).join(_STATE, state)
    )
    return {row.experiment: row.interactions for row in connection.execute(statement)}


def _failures(connection: Connection) -> dict[str, int]:
    statement = select(_STATE.c.experiment, func.sum(_STATE.c.failures).label("failures"))
    rows = connection.execute(statement.group_by(_STATE.c.experiment))
    return {row.experiment: int(row.failures) for row in rows if row.failures}


def _models(connection: Connection) -> dict[str, tuple[int, datetime]]:
    newest = (
        select(_VERSION.c.experiment, func.max(_VERSION.c.version).label("version"))
        .group_by(_VERSION.c.experiment)
        .subquery()
    )
    same = and_(
        newest.c.experiment == _VERSION.c.experiment, newest.c.version == _VERSION.c.version
    )
    columns = (_VERSION.c.experiment, _VERSION.c.version, _VERSION.c.published_at)
    rows = connection.execute(select(*columns).join(newest, same))
    return {row.experiment: (row.version, from_micros(row.published_at)) for row in rows}
