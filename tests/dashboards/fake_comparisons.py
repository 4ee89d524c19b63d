"""Reports as the whole ones are: with pairs, segments, rewards and the programme over time."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from bandit_platform.services.reporting.comparison_records import PairRow, SegmentField, SegmentRow
from bandit_platform.services.reporting.report_records import (
    EstimateRow,
    ExperimentReport,
    PolicyRow,
    TimelinePolicy,
    TimelineProgramme,
)
from tests.dashboards.fake_reports import all_reports, estimate, policy_row, rich, vague

COUNTRIES = ("GB", "US", "DE", "=cmd()", "<b>FR</b>")


def whole(report: ExperimentReport) -> ExperimentReport:
    """The report with everything that a whole one has."""
    if not report.policies:
        return replace(report, segments=(field("country", ()),), policy_looks=0)
    policies = _with_something(report.policies)
    rows = tuple(_corrected(row) for row in policies)
    segments = (
        field("country", _rows(COUNTRIES, report)),
        field("cart_value", (), waiting=120),
    )
    return replace(
        report,
        policies=rows,
        policy_looks=len(rows),
        pairwise=_pairs(rows),
        segments=segments,
        segment_looks=7,
        timeline=tuple(
            replace(
                point,
                rewards={arm: 0.4 * count for arm, count in point.arms.items()},
                programme=TimelineProgramme(value=0.03, lower=0.03 - 9 / i, upper=0.03 + 9 / i),
                policies=_over_time(point.policies, i),
            )
            for i, point in enumerate(report.timeline, start=1)
        ),
    )


def whole_reports() -> tuple[ExperimentReport, ...]:
    """Every kind of report, whole."""
    return tuple(whole(report) for report in all_reports())


def field(name: str, rows: tuple[SegmentRow, ...], waiting: int = 0) -> SegmentField:
    """One field's segments."""
    return SegmentField(
        field=name,
        named=True,
        edges=(),
        automatic=waiting > 0,
        waiting=waiting,
        spent=0,
        rows=rows,
    )


def segment(name: str, policy: str, uplift: EstimateRow, **given: object) -> SegmentRow:
    """One policy in one segment."""
    wide = 1.6 * (uplift.upper - uplift.lower) / 2
    middle = (uplift.upper + uplift.lower) / 2
    known: dict[str, object] = {
        "segment": name,
        "kind": "value",
        "policy": policy,
        "n": uplift.n,
        "uplift": uplift,
        "corrected": replace(uplift, lower=middle - wide, upper=middle + wide),
        "snips": uplift,
        "ess": uplift.n / 2,
        "nothing_ess": uplift.n / 3,
        "verdict": "ok",
        "why": (),
        "before": 0,
    }
    return SegmentRow(**{**known, **given})  # type: ignore[arg-type] # as the fields are


def _rows(names: tuple[str, ...], report: ExperimentReport) -> tuple[SegmentRow, ...]:
    made = []
    for policy in ("logging", "serving", "always:vip-upgrade"):
        if report.experiment == "cart-upsell":
            made += [segment(name, policy, vague(60)) for name in names]
            continue
        for i, name in enumerate(names[:-1]):
            made.append(segment(name, policy, estimate(0.05 - 0.04 * i, 0.012, 40_000 - i)))
        hopeless = replace(estimate(0.0, 0.9, 300), value=None)
        why = ("the effective sample size is 4.0 rows of 300, too few for any statement",)
        made.append(
            segment(names[-1], policy, hopeless, verdict="cannot-evaluate", why=why, ess=4.0)
        )
    return tuple(made)


def _with_something(policies: tuple[PolicyRow, ...]) -> tuple[PolicyRow, ...]:
    if policies[0].value.collecting:
        return policies
    n = policies[0].value.n
    return (*policies, policy_row("always-something", "fixed", 0.39, 0.4021, n, 0.012, 2.2))


def _corrected(row: PolicyRow) -> PolicyRow:
    return replace(row, corrected_value=_wider(row.value), corrected_uplift=_wider(row.uplift))


def _wider(row: EstimateRow) -> EstimateRow:
    if row.collecting:
        return row
    half = (row.upper - row.lower) / 2
    return replace(row, lower=row.lower - 0.4 * half, upper=row.upper + 0.4 * half)


def _pairs(rows: tuple[PolicyRow, ...]) -> tuple[PairRow, ...]:
    """Over nothing as on the leaderboard; else the difference, with an interval of its own."""
    nothing = [row for row in rows if row.name != "always:nothing"]
    made = [
        PairRow(
            policy=row.name,
            baseline="always:nothing",
            uplift=row.uplift,
            corrected=_wider(row.uplift),
            before=0,
        )
        for row in nothing
    ]
    for first, second in combinations(nothing, 2):
        if first.value.collecting:
            uplift = vague(first.value.n)
        else:
            apart = (first.value.value or 0.0) - (second.value.value or 0.0)
            uplift = estimate(apart, 0.007, first.value.n)
        before = 1200 if "greedier" in {first.name, second.name} else 0
        made.append(
            PairRow(
                policy=first.name,
                baseline=second.name,
                uplift=uplift,
                corrected=_wider(uplift),
                before=before,
            )
        )
    return tuple(made)


def _over_time(policies: dict[str, TimelinePolicy], i: int) -> dict[str, TimelinePolicy]:
    if not policies:
        return policies
    width = 0.011 + 2 / i
    flat = {
        name: TimelinePolicy(
            value=value,
            lower=value - width,
            upper=value + width,
            uplift=0.0,
            uplift_lower=-width,
            uplift_upper=width,
        )
        for name, value in (("always:nothing", 0.4021), ("always-something", 0.39))
    }
    return {**policies, **flat}


def rich_whole() -> ExperimentReport:
    """The report with most to tell."""
    return whole(rich())
