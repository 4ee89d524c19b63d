"""Many rows at once: what is new, and every value exactly as it was."""

from __future__ import annotations

from collections.abc import Callable

from bandit_platform.domain.decision import Decision
from bandit_platform.domain.event import Event, Lateness
from bandit_platform.domain.exclusion import Exclusion, ExclusionCode
from bandit_platform.storage.database import Database
from bandit_platform.storage.decisions import get_decision, insert_decisions
from bandit_platform.storage.events import events_of, insert_events
from tests.support.decisions import redrawn

ODD = 'tab\t newline\n backslash\\N quote" \\. ünï🎟'
UNLIKE_ODD = Exclusion(code=ExclusionCode.CONDITION, field="country", operator="ne", limit=ODD)


def test_rows_already_there_stay_and_the_others_come_back_as_they_were(
    database: Database, make_decision: Callable[..., Decision]
) -> None:
    decisions = [
        make_decision(
            context={"country": ODD, "cart_value": 0.1 + 0.2, "returning": number % 2 == 0},
            exclusions={"upgrade": UNLIKE_ODD} if number % 3 else None,
            request_key=None if number % 2 else "11" * 8,
            model_versions=() if number % 5 else (number,),
            pmf=(1e-17, 1 / 3, 2 / 3 - 1e-17),
        )
        for number in range(1200)
    ]
    with database.write() as connection:
        assert insert_decisions(connection, decisions[:300]) == decisions[:300]
    changed = [redrawn(decision, arm="nothing") for decision in decisions[200:300]]
    with database.write() as connection:
        assert insert_decisions(connection, changed + decisions[300:]) == decisions[300:]
    with database.read() as connection:
        for decision in decisions[::7] + decisions[200:300]:
            assert get_decision(connection, decision.decision_id) == decision


def test_two_large_inserts_fit_in_one_transaction(
    database: Database,
    make_decision: Callable[..., Decision],
    make_event: Callable[..., Event],
) -> None:
    decision = make_decision()
    events = [make_event(decision, event_id=f"{ODD}{n}", amount=n / 7) for n in range(500)]
    with database.write() as connection:
        insert_decisions(connection, [decision])
        first = insert_events(connection, [(event, None, False) for event in events[:300]])
        second = insert_events(
            connection, [(event, Lateness.AFTER_WINDOW, False) for event in events]
        )
    assert (len(first), len(second)) == (300, 200)
    with database.read() as connection:
        found = events_of(connection, [decision.decision_id])[decision.decision_id]
    assert {event.event_id: event for event, _ in found} == {e.event_id: e for e in events}
    assert sum(late is not None for _, late in found) == 200
