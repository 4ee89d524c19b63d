"""Arm shares over time: differences of the running counts, gathered into a few bins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from bandit_platform.services.report_records import TimelinePoint

MOST_BINS = 40


@dataclass(frozen=True, kw_only=True)
class ShareBin:
    """How often each arm was drawn between two moments."""

    start: datetime
    end: datetime
    #: arm → interactions
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        """Interactions of all arms."""
        return sum(self.counts.values())

    def share(self, arm: str) -> float:
        """The arm's share of the bin's interactions; 0 in an empty bin."""
        return self.counts.get(arm, 0) / self.total if self.total else 0.0


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
        return (ShareBin(start=timeline[0].at, end=edges[0].at, counts=dict(edges[0].arms)),)
    made, before = [], dict[str, int]()
    for start, end in pairwise(edges):
        counts = {arm: count - before.get(arm, 0) for arm, count in end.arms.items()}
        made.append(ShareBin(start=start.at, end=end.at, counts=counts))
        before = dict(end.arms)
    return tuple(made)


def _edges(timeline: Sequence[TimelinePoint], most: int) -> list[TimelinePoint]:
    """First and last point and, between them, points that are far enough apart."""
    first, last = timeline[0], timeline[-1]
    shortest = (last.at - first.at) / most
    edges = [first]
    for point in timeline[1:-1]:
        if point.at - edges[-1].at >= shortest and last.at - point.at >= shortest:
            edges.append(point)
    return [*edges, last] if last.at > first.at else [last]
