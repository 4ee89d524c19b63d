"""The policy leaderboard: every policy's value on one common axis."""

from __future__ import annotations

from dataclasses import dataclass

from bandit_platform.services.report_records import ExperimentReport, PolicyRow
from dashboards.policies import ALWAYS_NOTHING, policy_meaning, policy_words
from dashboards.scale import Axis, Bar, Tick, bar, common_axis
from dashboards.text import Shown, shown


@dataclass(frozen=True, kw_only=True)
class PolicyLine:
    """One policy as printed."""

    name: str
    words: str
    meaning: str
    kind: str
    bar: Bar | None
    value: Shown
    uplift: Shown
    snips: Shown
    is_baseline: bool
    ess: str
    exact_ess: float
    max_weight: str
    exact_max_weight: float
    #: what to be careful about; empty for nothing
    caution: str


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """All policies, best first, those still collecting at the end."""

    lines: tuple[PolicyLine, ...]
    ticks: tuple[Tick, ...]
    #: where always showing nothing falls on the axis, in percent
    baseline: float | None
    cut: bool
    #: the level each interval would need for all of them to hold together
    corrected: str
    #: no policy has an estimate yet
    collecting: bool


def leaderboard(report: ExperimentReport) -> Leaderboard:
    """The report's policies, laid out."""
    rows = sorted(report.policies, key=_order)
    axis = common_axis([row.value for row in rows])
    lines = tuple(_line(row, axis) for row in rows)
    base = next((row.value for row in rows if row.name == ALWAYS_NOTHING), None)
    bars = [line.bar for line in lines if line.bar is not None]
    return Leaderboard(
        lines=lines,
        ticks=axis.ticks() if axis else (),
        baseline=_baseline(axis, base.value if base and not base.collecting else None),
        corrected=f"{100 * (1 - 0.05 / max(len(lines), 1)):.1f}",
        collecting=not bars,
        cut=any(one.cut_left or one.cut_right for one in bars),
    )


def _order(row: PolicyRow) -> tuple[bool, float]:
    collecting = row.value.collecting or row.value.value is None
    return collecting, 0.0 if collecting else -(row.value.value or 0.0)


def _baseline(axis: Axis | None, value: float | None) -> float | None:
    return None if axis is None or value is None else axis.place(value)


def _line(row: PolicyRow, axis: Axis | None) -> PolicyLine:
    return PolicyLine(
        name=row.name,
        words=policy_words(row.name, row.kind),
        meaning=policy_meaning(row.name, row.kind),
        kind=row.kind,
        bar=bar(axis, row.value) if axis else None,
        value=shown(row.value),
        uplift=shown(row.uplift, sign=True),
        snips=shown(row.snips),
        is_baseline=row.name == ALWAYS_NOTHING,
        ess=f"{row.ess:,.0f}",
        exact_ess=row.ess,
        max_weight=f"{row.max_weight:,.1f}",
        exact_max_weight=row.max_weight,
        caution=_caution(row),
    )


def _caution(row: PolicyRow) -> str:
    """The report's own verdict in words; a policy still collecting says so elsewhere."""
    if row.value.collecting or row.verdict == "ok":
        return ""
    word = "cannot be evaluated" if row.verdict == "cannot-evaluate" else "caution"
    return f"{word}: {'; '.join(row.why)}"
