"""What stands at the top of every page of one experiment."""

from __future__ import annotations

from dataclasses import dataclass

from bandit_platform.services.reporting.report_records import ExperimentReport
from dashboards.overview.page import Judged, age, judged
from dashboards.text import moment


@dataclass(frozen=True, kw_only=True)
class PageHead:
    """The experiment, its verdict, and how fresh the numbers are."""

    report: ExperimentReport
    verdict: Judged
    as_of: str
    data_until: str
    age: str
    #: least and greatest reward a decision can have
    reward_range: str


def page_head(report: ExperimentReport) -> PageHead:
    """The head of a page about an experiment."""
    return PageHead(
        report=report,
        verdict=judged(report),
        as_of=moment(report.as_of, report.time_zone),
        data_until=moment(report.data_until, report.time_zone),
        age=age(report),
        reward_range=_range(*report.reward_range),
    )


def _range(low: float, high: float) -> str:
    """The declared range with no more digits than it was given."""
    return f"{low:g} to {high:g}".replace("-", "\N{MINUS SIGN}")
