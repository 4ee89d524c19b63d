"""An evaluation report as one self-contained HTML page with plots."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from typing import Any

from bandit_platform.ope.estimators.estimate import Estimate
from bandit_platform.ope.evaluating.report import EvaluationReport, PolicyReport
from bandit_platform.services.evaluation.evaluation_plots import evaluation_plots, plot_height
from bandit_platform.services.reporting.rounding import bounds_text, interval_decimals, rounded

_STYLE = """
:root { color-scheme: light; }
body { font: 15px/24px system-ui, -apple-system, "Segoe UI", Roboto, Arial, sans-serif;
       color: #1c1e24; background: #fff; max-width: 1080px; margin: 32px auto 64px;
       padding: 0 16px; overflow-wrap: anywhere; }
h1 { font-size: 24px; line-height: 32px; font-weight: 500; margin: 0 0 8px; }
h2 { font-size: 15px; line-height: 24px; margin: 40px 0 4px; }
p { margin: 0 0 12px; max-width: 84ch; } ul { padding-left: 20px; } code { font-size: 13px; }
.note, .bounds { color: #5d626d; font-size: 13px; line-height: 20px; }
.across { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums;
        overflow-wrap: normal; }
th, td { text-align: right; vertical-align: top; padding: 8px 16px 8px 0;
         border-bottom: 1px solid #e3e3df; }
th { font-size: 13px; line-height: 20px; font-weight: 500; color: #5d626d; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; }
td:last-child, th:last-child { padding-right: 0; }
.bounds { display: block; font-weight: 400; white-space: nowrap; }
.ok { color: #0a6b4d; } .cannot-evaluate { color: #a8430a; }
.verdict { white-space: nowrap; font-weight: 600; }
.plot { height: 360px; }
@media print { .plot, tr { break-inside: avoid; } }
"""
_MINUS = "\N{MINUS SIGN}"
#: told by shape and word, never by colour alone
_VERDICTS = {
    "ok": "\N{CHECK MARK} ok",
    "caution": "\N{BLACK DIAMOND} caution",
    "cannot-evaluate": "\N{MULTIPLICATION X} cannot evaluate",
}
_READINGS = {
    "values": "The dot is what the policy would have brought per decision, the line how sure that "
    "is.",
    "uplifts": "A line wholly to the right of zero is better than the policy compared with, wholly "
    "to the left worse; one across zero is not clear yet.",
    "over-time": "The same uplifts as they stood when fewer decisions were known; they grow calm "
    "with time.",
    "weights": "For how many decisions one stands. Bars far to the right mean that a few of them "
    "decide the estimate.",
    "segments": "The same uplifts for each segment, corrected for their number.",
}


def page(report: EvaluationReport, facts: Sequence[str] = ()) -> str:
    """The page; needs nothing from the network.

    Args:
        report: an evaluation's report.
        facts: what else to say at the top.
    """
    from plotly.offline import get_plotlyjs  # noqa: PLC0415 - slow to import

    plots = evaluation_plots(report)
    body = "\n".join(
        [
            "<h1>Off-policy evaluation</h1>",
            *(f"<p>{escape(fact)}</p>" for fact in facts),
            _summary(report),
            _values(report),
            *(f'<h2>{escape(title)}</h2><p class="note">{_READINGS[key]}</p>'
              f'<div class="plot" id="{key}" style="height: {plot_height(key, figure)}px"></div>'
              for key, title, figure in plots),
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
        "figures[key].layout, {responsive: true, displayModeBar: false});</script>\n"
        "</body></html>\n"
    )


def _json(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")


def _summary(report: EvaluationReport) -> str:
    low, high = report.reward_range.low, report.reward_range.high
    span = f"{low:g} to {high:g}".replace("-", _MINUS)
    notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    return (
        f"<p>{report.n:,} decisions; reward per decision, declared to lie in {span}; error "
        f"{report.alpha:g} for all intervals together. Uplifts are over "
        f"<code>{escape(report.baseline)}</code>.</p><ul>{notes}</ul>"
    )


def _values(report: EvaluationReport) -> str:
    names = list(report.policies[0].estimates)
    rows = [
        [
            f"<code>{escape(one.policy)}</code>",
            *(_cell(one.estimates[name]) for name in names),
            _uplift(one, report),
            f"{one.diagnostics.ess:,.0f}",
            _verdict(one.diagnostics.verdict),
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
                "the baseline"
                if one.policy == report.baseline
                else _cell(segment.uplift, sign=True),
                f"{segment.diagnostics.ess:,.0f}",
                _verdict(segment.diagnostics.verdict),
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
    table = f"<table><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table>"
    return f'<div class="across" tabindex="0" role="region" aria-label="Table">{table}</div>'


def _verdict(verdict: str) -> str:
    return f'<span class="verdict {verdict}">{_VERDICTS[verdict]}</span>'


def _uplift(one: PolicyReport, report: EvaluationReport) -> str:
    if one.policy == report.baseline:
        return "the baseline"
    return _cell(one.uplift.estimate, sign=True)


def _cell(estimate: Estimate, *, sign: bool = False) -> str:
    """The estimate rounded by its interval; differences carry their sign."""
    decimals = interval_decimals(estimate.lower, estimate.upper)
    known = estimate.value is not None
    point = rounded(estimate.value or 0.0, decimals, sign=sign) if known else "&ndash;"
    bounds = bounds_text(estimate.lower, estimate.upper, sign=sign)
    return f"{point}<span class='bounds' title='{escape(estimate.note)}'>{bounds}</span>"
