"""Waiting until everything that was sent has matured and been learned, and counting it up."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from bandit_platform.services.reporting.report_records import Counts
from bandit_platform.simulation.tally import Tally

#: Waiting ends when nothing has moved for so long.
PATIENCE_SECONDS = 60.0
_LOOK_SECONDS = 0.5


def settle(
    look: Callable[[], Counts],
    *,
    decisions: int,
    events: int,
    learns: bool,
    progress: Callable[[int], None],
    check: Callable[[], None],
    patience: float = PATIENCE_SECONDS,
) -> Counts:
    """Wait until every acknowledged decision is stored and settled.

    Args:
        look: reads the experiment's counts.
        decisions: how many were acknowledged.
        events: how many were accepted.
        learns: whether the serving policy learns from interactions.
        progress: told how many decisions are settled.
        check: what it raises (a process died) ends the waiting.
        patience: seconds without any change after which the counts are given as they stand.
    """
    seen: Counts | None = None
    since = time.monotonic()
    while True:
        counts = look()
        progress(min(settled(counts, learns=learns), decisions))
        stored = counts.decisions >= decisions and counts.events >= events
        learned = not learns or counts.learned >= counts.interactions
        if stored and learned and not counts.immature:
            return counts
        if counts != seen:
            seen, since = counts, time.monotonic()
        elif time.monotonic() - since > patience:
            return counts
        check()
        time.sleep(_LOOK_SECONDS)


def settled(counts: Counts, *, learns: bool) -> int:
    """Decisions that nothing will happen to any more."""
    unmeasured = counts.decisions - _measured(counts)
    interactions = min(counts.learned, counts.interactions) if learns else counts.interactions
    left_out = counts.not_activated + counts.disputed
    return interactions + counts.holdout_interactions + left_out + unmeasured


def _measured(counts: Counts) -> int:
    return sum(counts.by_reason.get(reason, 0) for reason in ("policy", "uniform", "holdout"))


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that must agree."""

    what: str
    expected: int
    found: int

    @property
    def ok(self) -> bool:
        """Whether it does."""
        return self.expected == self.found


def reconcile(tally: Tally, counts: Counts, *, visits: int, learns: bool) -> tuple[Check, ...]:
    """Whether everything sent was acknowledged, stored, matured and learned, exactly once.

    Args:
        tally: what the senders counted.
        counts: what the platform counted.
        visits: how many visits there were to send.
        learns: whether the serving policy learns.
    """
    places = {
        "interactions": counts.interactions,
        "holdout": counts.holdout_interactions,
        "immature": counts.immature,
        "not activated": counts.not_activated,
        "disputed": counts.disputed,
        "not measured": counts.decisions - _measured(counts),
    }
    pairs = [
        ("decisions sent, of the visits there were", visits, tally.decisions_sent),
        (
            "decisions acknowledged, of those sent",
            tally.decisions_sent,
            tally.decisions_acknowledged,
        ),
        ("decisions stored, of those acknowledged", tally.decisions_acknowledged, counts.decisions),
        (f"decisions accounted for ({', '.join(places)})", counts.decisions, sum(places.values())),
        ("decisions still immature", 0, counts.immature),
        (
            "activations acknowledged, of those sent",
            tally.activations_sent,
            tally.activations_acknowledged,
        ),
        ("events accepted, of those sent", tally.events_sent, tally.events_accepted),
        ("events stored, of those accepted", tally.events_accepted, counts.events),
        ("events orphaned", 0, counts.orphan),
        ("requests failed", 0, tally.failures.total()),
    ]
    if learns:
        pairs.append(("interactions learned", counts.interactions, counts.learned))
    return tuple(Check(what=what, expected=want, found=got) for what, want, got in pairs)
