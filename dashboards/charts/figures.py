"""Figures: a report goes in, a Plotly figure comes out, coloured for a light page.

Names come from users. Plotly reads a little HTML in its texts, so every name is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

import plotly.graph_objects as go

from bandit_platform.services.reporting.report_records import ExperimentReport
from bandit_platform.services.reporting.rounding import decimals_for
from dashboards.charts.binning import ShareBin, share_bins
from dashboards.charts.layout import Part, chart_layout, local, revision_marks, short, zero_line
from dashboards.charts.palette import LIGHT, arm_classes, arm_colour
from dashboards.charts.series import PolicySeries, uplift_axis, uplift_series

_UPLIFT = "Uplift, reward per decision"


def uplift_figure(report: ExperimentReport) -> go.Figure:
    """Uplift over nothing as bands over time: zero always in view, a line at each revision."""
    series = uplift_series(report)
    if not series:
        return go.Figure(layout=chart_layout(_UPLIFT, {}, {}))
    axis = uplift_axis(series)
    ends = [local(report.timeline[i].at, report.time_zone) for i in (0, -1)]
    lines, labels = revision_marks(report)
    layout = chart_layout(_UPLIFT, {"range": ends}, {"range": [axis.low, axis.high]})
    layout |= {"shapes": [zero_line(), *lines], "annotations": labels}
    traces = [trace for one in series for trace in _band(one, report.time_zone)]
    return go.Figure(data=traces, layout=layout)


def arm_share_figure(report: ExperimentReport) -> go.Figure:
    """Which arms were drawn when, as shares of the interactions in each bin."""
    bins = share_bins(report.timeline)
    layout = chart_layout("Share of interactions", {}, {"range": [0, 1], "tickformat": ".0%"})
    if not bins:
        return go.Figure(layout=layout)
    lines, labels = revision_marks(report)
    layout["xaxis"]["range"] = [local(at, report.time_zone) for at in (bins[0].start, bins[-1].end)]
    layout |= {"barmode": "stack", "bargap": 0, "shapes": lines, "annotations": labels}
    by_colour: dict[str, list[str]] = {}
    for arm, name in arm_classes(report.arms).items():
        by_colour.setdefault(name, []).append(arm)
    traces = [_share_bars(bins, name, arms, report) for name, arms in by_colour.items()]
    return go.Figure(data=traces, layout=layout)


def _band(one: PolicySeries, zone: str) -> list[Part]:
    """Upper end, lower end and middle; the leading policy's band is filled."""
    last = one.points[-1]
    number = f"+.{max(0, decimals_for(last.uplift_upper - last.uplift_lower))}f"
    colour, label = LIGHT[one.colour], html.escape(one.label)
    fill = {"fill": "tonexty", "fillcolor": LIGHT[f"{one.colour}-band"]} if one.leading else {}
    common = {"type": "scatter", "mode": "lines", "x": [local(at, zone) for at in one.moments]}
    edge = {"color": colour, "width": 0.5 if one.leading else 1, "dash": one.edge_dash}
    lower = [short(point.uplift_lower) for point in one.points]
    upper = [short(point.uplift_upper) for point in one.points]
    middle = {
        "y": [short(point.uplift) for point in one.points],
        "customdata": list(zip(lower, upper, strict=True)),
        "line": {"color": colour, "width": 2 if one.leading else 1.5, "dash": one.dash},
        "name": label,
        "hovertemplate": f"{label}: %{{y:{number}}} "
        f"(%{{customdata[0]:{number}}} to %{{customdata[1]:{number}}})<extra></extra>",
    }
    return [
        {**common, "y": upper, "line": edge, "hoverinfo": "skip"},
        {**common, "y": lower, "line": edge, "hoverinfo": "skip", **fill},
        {**common, **middle},
    ]


def _share_bars(
    bins: Sequence[ShareBin], name: str, arms: Sequence[str], report: ExperimentReport
) -> Part:
    label = html.escape(arms[0]) if name != "other" else f"{len(arms)} other arms"
    middles = [one.start + (one.end - one.start) / 2 for one in bins]
    return {
        "type": "bar",
        "x": [local(at, report.time_zone) for at in middles],
        "y": [short(sum(one.share(arm) for arm in arms)) for one in bins],
        "width": [(one.end - one.start).total_seconds() * 1000 or 60_000 for one in bins],
        "customdata": [[sum(one.counts.get(a, 0) for a in arms), one.total] for one in bins],
        "name": label,
        "marker": {
            "color": arm_colour(name),
            "line": {"color": LIGHT["surface"], "width": 0.75},
        },
        "hovertemplate": f"{label}: %{{y:.1%}} (%{{customdata[0]:,}} of %{{customdata[1]:,}})"
        "<extra></extra>",
    }
