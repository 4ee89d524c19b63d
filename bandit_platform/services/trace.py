"""Why did this shopper get that? The whole story of one decision."""

from __future__ import annotations

from typing import Any

from bandit_platform.domain.decision import MEASURED, Decision
from bandit_platform.errors import NotFoundError
from bandit_platform.storage.database import Database
from bandit_platform.storage.decisions import activated, find_immature, get_decision
from bandit_platform.storage.events import events_of
from bandit_platform.storage.interactions import interaction_of


def trace(database: Database, experiment: str, decision_id: str) -> dict[str, Any]:
    """Context, arms and why each was out, distribution, draw, events and reward.

    Raises:
        NotFoundError: the decision is not in the database (yet), or of another experiment.
    """
    with database.read() as connection:
        decision = get_decision(connection, decision_id)
        if decision is None or decision.experiment != experiment:
            raise NotFoundError("there is no such decision in the database")
        events = events_of(connection, [decision_id]).get(decision_id, [])
        shown = activated(connection, [decision_id]).get(decision_id)
        matured = interaction_of(connection, decision_id)
        waiting = bool(find_immature(connection, [decision_id]))
    return {
        **_story(decision),
        "activated_at": shown.isoformat() if shown else None,
        "events": [
            {
                "event_id": event.event_id,
                "type": event.type,
                "amount": event.amount,
                "currency": event.currency,
                "occurred_at": event.occurred_at.isoformat(),
                "late": late,
            }
            for event, late in events
        ],
        "status": _status(decision, waiting, matured is not None),
        "interaction": matured[0] if matured else None,
        "reward": matured[1] if matured else None,
        "clipped": matured[2] if matured else None,
    }


def _story(decision: Decision) -> dict[str, Any]:
    return {
        "decision_id": decision.decision_id,
        "experiment": decision.experiment,
        "revision": decision.revision,
        "unit": decision.unit,
        "decided_at": decision.decided_at.isoformat(),
        "expires_at": decision.expires_at.isoformat(),
        "context": decision.context,
        "reason": decision.reason.value,
        "eligible": list(decision.eligible),
        "excluded": decision.excluded,
        "pmf": dict(zip(decision.eligible, decision.pmf, strict=True)),
        "seed": decision.seed,
        "model_version": decision.model_version,
        "arm": decision.arm,
        "propensity": decision.propensity,
        "deferred": decision.deferred,
    }


def _status(decision: Decision, waiting: bool, matured: bool) -> str:
    if matured:
        return "matured"
    if waiting:
        return "immature"
    return "not activated" if decision.reason in MEASURED else "not measured"
