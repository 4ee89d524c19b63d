"""The list of experiments, ready for its template."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bandit_platform.services.reporting.report_records import ExperimentReport
from dashboards.charts.sparkline import Sparkline, sparkline
from dashboards.overview.page import Judged, age, judged


@dataclass(frozen=True, kw_only=True)
class ExperimentLine:
    """One experiment as a row."""

    key: str
    placement: str
    state: str
    #: the finding, without the verdict's words where it starts with them
    finding: str
    verdict: Judged
    decisions: str
    #: decisions a day; empty where nothing is asked at the moment
    per_day: str
    owner: str
    sparkline: Sparkline | None
    #: age of the newest matured decision; empty before there is one
    age: str


def experiment_lines(
    reports: Sequence[ExperimentReport],
    per_day: Callable[[str], float | None] = lambda _: None,
) -> tuple[ExperimentLine, ...]:
    """A row per experiment, in the order given.

    Args:
        reports: on each experiment.
        per_day: an experiment's decisions a day; None where that is not known.
    """
    return tuple(
        ExperimentLine(
            key=report.experiment,
            placement=report.placement,
            state=report.state,
            finding=_beyond(judged(report).words, report.finding),
            verdict=judged(report),
            decisions=f"{report.counts.decisions:,}",
            per_day=_pace(per_day(report.experiment)),
            owner=report.owner,
            sparkline=sparkline(report),
            age=age(report),
        )
        for report in reports
    )


def _pace(per_day: float | None) -> str:
    """Rounded, since it is the pace of the newest decisions where there are many."""
    if not per_day:
        return ""
    return f"{float(f'{per_day:.2g}'):,.0f} a day" if per_day >= 100 else f"{per_day:,.0f} a day"


def _beyond(verdict: str, finding: str) -> str:
    rest = finding.removeprefix(f"{verdict}: ")
    return rest[:1].upper() + rest[1:]
