"""What happened after decisions, ready for its template: restraint, funnel, metrics, days."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from bandit_platform.domain.direction import Direction
from bandit_platform.services.reporting.happened import REVENUE
from bandit_platform.services.reporting.happened_records import (
    FunnelStep,
    Happened,
    MetricRow,
    Restraint,
)
from bandit_platform.services.reporting.report_records import EstimateRow, ExperimentReport
from dashboards.charts.days import day_figure
from dashboards.charts.embedding import figure_json
from dashboards.outcome_words import good_when, outcome_label
from dashboards.text import COLLECTING, LEAST, Shown, percent, shown

#: Days in the table behind the chart.
MOST_DAYS = 31
_STEPS = {
    "decided": ("Decided", "every matured decision of the policy traffic"),
    "shown": ("Offer shown", "the others were left alone on purpose"),
    "accepted": ("Accepted", "took the offer"),
    "purchased": ("Purchased", "bought something"),
    "kept": ("Kept", "bought and sent nothing back inside the window"),
    "returned": ("Returned", "sent something back"),
    "complained": ("Complained", "said that they were unhappy"),
}
_TROUBLES = {"returned", "complained"}


@dataclass(frozen=True, kw_only=True)
class RestraintLine:
    """One figure of restraint with its meaning."""

    key: str
    label: str
    value: str
    exact: float | None
    meaning: str


@dataclass(frozen=True, kw_only=True)
class FunnelLine:
    """One step of the funnel."""

    key: str
    label: str
    meaning: str
    offers: int
    share: str
    #: length of the bar in percent of the widest
    width: float
    trouble: bool
    nothing: str


@dataclass(frozen=True, kw_only=True)
class Difference:
    """An outcome over showing nothing, judged by what it means."""

    number: Shown
    #: name of the verdict's shape and colour
    mark: str
    words: str


@dataclass(frozen=True, kw_only=True)
class MetricLine:
    """One outcome as a row."""

    name: str
    label: str
    good: str
    unit: str
    decisions: str
    served: Shown
    served_over: Difference
    learned: Shown | None
    learned_over: Difference | None


@dataclass(frozen=True, kw_only=True)
class DayLine:
    """One day as a row."""

    day: str
    cells: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class HappenedView:
    """The three cards of an experiment's overview."""

    restraint: tuple[RestraintLine, ...]
    funnel: tuple[FunnelLine, ...]
    metrics: tuple[MetricLine, ...]
    #: the level of each difference, so that all of them hold together
    metric_level: str
    learns: bool
    interactions: str
    skipped: int
    foreign: int
    #: empty unless there is more than one day
    day_figure: Markup | None
    day_heads: tuple[str, ...]
    days: tuple[DayLine, ...]
    #: days there are in all
    all_days: int


def happened_view(report: ExperimentReport) -> HappenedView | None:
    """The cards; None before the first decision has matured."""
    happened = report.happened
    if happened is None:
        return None
    several = len(happened.days) > 1
    heads, days = _days(happened)
    return HappenedView(
        restraint=_restraint(happened.restraint),
        funnel=tuple(_step(step, happened.funnel) for step in happened.funnel),
        metrics=tuple(_metric(row) for row in happened.metrics),
        metric_level=f"{100 * (1 - 0.05 / happened.metric_looks):.2f}",
        learns=any(row.serving is not None for row in happened.metrics),
        interactions=f"{happened.interactions:,}",
        skipped=happened.skipped,
        foreign=happened.foreign,
        day_figure=figure_json(day_figure(happened.days)) if several else None,
        day_heads=heads,
        days=days,
        all_days=len(happened.days),
    )


def _restraint(restraint: Restraint) -> tuple[RestraintLine, ...]:
    enough = restraint.decisions >= LEAST
    lines = [
        RestraintLine(
            key="nothing",
            label="Shown nothing",
            value=percent(restraint.nothing_share) if enough else COLLECTING,
            exact=restraint.nothing_share if enough else None,
            meaning=f"{restraint.nothing:,} of {restraint.decisions:,} decisions left the shopper "
            "alone.",
        ),
        RestraintLine(
            key="offers_per_unit",
            label="Offers per shopper",
            value=f"{restraint.offers_per_unit:,.2f}" if enough else COLLECTING,
            exact=restraint.offers_per_unit if enough else None,
            meaning=f"{restraint.offers:,} offers shown to {restraint.units:,} shoppers.",
        ),
    ]
    lines += [
        _rate_line(
            row.name,
            f"{outcome_label(row.name)}, per offer",
            row.rate,
            f"{row.count:,} of {restraint.offers:,} offers shown. Less is better.",
        )
        for row in restraint.regrets
    ]
    if restraint.reward is not None:
        lines.append(_rate_line("reward", "Reward per decision", restraint.reward, "Over all."))
    per_offer = restraint.reward_per_offer
    lines.append(
        _rate_line("reward_per_offer", "Reward per offer", per_offer, "Where an offer was shown.")
    )
    return tuple(lines)


def _rate_line(key: str, label: str, row: EstimateRow, meaning: str) -> RestraintLine:
    printed = shown(row)
    bounds = "" if printed.collecting else f" {printed.bounds}, {printed.validity}."
    return RestraintLine(
        key=key,
        label=label,
        value=printed.value,
        exact=printed.exact_value,
        meaning=f"{meaning}{bounds}",
    )


def _step(step: FunnelStep, steps: tuple[FunnelStep, ...]) -> FunnelLine:
    label, meaning = _STEPS[step.name]
    decided, offers = steps[0].offers, steps[1].offers
    first = step.name in {"decided", "shown"}
    total = decided if first else offers
    nothing = steps[1].nothing or 0
    beside = "" if step.nothing is None else f"{step.nothing:,}"
    if step.nothing is not None and not first:
        beside += f" ({percent(step.nothing / nothing)})" if nothing >= LEAST else ""
    return FunnelLine(
        key=step.name,
        label=label,
        meaning=meaning,
        offers=step.offers,
        share=percent(step.offers / total) + (" of decisions" if first else " of offers")
        if total >= LEAST
        else COLLECTING,
        width=round(100 * step.offers / decided, 2) if decided else 0.0,
        trouble=step.name in _TROUBLES,
        nothing=beside,
    )


def _metric(row: MetricRow) -> MetricLine:
    return MetricLine(
        name=row.name,
        label=outcome_label(row.name),
        good=good_when(row.direction),
        unit=row.unit + ("; asymptotic interval" if row.name == REVENUE else ""),
        decisions=f"{row.decisions:,}",
        served=shown(row.logging),
        served_over=difference(row.logging_corrected or row.logging_uplift, row.direction),
        learned=None if row.serving is None else shown(row.serving),
        learned_over=None
        if row.serving_uplift is None
        else difference(row.serving_corrected or row.serving_uplift, row.direction),
    )


def difference(row: EstimateRow, direction: Direction) -> Difference:
    """A difference told by what it means: more of something bad is worse."""
    number = shown(row, sign=True)
    if number.collecting:
        return Difference(number=number, mark="collecting", words=COLLECTING)
    if row.lower <= 0 <= row.upper:
        return Difference(number=number, mark="unclear", words="no clear difference")
    more = row.lower > 0
    amount = "more" if more else "less"
    if direction is Direction.NEUTRAL:
        return Difference(number=number, mark="unclear", words=amount)
    better = more is (direction is Direction.HIGHER)
    return Difference(
        number=number,
        mark="better" if better else "worse",
        words=f"{'better' if better else 'worse'}: {amount}",
    )


def _days(happened: Happened) -> tuple[tuple[str, ...], tuple[DayLine, ...]]:
    """Column heads and rows, newest first; a column for each outcome that ever happened."""
    names = [row.name for row in happened.metrics if row.name != REVENUE]
    heads = ["Decisions", "Nothing", *(outcome_label(name) for name in names), "Reward"]
    if happened.currency:
        heads.append(f"Revenue, {happened.currency}")
    lines = []
    for day in reversed(happened.days[-MOST_DAYS:]):
        cells = [f"{day.decisions:,}", percent(1 - day.shown / day.decisions)]
        cells += [f"{day.happened.get(name, 0):,}" for name in names]
        cells.append(f"{day.reward:,.2f}")
        if happened.currency:
            cells.append(f"{day.revenue:,.2f}")
        lines.append(DayLine(day=day.day, cells=tuple(cells)))
    return tuple(heads), tuple(lines)
