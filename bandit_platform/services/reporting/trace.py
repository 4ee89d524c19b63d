"""Why did this shopper get that? The whole story of one decision."""

from __future__ import annotations

import json
from dataclasses import fields
from datetime import datetime
from typing import Any, get_type_hints

from pydantic import TypeAdapter

from bandit_platform.domain.assignment import draw
from bandit_platform.domain.decision import OVER_LIMIT, Decision
from bandit_platform.domain.event import Lateness
from bandit_platform.domain.exclusion import exclusions_to_data
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.keyed_hash import fraction
from bandit_platform.errors import NotFoundError
from bandit_platform.services.reporting.audit import Auditor
from bandit_platform.services.reporting.reward_story import Part, reward_parts
from bandit_platform.storage.database import Connection, Database
from bandit_platform.storage.decisions import activated, find_immature, get_decision
from bandit_platform.storage.disputes import dispute_of
from bandit_platform.storage.events import events_of
from bandit_platform.storage.experiments import StoredExperiment, get_experiment, revisions
from bandit_platform.storage.interactions import interaction_of, reward_rules_of
from bandit_platform.storage.keys import key_labels

#: draws have fields of their own here, and dropped fields are only counted
NOT_SHOWN = frozenset({"draws", "dropped_fields"})


def trace(
    database: Database, experiment: str, decision_id: str, secret: bytes | None = None
) -> dict[str, Any]:
    """Context, arms and why each was out, distribution, draw, events and reward.

    Args:
        database: of the deployment.
        experiment: key.
        decision_id: of the decision.
        secret: the deployment's, with which the decision is recomputed; without it, it is not.

    Raises:
        NotFoundError: the decision is not in the database (yet), or of another experiment.
    """
    with database.read() as connection:
        decision = get_decision(connection, decision_id)
        if decision is None or decision.experiment != experiment:
            raise NotFoundError("there is no such decision in the database")
        told = {
            **_story(decision),
            "key_label": key_labels(connection).get(decision.key_id or "", ""),
            **_fate(connection, decision),
        }
    told["checked"] = None if secret is None else _checked(database, secret, decision)
    return told


def _fate(connection: Connection, decision: Decision) -> dict[str, Any]:
    """What became of a decision after it was made."""
    key = decision.decision_id
    stored = get_experiment(connection, decision.experiment)
    events = events_of(connection, [key]).get(key, [])
    spec, currency = _rules(connection, decision, stored)
    made_by = _deciding_spec(connection, decision, stored.spec)
    parts = reward_parts(events, spec, currency, made_by.worth_of(decision.arm))
    brought = decision.request_arms
    shown = activated(connection, [key]).get(key)
    matured = interaction_of(connection, key)
    other = dispute_of(connection, key)
    waiting = bool(find_immature(connection, [key]))
    return {
        "arms": list(made_by.arm_keys if brought is None else brought.keys),
        "features": None
        if brought is None
        else {arm.key: dict(arm.features) for arm in brought.arms},
        "activated_at": shown.isoformat() if shown else None,
        "events": [_event(part) for part in parts],
        "status": _status(decision, waiting, matured is not None)
        if other is None
        else ("disputed" if matured is None else "disputed late"),
        "interaction": matured[0] if matured else None,
        "reward": matured[1] if matured else None,
        "clipped": matured[2] if matured else None,
        "reward_default": stored.spec.reward.default,
        "reward_range": list(stored.spec.reward_range),
        "disputed": None if other is None else other_answer(other),
    }


def _rules(
    connection: Connection, decision: Decision, stored: StoredExperiment
) -> tuple[ExperimentSpec, str | None]:
    """The spec and the currency by which the decision's reward was counted, or would be now."""
    rules = reward_rules_of(connection, decision.decision_id)
    if rules is not None and rules.revision is not None:
        for each in revisions(connection, decision.experiment):
            if each.number == rules.revision:
                return each.spec, rules.currency
    return stored.spec, stored.spec.reward.currency or stored.currency


def _deciding_spec(
    connection: Connection, decision: Decision, present: ExperimentSpec
) -> ExperimentSpec:
    """The spec that decided: its arms, and what their outcomes are worth."""
    for each in revisions(connection, decision.experiment):
        if each.number == decision.revision:
            return each.spec
    return present


def _event(part: Part) -> dict[str, Any]:
    event = part.event
    return {
        "event_id": event.event_id,
        "type": event.type,
        "amount": event.amount,
        "currency": event.currency,
        "occurred_at": event.occurred_at.isoformat(),
        "received_at": event.received_at.isoformat(),
        "trusted": event.trusted,
        "late": part.late not in {None, Lateness.BEFORE_DECISION},
        "late_because": part.late,
        "adds": part.adds,
        "why": part.why,
    }


def _checked(database: Database, secret: bytes, decision: Decision) -> dict[str, Any]:
    """Whether the decision, recomputed from what is stored, comes out as it was logged."""
    auditor = Auditor(database, secret, decision.experiment)
    try:
        what = auditor.mismatch(decision)
    finally:
        auditor.close()
    return {"agrees": what is None, "what": what}


_FIELDS = tuple(each.name for each in fields(Decision) if each.name not in NOT_SHOWN)
_JSON = {each: TypeAdapter(get_type_hints(Decision)[each]) for each in _FIELDS}


def _story(decision: Decision) -> dict[str, Any]:
    """Every field of a decision, with what follows from the draw of its first slot."""
    return {
        **{name: _data(name, getattr(decision, name)) for name in _FIELDS},
        "eligible": list(decision.eligible),
        "excluded": exclusions_to_data(decision.excluded),
        "pmf": dict(zip(decision.eligible, decision.pmf, strict=True)),
        "seed": decision.seed,
        "draw": fraction(bytes.fromhex(decision.seed)),
        "drawn": decision.eligible[draw(decision.pmf, decision.seed)],
        "model_version": decision.model_version,
        "arm": decision.arm,
        "propensity": decision.propensity,
    }


def _data(name: str, value: Any) -> Any:
    """A field's value as JSON data; moments are written as everywhere."""
    if isinstance(value, datetime):
        return value.isoformat()
    return _JSON[name].dump_python(value, mode="json")


def _status(decision: Decision, waiting: bool, matured: bool) -> str:
    if matured:
        return "matured"
    if waiting:
        return "immature"
    if decision.counted_as == OVER_LIMIT:
        return "over limit"
    return "not activated" if decision.measured else "not measured"


def other_answer(text: str) -> dict[str, Any]:
    """The other answer to a disputed decision, from the columns that were kept of it."""
    other = json.loads(text)
    eligible, pmf = json.loads(other["eligible"]), json.loads(other["pmf"])
    versions = json.loads(other["model_versions"] or "[]")
    return {
        "arm": other["arm"],
        "reason": other["reason"],
        "pmf": dict(zip(eligible, pmf, strict=True)),
        "model_version": versions[0] if versions else None,
    }
