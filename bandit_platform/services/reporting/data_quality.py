"""Can the numbers be believed? Every check with its value, its limits and its state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from bandit_platform.domain.decision import MEASURED
from bandit_platform.services.reporting.page_traffic import source_text
from bandit_platform.services.reporting.report_records import Counts, ExperimentReport
from bandit_platform.services.serving.readiness import NODE_BEHIND_SECONDS, node_troubles
from bandit_platform.services.serving.upkeep import Upkeep
from bandit_platform.storage.audit_state import AuditState

#: page traffic below which one address may well have most of it
_ENOUGH_ASKED = 200


class State(StrEnum):
    """What a check says, in a word."""

    FINE = "fine"
    LOOK = "look"
    BROKEN = "broken"
    UNKNOWN = "nothing to check yet"


@dataclass(frozen=True, kw_only=True)
class QualityCheck:
    """One check."""

    #: stable name
    name: str
    state: State
    #: None where there is nothing to measure yet
    value: float | None
    #: the value from which somebody should look, and from which something is broken
    look_from: float | None = None
    broken_from: float | None = None
    #: how many of how many, where the value is a share
    count: int | None = None
    of: int | None = None
    #: arms or decisions that the check found
    found: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ExperimentQuality:
    """The checks of one experiment."""

    experiment: str
    state: str
    as_of: datetime
    checks: tuple[QualityCheck, ...]


@dataclass(frozen=True, kw_only=True)
class DataQuality:
    """The checks of a deployment and of each of its experiments."""

    deployment: tuple[QualityCheck, ...]
    experiments: tuple[ExperimentQuality, ...]

    def count(self, state: State) -> int:
        """How many checks are in a state."""
        lists = [self.deployment, *(each.checks for each in self.experiments)]
        return sum(check.state is state for checks in lists for check in checks)


def deployment_checks(upkeep: Upkeep, orphans: int, events: int) -> tuple[QualityCheck, ...]:
    """Whether what is acknowledged arrives: worker, journal, ingest.

    Args:
        upkeep: the loop behind the decisions.
        orphans: events whose decision is not stored.
        events: events of all experiments.
    """
    return (
        _worker(upkeep),
        _measured("ingest_lag", upkeep.lag_seconds, look=5.0, broken=60.0),
        _measured("journal_pending", float(upkeep.pending_bytes), look=2.0**24, broken=2.0**28),
        _nodes(upkeep),
        _measured("torn", upkeep.torn, look=1.0),
        _measured("damaged_lines", upkeep.damaged_lines, look=1.0),
        _share("orphan", orphans, events + orphans, look=0.01, broken=0.1),
    )


def experiment_checks(
    report: ExperimentReport, audit: AuditState | None, overdue: int
) -> ExperimentQuality:
    """The checks of one experiment.

    Args:
        report: its report.
        audit: how far its decisions were recomputed.
        overdue: decisions that should have matured minutes ago.
    """
    counts = report.counts
    measured = sum(counts.by_reason.get(reason, 0) for reason in MEASURED)
    return ExperimentQuality(
        experiment=report.experiment,
        state=report.state,
        as_of=report.as_of,
        checks=(
            _sample_ratio(report),
            _calibration(report),
            _audit(audit),
            _immature(counts.immature, measured, overdue),
            _share("late", counts.late - counts.late_arrivals, counts.events,
                   look=0.05, broken=0.2),
            _share("late_arrivals", counts.late_arrivals, counts.events, look=0.0, broken=0.01),
            _share("clipped", counts.clipped, counts.interactions, look=0.01, broken=0.1),
            _share(
                "fallback", counts.by_reason.get("fallback", 0), counts.decisions,
                look=0.001, broken=0.05,
            ),
            _share("other_currency", counts.other_currency, counts.events, look=0.0, broken=0.1),
            _share("early_events", counts.early_events, counts.events, look=0.0, broken=0.05),
            _share(
                "unknown_currency", counts.unknown_currency, counts.events, look=0.0, broken=0.01
            ),
            _share(
                "conflicting_events", counts.conflicting_events, counts.events,
                look=0.0, broken=0.05,
            ),
            _share("disputed", counts.disputed, counts.decisions, look=0.0, broken=0.01),
            _share("disputed_late", counts.disputed_late, counts.decisions, look=0.0, broken=0.01),
            _conflicts(counts),
            *([_unresolved(report)] if counts.request_events else []),
            *_dropped_fields(counts),
            *_page_checks(report),
        ),
    )  # fmt: skip


def _dropped_fields(counts: Counts) -> tuple[QualityCheck, ...]:
    """How many requests had undeclared fields; asked for by the experiment, so no fault."""
    if not counts.with_dropped_fields:
        return ()
    return (
        QualityCheck(
            name="dropped_fields",
            state=State.FINE,
            value=counts.with_dropped_fields / max(counts.decisions, 1),
            count=counts.with_dropped_fields,
            of=counts.decisions,
            found=tuple(
                f"{'50 fields or more' if number == '50' else _fields(number)}: "
                f"{decisions:,} {'decision' if decisions == 1 else 'decisions'}"
                for number, decisions in counts.dropped_fields.items()
            ),
        ),
    )


def _fields(number: str) -> str:
    return "1 field" if number == "1" else f"{number} fields"


def _page_checks(report: ExperimentReport) -> tuple[QualityCheck, ...]:
    """Checks of page traffic, which anyone with the publishable key can send."""
    pages, decisions = report.page_traffic, report.counts.decisions
    asked = pages.decisions + pages.over_limit
    untrusted = _share("untrusted", asked, decisions, look=1.0, broken=1.0)
    over = _share("over_limit", pages.over_limit, asked, look=0.01, broken=0.1)
    floods = tuple(
        f"{source_text(each)}: {each.over_limit:,} of {each.decisions + each.over_limit:,} "
        "decisions above a limit"
        for each in pages.floods
    )
    found = tuple(
        f"{source_text(each)}: {each.rewarded:,} of {each.decisions:,} decisions of {each.arm} "
        f"rewarded; all others: {each.other_rewarded:,} of {each.other_decisions:,}"
        for each in pages.implausible
    )
    implausible = (
        _measured("implausible", float(len(found)), look=1.0)
        if asked
        else _unknown("implausible", look=1.0)
    )
    return (
        replace(untrusted, look_from=None, broken_from=None),
        replace(over, found=floods),
        _one_address(report),
        replace(implausible, found=found),
    )


def _one_address(report: ExperimentReport) -> QualityCheck:
    """Where all shoppers have one address, a proxy in front is probably not known."""
    pages = report.page_traffic
    asked, largest = pages.decisions + pages.over_limit, pages.largest_address
    limits = {"look": 0.2, "broken": 0.5}
    if largest is None or asked < _ENOUGH_ASKED:
        return _unknown("one_address", **limits)
    number = largest.decisions + largest.over_limit
    check = _share("one_address", number, asked, **limits)
    return check if check.state is State.FINE else replace(check, found=(source_text(largest),))


def overdue_before(now: datetime) -> datetime:
    """Decisions whose window ended before this should have matured."""
    return now - timedelta(minutes=5)


def data_quality(
    upkeep: Upkeep, looked_at: Sequence[tuple[ExperimentReport, AuditState | None, int]]
) -> DataQuality:
    """Every check.

    Args:
        upkeep: the loop behind the decisions.
        looked_at: of each experiment its report, its audit, and how many decisions are overdue.
    """
    orphans = max((report.counts.orphan for report, _, _ in looked_at), default=0)
    events = sum(report.counts.events for report, _, _ in looked_at)
    return DataQuality(
        deployment=deployment_checks(upkeep, orphans, events),
        experiments=tuple(experiment_checks(*each) for each in looked_at),
    )


def _worker(upkeep: Upkeep) -> QualityCheck:
    if upkeep.worker_leads:
        state = State.FINE
    else:
        state = State.UNKNOWN if upkeep.led_until is None else State.BROKEN
    return QualityCheck(name="worker", state=state, value=float(upkeep.worker_leads))


def _nodes(upkeep: Upkeep) -> QualityCheck:
    """How long maturity waits for the slowest node; broken if it stopped waiting for one."""
    waited = [node.lag_seconds for node in upkeep.nodes if not node.given_up]
    lag = max(waited, default=0.0) if upkeep.worker_leads else 0.0
    check = _measured("nodes", lag, look=NODE_BEHIND_SECONDS, broken=60.0)
    given_up = any(node.given_up for node in upkeep.nodes)
    return replace(
        check,
        state=State.BROKEN if given_up else check.state,
        of=None,
        found=node_troubles(upkeep),
    )


def _sample_ratio(report: ExperimentReport) -> QualityCheck:
    quality = report.quality
    if not quality.n:
        return _unknown("sample_ratio", look=20.0, broken=100.0)
    evidence = quality.sample_ratio_evidence
    return _measured("sample_ratio", evidence, look=20.0, broken=100.0)


def _calibration(report: ExperimentReport) -> QualityCheck:
    quality = report.quality
    if not quality.n:
        return _unknown("calibration")
    wrong = quality.miscalibrated
    state = State.BROKEN if wrong else State.FINE
    return QualityCheck(
        name="calibration", state=state, value=float(len(wrong)), broken_from=1.0, found=wrong
    )


def _audit(audit: AuditState | None) -> QualityCheck:
    if audit is None:
        return _unknown("audit", broken=1.0)
    return QualityCheck(
        name="audit",
        state=State.BROKEN if audit.mismatches else State.FINE,
        value=float(audit.mismatches),
        broken_from=1.0,
        count=audit.mismatches,
        of=audit.checked,
        found=tuple(f"{decision_id}: {what}" for decision_id, what in audit.newest),
    )


def _immature(immature: int, measured: int, overdue: int) -> QualityCheck:
    """Waiting is no trouble; waiting longer than the window is."""
    if not measured:
        return _unknown("immature")
    return QualityCheck(
        name="immature",
        state=State.BROKEN if overdue else State.FINE,
        value=immature / measured,
        count=immature,
        of=measured,
        found=(f"{overdue:,} should have matured by now",) if overdue else (),
    )


def _conflicts(counts: Counts) -> QualityCheck:
    """Requests that got no offer because their request key was used before with another body."""
    by = (("servers", counts.server_conflicts), ("pages", counts.page_conflicts))
    conflicts = sum(number for _, number in by)
    check = _share(
        "request_conflicts", conflicts, counts.decisions + conflicts, look=0.0, broken=0.01
    )
    return replace(check, found=tuple(f"{number:,} from {who}" for who, number in by if number))


def _unresolved(report: ExperimentReport) -> QualityCheck:
    """Outcomes reported by request key that count nowhere, because no decision was found."""
    counts = report.counts
    check = _share(
        "unresolved", sum(counts.unresolved.values()), counts.request_events, look=0.0, broken=0.1
    )
    found = tuple(
        f"{each.type} {each.event_id}, {each.occurred_at.isoformat(timespec='seconds')}: "
        f"{_WHY_UNRESOLVED.get(each.why, each.why)}"
        for each in report.unresolved_events
    )
    return replace(check, found=found)


_WHY_UNRESOLVED = {
    "unknown": "no earlier decision has this request key",
    "not_shown": "its decision was not shown",
    "ambiguous": "several shoppers saw a decision for this key; send unit_id as well",
}


def _measured(name: str, value: float, *, look: float, broken: float | None = None) -> QualityCheck:
    if broken is not None and value >= broken:
        state = State.BROKEN
    else:
        state = State.LOOK if value >= look else State.FINE
    return QualityCheck(name=name, state=state, value=value, look_from=look, broken_from=broken)


def _share(name: str, count: int, of: int, *, look: float, broken: float) -> QualityCheck:
    """A share is looked at above its limit, so that a limit of none means: a single one."""
    if not of:
        return _unknown(name, look=look, broken=broken)
    share = count / of
    state = State.BROKEN if share > broken else State.LOOK if share > look else State.FINE
    return QualityCheck(
        name=name,
        state=state,
        value=share,
        look_from=look,
        broken_from=broken,
        count=count,
        of=of,
    )


def _unknown(name: str, *, look: float | None = None, broken: float | None = None) -> QualityCheck:
    return QualityCheck(
        name=name, state=State.UNKNOWN, value=None, look_from=look, broken_from=broken
    )
