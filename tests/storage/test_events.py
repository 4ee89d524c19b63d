from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from bandit_platform.domain.decision import Decision
from bandit_platform.domain.event import Event, Lateness
from bandit_platform.storage.database import Database
from bandit_platform.storage.events import (
    adopt_orphans,
    count_orphans,
    events_of,
    insert_events,
    mark_late,
)

MakeDecision = Callable[..., Decision]
MakeEvent = Callable[..., Event]


def on_time(*events: Event) -> list[tuple[Event, bool, bool]]:
    return [(event, None, False) for event in events]


def key_of(event: Event) -> tuple[str, str]:
    return event.decision_id, event.event_id


def test_every_field_comes_back_exactly(
    database: Database, make_decision: MakeDecision, make_event: MakeEvent
) -> None:
    decision = make_decision()
    full = make_event(
        decision, type="purchase", amount=0.1 + 0.2, currency="GBP", event_id="Å|\n'", trusted=False
    )
    bare = make_event(decision, trusted=True)
    with database.write() as connection:
        assert insert_events(connection, on_time(full, bare)) == {key_of(full), key_of(bare)}
    with database.read() as connection:
        (found, other) = events_of(connection, [decision.decision_id])[decision.decision_id]
    assert {repr(found), repr(other)} == {repr((full, None)), repr((bare, None))}


def test_events_come_in_the_order_they_happened(
    database: Database, make_decision: MakeDecision, make_event: MakeEvent
) -> None:
    decision = make_decision()
    moments = [decision.decided_at + timedelta(seconds=s) for s in (30, 10, 20, 10)]
    events = [make_event(decision, occurred_at=moment) for moment in moments]
    with database.write() as connection:
        insert_events(connection, on_time(*events))
        found = [event for event, _ in events_of(connection, [decision.decision_id]).popitem()[1]]
    assert found == [events[1], events[3], events[2], events[0]]


def test_an_event_counts_once_however_often_it_comes(
    database: Database, make_decision: MakeDecision, make_event: MakeEvent
) -> None:
    decision, another = make_decision(), make_decision()
    event = make_event(decision, event_id="e-1", amount=1.0)
    altered = make_event(decision, event_id="e-1", amount=99.0)
    elsewhere = make_event(another, event_id="e-1", amount=2.0)
    with database.write() as connection:
        assert insert_events(connection, on_time(event, event, altered)) == {key_of(event)}
    with database.write() as connection:
        assert insert_events(connection, on_time(altered, elsewhere)) == {key_of(elsewhere)}
        assert insert_events(connection, []) == set()
        found = events_of(connection, [decision.decision_id, another.decision_id])
    assert found == {
        decision.decision_id: [(event, None)],
        another.decision_id: [(elsewhere, None)],
    }


def test_late_events_are_kept_and_flagged(
    database: Database, make_decision: MakeDecision, make_event: MakeEvent
) -> None:
    decision = make_decision()
    late, becomes_late, stays = (make_event(decision) for _ in range(3))
    with database.write() as connection:
        insert_events(
            connection, [(late, Lateness.ARRIVED_LATE, False), *on_time(becomes_late, stays)]
        )
        mark_late(connection, [key_of(becomes_late)])
        flags = dict(events_of(connection, [decision.decision_id])[decision.decision_id])
    assert flags == {late: Lateness.ARRIVED_LATE, becomes_late: Lateness.AFTER_WINDOW, stays: None}


def test_orphans_wait_for_their_decision(
    database: Database, make_decision: MakeDecision, make_event: MakeEvent
) -> None:
    known, unknown = make_decision(), make_decision()
    orphans = [make_event(known), make_event(known), make_event(unknown)]
    with database.write() as connection:
        insert_events(connection, [(event, None, True) for event in orphans])
        insert_events(connection, on_time(make_event(known)))
        assert count_orphans(connection) == 3
        adopted = adopt_orphans(connection, [known.decision_id, "another"])
        assert {row.event_id for row in adopted} == {event.event_id for event in orphans[:2]}
        assert count_orphans(connection) == 1
        assert adopt_orphans(connection, [known.decision_id]) == []


@pytest.mark.parametrize("of_one_decision", [1, 4])
def test_an_orphan_is_found_among_very_many_others(
    database: Database, make_decision: MakeDecision, make_event: MakeEvent, of_one_decision: int
) -> None:
    decision = make_decision()
    unknown = [make_decision() for _ in range(600 // of_one_decision)]
    others = [make_event(each) for each in unknown for _ in range(of_one_decision)]
    event = make_event(decision)
    with database.write() as connection:
        insert_events(connection, [(each, None, True) for each in (*others, event)])
        adopted = adopt_orphans(connection, [decision.decision_id, "unknown"])
    assert [row.event_id for row in adopted] == [event.event_id]
    with database.read() as connection:
        assert count_orphans(connection) == 600
