"""Counts by event type, kept few: a shop that numbers its types must not fill the tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Set

from bandit_platform.errors import NotFoundError
from bandit_platform.services.learning.outcomes import OTHER, type_name
from bandit_platform.storage.counters import counters
from bandit_platform.storage.database import Connection
from bandit_platform.storage.experiments import get_experiment

PREFIX = "events."


def cap_types(connection: Connection, counts: Counter[tuple[str, str]]) -> None:
    """Count types for which there is no room under one name.

    Args:
        connection: the transaction that adds the counts.
        counts: (experiment, name) → amount; those under ``events.`` are changed.
    """
    for experiment in {key for key, name in counts if name.startswith(PREFIX)}:
        kept = {
            name.removeprefix(PREFIX)
            for name in counters(connection, experiment)
            if name.startswith(PREFIX)
        }
        new = [
            name.removeprefix(PREFIX)
            for key, name in counts
            if key == experiment and name.startswith(PREFIX)
        ]
        new = [kind for kind in new if kind not in kept]
        if not new:
            continue
        declared = _declared(connection, experiment)
        for kind in new:
            name = type_name(kind, kept, declared)
            kept.add(name)
            if name == OTHER:
                amount = counts.pop((experiment, f"{PREFIX}{kind}"))
                counts[experiment, f"{PREFIX}{OTHER}"] += amount


def _declared(connection: Connection, experiment: str) -> Set[str]:
    """Types that the experiment's reward names; none where a restored database lacks it."""
    try:
        return get_experiment(connection, experiment).spec.reward.weights.keys()
    except NotFoundError:
        return frozenset()
