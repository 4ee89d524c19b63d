"""Taking the database away for a while under load, and comparing latencies with and without it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from statistics import median

from bandit_platform.simulation.ledger import Ledger
from bandit_platform.simulation.load import Load, Shop


@dataclass(frozen=True, kw_only=True)
class Outage:
    """Decision latencies before and during an outage, in seconds."""

    median_before: float
    median_during: float
    worst_during: float
    #: decisions acknowledged while the database was away
    decisions: int
    #: events acknowledged while the database was away
    events: int


def outage(
    shop: Shop,
    ledger: Ledger,
    away: Callable[[], AbstractContextManager[object]],
    *,
    seconds: float,
    seed: int = 0,
) -> Outage:
    """Measure, take the database away, measure again.

    Args:
        shop: where the load goes.
        ledger: takes what is acknowledged.
        away: inside, there is no database.
        seconds: how long it is away, and how long is measured before.
        seed: of the load.
    """
    with Load(shop, ledger, seed=seed):
        time.sleep(min(seconds, 5.0))
        before = len(ledger.latencies)
        with away():
            first, events = len(ledger.latencies), len(ledger.events)
            time.sleep(seconds)
            last, reported = len(ledger.latencies), len(ledger.events)
    during = ledger.latencies[first:last]
    return Outage(
        median_before=median(ledger.latencies[:before]),
        median_during=median(during),
        worst_during=max(during),
        decisions=last - first,
        events=reported - events,
    )
