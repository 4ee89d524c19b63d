"""The tables behind those charts of an answer whose numbers stand nowhere else on its page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from bandit_platform.ope.estimators.estimate import Estimate
from bandit_platform.ope.evaluating.report import EvaluationReport, Moment, PolicyReport
from bandit_platform.services.reporting.rounding import bounds_text, interval_decimals, rounded
from dashboards.text import COLLECTING, short_moment

MOST_ROWS = 12


@dataclass(frozen=True, kw_only=True)
class ChartTable:
    """Columns and rows in words; the first cell of a row names it."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    #: what a reader must know of it
    note: str


def chart_tables(report: EvaluationReport, zone: str) -> dict[str, ChartTable]:
    """Key of a chart → its table; charts of values, uplifts and segments have theirs already.

    Args:
        report: the answer.
        zone: the experiment's time zone.
    """
    others = [one for one in report.policies if one.policy != report.baseline]
    made = {"weights": _weights(report.policies)}
    if others and others[0].over_time:
        made["over-time"] = _over_time(others, zone)
    return made


def _over_time(policies: Sequence[PolicyReport], zone: str) -> ChartTable:
    moments = policies[0].over_time
    step = max(1, -(-len(moments) // MOST_ROWS))
    places = sorted({*range(len(moments) - 1, -1, -step)}, reverse=True)
    return ChartTable(
        heads=("Until", "Decisions", *(one.policy for one in policies)),
        rows=tuple(
            (
                _at(moments[place], zone),
                f"{moments[place].rows:,}",
                *(_words(one.over_time[place].uplift) for one in policies),
            )
            for place in places
        ),
        note=f"Newest first, {len(places)} of {len(moments)} moments; all of them are in the CSV "
        "over time below.",
    )


def _at(moment: Moment, zone: str) -> str:
    if not moment.moment:
        return f"decision {moment.rows:,}"
    at = datetime.fromisoformat(moment.moment).replace(tzinfo=UTC)
    return short_moment(at, zone, seconds=True)


def _words(uplift: Estimate) -> str:
    if uplift.collecting or uplift.value is None:
        return COLLECTING
    decimals = interval_decimals(uplift.lower, uplift.upper)
    value = rounded(uplift.value, decimals, sign=True)
    return f"{value} ({bounds_text(uplift.lower, uplift.upper, sign=True)})"


def _weights(policies: Sequence[PolicyReport]) -> ChartTable:
    bins = list(zip(*(one.weights for one in policies), strict=True))
    return ChartTable(
        heads=("Weight up to", *(one.policy for one in policies)),
        rows=tuple(
            (f"{bars[0].up_to:.3g}", *(f"{bar.rows:,}" for bar in bars))
            for bars in bins
            if any(bar.rows for bar in bars)
        ),
        note="Decisions of each weight.",
    )
