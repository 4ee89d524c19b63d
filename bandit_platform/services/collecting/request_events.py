"""Finds the decisions of outcomes that were reported by request key.

The serving process cannot know them, since it never waits for the database. The worker looks once
everything acknowledged up to the outcome's receipt is in the database, so what it finds does not
depend on which node's journal arrived first. Outcomes whose decision is not found stay where they
are and are looked at again when a decision under their request key arrives or is activated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime

from bandit_platform.domain.request_event import find_decision
from bandit_platform.services.collecting.event_types import Reported, cap_types
from bandit_platform.services.collecting.ingest import store_events
from bandit_platform.storage.counters import add
from bandit_platform.storage.database import Connection
from bandit_platform.storage.request_events import candidates, settle_events, waiting_events

_BATCH = 2000


def find_decisions_of_events(
    connection: Connection,
    until: datetime,
    requests: Collection[str],
    without: Collection[str] = (),
) -> None:
    """Store outcomes with the decisions they belong to.

    Args:
        connection: the transaction that matures decisions, before it counts their events.
        until: the moment up to which everything has been ingested.
        requests: hashes of the request keys of decisions that mature now.
        without: experiments that wait.
    """
    waiting = waiting_events(connection, until, _BATCH, requests, without)
    if not waiting:
        return
    known = candidates(connection, waiting)
    settled = [(event, *find_decision(event, known.get(event.request, ()))) for event in waiting]
    counts: Counter[tuple[str, str]] = Counter()
    found = [event.of(decision_id) for event, decision_id, _ in settled if decision_id is not None]
    store_events(connection, found, counts)
    reported = [Reported(each.decision_id, each.type, each.trusted) for each in found]
    cap_types(connection, counts, reported)
    add(connection, counts)
    settle_events(connection, settled)
