"""An evaluation report as one self-contained HTML page with plots."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from html import escape
from typing import Any

from bandit_platform.ope.estimate import Estimate
from bandit_platform.ope.report import EvaluationReport, PolicyReport

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 72rem; margin: 2rem auto; padding: 0 1rem;
       color: #1d2733; background: #fff; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .35rem .6rem; border-bottom: 1px solid #d9dfe5; }
th:first-child, td:first-child { text-align: left; }
.bounds { color: #55616d; display: block; font-size: .85em; }
.ok { color: #17663a; } .caution { color: #8a5a00; } .cannot-evaluate { color: #a11d1d; }
.plot { height: 24rem; } ul { padding-left: 1.2rem; } code { font-size: .95em; }
"""
_COLOURS = ("#2b6cb0", "#b7791f", "#2f855a", "#9b2c2c", "#6b46c1", "#2c7a7b", "#97266d", "#4a5568")


def page(report: EvaluationReport, facts: Sequence[str] = ()) -> str:
    """The page; needs nothing from the network.

    Args:
        report: an evaluation's report.
        facts: what else to say at the top.
    """
    from plotly.offline import get_plotlyjs  # noqa: PLC0415 - slow to import

    plots = _plots(report)
    body = "\n".join(
        [
            "<h1>Off-policy evaluation</h1>",
            *(f"<p>{escape(fact)}</p>" for fact in facts),
            _summary(report),
            _values(report),
            *(f'<h2>{escape(title)}</h2><div class="plot" id="{key}"></div>'
              for key, title, _ in plots),
            _segments(report),
            _verdicts(report),
        ]
    )  # fmt: skip
    figures = {key: figure for key, _, figure in plots}
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Off-policy evaluation</title><style>{_STYLE}</style>"
        f"<script>{get_plotlyjs()}</script></head><body>\n{body}\n"
        f'<script type="application/json" id="figures">{_json(figures)}</script>\n'
        "<script>const figures = JSON.parse(document.getElementById('figures').textContent);"
        "for (const key of Object.keys(figures)) Plotly.newPlot(key, figures[key].data, "
        "figures[key].layout, {responsive: true, displaylogo: false});</script>\n"
        "</body></html>\n"
    )


def _json(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")


def _summary(report: EvaluationReport) -> str:
    low, high = report.reward_range.low, report.reward_range.high
    notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    return (
        f"<p>{report.n} decisions; rewards declared to lie in {low:g} to {high:g}; error "
        f"{report.alpha:g} for all intervals together. Uplifts are over "
        f"<code>{escape(report.baseline)}</code>.</p><ul>{notes}</ul>"
    )


def _values(report: EvaluationReport) -> str:
    names = list(report.policies[0].estimates)
    rows = [
        [
            f"<code>{escape(one.policy)}</code>",
            *(_cell(one.estimates[name]) for name in names),
            _cell(one.uplift.estimate),
            f"{one.diagnostics.ess:.0f}",
            f'<span class="{one.diagnostics.verdict}">{one.diagnostics.verdict}</span>',
        ]
        for one in report.policies
    ]
    kinds = [report.policies[0].estimates[name].interval for name in names]
    heads = [
        f"{escape(name)}<span class='bounds'>{escape(kind)}</span>"
        for name, kind in zip(names, kinds, strict=True)
    ]
    return "<h2>Values and uplifts</h2>" + _table(
        ["policy", *heads, "uplift", "ESS", "verdict"], rows
    )


def _segments(report: EvaluationReport) -> str:
    parts = []
    for one in report.policies:
        if not one.segments:
            continue
        rows = [
            [
                escape(f"{segment.column} = {segment.level}"),
                _cell(segment.value),
                _cell(segment.uplift),
                f"{segment.diagnostics.ess:.0f}",
                escape(segment.diagnostics.verdict),
            ]
            for segment in one.segments
        ]
        parts.append(f"<h2>{escape(one.policy)} by segment</h2>")
        parts.append(_table(["segment", "value", "uplift", "ESS", "verdict"], rows))
    return "".join(parts)


def _verdicts(report: EvaluationReport) -> str:
    found = [
        f"<li><code>{escape(one.policy)}</code>: {escape(reason)}</li>"
        for one in report.policies
        for reason in one.diagnostics.why
    ]
    return f"<h2>Reasons for caution</h2><ul>{''.join(found)}</ul>" if found else ""


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are HTML already."""
    top = "".join(f"<th>{head}</th>" for head in heads)
    lines = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table>"


def _cell(estimate: Estimate) -> str:
    point = "&ndash;" if estimate.value is None else f"{estimate.value:.4f}"
    bounds = f"{estimate.lower:.4f} to {estimate.upper:.4f}"
    return f"{point}<span class='bounds' title='{escape(estimate.note)}'>{bounds}</span>"


def _plots(report: EvaluationReport) -> list[tuple[str, str, dict[str, Any]]]:
    """Element id, title and figure of each plot."""
    first = next(iter(report.policies[0].estimates))
    values = [(one.policy, one.estimates[first]) for one in report.policies]
    uplifts = [(one.policy, one.uplift.estimate) for one in report.policies]
    plots = [
        ("values", f"Policy values ({first})", _points(values, "reward per decision")),
        ("uplifts", f"Uplift over {report.baseline}", _points(uplifts, "reward per decision")),
    ]
    timed = [one for one in report.policies if one.over_time]
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
        x = [moment.moment or moment.rows for moment in one.over_time]
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
    layout = _layout("decisions", "uplift")
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
    layout["yaxis"].update(type="log", range=[0.0, math.log10(max(most, 1)) + 0.1])
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
    layout = _layout("uplift", "", showlegend=False)
    layout["yaxis"]["autorange"] = "reversed"
    return {"data": data, "layout": layout}
