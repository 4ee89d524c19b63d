from __future__ import annotations

import errno
import math
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bandit_platform.domain.identity import new_decision_id
from bandit_platform.errors import JournalError, NotFoundError
from bandit_platform.journal.reader import read_chunk, segments
from bandit_platform.journal.records import Activation
from bandit_platform.services.serving.record_events import EventRecorder
from bandit_platform.web.bodies import EventItem


def event(decision_id: str, event_id: str = "e", **changed: Any) -> EventItem:
    fields: dict[str, Any] = {
        "event_id": event_id,
        "decision_id": decision_id,
        "type": "accept",
        "amount": None,
        "currency": None,
        "occurred_at": None,
    }
    return EventItem.model_construct(**{**fields, **changed})


def journal_records(world: Any) -> list[Any]:
    return [r for path in segments(world.folder) for r in read_chunk(path, 0).records]


@pytest.fixture
def decision_id(lite: Any, spec: Any) -> str:
    """A decision that was made; the journal holds only what follows."""
    lite.launch(spec)
    made: str = lite.decide().decision_id
    lite.server.journal.close()
    for path in segments(lite.folder):
        path.unlink()
    return made


def test_an_outcome_is_in_the_journal_once_it_is_acknowledged(lite: Any, decision_id: str) -> None:
    occurred = lite.clock.now - timedelta(seconds=30)
    receipt = lite.report(
        decision_id, "purchase", event_id="e1", amount=59.9, currency="GBP", occurred_at=occurred
    )
    assert (receipt.event_id, receipt.status, receipt.why) == ("e1", "accepted", None)
    (stored,) = journal_records(lite)
    assert stored.decision_id == decision_id
    assert (stored.event_id, stored.type, stored.amount, stored.currency) == (
        "e1",
        "purchase",
        59.9,
        "GBP",
    )
    assert (stored.occurred_at, stored.received_at) == (occurred, lite.clock.now)
    assert stored.trusted


def test_an_outcome_without_a_moment_happened_when_it_came(lite: Any, decision_id: str) -> None:
    lite.report(decision_id, trusted=False)
    (stored,) = journal_records(lite)
    assert stored.occurred_at == stored.received_at == lite.clock.now
    assert not stored.trusted


@pytest.mark.parametrize(
    "forged",
    ["", "x" * 48, "0" * 48, "é" * 48, "0" * 47, "0" * 64],
)
def test_an_id_that_was_never_issued_is_rejected(lite: Any, decision_id: str, forged: str) -> None:
    receipt = lite.report(forged)
    assert (receipt.status, receipt.why) == ("rejected", "decision_id was never issued here")
    assert journal_records(lite) == []


def test_ids_of_another_deployment_or_with_one_changed_digit_are_rejected(
    lite: Any, decision_id: str
) -> None:
    foreign = new_decision_id(b"another secret, also longer than 32 bytes", "e", lite.clock.now)
    swapped = ("1" if decision_id[0] == "0" else "0") + decision_id[1:]
    for wrong in (foreign, swapped, decision_id.upper(), decision_id[:-1] + "g"):
        assert lite.report(wrong).status == "rejected"
    assert journal_records(lite) == []


@pytest.mark.parametrize(
    "kind", ["", "Accept", "1st", "two words", "line\nbreak", "accept\n", "a" * 65, "_x", "é"]
)
def test_a_type_must_be_a_lower_case_word(lite: Any, decision_id: str, kind: str) -> None:
    receipt = lite.report(decision_id, kind)
    assert receipt.status == "rejected"
    assert receipt.why == "type must be a lower-case word of at most 64 characters"
    assert journal_records(lite) == []


@pytest.mark.parametrize("kind", ["a", "repeat-purchase", "x_1", "a" * 64])
def test_any_lower_case_word_is_a_type(lite: Any, decision_id: str, kind: str) -> None:
    assert lite.report(decision_id, kind).status == "accepted"
    assert [record.type for record in journal_records(lite)] == [kind]


@pytest.mark.parametrize("amount", [math.nan, math.inf, -math.inf, 1.1e12, -1.7e308])
def test_an_amount_must_be_a_number_of_money(lite: Any, decision_id: str, amount: float) -> None:
    receipt = lite.report(decision_id, "purchase", amount=amount)
    assert (receipt.status, receipt.why) == (
        "rejected",
        "amount must be a finite number of at most 1e12 either way",
    )
    assert journal_records(lite) == []


def test_the_future_is_refused_beyond_five_minutes_of_skew(lite: Any, decision_id: str) -> None:
    now = lite.clock.now
    late = lite.report(decision_id, occurred_at=now + timedelta(minutes=5, microseconds=1))
    assert (late.status, late.why) == ("rejected", "occurred_at lies in the future")
    assert lite.report(decision_id, occurred_at=now + timedelta(minutes=5)).status == "accepted"
    (stored,) = journal_records(lite)
    assert stored.occurred_at == now  # never after it was received


@pytest.mark.parametrize(
    "moment",
    [
        datetime.min.replace(tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=datetime.fromisoformat("2000-01-01T00:00:00+14:00").tzinfo),
        datetime(1969, 12, 31, 23, 59, tzinfo=UTC),
    ],
)
def test_a_moment_no_decision_can_have_had_is_refused(
    lite: Any, decision_id: str, moment: datetime
) -> None:
    receipt = lite.report(decision_id, occurred_at=moment)
    assert (receipt.status, receipt.why) == ("rejected", "occurred_at is before 1970")
    assert journal_records(lite) == []


def test_an_event_id_that_no_table_can_hold_is_refused(lite: Any, decision_id: str) -> None:
    receipt = lite.report(decision_id, event_id="e\x00")
    assert (receipt.status, receipt.why) == ("rejected", "event_id must not hold a NUL character")
    assert journal_records(lite) == []


def test_receipts_come_in_the_order_of_the_batch(lite: Any, decision_id: str) -> None:
    receipts = lite.server.recorder.record(
        [
            event(decision_id, "a"),
            event("0" * 48, "b"),
            event(decision_id, "a"),
            event(decision_id, "c", amount=math.nan),
            event(decision_id, "d"),
        ],
        trusted=True,
    )
    assert [(receipt.event_id, receipt.status) for receipt in receipts] == [
        ("a", "accepted"),
        ("b", "rejected"),
        ("a", "duplicate"),
        ("c", "rejected"),
        ("d", "accepted"),
    ]
    assert [(r.event_id, r.type) for r in journal_records(lite)] == [
        ("a", "accept"),
        ("d", "accept"),
    ]


def test_an_event_id_belongs_to_its_decision(lite: Any, decision_id: str) -> None:
    other = lite.decide()
    assert lite.report(decision_id, event_id="same").status == "accepted"
    assert lite.report(other, event_id="same").status == "accepted"
    assert lite.report(decision_id, event_id="same").status == "duplicate"


@pytest.mark.parametrize(
    ("minutes", "status"),
    [(-600, "rejected"), (-5.01, "rejected"), (-5, "accepted"), (0, "accepted")],
)
def test_an_outcome_dated_before_its_decision_is_rejected(
    lite: Any, decision_id: str, minutes: float, status: str
) -> None:
    issued = new_decision_id(lite.secret, "checkout-offers", lite.clock.now)
    lite.clock.advance(3600)
    moment = lite.clock.now - timedelta(hours=1, milliseconds=lite.clock.now.microsecond / 1000 % 1)
    (receipt,) = lite.server.recorder.record(
        [event(issued, occurred_at=moment + timedelta(minutes=minutes))], trusted=True
    )
    assert receipt.status == status
    assert receipt.why == ("occurred_at is before the decision" if status == "rejected" else None)


def test_the_id_by_a_request_key_tells_no_time(lite: Any, decision_id: str) -> None:
    """This one follows from a request key, so ingest judges."""
    report = event(decision_id, occurred_at=lite.clock.now - timedelta(days=30))
    assert lite.server.recorder.record([report], trusted=True)[0].status == "accepted"


CONFLICT = "event_id was already used for this decision with different content"


def purchase(decision_id: str, amount: float = 50.0, **changed: Any) -> EventItem:
    return event(decision_id, "order-1", type="purchase", amount=amount, currency="GBP", **changed)


def test_a_server_takes_an_id_from_a_page_and_a_page_none_from_a_server(
    lite: Any, decision_id: str
) -> None:
    record = lite.server.recorder.record

    def answer(item: EventItem, trusted: bool) -> tuple[str, str | None]:
        (receipt,) = record([item], trusted=trusted)
        return receipt.status, receipt.why

    assert answer(purchase(decision_id, 1.0), False) == ("accepted", None)
    assert answer(purchase(decision_id, 1.0), False) == ("duplicate", None)
    assert answer(purchase(decision_id, 50.0), True) == ("accepted", None)
    assert answer(purchase(decision_id, 50.0), True) == ("duplicate", None)
    assert answer(purchase(decision_id, 50.0), False) == ("duplicate", None)
    assert answer(purchase(decision_id, 1.0), False) == ("rejected", CONFLICT)
    assert answer(purchase(decision_id, 60.0), True) == ("rejected", CONFLICT)
    assert [(each.amount, each.trusted) for each in journal_records(lite)] == [
        (1.0, False),
        (50.0, True),
    ]


def test_the_same_report_by_a_server_confirms_what_a_page_said(lite: Any, decision_id: str) -> None:
    for trusted in (False, True):
        (receipt,) = lite.server.recorder.record([purchase(decision_id)], trusted=trusted)
        assert receipt.status == "accepted"
    assert [each.trusted for each in journal_records(lite)] == [False, True]


@pytest.mark.parametrize(
    "changed",
    [
        {"type": "return"},
        {"amount": None},
        {"amount": 50.01},
        {"currency": "USD"},
        {"currency": None},
        {"occurred_at": datetime(2026, 11, 22, 10, tzinfo=UTC)},
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
def test_only_an_equal_report_is_a_duplicate(
    lite: Any, decision_id: str, changed: dict[str, Any], at_once: bool
) -> None:
    fields = {"type": "purchase", "amount": 50.0, "currency": "GBP"}
    fields["occurred_at"] = datetime(2026, 11, 22, 9, tzinfo=UTC)  # type: ignore[assignment]
    first = event(decision_id, "order-1", **fields)
    other = event(decision_id, "order-1", **{**fields, **changed})
    record = lite.server.recorder.record
    if at_once:
        receipts = record([first, first, other], trusted=True)
    else:
        receipts = [record([each], trusted=True)[0] for each in (first, first, other)]
    assert [each.status for each in receipts] == ["accepted", "duplicate", "rejected"]
    assert len(journal_records(lite)) == 1


@pytest.mark.parametrize("stated", [None, datetime(2026, 11, 22, 10, 4, tzinfo=UTC)])
def test_a_repeat_later_is_a_duplicate_whatever_the_clock(
    lite: Any, decision_id: str, stated: datetime | None
) -> None:
    statuses = []
    for _ in range(2):  # the sender's clock is ahead of ours at first
        (receipt,) = lite.server.recorder.record(
            [purchase(decision_id, occurred_at=stated)], trusted=True
        )
        statuses.append(receipt.status)
        lite.clock.advance(600)
    assert statuses == ["accepted", "duplicate"]


def test_nothing_is_acknowledged_that_could_not_be_written(
    lite: Any, decision_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(JournalError):
            lite.server.recorder.record([event(decision_id, "a")], trusted=True)
        with pytest.raises(JournalError):
            lite.server.recorder.activate(decision_id)
    # the failure is not remembered as having been seen
    (receipt,) = lite.server.recorder.record([event(decision_id, "a")], trusted=True)
    assert receipt.status == "accepted"
    assert [record.event_id for record in journal_records(lite)] == ["a"]


def test_a_batch_of_which_half_reached_the_disk_leaves_no_trace(
    lite: Any, decision_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: real(fd, data[: len(data) // 2]))
        with pytest.raises(JournalError):
            lite.server.recorder.record(
                [event(decision_id, "a"), event(decision_id, "b")], trusted=True
            )
    lite.server.recorder.record([event(decision_id, "c")], trusted=True)
    assert [record.event_id for record in journal_records(lite)] == ["c"]


def test_the_memory_of_seen_events_is_bounded(
    lite: Any, decision_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bandit_platform.services.serving.record_events._REMEMBERED", 3)
    recorder = EventRecorder(
        lite.server.journal, lite.secret, lite.clock, lite.server.registry.knows
    )
    statuses = [
        recorder.record([event(decision_id, name)], trusted=True)[0].status
        for name in ("a", "b", "c", "d", "a", "e", "f", "g", "a")
    ]
    assert statuses == ["accepted"] * 4 + ["duplicate"] + ["accepted"] * 4
    assert len(recorder._seen) + len(recorder._seen_before) <= 6


def test_only_issued_decisions_are_activated(lite: Any, decision_id: str) -> None:
    with pytest.raises(NotFoundError, match="no such decision"):
        lite.server.recorder.activate("0" * 48)
    lite.server.recorder.activate(decision_id)
    assert journal_records(lite) == [
        Activation(decision_id=decision_id, activated_at=lite.clock.now)
    ]
