"""The estimates over time: a point whenever the interactions have grown by two per cent.

So their number grows with the logarithm of the data, and a chart costs the same for a thousand
decisions as for ten million.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.request_arms import OTHER, most_frequent
from bandit_platform.services.learning.programme import programme_uplift
from bandit_platform.storage.counters import counters
from bandit_platform.storage.database import Connection
from bandit_platform.storage.interactions import last_timeline_point, put_timeline_point
from bandit_platform.storage.statements import to_micros

if TYPE_CHECKING:
    from bandit_platform.services.learning.walk import Standing

_GROWTH = 1.02
_FIRST = 50


def add_timeline_point(
    connection: Connection, spec: ExperimentSpec, standings: Sequence[Standing], at: datetime
) -> None:
    """Store the estimates as they stand, if the interactions have grown enough.

    Args:
        connection: the transaction that also stores the standings.
        spec: the experiment as it is.
        standings: every tracked policy, all at the same cursor.
        at: moment of the newest decision taken in.
    """
    interactions = standings[0].interactions
    last = last_timeline_point(connection, spec.key)
    if interactions < max(_FIRST, last * _GROWTH, last + 1):
        return
    policies: dict[str, list[float]] = {}
    for standing in standings:
        value, uplift = standing.accumulator.value(), standing.accumulator.uplift()
        if value.collecting or value.value is None or uplift.value is None:
            continue
        policies[standing.identity] = [
            value.value,
            value.lower,
            value.upper,
            uplift.value,
            uplift.lower,
            uplift.upper,
        ]
    counted = counters(connection, spec.key)
    drawn, rewards = _by_arm(counted, ".count"), _by_arm(counted, ".reward")
    shown = most_frequent(drawn)
    drawn, rewards = _pooled(drawn, shown), _pooled(rewards, shown)
    programme = programme_uplift(counted)
    payload: dict[str, Any] = {
        "policies": policies,
        "arms": {arm: int(count) for arm, count in drawn.items()},
        "rewards": rewards,
    }
    if not programme.collecting:
        payload["programme"] = [programme.value, programme.lower, programme.upper]
    put_timeline_point(connection, spec.key, interactions, to_micros(at), json.dumps(payload))


def _by_arm(counted: Mapping[str, float], what: str) -> dict[str, float]:
    """Arm → its counter."""
    return {
        name.removeprefix("arm.").removesuffix(what): count
        for name, count in counted.items()
        if name.startswith("arm.") and name.endswith(what)
    }


def _pooled(sums: Mapping[str, float], shown: set[str]) -> dict[str, float]:
    """Sums of the arms that are shown, and of all others together."""
    found = {arm: sums[arm] for arm in sums if arm in shown}
    rest = [count for arm, count in sums.items() if arm not in shown]
    return {**found, OTHER: found.get(OTHER, 0.0) + sum(rest)} if rest else found
