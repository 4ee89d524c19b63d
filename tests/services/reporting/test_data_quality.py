from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bandit_platform.services.reporting.data_quality import (
    QualityCheck,
    State,
    data_quality,
    deployment_checks,
    experiment_checks,
)
from bandit_platform.services.reporting.report_records import (
    ImplausibleRow,
    PageSourceRow,
    PageTraffic,
    QualityRow,
    UnresolvedEvent,
)
from bandit_platform.services.serving.upkeep import NodeUpkeep, Upkeep
from bandit_platform.storage.audit_state import AuditState
from tests.dashboards.fake_reports import NOW, draft, rich


def upkeep(**changed: Any) -> Upkeep:
    fields: dict[str, Any] = {
        "database_answers": True,
        "pending_bytes": 0,
        "lag_seconds": 0.0,
        "torn": 0.0,
        "damaged_lines": 0.0,
        "worker_leads": True,
        "led_until": NOW,
        "model_version": {},
        "model_age": {},
        "learned": {},
    }
    return Upkeep(**{**fields, **changed})


def audited(mismatches: int = 0) -> AuditState:
    return AuditState(
        position=(NOW, "id"),
        checked=500,
        mismatches=mismatches,
        newest=(("id", "the seed draws another arm"),) * mismatches,
        checked_at=NOW,
    )


_OF_REPORT = {"quality", "unresolved_events"}


def of_experiment(
    name: str, *, overdue: int = 0, mismatches: int = 0, **changed: Any
) -> QualityCheck:
    report = rich()
    counts = {key: changed.pop(key) for key in tuple(changed) if key not in _OF_REPORT}
    report = replace(report, counts=replace(report.counts, **counts), **changed)
    checks = experiment_checks(report, audited(mismatches), overdue).checks
    return next(check for check in checks if check.name == name)


@pytest.mark.parametrize(
    ("name", "changed", "state"),
    [
        ("late", {"events": 1000, "late": 50}, State.FINE),
        ("late", {"events": 1000, "late": 51}, State.LOOK),
        ("late", {"events": 1000, "late": 201}, State.BROKEN),
        ("late", {"events": 0, "late": 0}, State.UNKNOWN),
        ("late", {"events": 1000, "late": 250, "late_arrivals": 200}, State.FINE),
        ("late_arrivals", {"events": 1000, "late": 9, "late_arrivals": 0}, State.FINE),
        ("late_arrivals", {"events": 1000, "late": 9, "late_arrivals": 1}, State.LOOK),
        ("late_arrivals", {"events": 1000, "late": 11, "late_arrivals": 11}, State.BROKEN),
        ("clipped", {"interactions": 1000, "clipped": 11}, State.LOOK),
        ("clipped", {"interactions": 1000, "clipped": 101}, State.BROKEN),
        ("fallback", {"decisions": 1000, "by_reason": {"fallback": 1}}, State.FINE),
        ("fallback", {"decisions": 1000, "by_reason": {"fallback": 2}}, State.LOOK),
        ("fallback", {"decisions": 1000, "by_reason": {"fallback": 51}}, State.BROKEN),
        ("other_currency", {"events": 1000, "other_currency": 0}, State.FINE),
        ("other_currency", {"events": 1000, "other_currency": 1}, State.LOOK),
        ("early_events", {"events": 1000, "early_events": 0}, State.FINE),
        ("early_events", {"events": 1000, "early_events": 1}, State.LOOK),
        ("early_events", {"events": 1000, "early_events": 51}, State.BROKEN),
        ("unknown_currency", {"events": 1000, "unknown_currency": 0}, State.FINE),
        ("unknown_currency", {"events": 1000, "unknown_currency": 1}, State.LOOK),
        ("unknown_currency", {"events": 1000, "unknown_currency": 11}, State.BROKEN),
        ("conflicting_events", {"events": 1000, "conflicting_events": 0}, State.FINE),
        ("conflicting_events", {"events": 1000, "conflicting_events": 1}, State.LOOK),
        ("conflicting_events", {"events": 1000, "conflicting_events": 51}, State.BROKEN),
        ("disputed", {"decisions": 1000, "disputed": 1}, State.LOOK),
        ("disputed", {"decisions": 1000, "disputed": 11}, State.BROKEN),
        ("request_conflicts", {"decisions": 1000}, State.FINE),
        ("request_conflicts", {"decisions": 1000, "page_conflicts": 1}, State.LOOK),
        ("request_conflicts", {"decisions": 0, "server_conflicts": 1}, State.BROKEN),
        (
            "request_conflicts",
            {"decisions": 99, "server_conflicts": 1, "page_conflicts": 1},
            State.BROKEN,
        ),
        ("request_conflicts", {"decisions": 0}, State.UNKNOWN),
        ("disputed_late", {"decisions": 1000, "disputed_late": 0}, State.FINE),
        ("disputed_late", {"decisions": 1000, "disputed_late": 1}, State.LOOK),
        ("disputed_late", {"decisions": 1000, "disputed_late": 11}, State.BROKEN),
        ("unresolved", {"request_events": 1000}, State.FINE),
        ("unresolved", {"request_events": 1000, "unresolved": {"ambiguous": 1}}, State.LOOK),
        (
            "unresolved",
            {"request_events": 1000, "unresolved": {"ambiguous": 60, "unknown": 41}},
            State.BROKEN,
        ),
        ("audit", {}, State.FINE),
        ("audit", {"mismatches": 1}, State.BROKEN),
        ("immature", {}, State.FINE),
        ("immature", {"overdue": 1}, State.BROKEN),
        ("sample_ratio", {"quality": QualityRow(n=9, sample_ratio_evidence=19.0)}, State.FINE),
        ("sample_ratio", {"quality": QualityRow(n=9, sample_ratio_evidence=20.0)}, State.LOOK),
        ("sample_ratio", {"quality": QualityRow(n=9, sample_ratio_evidence=100.0)}, State.BROKEN),
        ("sample_ratio", {"quality": QualityRow()}, State.UNKNOWN),
        ("calibration", {"quality": QualityRow(n=9, miscalibrated=("vip",))}, State.BROKEN),
        ("calibration", {"quality": QualityRow(n=9)}, State.FINE),
    ],
)
def test_limits_of_an_experiments_checks(name: str, changed: dict[str, Any], state: State) -> None:
    assert of_experiment(name, **changed).state is state


ADDRESS = PageSourceRow(kind="address", name="a" * 16, label="", decisions=100, over_limit=0)
PRAISED = ImplausibleRow(
    kind="key", name="b" * 16, label="pages", arm="vip",
    decisions=50, rewarded=50, other_decisions=500, other_rewarded=50,
)  # fmt: skip


@pytest.mark.parametrize(
    ("name", "pages", "state"),
    [
        ("untrusted", PageTraffic(decisions=1000), State.FINE),
        ("untrusted", PageTraffic(), State.FINE),
        ("over_limit", PageTraffic(), State.UNKNOWN),
        ("over_limit", PageTraffic(decisions=990, over_limit=10), State.FINE),
        ("over_limit", PageTraffic(decisions=989, over_limit=11), State.LOOK),
        ("over_limit", PageTraffic(decisions=899, over_limit=101), State.BROKEN),
        ("one_address", PageTraffic(decisions=199, largest_address=ADDRESS), State.UNKNOWN),
        ("one_address", PageTraffic(decisions=500, largest_address=ADDRESS), State.FINE),
        ("one_address", PageTraffic(decisions=499, largest_address=ADDRESS), State.LOOK),
        (
            "one_address",
            PageTraffic(decisions=200, largest_address=replace(ADDRESS, over_limit=1)),
            State.BROKEN,
        ),
        ("implausible", PageTraffic(), State.UNKNOWN),
        ("implausible", PageTraffic(decisions=1), State.FINE),
        ("implausible", PageTraffic(decisions=1, implausible=(PRAISED,)), State.LOOK),
    ],
)
def test_limits_of_the_checks_of_page_traffic(name: str, pages: PageTraffic, state: State) -> None:
    report = replace(rich(), page_traffic=pages)
    checks = experiment_checks(report, audited(), 0).checks
    assert next(check for check in checks if check.name == name).state is state


def test_checks_of_page_traffic_name_what_they_found() -> None:
    flood = replace(ADDRESS, over_limit=900)
    pages = PageTraffic(
        decisions=1000,
        over_limit=900,
        largest_address=flood,
        floods=(flood,),
        implausible=(PRAISED,),
    )
    checks = experiment_checks(replace(rich(), page_traffic=pages), audited(), 0).checks
    found = {check.name: check.found for check in checks}
    source = f"address {'a' * 16}"
    assert found["over_limit"] == (f"{source}: 900 of 1,000 decisions above a limit",)
    assert found["one_address"] == (source,)
    assert found["implausible"] == (
        f"key {'b' * 16} (pages): 50 of 50 decisions of vip rewarded; all others: 50 of 500",
    )


def node(*, lag: float, given_up: bool = False) -> NodeUpkeep:
    return NodeUpkeep(
        node_id="0123456789abcdef",
        label="shop-2 (01234567)",
        lag_seconds=lag,
        silent_seconds=0.0,
        given_up=given_up,
    )


@pytest.mark.parametrize(
    ("name", "changed", "state"),
    [
        ("nodes", {}, State.FINE),
        ("nodes", {"nodes": (node(lag=1.0), node(lag=9.9))}, State.FINE),
        ("nodes", {"nodes": (node(lag=1.0), node(lag=10.0))}, State.LOOK),
        ("nodes", {"nodes": (node(lag=60.0),)}, State.BROKEN),
        ("nodes", {"nodes": (node(lag=1.0, given_up=True),)}, State.BROKEN),
        ("nodes", {"nodes": (node(lag=60.0),), "worker_leads": False}, State.FINE),
        ("worker", {}, State.FINE),
        ("worker", {"worker_leads": False}, State.BROKEN),
        ("worker", {"worker_leads": False, "led_until": None}, State.UNKNOWN),
        ("ingest_lag", {"lag_seconds": 4.9}, State.FINE),
        ("ingest_lag", {"lag_seconds": 5.0}, State.LOOK),
        ("ingest_lag", {"lag_seconds": 60.0}, State.BROKEN),
        ("journal_pending", {"pending_bytes": 2**24}, State.LOOK),
        ("journal_pending", {"pending_bytes": 2**28}, State.BROKEN),
        ("torn", {"torn": 1.0}, State.LOOK),
        ("damaged_lines", {"damaged_lines": 1.0}, State.LOOK),
    ],
)
def test_limits_of_the_deployments_checks(name: str, changed: dict[str, Any], state: State) -> None:
    checks = {check.name: check for check in deployment_checks(upkeep(**changed), 0, 100)}
    assert checks[name].state is state


def test_outcomes_by_request_key_are_checked_where_there_are_any_and_listed() -> None:
    with pytest.raises(StopIteration):
        of_experiment("unresolved", request_events=0)
    event = UnresolvedEvent(
        event_id="e-1", type="purchase", occurred_at=NOW, trusted=True, why="ambiguous"
    )
    check = of_experiment(
        "unresolved",
        request_events=2,
        unresolved={"ambiguous": 1},
        unresolved_events=(event,),
    )
    (line,) = check.found
    assert line.startswith("purchase e-1, 2026-11-22T10:15:00")
    assert "send unit_id" in line


def test_orphans_are_a_share_of_all_events() -> None:
    states = [
        deployment_checks(upkeep(), orphans, 1000 - orphans)[-1].state for orphans in (10, 11, 101)
    ]
    assert states == [State.FINE, State.LOOK, State.BROKEN]


def test_a_draft_has_nothing_to_check() -> None:
    found = experiment_checks(draft(), None, 0)
    assert {check.state for check in found.checks} == {State.UNKNOWN}


def test_a_real_deployment_is_checked_whole(lite: Any, spec: Any) -> None:
    from bandit_platform.bootstrap import Platform  # noqa: PLC0415
    from bandit_platform.services.working.running_audit import RunningAudit  # noqa: PLC0415
    from tests.services.conftest import HOLDER, KEY  # noqa: PLC0415

    lite.launch(spec)
    lite.traffic(40)
    lite.settle()
    lite.learn()
    lite.traffic(10)
    lite.ingest()
    RunningAudit(lite.database, lite.secret).step(HOLDER, [KEY], lite.clock(), lite.clock())
    platform = Platform(lite.database, lite.clock, lambda: lite.secret)
    (checked,) = platform.quality(upkeep()).experiments
    states = {check.name: check.state for check in checked.checks}
    pages = [states.pop(name) for name in ("over_limit", "one_address", "implausible")]
    assert set(pages) == {State.UNKNOWN}  # all of it came from inside
    assert set(states.values()) == {State.FINE}
    lite.clock.advance(3600 + 400)  # their windows are over, and no worker came
    (checked,) = platform.quality(upkeep()).experiments
    immature = next(check for check in checked.checks if check.name == "immature")
    assert (immature.state, immature.count) == (State.BROKEN, 10)
    assert data_quality(upkeep(), []).count(State.BROKEN) == 0
    assert timedelta(0) == lite.clock() - checked.as_of


def test_dropped_fields_are_told_where_there_are_any() -> None:
    none = experiment_checks(rich(), audited(), 0).checks
    assert "dropped_fields" not in {check.name for check in none}
    check = of_experiment(
        "dropped_fields",
        decisions=1000,
        with_dropped_fields=45,
        dropped_fields={"1": 1, "3": 40, "50": 4},
    )
    assert (check.state, check.count, check.of) == (State.FINE, 45, 1000)
    assert check.found == (
        "1 field: 1 decision",
        "3 fields: 40 decisions",
        "50 fields or more: 4 decisions",
    )
