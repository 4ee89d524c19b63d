"""Which policies are drawn over time, and how each one looks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from bandit_platform.services.reporting.report_records import ExperimentReport, TimelinePolicy
from dashboards.charts.scale import Axis, padded
from dashboards.policies.words import policy_words

#: A chart has no room for more moments than this.
MOST_POINTS = 360
#: From this share of the interactions on, bands are drawn whole.
_SETTLED = 0.2

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class PolicySeries:
    """One policy through time."""

    name: str
    label: str
    moments: tuple[datetime, ...]
    points: tuple[TimelinePolicy, ...]
    #: interactions behind each point
    counts: tuple[int, ...]
    #: name of its colour
    colour: str
    #: drawn as the main one
    leading: bool
    dash: str
    edge_dash: str


def uplift_series(report: ExperimentReport) -> tuple[PolicySeries, ...]:
    """The logging policy and, in front of it, the serving policy, as far as they are known.

    The serving policy leads; where none learns, the logging policy does.
    """
    shown = thinned(report.timeline, MOST_POINTS)
    learned = any(row.kind == "serving" for row in report.policies)
    made = []
    for row in sorted(report.policies, key=lambda row: row.kind != "logging"):
        known = [point for point in shown if row.name in point.policies]
        if row.kind not in {"logging", "serving"} or len(known) < 2:
            continue
        serving = row.kind == "serving"
        made.append(
            PolicySeries(
                name=row.name,
                label=policy_words(row.name, row.kind),
                moments=tuple(point.at for point in known),
                points=tuple(point.policies[row.name] for point in known),
                counts=tuple(point.n for point in known),
                colour="accent" if serving else "served",
                leading=serving or not learned,
                dash="solid" if serving or not learned else "dash",
                edge_dash="solid" if serving or not learned else "dot",
            )
        )
    return tuple(made)


def uplift_axis(series: Sequence[PolicySeries]) -> Axis:
    """The range for uplifts over time: the settled part of each band, and always zero.

    A confidence sequence starts as wide as the reward range allows; showing that would flatten
    everything learnt since, so what was known from the first fifth of the data may run past the
    edge.
    """
    ends = [0.0]
    for one in series:
        for count, point in zip(one.counts, one.points, strict=True):
            if count >= one.counts[-1] * _SETTLED:
                ends += [point.uplift_lower, point.uplift_upper]
    finite = [end for end in ends if math.isfinite(end)]
    return padded(min(finite), max(finite), share=0.08)


def is_cut(series: Sequence[PolicySeries]) -> bool:
    """Whether a band runs past the edge of its axis somewhere."""
    axis = uplift_axis(series)
    return any(
        point.uplift_lower < axis.low or point.uplift_upper > axis.high
        for one in series
        for point in one.points
    )


def thinned(items: Sequence[Item], most: int) -> tuple[Item, ...]:
    """At most so many items, evenly taken; first and last are always among them."""
    if len(items) <= most:
        return tuple(items)
    step = (len(items) - 1) / (most - 1)
    return tuple(items[round(i * step)] for i in range(most))
