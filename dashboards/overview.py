"""The list of experiments, ready for its template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bandit_platform.services.report_records import ExperimentReport
from dashboards.page import Judged, age, judged
from dashboards.sparkline import Sparkline, sparkline


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
    sparkline: Sparkline | None
    #: age of the newest matured decision; empty before there is one
    age: str


def experiment_lines(reports: Sequence[ExperimentReport]) -> tuple[ExperimentLine, ...]:
    """A row per experiment, in the order given."""
    return tuple(
        ExperimentLine(
            key=report.experiment,
            placement=report.placement,
            state=report.state,
            finding=_beyond(judged(report).words, report.finding),
            verdict=judged(report),
            decisions=f"{report.counts.decisions:,}",
            sparkline=sparkline(report),
            age=age(report),
        )
        for report in reports
    )


def _beyond(verdict: str, finding: str) -> str:
    rest = finding.removeprefix(f"{verdict}: ")
    return rest[:1].upper() + rest[1:]
