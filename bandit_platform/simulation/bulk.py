"""Very many decisions of simulated shoppers, put into a database as ingest and maturing leave them.

For measuring what grows with the number of decisions. Contexts, draws and outcomes are simulated;
rows, counters and totals are those that the ordinary way would have left.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import product
from typing import Any

import numpy as np

from bandit_platform.domain.decision import Reason
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.services.collecting.count_exclusions import DECIDED, ELIGIBLE, SHOWN
from bandit_platform.storage.bulk import BulkRows, insert_bulk
from bandit_platform.storage.counters import add
from bandit_platform.storage.database import Database
from bandit_platform.storage.exclusions import Place, add_exclusions

CONTEXT = {
    "country": {"type": "category"},
    "device": {"type": "category"},
    "returning": {"type": "boolean"},
    "order_value": {"type": "number", "min": 0},
}
"""The context that bulk decisions have, as the tables of an experiment file."""

_CHUNK = 20_000
_PER_UNIT = 4
_CONTEXTS = [
    json.dumps({"country": country, "device": device, "returning": returning, "order_value": value})
    for country, device, returning, value in product(
        ("GB", "US", "DE", "FR"), ("mobile", "desktop"), (True, False), (15.0, 40.0, 80.0, 160.0)
    )
]


@dataclass(frozen=True, kw_only=True)
class Bulk:
    """What to fill in.

    Attributes:
        spec: a started experiment with the context :data:`CONTEXT`, unconditional arms and fixed
            weights for ``accept``.
        decisions: how many, all of them drawn uniformly and matured.
        until: when the last one was decided.
        days: over how many days they are spread.
        seed: of everything simulated.
    """

    spec: ExperimentSpec
    decisions: int
    until: datetime
    days: float = 60.0
    seed: int = 7


def fill(database: Database, bulk: Bulk) -> Iterator[int]:
    """Put the decisions in; yields how many are in so far.

    Every chunk is one transaction.
    """
    generator = np.random.default_rng(bulk.seed)
    for first in range(0, bulk.decisions, _CHUNK):
        size = min(_CHUNK, bulk.decisions - first)
        rows, accepted = _chunk(bulk, generator, first, size)
        with database.write() as connection:
            insert_bulk(connection, rows)
            add(connection, _counts(bulk.spec, rows, accepted))
            add_exclusions(connection, _fates(bulk.spec, rows))
        yield first + size


def _chunk(
    bulk: Bulk, generator: np.random.Generator, first: int, size: int
) -> tuple[BulkRows, list[bool]]:
    spec = bulk.spec
    arms = spec.arm_keys
    drawn = generator.integers(len(arms), size=size)
    contexts = generator.integers(len(_CONTEXTS), size=size)
    accepted = (generator.random(size) < 0.02 + 0.02 * drawn) & (drawn > 0)
    step = timedelta(days=bulk.days) / bulk.decisions
    began = bulk.until - timedelta(days=bulk.days)
    same = {
        "experiment": spec.key,
        "revision": 1,
        "reason": Reason.UNIFORM.value,
        "propensity": 1.0 / len(arms),
        "eligible": json.dumps(arms),
        "pmf": json.dumps([1.0 / len(arms)] * len(arms)),
        "deferred": False,
        "trusted": True,
        "over_limit": False,
        "test": False,
    }
    rewards = {arm: _accepted(spec, arm) for arm in arms}
    decisions, events, interactions = [], [], []
    units: dict[str, float] = defaultdict(float)
    for place in range(size):
        number = first + place
        moment = int((began + step * number).timestamp() * 1_000_000)
        identity, unit = f"{number:048x}", f"{number // _PER_UNIT:032x}"
        arm = arms[int(drawn[place])]
        decisions.append(
            {
                **same,
                "decision_id": identity,
                "unit": unit,
                "decided_at": moment,
                "expires_at": moment + 60_000_000,
                "arm": arm,
                "context": _CONTEXTS[int(contexts[place])],
                "seed": f"{number:016x}",
            }
        )
        got = rewards[arm] if accepted[place] else spec.reward.default
        units[unit] += got
        interactions.append(_interaction(number, identity, spec.key, got))
        if accepted[place]:
            events.append(_event(identity, moment))
    rows = BulkRows(
        decisions=decisions, events=events, interactions=interactions, units=dict(units)
    )
    return rows, [bool(each) for each in accepted]


def _accepted(spec: ExperimentSpec, arm: str) -> float:
    """What an accept of an arm is worth."""
    weight = spec.worths[arm].weights.get("accept", 0.0)
    return weight if isinstance(weight, float) else 0.0


def _interaction(number: int, identity: str, experiment: str, reward: float) -> dict[str, Any]:
    return {
        "number": number + 1,
        "decision_id": identity,
        "experiment": experiment,
        "policy_traffic": True,
        "reward": reward,
        "clipped": False,
    }


def _event(identity: str, moment: int) -> dict[str, Any]:
    return {
        "decision_id": identity,
        "event_id": "accept",
        "type": "accept",
        "amount": None,
        "currency": None,
        "occurred_at": moment + 1_000_000,
        "received_at": moment + 1_000_000,
        "trusted": True,
        "late": False,
        "orphan": False,
    }


def _counts(
    spec: ExperimentSpec, rows: BulkRows, accepted: list[bool]
) -> dict[tuple[str, str], float]:
    key, size = spec.key, len(rows.decisions)
    counts: dict[tuple[str, str], float] = defaultdict(float)
    counts[key, f"decisions.{Reason.UNIFORM}"] = size
    counts[key, "interactions.policy"] = size
    counts[key, "events.accept"] = sum(accepted)
    counts[key, "units.policy.count"] = len(rows.units)
    for decision, interaction in zip(rows.decisions, rows.interactions, strict=True):
        counts[key, f"arm.{decision['arm']}.count"] += 1
        counts[key, f"arm.{decision['arm']}.reward"] += interaction["reward"]
    for total in rows.units.values():
        counts[key, "units.policy.total"] += total
        counts[key, "units.policy.squares"] += total * total
    return counts


def _fates(spec: ExperimentSpec, rows: BulkRows) -> dict[Place, int]:
    key, size = spec.key, len(rows.decisions)
    fates = {Place(key, 1, "", DECIDED, Reason.UNIFORM.value): size}
    fates |= {Place(key, 1, arm, ELIGIBLE, ""): size for arm in spec.arm_keys}
    for arm, number in Counter(decision["arm"] for decision in rows.decisions).items():
        fates[Place(key, 1, arm, SHOWN, "")] = number
    return fates
