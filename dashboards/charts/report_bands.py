"""Which estimates of a report are drawn over time: policies' values, and the programme's uplift."""

from __future__ import annotations

from bandit_platform.services.reporting.report_records import ExperimentReport, PolicyRow
from dashboards.charts.bands import Band, Moment
from dashboards.charts.palette import arm_classes
from dashboards.charts.series import MOST_POINTS, thinned
from dashboards.policies.words import ALWAYS, ALWAYS_NOTHING, SOMETHING, policy_words


def value_bands(report: ExperimentReport, baseline: str) -> tuple[Band, ...]:
    """Values over time: the baseline, an offer always, as it was served, and learned in front."""
    wanted = {baseline, ALWAYS_NOTHING, SOMETHING}
    rows = [
        row for row in report.policies if row.kind in {"logging", "serving"} or row.name in wanted
    ]
    order = {"serving": 2, "logging": 1}
    made = (_value_band(report, row) for row in sorted(rows, key=lambda r: order.get(r.kind, 0)))
    return tuple(band for band in made if band is not None)


def programme_bands(report: ExperimentReport) -> tuple[Band, ...]:
    """The programme uplift over time; none before there are two moments."""
    moments = tuple(
        Moment(
            at=point.at,
            n=point.n,
            value=point.programme.value,
            lower=point.programme.lower,
            upper=point.programme.upper,
        )
        for point in thinned([p for p in report.timeline if p.programme], MOST_POINTS)
        if point.programme
    )
    if len(moments) < 2:
        return ()
    label = "Programme over the holdout"
    return (Band(name="programme", label=label, moments=moments, colour="served", leading=True),)


def _value_band(report: ExperimentReport, row: PolicyRow) -> Band | None:
    known = [point for point in report.timeline if row.name in point.policies]
    if len(known) < 2:
        return None
    serving = row.kind == "serving"
    return Band(
        name=row.name,
        label=policy_words(row.name, row.kind),
        moments=tuple(
            Moment(
                at=point.at,
                n=point.n,
                value=point.policies[row.name].value,
                lower=point.policies[row.name].lower,
                upper=point.policies[row.name].upper,
            )
            for point in thinned(known, MOST_POINTS)
        ),
        colour=_colour(report, row),
        leading=serving,
        dash="solid" if serving else "dash" if row.kind == "logging" else "longdash",
    )


def _colour(report: ExperimentReport, row: PolicyRow) -> str:
    if row.kind in {"logging", "serving"}:
        return "served" if row.kind == "logging" else "accent"
    if row.name == ALWAYS_NOTHING:
        return "nothing"
    if row.name.startswith(ALWAYS):
        found = arm_classes(report.arms).get(row.name.removeprefix(ALWAYS), "other")
        return "muted" if found == "other" else found
    return "arm-5" if row.name == SOMETHING else "muted"
