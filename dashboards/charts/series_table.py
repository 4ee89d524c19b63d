"""The numbers behind the charts over time, few enough to read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from bandit_platform.services.reporting.report_records import (
    EstimateRow,
    ExperimentReport,
    TimelinePolicy,
)
from dashboards.charts.binning import share_bins
from dashboards.charts.series import thinned, uplift_series
from dashboards.text import Shown, percent, short_moment, shown

#: Rows of the table behind the uplift chart.
MOST_ROWS = 30


@dataclass(frozen=True, kw_only=True)
class UpliftRow:
    """The uplifts at one moment."""

    at: str
    exact_at: str
    n: str
    #: one per drawn policy
    cells: tuple[Shown, ...]


@dataclass(frozen=True, kw_only=True)
class ShareRow:
    """The arm shares of one bin."""

    start: str
    exact_start: str
    n: str
    #: one per arm
    cells: tuple[str, ...]


def uplift_table(report: ExperimentReport) -> tuple[UpliftRow, ...]:
    """Uplifts over nothing, newest first."""
    names = [one.name for one in uplift_series(report)]
    points = [p for p in report.timeline if names and all(name in p.policies for name in names)]
    seconds = _needs_seconds(report)
    return tuple(
        UpliftRow(
            at=short_moment(point.at, report.time_zone, seconds=seconds),
            exact_at=point.at.isoformat(),
            n=f"{point.n:,}",
            cells=tuple(_uplift(point.policies[name], point.n) for name in names),
        )
        for point in reversed(thinned(points, MOST_ROWS))
    )


def share_table(report: ExperimentReport) -> tuple[ShareRow, ...]:
    """Arm shares bin by bin, newest first, arms in the report's order."""
    seconds = _needs_seconds(report)
    return tuple(
        ShareRow(
            start=short_moment(one.start, report.time_zone, seconds=seconds),
            exact_start=one.start.isoformat(),
            n=f"{one.total:,}",
            cells=tuple(percent(one.share(row.arm)) for row in report.arms),
        )
        for one in reversed(share_bins(report.timeline))
    )


def _uplift(policy: TimelinePolicy, n: int) -> Shown:
    row = EstimateRow(
        value=policy.uplift,
        lower=policy.uplift_lower,
        upper=policy.uplift_upper,
        interval="confidence-sequence",
        n=n,
        collecting=False,
    )
    return shown(row, sign=True)


def _needs_seconds(report: ExperimentReport) -> bool:
    if not report.timeline:
        return False
    return report.timeline[-1].at - report.timeline[0].at < timedelta(hours=2)
