"""Counts by event type, kept few: a shop that numbers its types must not fill the tables."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from functools import partial
from typing import NamedTuple

from bandit_platform.errors import NotFoundError
from bandit_platform.services.learning.outcomes import OTHER, type_name
from bandit_platform.services.learning.support import Source, WaitingValues
from bandit_platform.storage.counters import counters
from bandit_platform.storage.database import Connection
from bandit_platform.storage.event_types import (
    decision_sources,
    event_type_state,
    put_event_type_state,
)
from bandit_platform.storage.experiments import get_experiment

PREFIX = "events."
Counts = Counter[tuple[str, str]]


class Reported(NamedTuple):
    """An event that was counted by its type."""

    decision_id: str
    type: str
    trusted: bool


def cap_types(connection: Connection, counts: Counts, reported: Sequence[Reported]) -> None:
    """Count types under one name for which there is no room, or not enough behind them.

    Args:
        connection: the transaction that adds the counts.
        counts: (experiment, name) → amount; those under ``events.`` are changed.
        reported: the events that were counted, in order.
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
        if new:
            _name_new(connection, experiment, counts, reported, new=new, kept=kept)


def _name_new(
    connection: Connection,
    experiment: str,
    counts: Counts,
    reported: Sequence[Reported],
    *,
    new: Sequence[str],
    kept: set[str],
) -> None:
    """Settle under which name each type without a counter is counted."""
    declared = _declared(connection, experiment)
    unnamed = set(new)
    sources = _sources(connection, experiment, [each for each in reported if each.type in unnamed])
    state = event_type_state(connection, experiment)
    waiting = WaitingValues(json.loads(state) if state else ())
    for kind in new:
        takes_place = partial(_takes_place, waiting, kind, sources.get(kind, ()))
        name = type_name(kind, kept, declared, takes_place)
        kept.add(name)
        if name == OTHER:
            amount = counts.pop((experiment, f"{PREFIX}{kind}"))
            counts[experiment, f"{PREFIX}{OTHER}"] += amount
    after = json.dumps(waiting.state())
    if after != (state or "[]"):
        put_event_type_state(connection, experiment, after)


def _takes_place(waiting: WaitingValues, kind: str, sources: Sequence[Source]) -> bool:
    return any(waiting.takes_place(kind, source) for source in sources)


def _sources(
    connection: Connection, experiment: str, reported: Sequence[Reported]
) -> Mapping[str, list[Source]]:
    """Type → whose word its events are; a page's event is that of its decision's shopper."""
    found = decision_sources(connection, experiment, {each.decision_id for each in reported})
    sources: dict[str, list[Source]] = defaultdict(list)
    for each in reported:
        if each.decision_id in found:
            unit, address, over_limit = found[each.decision_id]
            sources[each.type].append(Source(each.trusted, over_limit, unit, address))
    return sources


def _declared(connection: Connection, experiment: str) -> Set[str]:
    """Types that the experiment's reward names; none where a restored database lacks it."""
    try:
        return frozenset(get_experiment(connection, experiment).spec.event_types)
    except NotFoundError:
        return frozenset()
