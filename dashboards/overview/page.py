"""Everything an experiment's page prints, ready for its template."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from markupsafe import Markup

from bandit_platform.services.reporting.finding import Verdict, verdict
from bandit_platform.services.reporting.report_records import EstimateRow, ExperimentReport
from dashboards.charts.bands import Band, BandRow, band_figure, band_table
from dashboards.charts.bands import is_cut as bands_are_cut
from dashboards.charts.embedding import figure_json
from dashboards.charts.figures import uplift_figure
from dashboards.charts.report_bands import programme_bands
from dashboards.charts.series import PolicySeries, is_cut, uplift_series
from dashboards.charts.series_table import UpliftRow, uplift_table
from dashboards.overview.checks import Check, checks
from dashboards.overview.counting import CountGroup, count_groups
from dashboards.overview.guidance import Guidance, guidance
from dashboards.overview.happened import HappenedView, happened_view
from dashboards.overview.headline import Headline, Programme, headlines, programme
from dashboards.policies.leaderboard import PolicyLine, leaderboard
from dashboards.policies.words import ALWAYS_NOTHING
from dashboards.text import declared_percent, duration, moment

_PROGRAMME = "Uplift, reward per unit"
_MARKS = {
    Verdict.BETTER: "better",
    Verdict.WORSE: "worse",
    Verdict.UNCLEAR: "unclear",
    Verdict.LEFT_OPEN: "unclear",
    Verdict.COLLECTING: "collecting",
    Verdict.TOO_FEW: "collecting",
    Verdict.NO_DATA: "empty",
    Verdict.DRAFT: "empty",
}


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A verdict in words, with the name of its shape and colour."""

    words: str
    mark: str


@dataclass(frozen=True, kw_only=True)
class ExperimentPage:
    """One experiment, every number already in words."""

    report: ExperimentReport
    verdict: Judged
    facts: tuple[tuple[str, str], ...]
    as_of: str
    data_until: str
    age: str
    guidance: Guidance | None
    headlines: tuple[Headline, ...]
    series: tuple[PolicySeries, ...]
    uplift_figure: Markup
    uplift_rows: tuple[UpliftRow, ...]
    programme: Programme
    programme_bands: tuple[Band, ...]
    programme_figure: Markup
    programme_rows: tuple[BandRow, ...]
    programme_is_cut: bool
    #: as it was served, learned, always nothing
    policies: tuple[PolicyLine, ...]
    #: no policy has an estimate yet
    collecting: bool
    #: a band runs past the edge of the uplift chart
    uplift_is_cut: bool
    counts: tuple[CountGroup, ...]
    checks: tuple[Check, ...]
    happened: HappenedView | None


def experiment_page(
    report: ExperimentReport, *, service_url: str, window: timedelta | None
) -> ExperimentPage:
    """The page of one experiment.

    Args:
        report: what is known.
        service_url: where decisions are asked for, for the commands on the page.
        window: the reward window, where it is known.
    """
    board, bands = leaderboard(report), programme_bands(report)
    return ExperimentPage(
        report=report,
        verdict=judged(report),
        facts=_facts(report),
        as_of=moment(report.as_of, report.time_zone),
        data_until=moment(report.data_until, report.time_zone),
        age=age(report),
        guidance=guidance(report, service_url, window),
        headlines=headlines(report),
        series=tuple(reversed(uplift_series(report))),
        uplift_figure=figure_json(uplift_figure(report)),
        uplift_rows=uplift_table(report),
        uplift_is_cut=is_cut(uplift_series(report)),
        programme=programme(report),
        programme_bands=bands,
        programme_figure=figure_json(band_figure(report, bands, _PROGRAMME, zero=True)),
        programme_rows=band_table(report, bands, sign=True),
        programme_is_cut=bands_are_cut(bands, zero=True),
        policies=tuple(line for line in board.lines if _is_in_short(line)),
        collecting=board.collecting,
        counts=count_groups(report.counts),
        checks=checks(report.quality),
        happened=happened_view(report),
    )


def judged(report: ExperimentReport) -> Judged:
    """What is known of showing offers, by what the served policy brought over nothing."""
    row = next((row.uplift for row in report.policies if row.kind == "logging"), _UNKNOWN)
    counts = report.counts
    said = verdict(row, report.state, counts.decisions, counts.interactions)
    return Judged(words=said.value, mark=_MARKS[said])


def age(report: ExperimentReport) -> str:
    """How old the newest matured decision is; empty before there is one."""
    return duration(report.as_of - report.data_until) if report.data_until else ""


def _facts(report: ExperimentReport) -> tuple[tuple[str, str], ...]:
    facts = [("Placement", report.placement), ("Revision", str(report.revision))]
    if report.owner:
        facts.append(("Owner", report.owner))
    facts.append(("Started", moment(report.started_at, report.time_zone)))
    if report.model_version is not None:
        facts.append(("Model version", str(report.model_version)))
        facts.append(("Published", moment(report.model_published_at, report.time_zone)))
        facts.append(("Learned from", f"{report.model_interactions:,} interactions"))
    else:
        facts.append(("Model", "none published yet"))
    facts.append(("Holdout", declared_percent(report.holdout_share)))
    return tuple(facts)


def _is_in_short(line: PolicyLine) -> bool:
    return line.kind in {"logging", "serving"} or line.name == ALWAYS_NOTHING


_UNKNOWN = EstimateRow(
    value=None, lower=0.0, upper=0.0, interval="confidence-sequence", n=0, collecting=True
)
