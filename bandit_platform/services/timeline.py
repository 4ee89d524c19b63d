"""The estimates over time: a point whenever the interactions have grown by two per cent.

So their number grows with the logarithm of the data, and a chart costs the same for a thousand
decisions as for ten million.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.storage.counters import counters
from bandit_platform.storage.database import Connection
from bandit_platform.storage.interactions import last_timeline_point, put_timeline_point
from bandit_platform.storage.statements import to_micros

if TYPE_CHECKING:
    from bandit_platform.services.learn import Standing

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
    policies = {}
    for standing in standings:
        value, uplift = standing.accumulator.value(), standing.accumulator.uplift()
        if value.collecting or value.value is None or uplift.value is None:
            continue
        policies[standing.name] = [
            value.value,
            value.lower,
            value.upper,
            uplift.value,
            uplift.lower,
            uplift.upper,
        ]
    counted = counters(connection, spec.key)
    arms = {
        name.removeprefix("arm.").removesuffix(".count"): int(count)
        for name, count in counted.items()
        if name.startswith("arm.") and name.endswith(".count")
    }
    payload = json.dumps({"policies": policies, "arms": arms})
    put_timeline_point(connection, spec.key, interactions, to_micros(at), payload)
