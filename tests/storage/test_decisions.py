from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.dialects import sqlite

from bandit_platform.domain.decision import Decision, Draw, Reason
from bandit_platform.domain.exclusion import Exclusion, ExclusionCode
from bandit_platform.storage.database import Connection, Database
from bandit_platform.storage.decisions import (
    activated,
    count_immature,
    count_overdue,
    decisions_since,
    due,
    find_decisions,
    find_immature,
    get_decision,
    insert_activations,
    insert_decisions,
    overdue_statement,
    remove_immature,
)
from bandit_platform.storage.statements import table, to_micros
from bandit_platform.storage.tables import DecisionRow

Make = Callable[..., Decision]


def stored(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(table(DecisionRow))).scalar_one()


def test_every_field_comes_back_exactly(database: Database, make_decision: Make) -> None:
    full = make_decision(
        decided_at=datetime(2026, 11, 22, 10, 0, 0, 1, tzinfo=UTC),
        expires_at=datetime(2026, 11, 29, 10, 0, 0, 999999, tzinfo=UTC),
        revision=3,
        propensity=0.1 + 0.2,
        pmf=(1 / 3, 5e-324, 0.30000000000000004),
        exclusions={
            "parking": Exclusion(
                code=ExclusionCode.CONDITION, field="country", operator="in", limit=("GB", "Å\n")
            ),
            "later": Exclusion(
                code=ExclusionCode.NOT_STARTED, moment=datetime(2027, 1, 1, 1, 2, 3, 4, tzinfo=UTC)
            ),
        },
        context={"cart_value": 1e-7, "city": 'São "Paulo"\\|\u2028', "returning": False},
        deferred=True,
        request_key="a" * 16,
        body_hash="b" * 16,
        deployment=4,
        model_versions=(7, 9),
        session_id="c" * 32,
        baseline_arms=("upgrade", "nothing"),
        parent="d" * 48,
        step="accept",
        page_id="e" * 32,
        exposures={"shown_1d": 2.0},
        cap_counts={"upgrade": 1},
        pacing={"upgrade": 0.25},
        test=True,
        arms_hash="f" * 32,
    )
    more = (
        full.draws[0],
        Draw(arm="nothing", propensity=1.0, eligible=("nothing",), pmf=(1.0,), seed="1" * 16),
    )
    slate = replace(full, decision_id="9" * 48, draws=more)
    bare = make_decision(model_versions=(), eligible=("nothing",), pmf=(1.0,), context={})
    with database.write() as connection:
        insert_decisions(connection, [full, slate, bare])
    with database.read() as connection:
        for decision in (full, slate, bare):
            found = get_decision(connection, decision.decision_id)
            assert found == decision
            assert repr(found).replace("TzInfo(0)", "datetime.timezone.utc") == repr(decision)
        assert get_decision(connection, "0" * 48) is None


def test_moments_of_any_zone_are_the_same_moment(database: Database, make_decision: Make) -> None:
    local = datetime(2026, 7, 1, 12, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    decision = make_decision(decided_at=local, expires_at=local + timedelta(hours=1))
    with database.write() as connection:
        insert_decisions(connection, [decision])
        found = get_decision(connection, decision.decision_id)
    assert found is not None
    assert found.decided_at == local
    assert found.decided_at.tzinfo is UTC


def test_a_moment_without_a_zone_is_never_stored() -> None:
    with pytest.raises(TypeError):
        to_micros(datetime(2026, 7, 1, 12))  # noqa: DTZ001 - that is the point


def test_decisions_are_stored_once_however_often_they_come(
    database: Database, make_decision: Make
) -> None:
    one, two, three = (make_decision() for _ in range(3))
    altered = make_decision(decision_id=one.decision_id, arm="upgrade")
    with database.write() as connection:
        assert insert_decisions(connection, [one, two, one, altered]) == [one, two]
    with database.write() as connection:
        assert insert_decisions(connection, [altered, three, two]) == [three]
        assert insert_decisions(connection, [one, two, three]) == []
        assert insert_decisions(connection, []) == []
    with database.read() as connection:
        assert stored(connection) == 3
        assert get_decision(connection, one.decision_id) == one
        assert count_immature(connection, one.experiment) == 3


def test_thousands_at_once_are_stored_and_found(database: Database, make_decision: Make) -> None:
    decisions = [make_decision() for _ in range(2500)]
    ids = [decision.decision_id for decision in decisions]
    with database.write() as connection:
        assert insert_decisions(connection, decisions[:1500]) == decisions[:1500]
        assert insert_decisions(connection, decisions) == decisions[1500:]
        assert len(find_decisions(connection, ids)) == 2500
        assert find_immature(connection, ids) == set(ids)
        remove_immature(connection, ids)
        assert find_immature(connection, ids) == set()


@pytest.mark.parametrize("reason", list(Reason))
def test_only_what_is_measured_waits_for_maturity(
    database: Database, make_decision: Make, reason: Reason
) -> None:
    decision = make_decision(reason=reason)
    with database.write() as connection:
        insert_decisions(connection, [decision])
        waits = count_immature(connection, decision.experiment)
    assert waits == (reason in {Reason.POLICY, Reason.UNIFORM, Reason.HOLDOUT})


def test_found_decisions_say_what_events_are_judged_by(
    database: Database, make_decision: Make
) -> None:
    decision = make_decision(reason=Reason.HOLDOUT)
    with database.write() as connection:
        insert_decisions(connection, [decision])
        found = find_decisions(connection, [decision.decision_id, "unknown"])
    assert list(found) == [decision.decision_id]
    assert found[decision.decision_id].experiment == decision.experiment
    assert found[decision.decision_id].reason is Reason.HOLDOUT
    assert found[decision.decision_id].expires_at == to_micros(decision.expires_at)


def test_decisions_are_due_when_their_window_ended_in_the_order_they_were_made(
    database: Database, make_decision: Make
) -> None:
    start = datetime(2026, 11, 22, 10, tzinfo=UTC)
    hour = timedelta(hours=1)
    late = make_decision(decided_at=start + hour, expires_at=start + 2 * hour)
    first = make_decision(decided_at=start, expires_at=start + 2 * hour)
    longer = make_decision(decided_at=start - hour, expires_at=start + 3 * hour)
    with database.write() as connection:
        insert_decisions(connection, [late, longer, first])
        end = start + 2 * hour
        assert due(connection, end - timedelta(microseconds=1), 10) == []
        assert due(connection, end, 10) == [first, late]
        assert due(connection, start + 9 * hour, 10) == [longer, first, late]
        assert len(due(connection, end, 1)) == 1
        remove_immature(connection, [first.decision_id])
        assert due(connection, end, 10) == [late]
        assert count_immature(connection, first.experiment) == 2


def test_the_first_report_of_an_activation_counts(database: Database, make_decision: Make) -> None:
    decision = make_decision(deferred=True)
    seen = decision.decided_at + timedelta(seconds=3)
    with database.write() as connection:
        insert_activations(connection, {decision.decision_id: seen})
        insert_activations(connection, {decision.decision_id: seen + timedelta(1), "other": seen})
        insert_activations(connection, {"another": seen + timedelta(1)})
        insert_activations(connection, {"another": seen})  # from a node that is behind
        assert activated(connection, ["another"]) == {"another": seen}
        assert activated(connection, [decision.decision_id, "unknown"]) == {
            decision.decision_id: seen
        }


def test_decisions_are_paged_in_the_order_they_were_made(
    database: Database, make_decision: Make
) -> None:
    moment = datetime(2026, 11, 22, 10, tzinfo=UTC)
    together = [make_decision(decided_at=moment) for _ in range(5)]
    later = [make_decision(decided_at=moment + timedelta(seconds=i)) for i in (1, 2)]
    elsewhere = make_decision(decided_at=moment, experiment="another")
    wanted = sorted(together, key=lambda decision: decision.decision_id) + later
    with database.write() as connection:
        insert_decisions(connection, [*later, elsewhere, *together])
        read: list[Decision] = []
        place = None
        for _ in range(4):
            page = decisions_since(connection, later[0].experiment, None, after=place, limit=2)
            read += page
            place = (page[-1].decided_at, page[-1].decision_id)
        assert decisions_since(connection, later[0].experiment, None, after=place, limit=2) == []
        assert read == wanted
        since = decisions_since(
            connection, later[0].experiment, later[0].decided_at, after=None, limit=9
        )
        assert since == later


def test_the_overdue_are_counted_without_reading_all_that_wait(
    sqlite_database: Database, make_decision: Make
) -> None:
    moment = datetime(2026, 11, 22, 10, tzinfo=UTC)
    ends = [moment + timedelta(seconds=second) for second in (-2, -1, 0, 1)]
    waiting = [make_decision(expires_at=end) for end in ends]
    with sqlite_database.write() as connection:
        insert_decisions(connection, [*waiting, make_decision(experiment="another")])
        assert count_overdue(connection, waiting[0].experiment, moment) == 2
        statement = overdue_statement(waiting[0].experiment, moment).compile(
            dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True}
        )
        plan = [row.detail for row in connection.execute(text(f"EXPLAIN QUERY PLAN {statement}"))]
    assert plan == ["SEARCH immature USING INDEX ix_immature_matures_at (matures_at<?)"]
