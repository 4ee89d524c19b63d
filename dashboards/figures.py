"""Figures: a report goes in, a Plotly figure comes out, coloured for a light page.

Names come from users. Plotly reads a little HTML in its texts, so every name is escaped.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import plotly.graph_objects as go

from bandit_platform.services.report_records import ExperimentReport, TimelinePolicy
from bandit_platform.services.rounding import decimals_for
from dashboards.binning import ShareBin, share_bins
from dashboards.marks import revision_labels
from dashboards.palette import LIGHT, arm_classes, arm_colour
from dashboards.series import PolicySeries, uplift_axis, uplift_series

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

#: How moments read on the axis, by the distance between two ticks in milliseconds.
_TICK_FORMATS = [
    {"dtickrange": [None, 60_000], "value": "%H:%M:%S"},
    {"dtickrange": [60_000, 86_400_000], "value": "%H:%M\n%-d %b"},
    {"dtickrange": [86_400_000, "M1"], "value": "%-d %b"},
    {"dtickrange": ["M1", None], "value": "%b %Y"},
]


def uplift_figure(report: ExperimentReport) -> go.Figure:
    """Uplift over nothing as bands over time: zero always in view, a line at each revision."""
    series = uplift_series(report)
    figure = _figure("Uplift, reward per decision")
    if not series:
        return figure
    axis = uplift_axis(series)
    for one in series:
        figure.add_traces(_band(one, report.time_zone))
    figure.update_yaxes(range=[axis.low, axis.high])
    ends = report.timeline[0].at, report.timeline[-1].at
    figure.update_xaxes(range=[_local(at, report.time_zone) for at in ends])
    figure.add_hline(y=0, line={"color": LIGHT["ink"], "width": 1.25}, layer="above")
    _mark_revisions(figure, report)
    return figure


def arm_share_figure(report: ExperimentReport) -> go.Figure:
    """Which arms were drawn when, as shares of the interactions in each bin."""
    figure = _figure("Share of interactions")
    bins = share_bins(report.timeline)
    classes = arm_classes(report.arms)
    grouped: dict[str, list[str]] = {}
    for arm, name in classes.items():
        grouped.setdefault(name, []).append(arm)
    for name, arms in grouped.items():
        figure.add_trace(_share_bars(bins, name, arms, report.time_zone))
    figure.update_layout(barmode="stack", bargap=0)
    figure.update_yaxes(range=[0, 1], tickformat=".0%")
    if bins:
        edges = [_local(at, report.time_zone) for at in (bins[0].start, bins[-1].end)]
        figure.update_xaxes(range=edges)
        _mark_revisions(figure, report)
    return figure


def _band(one: PolicySeries, zone: str) -> list[go.Scatter]:
    points = one.points
    moments = [_local(at, zone) for at in one.moments]
    decimals = max(0, decimals_for(points[-1].uplift_upper - points[-1].uplift_lower))
    colour = LIGHT[one.colour]
    fill = {"fill": "tonexty", "fillcolor": LIGHT["accent-band"]} if one.leading else {}
    edge = {"x": moments, "mode": "lines", "hoverinfo": "skip", "showlegend": False}
    outline = {"color": colour, "width": 0.5 if one.leading else 1, "dash": one.edge_dash}
    number = f"+.{decimals}f"
    lower, upper, middle = (
        [_short(value) for value in values]
        for values in zip(*(_bounds(point) for point in points), strict=True)
    )
    return [
        go.Scatter(y=upper, line=outline, **edge),
        go.Scatter(y=lower, line=outline, **fill, **edge),
        go.Scatter(
            x=moments,
            y=middle,
            customdata=list(zip(lower, upper, strict=True)),
            mode="lines",
            line={"color": colour, "width": 2 if one.leading else 1.5, "dash": one.dash},
            name=html.escape(one.label),
            hovertemplate=f"{html.escape(one.label)}: %{{y:{number}}} "
            f"(%{{customdata[0]:{number}}} to %{{customdata[1]:{number}}})<extra></extra>",
        ),
    ]


def _bounds(point: TimelinePolicy) -> tuple[float, float, float]:
    return point.uplift_lower, point.uplift_upper, point.uplift


def _share_bars(bins: Sequence[ShareBin], name: str, arms: Sequence[str], zone: str) -> go.Bar:
    label = html.escape(arms[0]) if name != "other" else f"{len(arms)} other arms"
    return go.Bar(
        x=[_local(one.start + (one.end - one.start) / 2, zone) for one in bins],
        y=[_short(sum(one.share(arm) for arm in arms)) for one in bins],
        width=[(one.end - one.start).total_seconds() * 1000 or 60_000 for one in bins],
        customdata=[[sum(one.counts.get(arm, 0) for arm in arms), one.total] for one in bins],
        name=label,
        marker={"color": arm_colour(name), "line": {"color": LIGHT["surface"], "width": 0.75}},
        hovertemplate=f"{label}: %{{y:.1%}} (%{{customdata[0]:,}} of %{{customdata[1]:,}})"
        "<extra></extra>",
    )


def _mark_revisions(figure: go.Figure, report: ExperimentReport) -> None:
    first, last = report.timeline[0].at, report.timeline[-1].at
    for mark in report.revisions:
        at = _local(min(max(mark.at, first), last), report.time_zone)
        line = {"color": LIGHT["muted"], "width": 1, "dash": "dot"}
        figure.add_vline(x=at, line=line, layer="above")
    for label in revision_labels(report.revisions, first, last):
        figure.add_annotation(
            x=_local(label.at, report.time_zone),
            y=1,
            yref="paper",
            yanchor="bottom",
            xanchor=label.anchor,
            text=label.text,
            showarrow=False,
            font={"size": 13, "color": LIGHT["muted"]},
        )


def _figure(y_title: str) -> go.Figure:
    axis = {
        "gridcolor": LIGHT["grid"],
        "linecolor": LIGHT["line"],
        "zeroline": False,
        "automargin": True,
        "fixedrange": True,
        "tickfont": {"color": LIGHT["muted"]},
    }
    layout = {
        "template": {},
        "font": {"family": _FONT, "size": 13, "color": LIGHT["ink"]},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 8, "r": 8, "t": 28, "b": 8},
        "showlegend": False,
        "hovermode": "x unified",
        "hoverlabel": {"bgcolor": LIGHT["surface"], "bordercolor": LIGHT["line"]},
        "dragmode": False,
        "xaxis": {
            **axis,
            "type": "date",
            "showgrid": False,
            "tickformatstops": _TICK_FORMATS,
            "hoverformat": "%-d %b %Y, %H:%M",
        },
        "yaxis": {
            **axis,
            "title": {
                "text": y_title,
                "standoff": 8,
                "font": {"size": 13, "color": LIGHT["muted"]},
            },
        },
    }
    return go.Figure(layout=layout)


def _local(at: datetime, zone: str) -> datetime:
    """The wall-clock time in the experiment's zone; Plotly knows no zones."""
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None)


def _short(value: float) -> float:
    return float(f"{value:.6g}")
