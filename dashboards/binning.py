"""Arm shares over time: differences of the running counts, gathered into a few bins."""

from __future__ import annotations

from bisect import bisect_right
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
    """Bins of equal length from first to last point; what came before is in the first bin.

    Args:
        timeline: running counts in the order of time.
        most: how many bins at most; never more than there are steps between points.
    """
    if not timeline:
        return ()
    first, last = timeline[0].at, timeline[-1].at
    if len(timeline) == 1 or last <= first:
        return (ShareBin(start=first, end=last, counts=dict(timeline[-1].arms)),)
    bins = min(most, len(timeline) - 1)
    step = (last - first) / bins
    edges = [first + step * i for i in range(bins)] + [last]
    moments = [point.at for point in timeline]
    made, before = [], dict[str, int]()
    for start, end in pairwise(edges):
        now = timeline[bisect_right(moments, end) - 1].arms
        counts = {arm: count - before.get(arm, 0) for arm, count in now.items()}
        made.append(ShareBin(start=start, end=end, counts=counts))
        before = dict(now)
    return tuple(made)
