from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.errors import OutdatedError, StorageError
from bandit_platform.journal.reader import segments
from bandit_platform.journal.records import decision_line, event_line
from bandit_platform.journal.writer import JournalWriter
from bandit_platform.services.collecting.ingest import Ingest

TABLES = ("decision", "event", "activation", "immature", "counter", "journal_position")


class CrashError(Exception):
    """The process dies here."""


def crash(*_: Any, **__: Any) -> None:
    raise CrashError


def contents(world: Any, *tables: str) -> dict[str, list[Any]]:
    return {
        name: sorted(map(repr, world.rows(f"SELECT * FROM {name}")))  # noqa: S608 - our own names
        for name in tables or TABLES
    }


def counted(world: Any) -> dict[str, float]:
    return {
        row.name: row.value
        for row in world.rows("SELECT name, value FROM counter WHERE value <> 0")
    }


def some_traffic(world: Any, spec: Any) -> None:
    world.launch(spec)
    world.traffic(40)
    deferred = world.decide(defer_activation=True)
    world.server.recorder.activate(deferred.decision_id)
    world.report(deferred, "purchase", amount=12.5, currency="GBP")
    world.report(deferred, "dismiss")


def test_everything_in_the_journal_is_in_the_tables(world: Any, spec: Any) -> None:
    some_traffic(world, spec)
    made = world.ingest()
    assert made.torn == 0
    assert made.drained
    decisions = world.one("SELECT count(*) FROM decision")
    events = world.one("SELECT count(*) FROM event")
    assert decisions == 41
    assert events > 10
    assert made.records == decisions + events + 1
    assert world.one("SELECT count(*) FROM activation") == 1
    assert world.one("SELECT count(*) FROM immature") == 41
    for reason in ("uniform", "holdout"):
        stored = world.one("SELECT count(*) FROM decision WHERE reason = :r", r=reason)
        assert counted(world)[f"decisions.{reason}"] == stored > 0
    for kind in ("accept", "dismiss", "purchase"):
        stored = world.one("SELECT count(*) FROM event WHERE type = :t", t=kind)
        assert counted(world)[f"events.{kind}"] == stored > 0
    assert world.one("SELECT count(*) FROM event WHERE orphan OR late") == 0


def test_reading_the_same_journal_again_changes_nothing(world: Any, spec: Any) -> None:
    some_traffic(world, spec)
    first = world.ingest()
    before = contents(world)
    world.run("DELETE FROM journal_position")
    again = world.ingest()
    assert again.records == first.records
    assert contents(world) == before
    assert world.ingest().records == 0


def test_reading_it_again_after_maturity_changes_nothing(world: Any, spec: Any) -> None:
    some_traffic(world, spec)
    world.settle()
    before = contents(world)
    world.run("DELETE FROM journal_position")
    world.ingest()
    assert contents(world) == before
    assert world.one("SELECT count(*) FROM immature") == 0


@pytest.mark.parametrize("step", ["insert_activations", "insert_events", "add"])
def test_a_crash_inside_the_transaction_changes_nothing(
    world: Any, spec: Any, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    some_traffic(world, spec)
    world.ingest()
    world.traffic(30)
    world.server.journal.close()
    before, files = contents(world), segments(world.folder)
    with monkeypatch.context() as patch:
        patch.setattr(f"bandit_platform.services.collecting.ingest.{step}", crash)
        with pytest.raises(CrashError):
            world.ingest()
    assert contents(world) == before
    assert segments(world.folder) == files
    world.ingest()
    assert world.one("SELECT count(*) FROM decision") == 71
    assert sum(v for k, v in counted(world).items() if k.startswith("decisions.")) == 71
    assert segments(world.folder) == []


def test_a_database_that_refuses_leaves_the_segment(
    lite: Any, spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_traffic(lite, spec)
    lite.server.journal.close()
    lite.run("DROP TABLE activation")
    with pytest.raises(StorageError):
        lite.ingest()
    assert len(segments(lite.folder)) == 1
    assert lite.one("SELECT count(*) FROM decision") == 0


def test_a_segment_goes_once_its_rows_are_committed_and_its_writer_ended(
    world: Any, spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_traffic(world, spec)
    world.ingest()
    assert len(segments(world.folder)) == 1  # the writer lives
    world.server.journal.close()
    with monkeypatch.context() as patch:
        patch.setattr("bandit_platform.services.collecting.ingest.remove_segment", crash)
        with pytest.raises(CrashError):
            world.ingest()
    assert len(segments(world.folder)) == 1
    before = contents(world, "decision", "event", "counter")
    world.ingest()
    assert segments(world.folder) == []
    assert world.one("SELECT count(*) FROM journal_position") == 0
    assert contents(world, "decision", "event", "counter") == before


def test_a_crash_between_deleting_and_forgetting_is_harmless(
    world: Any, spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_traffic(world, spec)
    world.server.journal.close()
    with monkeypatch.context() as patch:
        patch.setattr("bandit_platform.services.collecting.ingest.forget_journal_position", crash)
        with pytest.raises(CrashError):
            world.ingest()
    assert segments(world.folder) == []
    before = contents(world, "decision", "event", "counter")
    world.ingest()
    assert contents(world, "decision", "event", "counter") == before


def test_many_small_segments_are_one_journal(world: Any, spec: Any) -> None:
    world.launch(spec)
    server = world.new_server(segment_bytes=2000)
    for number in range(30):
        world.decide(f"u{number}", server=server)
    assert len(segments(world.folder)) >= 6
    world.ingest()
    assert world.one("SELECT count(*) FROM decision") == 30
    server.journal.close()
    world.ingest()
    assert segments(world.folder) == []


def hidden(path: Path) -> Path:
    return path.rename(path.with_suffix(".elsewhere"))


def test_events_read_before_their_decision_wait_for_it(world: Any, spec: Any) -> None:
    world.launch(spec)
    decision = world.measured()
    world.server.journal.close()
    (path,) = segments(world.folder)
    away = hidden(path)
    world.report(decision, "accept", event_id="in time")
    world.report(decision, "dismiss", event_id="too")
    world.ingest()
    assert world.one("SELECT count(*) FROM event WHERE orphan") == 2
    assert counted(world) == {}
    world.report(decision, "accept", event_id="in time")  # a repeat, from a fresh memory
    away.rename(path)
    world.ingest()
    assert world.one("SELECT count(*) FROM event WHERE orphan") == 0
    assert (counted(world)["events.accept"], counted(world)["events.dismiss"]) == (1, 1)
    before = contents(world, "event", "counter")
    world.run("DELETE FROM journal_position")
    world.ingest()
    assert contents(world, "event", "counter") == before
    world.settle()
    reward = world.one(
        "SELECT reward FROM interaction WHERE decision_id = :d", d=decision.decision_id
    )
    assert reward == pytest.approx(0.9)


def test_an_orphan_that_came_late_is_flagged_when_its_decision_arrives(
    world: Any, spec: Any
) -> None:
    world.launch(spec)
    decision = world.measured()
    world.server.journal.close()
    (path,) = segments(world.folder)
    away = hidden(path)
    world.clock.advance(3601)
    world.report(decision, "accept", event_id="late")
    world.ingest()
    away.rename(path)
    world.ingest()
    ((late, orphan),) = world.rows("SELECT late, orphan FROM event")
    assert (bool(late), bool(orphan)) == (True, False)
    assert counted(world)["late"] == 1
    world.mature()
    assert world.one("SELECT reward FROM interaction") == 0.0


def test_decisions_and_events_of_one_round_need_no_order(
    world: Any, spec: Any, make_decision: Any, make_event: Any
) -> None:
    world.launch(spec)
    decision = make_decision(decided_at=world.clock.now)
    first = JournalWriter(world.folder, segment_bytes=10_000_000)
    first.append(event_line(make_event(decision)))
    second = JournalWriter(world.folder, segment_bytes=10_000_000)
    second.append(decision_line(decision))
    first.close()
    second.close()
    world.ingest()
    assert world.one("SELECT count(*) FROM event WHERE orphan") == 0
    assert counted(world)["events.accept"] == 1


def test_an_event_after_the_window_is_late(world: Any, spec: Any) -> None:
    world.launch(spec)
    decision = world.measured()
    at_the_end = decision.expires_at
    world.clock.advance(3600.5)
    world.report(decision, event_id="last moment", occurred_at=at_the_end)
    world.report(decision, event_id="after", occurred_at=at_the_end + timedelta(microseconds=1))
    world.ingest()
    late = {row.event_id for row in world.rows("SELECT event_id FROM event WHERE late")}
    assert late == {"after"}
    assert counted(world)["late"] == 1
    assert counted(world)["events.accept"] == 2


def test_an_event_that_arrives_after_its_decision_matured_is_late(world: Any, spec: Any) -> None:
    world.launch(spec)
    decision = world.measured()
    world.settle()
    world.clock.advance(1)
    world.report(decision, occurred_at=decision.decided_at + timedelta(seconds=1))
    world.ingest()
    assert world.one("SELECT count(*) FROM event WHERE late") == 1
    assert world.one("SELECT late_because FROM event") == "reported_late"
    assert counted(world)["late"] == counted(world)["late.reported_late"] == 1
    assert world.one("SELECT reward FROM interaction") == 0.0


def test_an_event_of_an_unmeasured_decision_is_late_by_time_only(world: Any, spec: Any) -> None:
    world.launch(spec)
    world.change("pause")
    decision = world.decide()
    world.report(decision, event_id="inside")
    world.clock.advance(3601)
    world.report(decision, event_id="outside")
    world.ingest()
    late = {row.event_id for row in world.rows("SELECT event_id FROM event WHERE late")}
    assert late == {"outside"}


def test_lines_that_are_no_records_are_kept_and_counted(world: Any, spec: Any) -> None:
    some_traffic(world, spec)
    bad = [b'{"k":"decision","id":"torn\n', b'{"k":"nothing known"}\n', b"[]\n"]
    world.server.journal.append(b"".join(bad))
    world.decide()
    world.server.journal.append(b'{"k":"event","decision":"with no newline at the end')
    alive = world.ingest()
    assert (alive.torn, alive.damaged) == (0, 3)
    assert not alive.drained  # the last line may still grow
    assert world.one("SELECT count(*) FROM decision") == 42
    kept = sorted(world.folder.glob("*.damaged"), key=lambda path: int(path.stem.split("-")[-1]))
    assert [path.read_bytes() for path in kept] == bad
    world.server.journal.close()
    ended = world.ingest()
    assert (ended.torn, ended.damaged, ended.records, ended.drained) == (1, 0, 0, True)
    assert world.counter("journal.torn", key="") == 1
    assert world.counter("journal.damaged", key="") == 3
    assert segments(world.folder) == []


@pytest.mark.parametrize(
    ("header", "what"),
    [
        (b'{"k":"journal","format":2,"version":"9.9"}\n', "written by version 9.9"),
        (b'{"k":"decision","id":"1"}\n', "a development version"),
    ],
)
def test_ingest_stops_at_a_segment_it_cannot_read_and_keeps_everything(
    world: Any, spec: Any, header: bytes, what: str
) -> None:
    world.launch(spec)
    decision = world.decide()
    world.server.journal.close()
    (segment,) = segments(world.folder)
    written = segment.read_bytes()
    _, _, records = written.partition(b"\n")
    segment.write_bytes(header + records)
    for _ in range(2):
        with pytest.raises(OutdatedError, match=what):
            world.ingest()
    assert segment.read_bytes() == header + records
    assert world.one("SELECT count(*) FROM decision") == 0
    segment.write_bytes(written)
    world.ingest()
    assert world.one("SELECT decision_id FROM decision") == decision.decision_id


def test_a_decision_recorded_twice_is_the_first_one(
    world: Any, spec: Any, make_decision: Any
) -> None:
    world.launch(spec)
    first = make_decision(decided_at=world.clock.now, arm="upgrade", propensity=0.1)
    second = make_decision(decision_id=first.decision_id, decided_at=world.clock.now)
    journal = JournalWriter(world.folder, segment_bytes=10_000_000)
    journal.append(decision_line(first) + decision_line(second))
    world.ingest()
    journal.append(decision_line(second))
    world.ingest()
    journal.close()
    assert world.one("SELECT arm FROM decision") == "upgrade"
    assert counted(world)["decisions.policy"] == 1


def test_the_first_activation_counts(world: Any, spec: Any) -> None:
    world.launch(spec)
    decision = world.measured(defer_activation=True)
    moments = []
    for _ in range(2):
        world.server.recorder.activate(decision.decision_id)
        moments.append(world.clock.now)
        world.clock.advance(10)
    world.ingest()
    world.server.recorder.activate(decision.decision_id)
    world.ingest()
    ((stored,),) = world.rows("SELECT activated_at FROM activation")
    assert stored == int(moments[0].timestamp()) * 1_000_000 + moments[0].microsecond


def test_an_empty_or_missing_journal_is_drained(lite: Any, tmp_path: Path) -> None:
    made = Ingest(lite.database, tmp_path / "no such folder").run_once()
    assert (made.records, made.torn, made.drained) == (0, 0, True)


def test_a_long_journal_takes_more_than_one_round(
    lite: Any, spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_traffic(lite, spec)
    read = "bandit_platform.services.collecting.ingest.read_chunk"
    from bandit_platform.journal.reader import read_chunk  # noqa: PLC0415 - beside its patch

    monkeypatch.setattr(read, lambda path, offset: read_chunk(path, offset, limit=5000))
    first = lite.ingest()
    assert 0 < first.records < 41
    assert not first.drained
    rounds = 1
    while not lite.ingest().drained:
        rounds += 1
    assert rounds > 2
    assert lite.one("SELECT count(*) FROM decision") == 41


def test_two_nodes_that_ingest_at_once_leave_no_orphan(
    make_world: Any, database: Any, clock: Any, spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = make_world(database, clock, "one"), make_world(database, clock, "two")
    one.launch(spec)
    decision = one.measured()
    two.report(decision)
    inserted, event_stored = threading.Event(), threading.Event()
    module = "bandit_platform.services.collecting.ingest"
    from bandit_platform.services.collecting.ingest import _adopt  # noqa: PLC0415 - beside its patch

    def slow(*arguments: Any) -> Any:
        adopted = _adopt(*arguments)
        if threading.current_thread().name == "one":
            inserted.set()
            event_stored.wait(1.0)  # the other node's transaction runs now, unless it must wait
        return adopted

    monkeypatch.setattr(f"{module}._adopt", slow)
    errors: list[BaseException] = []

    def run(world: Any, before: threading.Event | None, after: threading.Event | None) -> None:
        try:
            if before is not None:
                before.wait(10)
            world.ingest()
        except BaseException as error:  # noqa: BLE001 - shown by the test
            errors.append(error)
        if after is not None:
            after.set()

    threads = [
        threading.Thread(target=run, args=(one, None, None), name="one"),
        threading.Thread(target=run, args=(two, inserted, event_stored), name="two"),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert errors == []
    assert one.one("SELECT count(*) FROM event") == 1
    assert one.one("SELECT count(*) FROM event WHERE orphan") == 0
    assert counted(one)["events.accept"] == 1


def test_what_a_draft_is_asked_and_told_stands_apart(world: Any, spec: Any) -> None:
    world.apply(spec)
    decision = world.decide()
    world.report(decision, "accept")
    world.ingest()
    assert (world.counter("decisions.draft"), world.counter("test_events")) == (1, 1)
    assert world.counter("events.accept") == 0
    assert world.one("SELECT count(*) FROM immature") == 0
