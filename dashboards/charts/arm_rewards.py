"""Reward per arm over time, from differences of running sums."""

from __future__ import annotations

import html
from dataclasses import dataclass

import plotly.graph_objects as go

from bandit_platform.services.reporting.report_records import ExperimentReport
from dashboards.charts.binning import ShareBin, share_bins
from dashboards.charts.layout import chart_layout, local, revision_marks, short, zero_line
from dashboards.charts.palette import arm_classes, arm_colour
from dashboards.text import LEAST, short_moment, signed_mean

MOST_BINS = 20
_TITLE = "Mean reward per decision"


@dataclass(frozen=True, kw_only=True)
class RewardLine:
    """The mean rewards of one stretch of time as printed."""

    start: str
    exact_start: str
    #: one per arm: mean in words and how many draws are behind it
    cells: tuple[tuple[str, str], ...]


def reward_bins(report: ExperimentReport) -> tuple[ShareBin, ...]:
    """The stretches of time for which rewards were kept."""
    return tuple(one for one in share_bins(report.timeline, MOST_BINS) if one.rewards)


def arm_reward_figure(report: ExperimentReport) -> go.Figure:
    """Mean reward of each arm where it was drawn, a point for each stretch of time."""
    bins = reward_bins(report)
    layout = chart_layout(_TITLE, {}, {})
    if not bins:
        return go.Figure(layout=layout)
    lines, labels = revision_marks(report)
    layout["xaxis"]["range"] = [local(at, report.time_zone) for at in (bins[0].start, bins[-1].end)]
    layout |= {"shapes": [zero_line(), *lines], "annotations": labels}
    middles = [local(one.start + (one.end - one.start) / 2, report.time_zone) for one in bins]
    traces = []
    for arm, name in arm_classes(report.arms).items():
        if name == "other":
            continue
        means = [one.mean_reward(arm, least=LEAST) for one in bins]
        label, colour = html.escape(arm), arm_colour(name)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "x": middles,
                "y": [None if mean is None else short(mean) for mean in means],
                "customdata": [one.counts.get(arm, 0) for one in bins],
                "name": label,
                "line": {"color": colour, "width": 1.5},
                "marker": {"color": colour, "size": 6},
                "hovertemplate": f"{label}: %{{y:+.3g}} (%{{customdata:,}} drawn)<extra></extra>",
            }
        )
    return go.Figure(data=traces, layout=layout)


def reward_table(report: ExperimentReport) -> tuple[RewardLine, ...]:
    """The numbers behind it, newest first, arms in the report's order."""
    return tuple(
        RewardLine(
            start=short_moment(one.start, report.time_zone, seconds=True),
            exact_start=one.start.isoformat(),
            cells=tuple(
                (
                    signed_mean(one.mean_reward(row.arm, least=LEAST)),
                    f"{one.counts.get(row.arm, 0):,}",
                )
                for row in report.arms
            ),
        )
        for one in reversed(reward_bins(report))
    )
