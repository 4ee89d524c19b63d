"""The three figures at the top of an experiment's page, and its programme uplift."""

from __future__ import annotations

from dataclasses import dataclass

from bandit_platform.domain.decision import MEASURED
from bandit_platform.domain.policy_spec import NOTHING
from bandit_platform.services.reporting.report_records import ExperimentReport
from dashboards.charts.scale import Bar, Tick, bar, common_axis
from dashboards.text import COLLECTING, LEAST, Shown, declared_percent, percent, shown


@dataclass(frozen=True, kw_only=True)
class Headline:
    """One figure with what it means."""

    key: str
    label: str
    term: str
    value: str
    exact: float | None
    note: str


@dataclass(frozen=True, kw_only=True)
class Programme:
    """The randomised uplift as printed."""

    estimate: Shown
    bar: Bar | None
    ticks: tuple[Tick, ...]
    zero: float
    units: str
    holdout_units: str
    holdout_share: str
    without_holdout: bool


def headlines(report: ExperimentReport) -> tuple[Headline, ...]:
    """Reward per decision, share shown nothing, decisions matured."""
    return (_reward(report), _nothing(report), _matured(report))


def programme(report: ExperimentReport) -> Programme:
    """Policy units against holdout units."""
    axis = common_axis([report.programme], include=[0.0])
    return Programme(
        estimate=shown(report.programme, sign=True),
        bar=bar(axis, report.programme) if axis else None,
        ticks=axis.ticks(sign=True) if axis else (),
        zero=axis.place(0.0) if axis else 0.0,
        units=f"{report.units:,}",
        holdout_units=f"{report.holdout_units:,}",
        holdout_share=declared_percent(report.holdout_share),
        without_holdout=report.holdout_share == 0,
    )


def _reward(report: ExperimentReport) -> Headline:
    row = next((row.value for row in report.policies if row.kind == "logging"), None)
    printed = shown(row) if row else None
    known = printed is not None and not printed.collecting
    return Headline(
        key="reward",
        label="Reward per decision",
        term="reward",
        value=printed.value if printed else COLLECTING,
        exact=printed.exact_value if printed else None,
        note=f"{printed.bounds}, as it was served" if printed and known else "as it was served",
    )


def _nothing(report: ExperimentReport) -> Headline:
    row = next((row for row in report.arms if row.arm == NOTHING), None)
    total = report.counts.interactions
    known = row is not None and total >= LEAST
    return Headline(
        key="nothing",
        label="Shown nothing",
        term="arm",
        value=percent(row.share) if row and known else COLLECTING,
        exact=row.share if row and known else None,
        note=f"{row.interactions:,} of {total:,} interactions, holdout aside"
        if row and total
        else "of the interactions, holdout aside",
    )


def _matured(report: ExperimentReport) -> Headline:
    counts = report.counts
    matured = counts.interactions + counts.holdout_interactions
    measured = sum(counts.by_reason.get(reason, 0) for reason in MEASURED)
    waiting = f"{counts.immature:,} still waiting"
    return Headline(
        key="matured",
        label="Decisions matured",
        term="matured",
        value=f"{matured:,}",
        exact=float(matured),
        note=f"of {measured:,} measured, {waiting}" if measured else "of none so far",
    )
