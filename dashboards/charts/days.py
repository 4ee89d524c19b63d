"""Regret by day: dismissals, returns and complaints for each hundred offers shown."""

from __future__ import annotations

from collections.abc import Sequence

import plotly.graph_objects as go

from bandit_platform.services.learning.metric_state import REGRETS
from bandit_platform.services.reporting.happened_records import DayRow
from dashboards.charts.layout import chart_layout, short
from dashboards.charts.palette import ARMS, NOTHING_GREY
from dashboards.outcome_words import outcome_label

_DASHES = ("solid", "dash", "dot")
_COLOURS = (ARMS[1], ARMS[0], ARMS[5])


def day_figure(days: Sequence[DayRow]) -> go.Figure:
    """Lines over days, each with its own dash; the share of nothing behind them."""
    x = [day.day for day in days]
    nothing = [short(100 * (1 - day.shown / day.decisions)) for day in days]
    traces = [
        {
            "type": "scatter",
            "mode": "lines",
            "x": x,
            "y": nothing,
            "name": "Shown nothing",
            "line": {"color": NOTHING_GREY, "width": 1.5},
            "hovertemplate": "Shown nothing: %{y:.1f} of 100 decisions<extra></extra>",
        }
    ]
    for kind, dash, colour in zip(REGRETS, _DASHES, _COLOURS, strict=True):
        label = outcome_label(kind)
        traces.append(
            {
                "type": "scatter",
                "mode": "lines+markers",
                "x": x,
                "y": [
                    short(100 * day.happened.get(kind, 0) / day.shown) if day.shown else None
                    for day in days
                ],
                "name": label,
                "marker": {"size": 5, "color": colour},
                "line": {"color": colour, "width": 2, "dash": dash},
                "hovertemplate": f"{label}: %{{y:.2f}} for 100 offers<extra></extra>",
            }
        )
    layout = chart_layout("for each hundred", {}, {"rangemode": "tozero"})
    layout["xaxis"]["hoverformat"] = "%-d %b %Y"
    return go.Figure(data=traces, layout=layout)
