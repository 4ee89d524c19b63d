"""What happened after decisions: metrics, restraint and funnel, from the sums the worker keeps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bandit_platform.domain.direction import Direction, direction_of
from bandit_platform.domain.policy_spec import NOTHING
from bandit_platform.ope.estimators.estimate import Estimate
from bandit_platform.ope.sequences.many_bounds import many_bounds
from bandit_platform.services.learning.metric_state import REGRETS, REWARD, MetricState
from bandit_platform.services.learning.outcomes import PURCHASE, RETURN
from bandit_platform.services.learning.tracked import LOGGING, SERVING
from bandit_platform.services.reporting.happened_records import (
    DayRow,
    FunnelStep,
    Happened,
    MetricRow,
    RegretRow,
    Restraint,
)
from bandit_platform.services.reporting.report_records import EstimateRow, ExperimentReport
from bandit_platform.storage.database import Connection
from bandit_platform.storage.experiments import StoredExperiment
from bandit_platform.storage.metrics import metric_days, metric_states

REVENUE = "revenue"
SHARE = "share of decisions"
_MOST_DAYS = 400


def with_happened(
    connection: Connection,
    report: ExperimentReport,
    stored: StoredExperiment,
    counted: Mapping[str, float],
) -> ExperimentReport:
    """The report with what happened after decisions, once there is anything.

    Args:
        connection: the transaction that the report was read in.
        report: without it.
        stored: the experiment.
        counted: its counters.
    """
    states = {
        policy: MetricState.read(text)
        for policy, (_, text) in metric_states(connection, report.experiment).items()
    }
    served = states.get(LOGGING)
    if served is None:
        return report
    serving = next((row.identity for row in report.policies if row.name == SERVING), "")
    learned = states.get(serving)
    metrics = _metrics(served, learned, stored)
    looks = max(len(metrics) * (1 if learned is None else 2), 1)
    happened = Happened(
        interactions=served.shown.decisions + served.nothing.decisions,
        skipped=served.skipped,
        currency=served.currency,
        foreign=served.foreign,
        metrics=_corrected(metrics, served, learned, looks),
        metric_looks=looks,
        restraint=_restraint(served, report, counted),
        funnel=_funnel(served),
        days=_days(connection, report.experiment),
    )
    return replace(report, happened=happened)


def _metrics(
    served: MetricState, learned: MetricState | None, stored: StoredExperiment
) -> tuple[MetricRow, ...]:
    spec = stored.spec
    values = {name: worth for arm in spec.arms for name, worth in arm.value.items()}
    weights = {**values, **spec.reward.weights}
    rows = []
    for name, one in served.events.items():
        other = None if learned is None else learned.events.get(name, learned.absent)
        rows.append(
            MetricRow(
                name=name,
                unit=SHARE,
                direction=direction_of(name, weights),
                decisions=_count(served, name),
                logging=_row(one.value()),
                logging_uplift=_row(one.uplift()),
                serving=None if other is None else _row(other.value()),
                serving_uplift=None if other is None else _row(other.uplift()),
            )
        )
    rows.sort(key=lambda row: (-row.decisions, row.name))
    if served.currency is not None or PURCHASE in served.events:
        rows.insert(0, _revenue(served, learned))
    return tuple(rows)


def _revenue(served: MetricState, learned: MetricState | None) -> MetricRow:
    return MetricRow(
        name=REVENUE,
        unit=f"{served.currency or 'amount'} per decision",
        direction=Direction.HIGHER,
        decisions=_count(served, PURCHASE),
        logging=_row(served.revenue.value()),
        logging_uplift=_row(served.revenue.uplift()),
        serving=None if learned is None else _row(learned.revenue.value()),
        serving_uplift=None if learned is None else _row(learned.revenue.uplift()),
    )


def _corrected(
    rows: tuple[MetricRow, ...], served: MetricState, learned: MetricState | None, looks: int
) -> tuple[MetricRow, ...]:
    """The rows with uplifts that hold together, for all outcomes there are now."""
    named = [row.name for row in rows if row.name != REVENUE]
    logging = _together(served, named, looks)
    serving = {} if learned is None else _together(learned, named, looks)
    return tuple(
        replace(
            row,
            logging_corrected=_bounded(row.logging_uplift, logging.get(row.name)),
            serving_corrected=row.serving_uplift
            and _bounded(row.serving_uplift, serving.get(row.name)),
        )
        for row in rows
    )


def _together(state: MetricState, names: list[str], looks: int) -> dict[str, tuple[float, float]]:
    """Outcome → both ends of its uplift, each with its part of alpha."""
    events = [state.events.get(name, state.absent) for name in names]
    bounds = many_bounds([each.uplift_sequence for each in events], looks=looks)
    revenue = replace(state.revenue, alpha=state.revenue.alpha / looks).uplift()
    ends = {
        name: (
            each.reward_range.unscale_difference(low),
            each.reward_range.unscale_difference(high),
        )
        for name, each, (low, high) in zip(names, events, bounds, strict=True)
    }
    return {**ends, REVENUE: (revenue.lower, revenue.upper)}


def _bounded(row: EstimateRow, ends: tuple[float, float] | None) -> EstimateRow:
    return row if ends is None else replace(row, lower=ends[0], upper=ends[1])


def _restraint(
    served: MetricState, report: ExperimentReport, counted: Mapping[str, float]
) -> Restraint:
    decisions = int(counted.get("interactions.policy", 0))
    nothing = int(counted.get(f"arm.{NOTHING}.count", 0))
    return Restraint(
        decisions=decisions,
        nothing=nothing,
        offers=decisions - nothing,
        units=int(counted.get("units.policy.count", 0)),
        regrets=tuple(
            RegretRow(
                name=name,
                count=served.shown.happened.get(name, 0),
                rate=_row(served.per_offer[name].value()),
            )
            for name in REGRETS
        ),
        reward=next((row.value for row in report.policies if row.name == LOGGING), None),
        reward_per_offer=_row(served.per_offer[REWARD].value()),
    )


def _funnel(served: MetricState) -> tuple[FunnelStep, ...]:
    shown, nothing = served.shown, served.nothing
    steps = [
        FunnelStep(name="decided", offers=shown.decisions + nothing.decisions, nothing=None),
        FunnelStep(name="shown", offers=shown.decisions, nothing=nothing.decisions),
    ]
    for name, kind in (("accepted", "accept"), ("purchased", PURCHASE)):
        steps.append(_step(name, kind, served))
    steps.append(FunnelStep(name="kept", offers=shown.kept, nothing=nothing.kept))
    for name, kind in (("returned", RETURN), ("complained", "complaint")):
        steps.append(_step(name, kind, served))
    return tuple(steps)


def _step(name: str, kind: str, served: MetricState) -> FunnelStep:
    return FunnelStep(
        name=name,
        offers=served.shown.happened.get(kind, 0),
        nothing=served.nothing.happened.get(kind, 0),
    )


def _days(connection: Connection, experiment: str) -> tuple[DayRow, ...]:
    found = metric_days(connection, experiment)
    rows = [DayRow(day=day, **sums) for day, sums in found.items()]
    return tuple(rows[-_MOST_DAYS:])


def _count(served: MetricState, name: str) -> int:
    return served.shown.happened.get(name, 0) + served.nothing.happened.get(name, 0)


def _row(estimate: Estimate) -> EstimateRow:
    return EstimateRow(
        value=estimate.value,
        lower=estimate.lower,
        upper=estimate.upper,
        interval=estimate.interval,
        n=estimate.n,
        collecting=estimate.collecting,
    )
