from __future__ import annotations

from collections.abc import Callable

import pytest

from bandit_platform.domain.decision import Decision
from bandit_platform.errors import StorageError
from bandit_platform.storage.database import Database
from bandit_platform.storage.decisions import insert_decisions
from bandit_platform.storage.interactions import (
    Interaction,
    insert_interactions,
    interaction_of,
    last_timeline_point,
    newest_decided_at,
    policy_interactions,
    put_timeline_point,
    put_unit_totals,
    timeline,
    unit_totals,
)
from bandit_platform.storage.statements import to_micros

Make = Callable[..., Decision]


@pytest.fixture
def mature(database: Database) -> Callable[..., None]:
    """Stores decisions and numbers their interactions, in the order given."""

    def store(*decisions: Decision, policy_traffic: bool = True) -> None:
        with database.write() as connection:
            insert_decisions(connection, decisions)
            insert_interactions(
                connection, [(each, 0.1 + 0.2, False, policy_traffic) for each in decisions]
            )

    return store


def test_interactions_are_numbered_in_the_order_given(
    database: Database, make_decision: Make, mature: Callable[..., None]
) -> None:
    decisions = [make_decision() for _ in range(1203)]
    shuffled = decisions[600:] + decisions[:600]
    mature(*shuffled[:700])
    mature(*shuffled[700:])
    with database.read() as connection:
        found = policy_interactions(connection, decisions[0].experiment, 0, limit=5000)
        assert [each.decision for each in found] == shuffled
        assert [each.number for each in found] == list(range(1, 1204))
        assert all(each.reward == 0.1 + 0.2 for each in found)


def test_a_number_is_never_given_twice_even_after_a_failure(
    database: Database, make_decision: Make, mature: Callable[..., None]
) -> None:
    first, second = make_decision(), make_decision()
    mature(first)

    def fail() -> None:
        with database.write() as connection:
            insert_interactions(connection, [(second, 1.0, False, True)])
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    mature(second)
    with database.read() as connection:
        assert interaction_of(connection, first.decision_id) == (1, 0.1 + 0.2, False)
        assert interaction_of(connection, second.decision_id) == (2, 0.1 + 0.2, False)
        assert interaction_of(connection, "unknown") is None


def test_a_decision_matures_once(
    database: Database, make_decision: Make, mature: Callable[..., None]
) -> None:
    decision = make_decision()
    mature(decision)
    with pytest.raises(StorageError):
        mature(decision)


def test_the_holdout_is_numbered_but_never_learned_from(
    database: Database, make_decision: Make, mature: Callable[..., None]
) -> None:
    one, held, two = (make_decision() for _ in range(3))
    mature(one)
    mature(held, policy_traffic=False)
    mature(two)
    with database.read() as connection:
        found = policy_interactions(connection, one.experiment, 0, limit=9)
    assert [(each.number, each.decision) for each in found] == [(1, one), (3, two)]
    assert found[0] == Interaction(number=1, decision=one, reward=0.1 + 0.2, policy_traffic=True)


def test_a_walk_goes_on_behind_its_cursor_within_its_experiment(
    database: Database, make_decision: Make, mature: Callable[..., None]
) -> None:
    mine = [make_decision() for _ in range(5)]
    mature(*mine[:2], make_decision(experiment="another"), *mine[2:])
    with database.read() as connection:

        def numbers(after: int, **limits: int) -> list[int]:
            found = policy_interactions(
                connection, mine[0].experiment, after, **{"limit": 9, **limits}
            )
            return [each.number for each in found]

        assert numbers(0) == [1, 2, 4, 5, 6]
        assert numbers(2) == [4, 5, 6]
        assert numbers(0, limit=2) == [1, 2]
        assert numbers(1, up_to=5) == [2, 4, 5]
        assert numbers(6) == []
        assert newest_decided_at(connection, mine[0].experiment) == to_micros(mine[4].decided_at)
        assert newest_decided_at(connection, "unknown") is None


def test_clips_are_kept(database: Database, make_decision: Make) -> None:
    decision = make_decision()
    with database.write() as connection:
        insert_decisions(connection, [decision])
        insert_interactions(connection, [(decision, 2.0, True, True)])
        insert_interactions(connection, [])
        assert interaction_of(connection, decision.decision_id) == (1, 2.0, True)


def test_totals_of_units_are_replaced(database: Database) -> None:
    with database.write() as connection:
        put_unit_totals(connection, "e", {"u": (False, 0.1), "v": (True, -2.0)})
        put_unit_totals(connection, "e", {"u": (False, 0.1 + 0.2)})
        put_unit_totals(connection, "f", {"u": (True, 9.0)})
        put_unit_totals(connection, "f", {})
        assert unit_totals(connection, "e", ["u", "v", "w"]) == {
            "u": (False, 0.1 + 0.2),
            "v": (True, -2.0),
        }


def test_the_timeline_is_in_order_and_its_points_are_replaced(database: Database) -> None:
    with database.write() as connection:
        assert last_timeline_point(connection, "e") == 0
        for interactions, payload in ((20, "b"), (10, "a"), (20, "c")):
            put_timeline_point(connection, "e", interactions, 1_700_000_000_000_000, payload)
        put_timeline_point(connection, "f", 99, 1, "x")
        assert timeline(connection, "e") == [
            (10, 1_700_000_000_000_000, "a"),
            (20, 1_700_000_000_000_000, "c"),
        ]
        assert last_timeline_point(connection, "e") == 20
