"""The forest plot of one field: an interval for each segment, on one axis, largest uplift first."""

from __future__ import annotations

from dataclasses import dataclass

from bandit_platform.services.reporting.comparison_records import SegmentRow
from dashboards.charts.scale import Axis, Bar, Tick, bar, common_axis
from dashboards.text import Shown, percent, shown


@dataclass(frozen=True, kw_only=True)
class SegmentLine:
    """One segment as printed."""

    segment: str
    kind: str
    row: SegmentRow
    #: better, worse, unclear, collecting or empty: the mark's name
    mark: str
    #: what that means, in words
    finding: str
    #: the data cannot answer, or not yet
    grey: bool
    #: why; empty for nothing to say
    caution: str
    bar: Bar | None
    uplift: Shown
    #: not corrected for the number of segments
    alone: Shown
    n: str
    share: str
    ess: str
    nothing_ess: str
    since: str


@dataclass(frozen=True, kw_only=True)
class Forest:
    """All segments of a field."""

    lines: tuple[SegmentLine, ...]
    ticks: tuple[Tick, ...]
    zero: float
    cut: bool


def forest(rows: tuple[SegmentRow, ...]) -> Forest:
    """The segments of one field for one policy; what cannot be told stands at the end."""
    shown_rows = [row.corrected for row in rows if _tells(row)]
    axis = common_axis(shown_rows, include=[0.0])
    total = sum(row.n for row in rows)
    lines = tuple(_line(row, axis, total) for row in sorted(rows, key=_order))
    bars = [line.bar for line in lines if line.bar]
    return Forest(
        lines=lines,
        ticks=axis.ticks(sign=True) if axis else (),
        zero=axis.place(0.0) if axis else 0.0,
        cut=any(one.cut_left or one.cut_right for one in bars),
    )


def _tells(row: SegmentRow) -> bool:
    return row.verdict != "cannot-evaluate" and not row.uplift.collecting


def _order(row: SegmentRow) -> tuple[bool, float]:
    return not _tells(row), -(row.corrected.value or 0.0) if _tells(row) else -row.n


def _line(row: SegmentRow, axis: Axis | None, total: int) -> SegmentLine:
    tells = _tells(row)
    mark, finding = _finding(row)
    return SegmentLine(
        segment=row.segment,
        kind=row.kind,
        row=row,
        mark=mark,
        finding=finding,
        grey=not tells,
        caution="; ".join(row.why) if not row.uplift.collecting else "",
        bar=bar(axis, row.corrected) if axis and tells else None,
        uplift=shown(row.corrected, sign=True),
        alone=shown(row.uplift, sign=True),
        n=f"{row.n:,}",
        share=percent(row.n / total) if total else "",
        ess=f"{row.ess:,.0f}",
        nothing_ess=f"{row.nothing_ess:,.0f}",
        since=f"{row.before:,}" if row.before else "",
    )


def _finding(row: SegmentRow) -> tuple[str, str]:
    if row.uplift.collecting:
        return "collecting", f"collecting data: {row.n:,} interactions, more than 200 are needed"
    if row.verdict == "cannot-evaluate":
        return "empty", "cannot be evaluated"
    if row.corrected.lower > 0:
        return "better", "offers help here"
    if row.corrected.upper < 0:
        return "worse", "offers harm here"
    return "unclear", "not clear yet"
