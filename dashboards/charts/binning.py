"""Arm shares over time: differences of the running counts, gathered into a few bins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from bandit_platform.services.reporting.report_records import TimelinePoint

MOST_BINS = 40


@dataclass(frozen=True, kw_only=True)
class ShareBin:
    """How often each arm was drawn between two moments."""

    start: datetime
    end: datetime
    #: arm → interactions
    counts: Mapping[str, int]
    #: arm → sum of their rewards; empty where that was not kept
    rewards: Mapping[str, float] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Interactions of all arms."""
        return sum(self.counts.values())

    def share(self, arm: str) -> float:
        """The arm's share of the bin's interactions; 0 in an empty bin."""
        return self.counts.get(arm, 0) / self.total if self.total else 0.0

    def mean_reward(self, arm: str, *, least: int = 1) -> float | None:
        """Mean reward where the arm was drawn; None where that was rarer than ``least``."""
        count = self.counts.get(arm, 0)
        if count < least or arm not in self.rewards:
            return None
        return self.rewards[arm] / count


def share_bins(timeline: Sequence[TimelinePoint], most: int = MOST_BINS) -> tuple[ShareBin, ...]:
    """Bins from point to point, so that their counts are exact and none is empty by accident.

    Each is at least a ``most``-th of the whole time long; what came before the first point is in
    the first bin.

    Args:
        timeline: running counts in the order of time.
        most: how many bins at most.
    """
    if not timeline:
        return ()
    edges = _edges(timeline, most)
    if len(edges) == 1:
        return (_bin(timeline[0].at, None, edges[0]),)
    starts = [None, *edges[1:-1]]
    return tuple(
        _bin(start.at, before, end)
        for (start, end), before in zip(pairwise(edges), starts, strict=True)
    )


def _bin(start: datetime, before: TimelinePoint | None, end: TimelinePoint) -> ShareBin:
    """What came after ``before`` (None for the very first) until ``end``."""
    arms = before.arms if before else {}
    rewards = before.rewards if before else {}
    kept = before is None or bool(before.rewards)
    return ShareBin(
        start=start,
        end=end.at,
        counts={arm: count - arms.get(arm, 0) for arm, count in end.arms.items()},
        rewards={arm: total - rewards.get(arm, 0.0) for arm, total in end.rewards.items()}
        if kept
        else {},
    )


def _edges(timeline: Sequence[TimelinePoint], most: int) -> list[TimelinePoint]:
    """First and last point and, between them, points that are far enough apart."""
    first, last = timeline[0], timeline[-1]
    shortest = (last.at - first.at) / most
    edges = [first]
    for point in timeline[1:-1]:
        if point.at - edges[-1].at >= shortest and last.at - point.at >= shortest:
            edges.append(point)
    return [*edges, last] if last.at > first.at else [last]
