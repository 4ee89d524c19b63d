"""The charts of an answered question: an evaluation goes in, Plotly figures come out.

Names come from users. Plotly reads a little HTML in its texts, so every name is escaped.
"""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import plotly.graph_objects as go

from bandit_platform.ope.estimators.estimate import Estimate
from bandit_platform.ope.evaluating.report import EvaluationReport, Moment, PolicyReport
from dashboards.charts.layout import Part, chart_layout, local, short
from dashboards.charts.palette import ARMS, LIGHT, NOTHING_GREY

_LONGEST = 26
_FEW = 3
#: shapes told apart without colour, one a policy
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_NOTHING = "always:nothing"
_LEGEND = {"orientation": "h", "x": 0, "y": 1.02, "yanchor": "bottom", "traceorder": "normal"}


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A figure with what it shows in words, and how much room it needs."""

    key: str
    title: str
    note: str
    figure: go.Figure
    #: lines of intervals, which decide the height; 0 for a chart of the usual height
    lines: int = 0


def question_charts(report: EvaluationReport, zone: str) -> tuple[Chart, ...]:
    """Every chart that the answer has data for.

    Args:
        report: the answer.
        zone: the experiment's time zone.
    """
    first = next(iter(report.policies[0].estimates))
    others = [one for one in report.policies if one.policy != report.baseline]
    colours = _colours(report.policies)
    charts = [
        _intervals(
            "values",
            f"Policy values ({first})",
            "Reward per decision. The line is the interval.",
            [(one.policy, one.estimates[first]) for one in report.policies],
        )
    ]
    if others:
        charts.append(
            _intervals(
                "uplifts",
                f"Uplift over {report.baseline}",
                "Reward per decision. Right of zero, the policy is better.",
                [(one.policy, one.uplift.estimate) for one in others],
                zero=True,
            )
        )
    if any(one.over_time for one in others):
        charts.append(_over_time(others, colours, zone))
    charts.append(_weights(report.policies, colours))
    if any(one.segments for one in others):
        charts.append(_segments(others))
    return tuple(charts)


def label(name: str) -> str:
    """A name short enough for an axis, with nothing that Plotly would read as HTML."""
    cut = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"
    return html.escape(cut)


def _colours(policies: Sequence[PolicyReport]) -> dict[str, str]:
    """Policy → its colour, the same in every chart; showing nothing is grey everywhere."""
    named = [one.policy for one in policies if one.policy != _NOTHING]
    found = {policy: ARMS[place % len(ARMS)] for place, policy in enumerate(named)}
    return {**found, _NOTHING: NOTHING_GREY}


def _intervals(
    key: str,
    title: str,
    note: str,
    named: Sequence[tuple[str, Estimate]],
    *,
    zero: bool = False,
) -> Chart:
    known = [(name, one) for name, one in named if one.value is not None]
    placed = [(one.value or 0.0, one) for _, one in known]
    ticks = [str(place) for place in range(len(known))]
    points = {
        "type": "scatter",
        "mode": "markers",
        "x": [short(at) for at, _ in placed],
        "y": ticks,
        "marker": {"color": LIGHT["accent"], "size": 9},
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [short(_end(one.upper, at) - at) for at, one in placed],
            "arrayminus": [short(at - _end(one.lower, at)) for at, one in placed],
            "color": LIGHT["accent"],
            "thickness": 2,
            "width": 5,
        },
        "customdata": [[html.escape(name), one.lower, one.upper] for name, one in known],
        "hovertemplate": "%{customdata[0]}: %{x:.5g} "
        "(%{customdata[1]:.5g} to %{customdata[2]:.5g})<extra></extra>",
    }
    layout = chart_layout("", {"type": "linear"}, {})
    layout["hovermode"] = "closest"
    layout["yaxis"] |= {
        "type": "category",
        "autorange": "reversed",
        "tickvals": ticks,
        "ticktext": [label(name) for name, _ in known],
        "title": {"text": ""},
    }
    layout["xaxis"] = _numbers_axis(layout["xaxis"])
    if zero:
        layout["shapes"] = [_upright(0.0)]
        layout["xaxis"]["range"] = _around_zero([one for _, one in known])
    return Chart(
        key=key,
        title=title,
        note=note,
        figure=go.Figure(data=[points], layout=layout),
        lines=max(len(known), 1),
    )


def _end(end: float, value: float) -> float:
    return end if math.isfinite(end) else value


def _around_zero(estimates: Sequence[Estimate]) -> list[float]:
    ends = [end for one in estimates for end in (one.lower, one.upper) if math.isfinite(end)]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    air = 0.06 * ((high - low) or 1.0)
    return [short(low - air), short(high + air)]


def _numbers_axis(axis: Part) -> Part:
    """An axis of plain numbers from the axis of time that charts usually have."""
    left_out = {"tickformatstops", "hoverformat"}
    kept = {name: value for name, value in axis.items() if name not in left_out}
    return {**kept, "type": "linear", "showgrid": True}


def _upright(at: float) -> Part:
    line = {"color": LIGHT["ink"], "width": 1.25}
    place = {"xref": "x", "x0": at, "x1": at, "yref": "y domain", "y0": 0, "y1": 1}
    return {"type": "line", "layer": "below", "line": line, **place}


def _over_time(policies: Sequence[PolicyReport], colours: Mapping[str, str], zone: str) -> Chart:
    data: list[Part] = []
    best = max(policies, key=lambda one: one.uplift.estimate.value or -math.inf)
    for place, one in enumerate(policies):
        colour = colours[one.policy]
        moments = [moment for moment in one.over_time if moment.uplift.value is not None]
        x = [_moment(moment, zone) for moment in moments]
        middle = {
            "type": "scatter",
            "mode": "lines",
            "name": label(one.policy),
            "x": x,
            "y": [short(moment.uplift.value or 0.0) for moment in moments],
            "line": {"color": colour, "width": 2, "dash": _DASHES[place % len(_DASHES)]},
            "customdata": [
                [moment.rows, moment.uplift.lower, moment.uplift.upper] for moment in moments
            ],
            "hovertemplate": "%{y:.4g} (%{customdata[1]:.4g} to %{customdata[2]:.4g}), "
            "%{customdata[0]:,} decisions",
        }
        edge = {
            "type": "scatter",
            "mode": "lines",
            "x": x,
            "line": {"color": colour, "width": 1},
            "opacity": 0.45,
            "hoverinfo": "skip",
            "showlegend": False,
        }
        fill = {"fill": "tonexty", "fillcolor": _faint(colour)}
        if len(policies) <= _FEW or one is best:
            data += [
                {**edge, "y": [short(moment.uplift.upper) for moment in moments]},
                {**edge, "y": [short(moment.uplift.lower) for moment in moments], **fill},
            ]
        data.append(middle)
    dated = any(moment.moment for one in policies for moment in one.over_time)
    layout = chart_layout("Uplift, reward per decision", {}, {})
    layout["xaxis"] = layout["xaxis"] if dated else _numbers_axis(layout["xaxis"])
    layout["showlegend"] = True
    layout["legend"] = _LEGEND
    layout["yaxis"]["range"] = _settled(policies)
    line = {"color": LIGHT["ink"], "width": 1.25}
    across = {"xref": "x domain", "x0": 0, "x1": 1, "y0": 0, "y1": 0}
    layout["shapes"] = [{"type": "line", "layer": "below", "line": line, **across}]
    return Chart(
        key="over-time",
        title="Uplift as the decisions came in",
        note="The sequences hold at every look. Their beginning, which is as wide as the reward "
        "range, is cut at the edge."
        + ("" if len(policies) <= _FEW else f" The band is that of {best.policy}."),
        figure=go.Figure(data=data, layout=layout),
    )


def _moment(moment: Moment, zone: str) -> str | int:
    if not moment.moment:
        return moment.rows
    return local(datetime.fromisoformat(moment.moment).replace(tzinfo=UTC), zone)


def _settled(policies: Sequence[PolicyReport]) -> list[float]:
    """A range of uplifts that leaves the first tenth, which is wide, out of account."""
    late = [m.uplift for one in policies for m in one.over_time[len(one.over_time) // 10 :]]
    return _around_zero(late)


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.12)"


def _weights(policies: Sequence[PolicyReport], colours: Mapping[str, str]) -> Chart:
    bins = list(zip(*(one.weights for one in policies), strict=True))
    used = [place for place, bars in enumerate(bins) if any(bar.rows for bar in bars)]
    data = [
        {
            "type": "bar",
            "name": label(one.policy),
            "x": [f"{one.weights[place].up_to:.3g}" for place in used],
            "y": [one.weights[place].rows for place in used],
            "marker": {"color": colours[one.policy]},
            "hovertemplate": "%{y:,} decisions",
        }
        for one in policies
    ]
    layout = chart_layout("Decisions", {}, {})
    layout["xaxis"] = _numbers_axis(layout["xaxis"]) | {
        "type": "category",
        "showgrid": False,
        "title": {"text": "importance weight up to", "font": {"size": 13, "color": LIGHT["muted"]}},
    }
    most = max((bar.rows for bars in bins for bar in bars), default=1)
    layout["yaxis"] |= {"type": "log", "range": [0.0, math.log10(max(most, 1)) + 0.1], "dtick": 1}
    layout["barmode"] = "group"
    layout["showlegend"] = True
    layout["legend"] = _LEGEND
    return Chart(
        key="weights",
        title="Importance weights",
        note="How much single decisions count. A few large weights mean that few shoppers carry "
        "the estimate. The axis of decisions is logarithmic.",
        figure=go.Figure(data=data, layout=layout),
    )


def _segments(policies: Sequence[PolicyReport]) -> Chart:
    """Segment by segment, every policy's uplift there."""
    places = range(len(policies[0].segments))
    return _intervals(
        "segments",
        "Uplift by segment",
        "Reward per decision. What cannot be evaluated is left out here; the table says why.",
        [
            (f"{one.segments[place].level}: {one.policy}", one.segments[place].uplift)
            for place in places
            for one in policies
            if one.segments[place].diagnostics.verdict != "cannot-evaluate"
        ],
        zero=True,
    )
