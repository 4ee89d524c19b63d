from __future__ import annotations

import json
import math
from typing import Any

import pytest

from bandit_platform.domain.decision import Reason
from bandit_platform.errors import NotFoundError
from bandit_platform.ope import GroupTotals, holdout_uplift
from bandit_platform.services.reporting.report import experiment_report

KEY = "checkout-offers"


def report_of(world: Any, key: str = KEY) -> Any:
    return experiment_report(world.database, key, world.clock())


def busy(world: Any, spec: Any) -> None:
    """Some of everything that a report counts."""
    world.launch(spec)
    made = world.traffic(120)
    world.report(made[0], "purchase", amount=1000.0, currency="GBP")  # beyond the range
    deferred = [world.measured(defer_activation=True) for _ in range(3)]
    world.server.recorder.activate(deferred[0].decision_id)
    world.settle()
    world.learn()
    world.traffic(60)
    foreign = world.measured()
    world.report(foreign, "purchase", amount=10.0, currency="USD")
    world.report(foreign, "impression")
    world.settle()
    world.learn()
    world.report(made[1], "accept")  # late
    world.change("pause")
    for _ in range(4):
        world.decide()
    world.change("resume")
    world.traffic(25)  # immature
    world.ingest()


def count(world: Any, query: str, **values: Any) -> int:
    return int(world.one(f"SELECT count(*) FROM {query}", **values))  # noqa: S608 - our own text


def test_every_count_equals_a_plain_count_of_the_rows(world: Any, spec: Any) -> None:
    busy(world, spec)
    counts = report_of(world).counts
    assert counts.decisions == count(world, "decision") > 200
    assert counts.by_reason == {
        **{reason: count(world, "decision WHERE reason = :r", r=reason) for reason in Reason},
        "over_limit": count(world, "decision WHERE over_limit"),
    }
    assert counts.by_reason["paused"] == 4
    assert counts.immature == count(world, "immature") == 25
    assert counts.interactions == count(world, "interaction WHERE policy_traffic")
    assert counts.holdout_interactions == count(world, "interaction WHERE NOT policy_traffic") > 0
    assert counts.not_activated == count(world, "decision WHERE deferred") - 1 > 0
    assert counts.learned == counts.interactions
    types = {row.type for row in world.rows("SELECT DISTINCT type FROM event")}
    assert counts.events_by_type == {
        kind: count(world, "event WHERE type = :t", t=kind) for kind in types
    }
    assert types == {"accept", "dismiss", "purchase", "impression"}
    assert counts.events == count(world, "event")
    assert counts.late == count(world, "event WHERE late") == 1
    assert counts.orphan == 0
    assert counts.clipped == count(world, "interaction WHERE clipped") == 1
    assert counts.other_currency == 1


def test_every_decision_is_in_exactly_one_place(world: Any, spec: Any) -> None:
    busy(world, spec)
    counts = report_of(world).counts
    unmeasured = sum(counts.by_reason[name] for name in ("fallback", "paused", "stopped"))
    assert counts.decisions == (
        counts.immature
        + counts.interactions
        + counts.holdout_interactions
        + counts.not_activated
        + unmeasured
    )


def test_arms_have_their_rows(world: Any, spec: Any, spec_text: str) -> None:
    busy(world, spec)
    world.apply(spec_text.replace('key = "upgrade"', 'key = "lounge"'))
    report = report_of(world)
    assert [(row.arm, row.active) for row in report.arms] == [
        ("nothing", True),
        ("lounge", True),
        ("insurance", True),
        ("upgrade", False),
    ]
    total = report.counts.interactions
    for row in report.arms:
        ((rows, mean),) = world.rows(
            "SELECT count(*), avg(i.reward) FROM interaction i JOIN decision d "
            "ON d.decision_id = i.decision_id WHERE i.policy_traffic AND d.arm = :arm",
            arm=row.arm,
        )
        assert row.interactions == rows
        assert row.share == pytest.approx(rows / total)
        assert (row.mean_reward is None) == (rows == 0)
        assert mean is None or row.mean_reward == pytest.approx(mean)
    assert sum(row.share for row in report.arms) == pytest.approx(1.0)


def test_the_programme_compares_units(world: Any, spec: Any) -> None:
    busy(world, spec)
    report = report_of(world)
    groups = []
    for traffic in ("i.policy_traffic", "NOT i.policy_traffic"):
        totals = [
            float(row.total)
            for row in world.rows(
                "SELECT sum(i.reward) AS total FROM interaction i JOIN decision d "  # noqa: S608
                f"ON d.decision_id = i.decision_id WHERE {traffic} GROUP BY d.unit"
            )
        ]
        groups.append(
            GroupTotals(
                units=len(totals), total=sum(totals), square=sum(each**2 for each in totals)
            )
        )
    expected = holdout_uplift(*groups)
    assert (report.units, report.holdout_units) == (groups[0].units, groups[1].units)
    assert report.programme.value == pytest.approx(expected.value)
    assert report.programme.collecting == expected.collecting
    assert report.holdout_share == 0.1


def test_the_logging_policy_s_value_is_the_mean_reward(world: Any, spec: Any) -> None:
    busy(world, spec)
    report = report_of(world)
    rows = {row.name: row for row in report.policies}
    mean = world.one("SELECT avg(reward) FROM interaction WHERE policy_traffic")
    assert rows["logging"].snips.value == pytest.approx(mean, abs=1e-12)
    assert (rows["logging"].mean_weight, rows["logging"].max_weight) == (1.0, 1.0)
    assert rows["logging"].ess == pytest.approx(report.counts.interactions)
    assert {name: row.kind for name, row in rows.items()} == {
        "logging": "logging",
        "serving": "serving",
        "greedier": "candidate",
        "uniform": "fixed",
        "always-something": "fixed",
        "always:nothing": "fixed",
        "always:upgrade": "fixed",
        "always:insurance": "fixed",
    }
    assert (rows["always:nothing"].uplift.value, rows["always:nothing"].uplift.interval) == (
        0.0,
        "exact",
    )


def test_the_model_and_the_revisions_are_named(world: Any, spec: Any, spec_text: str) -> None:
    busy(world, spec)
    world.clock.advance(7)
    world.apply(spec_text.replace("floor = 0.1", "floor = 0.2"))
    report = report_of(world)
    ((version, interactions),) = world.rows(
        "SELECT version, interactions FROM model_version ORDER BY version DESC LIMIT 1"
    )
    assert (report.model_version, report.model_interactions) == (version, interactions)
    assert [mark.number for mark in report.revisions] == [1, 2]
    assert report.revisions[1].at == world.clock.now
    assert report.revision == 2
    assert (report.experiment, report.state, report.placement) == (KEY, "running", "checkout")
    assert report.as_of == world.clock.now
    newest = world.one(
        "SELECT max(d.decided_at) FROM decision d JOIN interaction i "
        "ON i.decision_id = d.decision_id"
    )
    assert round(report.data_until.timestamp() * 1e6) == newest
    assert report.timeline[-1].n <= report.counts.interactions
    assert [point.n for point in report.timeline] == sorted(point.n for point in report.timeline)


def test_orphans_are_counted_for_the_whole_deployment(
    world: Any, spec: Any, make_decision: Any
) -> None:
    world.launch(spec)
    world.report(make_decision(decided_at=world.clock.now))  # its decision was never recorded
    world.ingest()
    assert report_of(world).counts.orphan == 1
    assert report_of(world).counts.events == 0


def test_a_fallback_is_counted_and_in_no_estimate(
    world: Any, spec: Any, make_decision: Any
) -> None:
    from bandit_platform.journal.records import decision_line  # noqa: PLC0415 - only here

    world.launch(spec)
    fallback = make_decision(
        decided_at=world.clock.now,
        reason=Reason.FALLBACK,
        arm="nothing",
        propensity=1.0,
        eligible=("nothing",),
        pmf=(1.0,),
        model_versions=(),
    )
    world.server.journal.append(decision_line(fallback))
    world.report(fallback)
    world.settle()
    counts = report_of(world).counts
    assert (counts.decisions, counts.by_reason["fallback"], counts.events) == (1, 1, 1)
    assert (counts.interactions, counts.holdout_interactions, counts.immature) == (0, 0, 0)


def test_a_new_experiment_has_an_empty_report(world: Any, spec: Any) -> None:
    world.apply(spec)
    report = report_of(world)
    assert (report.state, report.started_at, report.data_until) == ("draft", None, None)
    assert report.counts.decisions == report.counts.events == report.units == 0
    assert (report.policies, report.timeline, report.model_version) == ((), (), None)
    assert report.programme.value is None
    assert report.programme.collecting
    assert all(row.mean_reward is None and row.share == 0.0 for row in report.arms)
    data = report.to_dict()
    text = json.dumps(data, allow_nan=False)  # unbounded is null, never Infinity
    assert json.loads(text) == data
    assert data["programme"]["lower"] is None
    assert math.isinf(report.programme.lower)


def test_an_unknown_experiment_has_no_report(world: Any) -> None:
    with pytest.raises(NotFoundError):
        report_of(world, "nobody")
