"""What all figures have in common: fonts, axes, hover, and the lines that mark revisions."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from bandit_platform.services.reporting.report_records import ExperimentReport
from dashboards.charts.marks import revision_labels
from dashboards.charts.palette import LIGHT

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"

#: How moments read on the axis, by the distance between two ticks in milliseconds.
_TICK_FORMATS = [
    {"dtickrange": [None, 1000], "value": "%H:%M:%S.%1f"},
    {"dtickrange": [1000, 60_000], "value": "%H:%M:%S"},
    {"dtickrange": [60_000, 86_400_000], "value": "%H:%M\n%-d %b"},
    {"dtickrange": [86_400_000, "M1"], "value": "%-d %b"},
    {"dtickrange": ["M1", None], "value": "%b %Y"},
]

Part = dict[str, Any]


def chart_layout(y_title: str, x_axis: Part, y_axis: Part) -> Part:
    """The layout of a chart over time.

    Args:
        y_title: what the numbers are, with their unit.
        x_axis: what this chart adds to the axis of time.
        y_axis: what this chart adds to the axis of numbers.
    """
    axis = {
        "gridcolor": LIGHT["grid"],
        "linecolor": LIGHT["line"],
        "zeroline": False,
        "automargin": True,
        "fixedrange": True,
        "tickfont": {"color": LIGHT["muted"]},
    }
    time = {
        "type": "date",
        "showgrid": False,
        "tickformatstops": _TICK_FORMATS,
        "hoverformat": "%-d %b %Y, %H:%M:%S",
    }
    title = {"text": y_title, "standoff": 8, "font": {"size": 13, "color": LIGHT["muted"]}}
    return {
        "template": {},
        "font": {"family": _FONT, "size": 13, "color": LIGHT["ink"]},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "margin": {"l": 8, "r": 8, "t": 28, "b": 8},
        "showlegend": False,
        "hovermode": "x unified",
        "hoverlabel": {"bgcolor": LIGHT["surface"], "bordercolor": LIGHT["line"]},
        "dragmode": False,
        "xaxis": {**axis, **time, **x_axis},
        "yaxis": {**axis, "title": title, **y_axis},
    }


def zero_line() -> Part:
    """A line at zero across the whole chart, in front of everything."""
    line = {"color": LIGHT["ink"], "width": 1.25}
    across = {"xref": "x domain", "x0": 0, "x1": 1, "y0": 0, "y1": 0}
    return {"type": "line", "layer": "above", "line": line, **across}


def revision_marks(report: ExperimentReport) -> tuple[list[Part], list[Part]]:
    """A dotted line at each revision, and labels above them; earlier ones stand at the left."""
    first, last = report.timeline[0].at, report.timeline[-1].at
    line = {"color": LIGHT["muted"], "width": 1, "dash": "dot"}
    upright = {"type": "line", "layer": "above", "line": line, "yref": "y domain", "y0": 0, "y1": 1}
    moments = [local(min(max(m.at, first), last), report.time_zone) for m in report.revisions]
    labels = [
        {
            "x": local(label.at, report.time_zone),
            "y": 1,
            "yref": "paper",
            "yanchor": "bottom",
            "xanchor": label.anchor,
            "text": label.text,
            "showarrow": False,
            "font": {"size": 13, "color": LIGHT["muted"]},
        }
        for label in revision_labels(report.revisions, first, last)
    ]
    return [{**upright, "x0": at, "x1": at} for at in moments], labels


def local(at: datetime, zone: str) -> str:
    """The wall-clock time in the experiment's zone; Plotly knows no zones."""
    return at.astimezone(ZoneInfo(zone)).replace(tzinfo=None).isoformat(timespec="milliseconds")


def short(value: float) -> float:
    """The number with the digits a chart can show."""
    return float(f"{value:.5g}")
