"""The tables that ``bandit-platform evaluate`` prints for people."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from bandit_platform.ope.estimators.estimate import Estimate
from bandit_platform.ope.evaluating.report import EvaluationReport, PolicyReport

_SHORT = {
    "confidence-sequence": "valid at every look",
    "asymptotic-cs": "asymptotic, valid at every look in the limit",
    "linearised-normal": "one look only",
    "normal": "one look only",
    "cressie-read": "one look only",
}


def table(report: EvaluationReport) -> str:
    """The report as text, as wide as the terminal."""
    text = io.StringIO()
    colours = sys.stdout.isatty()
    width = max(shutil.get_terminal_size((110, 24)).columns, 60)
    console = Console(  # names are shown as they are: neither "[x]" nor ":x:" is markup
        file=text,
        width=width,
        force_terminal=colours,
        highlight=False,
        markup=False,
        emoji=False,
    )
    for names in _groups(list(report.policies[0].estimates), width):
        console.print(_values(report, names))
    console.print(_uplifts(report))
    for segments in _segment_tables(report):
        console.print(segments)
    for one in report.policies:
        for reason in one.diagnostics.why:
            console.print(f"{one.policy}: {reason}", markup=False)
    for note in (*_legend(report), *report.notes):
        console.print(note, markup=False)
    return text.getvalue()


def _groups(names: list[str], width: int) -> list[list[str]]:
    """Estimators that fit beside each other."""
    each = max((width - 24) // 20, 1)
    return [names[start : start + each] for start in range(0, len(names), each)]


def _columns(title: str, names: Sequence[str]) -> Table:
    made = Table(title=title, title_justify="left")
    for name in names:
        left = name in {"policy", "verdict", "segment"}
        made.add_column(name, justify="left" if left else "right", overflow="fold")
    return made


def _values(report: EvaluationReport, names: list[str]) -> Table:
    low, high = report.reward_range.low, report.reward_range.high
    title = f"{report.n} decisions, reward {low:g} to {high:g}, alpha {report.alpha:g}: value"
    made = _columns(title, ("policy", *names))
    for one in report.policies:
        made.add_row(one.policy, *(_cell(one.estimates[name]) for name in names))
    return made


def _uplifts(report: EvaluationReport) -> Table:
    others = list(report.policies[0].uplift.others)
    names = ("policy", "uplift", *others, "ESS", "verdict")
    made = _columns(f"uplift over {report.baseline}", names)
    for one in report.policies:
        made.add_row(
            one.policy,
            _cell(one.uplift.estimate),
            *(_other(one, name) for name in others),
            f"{one.diagnostics.ess:.0f}",
            one.diagnostics.verdict,
        )
    return made


def _other(one: PolicyReport, name: str) -> str:
    estimate = one.uplift.others.get(name)
    return "" if estimate is None else _cell(estimate)


def _segment_tables(report: EvaluationReport) -> list[Table]:
    made = []
    for one in report.policies:
        if not one.segments:
            continue
        shown = _columns(
            f"{one.policy} by segment", ("segment", "value", "uplift", "ESS", "verdict")
        )
        for segment in one.segments:
            shown.add_row(
                f"{segment.column} = {segment.level}",
                _cell(segment.value),
                _cell(segment.uplift),
                f"{segment.diagnostics.ess:.0f}",
                segment.diagnostics.verdict,
            )
        made.append(shown)
    return made


def _cell(estimate: Estimate) -> str:
    point = "-" if estimate.value is None else _number(estimate.value)
    return f"{point}\n{_number(estimate.lower)} to {_number(estimate.upper)}"


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) < 100 else f"{value:.6g}"


def _legend(report: EvaluationReport) -> list[str]:
    first = report.policies[0]
    kinds: dict[str, list[str]] = {}
    for name, estimate in (*first.estimates.items(), ("uplift", _some_uplift(report))):
        kinds.setdefault(estimate.interval, []).append(name)
    return [
        f"{', '.join(names)}: {interval} ({_SHORT.get(interval, 'by definition')})"
        for interval, names in kinds.items()
    ]


def _some_uplift(report: EvaluationReport) -> Estimate:
    """An uplift that is not that of the baseline over itself, where there is one."""
    for one in report.policies:
        if one.policy != report.baseline:
            return one.uplift.estimate
    return report.policies[0].uplift.estimate
