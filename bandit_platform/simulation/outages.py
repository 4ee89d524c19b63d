"""Taking the database away for a while under load, and comparing latencies with and without it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from statistics import median

from bandit_platform.simulation.ledger import Ledger
from bandit_platform.simulation.load import Load, Shop

#: how long is measured before, at most
_BEFORE_SECONDS = 15.0


@dataclass(frozen=True, kw_only=True)
class Latency:
    """How long answers took, in seconds; for ever where there was none."""

    count: int
    median: float
    p99: float
    worst: float


@dataclass(frozen=True, kw_only=True)
class Outage:
    """Latencies before and during an outage, of what was acknowledged."""

    decisions_before: Latency
    decisions_during: Latency
    events_before: Latency
    events_during: Latency


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
    decisions, events = ledger.latencies, ledger.event_latencies
    with Load(shop, ledger, seed=seed):
        time.sleep(min(seconds, _BEFORE_SECONDS))
        before = len(decisions), len(events)
        with away():
            first = len(decisions), len(events)
            time.sleep(seconds)
            last = len(decisions), len(events)
    return Outage(
        decisions_before=_latency(decisions[: before[0]]),
        decisions_during=_latency(decisions[first[0] : last[0]]),
        events_before=_latency(events[: before[1]]),
        events_during=_latency(events[first[1] : last[1]]),
    )


def _latency(seconds: Sequence[float]) -> Latency:
    ordered = sorted(seconds) or [math.inf]
    return Latency(
        count=len(seconds),
        median=median(ordered),
        p99=ordered[int(0.99 * (len(ordered) - 1))],
        worst=ordered[-1],
    )
