"""The policy leaderboard: every policy against one of them, on one common axis."""

from __future__ import annotations

from dataclasses import dataclass

from bandit_platform.services.reporting.baseline import uplifts_over
from bandit_platform.services.reporting.report_records import (
    EstimateRow,
    ExperimentReport,
    PolicyRow,
)
from dashboards.charts.scale import Axis, Bar, Tick, bar, common_axis
from dashboards.policies.words import (
    ALWAYS_NOTHING,
    policy_inline,
    policy_meaning,
    policy_words,
)
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
    #: ok, caution or cannot-evaluate
    verdict: str
    #: what to be careful about; empty for nothing
    caution: str
    #: interactions before it was compared with the baseline; empty from the first on
    since: str


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """All policies, best first, those still collecting at the end."""

    lines: tuple[PolicyLine, ...]
    ticks: tuple[Tick, ...]
    #: the policy that uplifts are over, in words within a sentence
    over: str
    #: the intervals hold together for all policies, not each for its own
    together: bool
    #: where an uplift of zero falls on the axis, in percent
    baseline: float | None
    cut: bool
    #: the level each interval would need for all of them to hold together
    corrected: str
    #: no policy has an estimate yet
    collecting: bool


def leaderboard(
    report: ExperimentReport, baseline: str = ALWAYS_NOTHING, *, together: bool = False
) -> Leaderboard:
    """The report's policies, laid out.

    Args:
        report: a whole one, unless the baseline is always showing nothing.
        baseline: the policy that uplifts are over.
        together: intervals corrected for the number of policies; from a whole report only.
    """
    uplifts = _uplifts(report, baseline, together=together)
    rows = sorted(report.policies, key=lambda row: _order(uplifts[row.name].row))
    axis = common_axis(
        [uplifts[row.name].row for row in rows if row.name != baseline], include=[0.0]
    )
    lines = tuple(_line(row, axis, uplifts[row.name], together=together) for row in rows)
    bars = [line.bar for line in lines if line.bar is not None]
    kinds = {row.name: row.kind for row in report.policies}
    return Leaderboard(
        lines=lines,
        ticks=axis.ticks(3, sign=True) if axis else (),
        over=policy_inline(baseline, kinds.get(baseline, "fixed")),
        together=together,
        baseline=axis.place(0.0) if axis else None,
        corrected=f"{100 * (1 - 0.05 / max(len(lines), 1)):.1f}",
        collecting=all(row.value.collecting or row.value.value is None for row in rows),
        cut=any(one.cut_left or one.cut_right for one in bars),
    )


@dataclass(frozen=True, kw_only=True)
class _Uplift:
    """A policy over the baseline, and how many interactions came before the two met."""

    row: EstimateRow
    before: int = 0
    is_baseline: bool = False


def _uplifts(report: ExperimentReport, baseline: str, *, together: bool) -> dict[str, _Uplift]:
    pairs = uplifts_over(report, baseline)
    found = {}
    for row in report.policies:
        pair = pairs.get(row.name)
        if row.name == baseline:
            found[row.name] = _Uplift(row=_NONE, is_baseline=True)
        elif pair is not None:
            estimate = pair.corrected if together else pair.uplift
            found[row.name] = _Uplift(row=estimate, before=pair.before)
        else:
            known = baseline == ALWAYS_NOTHING
            found[row.name] = _Uplift(row=row.uplift if known else _UNKNOWN)
    return found


_NONE = EstimateRow(value=0.0, lower=0.0, upper=0.0, interval="exact", n=0, collecting=False)
_UNKNOWN = EstimateRow(
    value=None, lower=0.0, upper=0.0, interval="confidence-sequence", n=0, collecting=True
)


def _order(uplift: EstimateRow) -> tuple[bool, float]:
    collecting = uplift.collecting or uplift.value is None
    return collecting, 0.0 if collecting else -(uplift.value or 0.0)


def _line(row: PolicyRow, axis: Axis | None, uplift: _Uplift, *, together: bool) -> PolicyLine:
    value = row.corrected_value if together and row.corrected_value else row.value
    return PolicyLine(
        name=row.name,
        words=policy_words(row.name, row.kind),
        meaning=policy_meaning(row.name, row.kind, row.role, row.own_names),
        kind=row.kind,
        bar=bar(axis, uplift.row) if axis else None,
        value=shown(value),
        uplift=shown(uplift.row, sign=True),
        snips=shown(row.snips),
        is_baseline=uplift.is_baseline,
        ess=f"{row.ess:,.0f}",
        exact_ess=row.ess,
        max_weight=f"{row.max_weight:,.1f}",
        exact_max_weight=row.max_weight,
        verdict=row.verdict,
        caution=_caution(row),
        since=f"{uplift.before:,}" if uplift.before else "",
    )


def _caution(row: PolicyRow) -> str:
    """The report's own verdict in words; a policy still collecting says so elsewhere."""
    if row.value.collecting or row.verdict == "ok":
        return ""
    word = "cannot be evaluated" if row.verdict == "cannot-evaluate" else "caution"
    return f"{word}: {'; '.join(row.why)}"
