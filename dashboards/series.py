"""Which policies are drawn over time, and how each one looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from bandit_platform.services.report_records import ExperimentReport, TimelinePolicy
from dashboards.policies import policy_words

#: A chart has no room for more moments than this.
MOST_POINTS = 360

Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class PolicySeries:
    """One policy through time."""

    name: str
    label: str
    moments: tuple[datetime, ...]
    points: tuple[TimelinePolicy, ...]
    #: name of its colour
    colour: str
    #: drawn as the main one
    leading: bool
    dash: str
    edge_dash: str


def uplift_series(report: ExperimentReport) -> tuple[PolicySeries, ...]:
    """The logging policy and, in front of it, the serving policy, as far as they are known."""
    shown = thinned(report.timeline, MOST_POINTS)
    made = []
    for row in sorted(report.policies, key=lambda row: row.kind != "logging"):
        known = [point for point in shown if row.name in point.policies]
        if row.kind not in {"logging", "serving"} or not known:
            continue
        serving = row.kind == "serving"
        made.append(
            PolicySeries(
                name=row.name,
                label=policy_words(row.name, row.kind),
                moments=tuple(point.at for point in known),
                points=tuple(point.policies[row.name] for point in known),
                colour="accent" if serving else "served",
                leading=serving,
                dash="solid" if serving else "dash",
                edge_dash="solid" if serving else "dot",
            )
        )
    return tuple(made)


def thinned(items: Sequence[Item], most: int) -> tuple[Item, ...]:
    """At most so many items, evenly taken; first and last are always among them."""
    if len(items) <= most:
        return tuple(items)
    step = (len(items) - 1) / (most - 1)
    return tuple(items[round(i * step)] for i in range(most))
