"""The plots of an evaluation's page, as figures that Plotly draws.

Names come from users. Plotly reads a little HTML in its texts, so every name is escaped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

from bandit_platform.ope.estimators.estimate import Estimate
from bandit_platform.ope.evaluating.report import EvaluationReport, PolicyReport

_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#4a3fc4", "#8c8c8c")
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, Arial, sans-serif"


def evaluation_plots(report: EvaluationReport) -> list[tuple[str, str, dict[str, Any]]]:
    """Element id, title and figure of each plot."""
    first = next(iter(report.policies[0].estimates))
    values = [(one.policy, one.estimates[first]) for one in report.policies]
    others = [one for one in report.policies if one.policy != report.baseline]
    uplifts = [(one.policy, one.uplift.estimate) for one in others or report.policies]
    plots = [
        ("values", f"Policy values ({first})", _points(values, "reward per decision")),
        ("uplifts", f"Uplift over {report.baseline}", _points(uplifts, "reward per decision")),
    ]
    timed = [one for one in others if one.over_time]
    if timed:
        plots.append(("over-time", "Uplift as the rows came in", _over_time(timed)))
    plots.append(("weights", "Importance weights", _weights(report.policies)))
    cut = [one for one in report.policies if one.segments and one.policy != report.baseline]
    if cut:
        plots.append(("segments", "Uplift by segment", _by_segment(cut)))
    return plots


def _layout(x: str, y: str, **more: Any) -> dict[str, Any]:
    return {
        "margin": {"l": 70, "r": 20, "t": 20, "b": 60},
        "xaxis": {"title": {"text": x}, "automargin": True},
        "yaxis": {"title": {"text": y}, "automargin": True},
        "template": "none",
        "font": {"family": _FONT, "size": 13, "color": "#1c1e24"},
        "legend": {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom"},
        **more,
    }


def _points(named: Sequence[tuple[str, Estimate]], x: str) -> dict[str, Any]:
    layout = _layout(x, "")
    layout["yaxis"]["autorange"] = "reversed"
    return {"data": [_bars(named, _COLOURS[0], "")], "layout": layout}


def _bars(named: Sequence[tuple[str, Estimate]], colour: str, name: str) -> dict[str, Any]:
    """Points with error bars, one line each."""
    shown = [(label, one) for label, one in named if one.value is not None]
    middle = [float(one.value or 0.0) for _, one in shown]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": escape(name),
        "showlegend": bool(name),
        "x": middle,
        "y": [escape(label) for label, _ in shown],
        "marker": {"color": colour, "size": 9},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [one.upper - at for at, (_, one) in zip(middle, shown, strict=True)],
            "arrayminus": [at - one.lower for at, (_, one) in zip(middle, shown, strict=True)],
            "color": colour,
        },
    }


def _over_time(policies: Sequence[PolicyReport]) -> dict[str, Any]:
    data: list[dict[str, Any]] = []
    for at, one in enumerate(policies):
        colour = _COLOURS[at % len(_COLOURS)]
        x = [moment.moment.removesuffix("+00:00") or moment.rows for moment in one.over_time]
        lower = [moment.uplift.lower for moment in one.over_time]
        upper = [moment.uplift.upper for moment in one.over_time]
        middle = [moment.uplift.value for moment in one.over_time]
        edge = {"type": "scatter", "mode": "lines", "x": x, "legendgroup": one.policy}
        thin = {**edge, "showlegend": False, "hoverinfo": "skip", "line": {"width": 0}}
        data += [
            {**thin, "y": lower},
            {**thin, "y": upper, "fill": "tonexty", "fillcolor": f"{colour}26"},
            {
                **edge,
                "y": middle,
                "name": escape(one.policy),
                "line": {"color": colour, "width": 2},
            },
        ]
    dated = any(moment.moment for one in policies for moment in one.over_time)
    x_title = "decided at, UTC" if dated else "decisions"
    layout = _layout(x_title, "uplift, reward per decision")
    settled = [moment for one in policies for moment in one.over_time[len(one.over_time) // 10 :]]
    layout["yaxis"]["range"] = [
        min(moment.uplift.lower for moment in settled),
        max(moment.uplift.upper for moment in settled),
    ]
    return {"data": data, "layout": layout}


def _weights(policies: Sequence[PolicyReport]) -> dict[str, Any]:
    used = [
        at
        for at, bins in enumerate(zip(*(one.weights for one in policies), strict=True))
        if any(each.rows for each in bins)
    ]
    data = [
        {
            "type": "bar",
            "name": escape(one.policy),
            "x": [f"{one.weights[bar].up_to:.3g}" for bar in used],
            "y": [one.weights[bar].rows for bar in used],
            "marker": {"color": _COLOURS[at % len(_COLOURS)]},
        }
        for at, one in enumerate(policies)
    ]
    layout = _layout("weight up to", "decisions", barmode="group")
    layout["xaxis"]["type"] = "category"
    most = max(bin_.rows for one in policies for bin_ in one.weights)
    layout["yaxis"].update(type="log", dtick=1, range=[0.0, math.log10(max(most, 1)) + 0.1])
    return {"data": data, "layout": layout}


def _by_segment(policies: Sequence[PolicyReport]) -> dict[str, Any]:
    data = [
        _bars(
            [(f"{each.column} = {each.level}, {one.policy}", each.uplift) for each in one.segments],
            _COLOURS[at % len(_COLOURS)],
            one.policy,
        )
        for at, one in enumerate(policies)
    ]
    layout = _layout("uplift, reward per decision", "", showlegend=False)
    layout["yaxis"]["autorange"] = "reversed"
    return {"data": data, "layout": layout}


def plot_height(key: str, figure: dict[str, Any]) -> int:
    """A line of 40 pixels for each interval; charts of other kinds have one height."""
    if key not in {"values", "uplifts", "segments"}:
        return 360
    return 100 + 40 * sum(len(trace["y"]) for trace in figure["data"])
