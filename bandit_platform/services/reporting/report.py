"""The live report: what an experiment has shown, read from accumulators and counters alone.

Its cost does not grow with the number of logged decisions.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from bandit_platform.domain.decision import MEASURED, OVER_LIMIT, Reason
from bandit_platform.domain.event import Lateness
from bandit_platform.ope import PolicyAccumulator
from bandit_platform.ope.estimators.estimate import Estimate
from bandit_platform.services.learning.programme import programme_uplift
from bandit_platform.services.learning.quality import Quality
from bandit_platform.services.learning.tracked import (
    LOGGING,
    SERVING,
    TrackedPolicy,
    tracked_now,
)
from bandit_platform.services.reporting.arm_rows import arm_rows
from bandit_platform.services.reporting.charted import charted
from bandit_platform.services.reporting.compare import with_comparisons
from bandit_platform.services.reporting.count_cautions import count_cautions
from bandit_platform.services.reporting.finding import finding
from bandit_platform.services.reporting.happened import with_happened
from bandit_platform.services.reporting.money_by_label import money_by_label
from bandit_platform.services.reporting.page_traffic import page_cautions, page_traffic
from bandit_platform.services.reporting.report_records import (
    ArmRow,
    Counts,
    EstimateRow,
    ExperimentReport,
    PolicyRow,
    QualityRow,
    RevisionMark,
    TimelinePoint,
    TimelinePolicy,
    TimelineProgramme,
    UnresolvedEvent,
)
from bandit_platform.storage.counters import (
    PAGE_CONFLICTS,
    REQUEST_EVENTS,
    SERVER_CONFLICTS,
    counters,
)
from bandit_platform.storage.database import Connection, Database
from bandit_platform.storage.events import count_orphans
from bandit_platform.storage.experiments import (
    StoredExperiment,
    get_experiment,
    revisions,
)
from bandit_platform.storage.forget import FORGOTTEN_WAITING
from bandit_platform.storage.interactions import newest_decided_at, timeline
from bandit_platform.storage.models import ModelVersion, newest_version
from bandit_platform.storage.policy_states import PolicyState, policy_states, quality_state
from bandit_platform.storage.request_events import count_open, newest_open
from bandit_platform.storage.skipped import skipped
from bandit_platform.storage.statements import from_micros


def experiment_report(
    database: Database, key: str, now: datetime, *, whole: bool = False, happened: bool = True
) -> ExperimentReport:
    """What is known about an experiment.

    Args:
        database: of the deployment.
        key: of the experiment.
        now: the present moment.
        whole: with segments, policies over one another and corrected intervals, which take longer
            to read.
        happened: with what happened after decisions.

    Raises:
        NotFoundError: there is no such experiment.
    """
    with database.read() as connection:
        stored = get_experiment(connection, key)
        counted = counters(connection, key)
        states = policy_states(connection, key)
        newest = newest_decided_at(connection, key)
        known = revisions(connection, key)
        tracked = tracked_now(connection, stored.spec)
        learned = next((states.get(one.identity) for one in tracked if one.name == SERVING), None)
        counts = _counts(connection, key, counted, learned.interactions if learned else 0)
        policies = tuple(
            _policy_row(policy, states[policy.identity])
            for policy in tracked
            if policy.identity in states
        )
        report = _report(
            stored=stored,
            now=now,
            data_until=None if newest is None else from_micros(newest),
            counts=counts,
            policies=policies,
            counted=counted,
            version=newest_version(connection, key),
            points=_timeline(connection, key, {row.identity: row.name for row in policies}),
            quality=_quality(quality_state(connection, key)),
            marks=tuple(
                RevisionMark(number=each.number, at=each.created_at)
                for each in charted(known, stored.started_at)
            ),
            arms=arm_rows(stored, counted, known),
        )
        pages = page_traffic(connection, key)
        report = replace(
            report,
            page_traffic=pages,
            cautions=(*page_cautions(pages), *count_cautions(counts)),
            unresolved_events=_unresolved(connection, key),
        )
        if happened:
            report = with_happened(connection, report, stored, counted)
        return with_comparisons(connection, report, stored.spec, states) if whole else report


def _report(
    *,
    stored: StoredExperiment,
    now: datetime,
    data_until: datetime | None,
    counts: Counts,
    policies: tuple[PolicyRow, ...],
    counted: Mapping[str, float],
    version: ModelVersion | None,
    points: tuple[TimelinePoint, ...],
    quality: QualityRow,
    marks: tuple[RevisionMark, ...],
    arms: tuple[ArmRow, ...],
) -> ExperimentReport:
    spec = stored.spec
    programme = _row(programme_uplift(counted))
    logging = next((row.uplift for row in policies if row.name == LOGGING), _NO_ESTIMATE)
    return ExperimentReport(
        experiment=spec.key,
        placement=spec.placement,
        owner=spec.owner,
        hypothesis=spec.hypothesis,
        state=stored.state,
        revision=stored.revision,
        time_zone=spec.report.time_zone,
        as_of=now,
        started_at=stored.started_at,
        data_until=data_until,
        finding=finding(
            logging,
            programme,
            stored.state,
            counts.decisions - counts.by_reason[Reason.DRAFT],
            counts.interactions,
        ),
        reward_range=spec.reward_range,
        model_version=version.version if version else None,
        model_published_at=version.published_at if version else None,
        model_interactions=version.interactions if version else 0,
        counts=counts,
        programme=programme,
        holdout_share=spec.holdout.share,
        units=int(counted.get("units.policy.count", 0)),
        holdout_units=int(counted.get("units.holdout.count", 0)),
        policies=policies,
        arms=arms,
        money=money_by_label(arms),
        currency=spec.reward.currency or stored.currency,
        timeline=points,
        revisions=marks,
        quality=quality,
    )


def _quality(stored: str | None) -> QualityRow:
    tests = None if stored is None else Quality.read(stored)
    if tests is None:
        return QualityRow()
    return QualityRow(
        n=tests.ratio.n,
        sample_ratio_evidence=math.exp(min(tests.ratio.peak, 700.0)),
        sample_ratio_alarm=tests.alarm(),
        miscalibrated=tests.miscalibrated(),
    )


#: outcomes without a decision that a report lists
_MOST_UNRESOLVED = 10
_NO_ESTIMATE = EstimateRow(
    value=None, lower=-math.inf, upper=math.inf, interval="none", n=0, collecting=True
)


def _row(estimate: Estimate) -> EstimateRow:
    return EstimateRow(
        value=estimate.value,
        lower=estimate.lower,
        upper=estimate.upper,
        interval=estimate.interval,
        n=estimate.n,
        collecting=estimate.collecting,
    )


def _policy_row(policy: TrackedPolicy, state: PolicyState) -> PolicyRow:
    accumulator = PolicyAccumulator.from_state(json.loads(state.accumulator))
    diagnostics = accumulator.diagnostics()
    return PolicyRow(
        name=policy.name,
        kind=policy.kind,
        value=_row(accumulator.value()),
        snips=_row(accumulator.snips()),
        uplift=_row(accumulator.uplift()),
        ess=diagnostics.ess,
        max_weight=diagnostics.max_weight,
        mean_weight=diagnostics.mean_weight,
        verdict=diagnostics.verdict,
        why=diagnostics.why,
        failures=state.failures,
        policy_hash=policy.policy_hash,
        own_names=policy.own_names,
        role=policy.role,
        before=0 if policy.pinned is None else policy.pinned.interactions,
    )


def _unresolved(connection: Connection, key: str) -> tuple[UnresolvedEvent, ...]:
    return tuple(
        UnresolvedEvent(
            event_id=each.event_id,
            type=each.type,
            occurred_at=each.occurred_at,
            trusted=each.trusted,
            why=each.state.value,
        )
        for each in newest_open(connection, key, _MOST_UNRESOLVED)
    )


def _waiting(by_reason: Mapping[str, int], counted: Mapping[str, float]) -> int:
    """Measured decisions whose window has not ended: what came less what went.

    Every way out of the queue counts in its transaction, so nobody need count the millions in it.
    """
    gone = ("interactions.policy", "interactions.holdout", "not_activated", "disputed")
    left = sum(counted.get(name, 0) for name in (*gone, FORGOTTEN_WAITING))
    return max(0, sum(by_reason[reason.value] for reason in MEASURED) - int(left))


def _counts(
    connection: Connection,
    key: str,
    counted: Mapping[str, float],
    learned: int,
) -> Counts:
    by_reason = {
        name: int(counted.get(f"decisions.{name}", 0))
        for name in (*(reason.value for reason in Reason), OVER_LIMIT)
    }
    by_type = {
        name.removeprefix("events."): int(count)
        for name, count in sorted(counted.items())
        if name.startswith("events.")
    }
    return Counts(
        decisions=sum(by_reason.values()),
        by_reason=by_reason,
        immature=_waiting(by_reason, counted),
        interactions=int(counted.get("interactions.policy", 0)),
        holdout_interactions=int(counted.get("interactions.holdout", 0)),
        not_activated=int(counted.get("not_activated", 0)),
        learned=learned,
        events=sum(by_type.values()),
        events_by_type=by_type,
        late=int(counted.get("late", 0)),
        late_arrivals=int(counted.get(f"late.{Lateness.ARRIVED_LATE}", 0)),
        orphan=count_orphans(connection),
        clipped=int(counted.get("clipped", 0)),
        other_currency=int(counted.get("other_currency", 0)),
        unknown_currency=int(counted.get("unknown_currency", 0)),
        disputed=int(counted.get("disputed", 0)),
        disputed_late=int(counted.get("disputed_late", 0)),
        early_events=int(counted.get("early_events", 0)),
        conflicting_events=int(counted.get("conflicting_events", 0)),
        left_out=len(skipped(connection, key)),
        server_conflicts=int(counted.get(SERVER_CONFLICTS, 0)),
        page_conflicts=int(counted.get(PAGE_CONFLICTS, 0)),
        over_limit=by_reason[OVER_LIMIT],
        with_dropped_fields=int(counted.get("dropped_fields", 0)),
        dropped_fields=_dropped_fields(counted),
        request_events=int(counted.get(REQUEST_EVENTS, 0)),
        unresolved={why.value: number for why, number in count_open(connection, key).items()},
    )


def _dropped_fields(counted: Mapping[str, float]) -> dict[str, int]:
    """How many undeclared fields were dropped → decisions, the fewest first."""
    prefix = "dropped_fields."
    found = {
        int(name.removeprefix(prefix)): int(count)
        for name, count in counted.items()
        if name.startswith(prefix)
    }
    return {str(fields): found[fields] for fields in sorted(found)}


def _timeline_programme(numbers: Sequence[float] | None) -> TimelineProgramme | None:
    if numbers is None:
        return None
    value, lower, upper = numbers
    return TimelineProgramme(value=value, lower=lower, upper=upper)


def _timeline(
    connection: Connection, key: str, names: Mapping[str, str]
) -> tuple[TimelinePoint, ...]:
    """The points, with the policies that the report has under the names that it gives them."""
    points = []
    for interactions, at, payload in timeline(connection, key):
        data = json.loads(payload)
        points.append(
            TimelinePoint(
                at=from_micros(at),
                n=interactions,
                policies={
                    names[identity]: TimelinePolicy(
                        value=numbers[0],
                        lower=numbers[1],
                        upper=numbers[2],
                        uplift=numbers[3],
                        uplift_lower=numbers[4],
                        uplift_upper=numbers[5],
                    )
                    for identity, numbers in data["policies"].items()
                    if identity in names
                },
                arms=data["arms"],
                rewards=data.get("rewards", {}),
                programme=_timeline_programme(data.get("programme")),
            )
        )
    return tuple(points)
