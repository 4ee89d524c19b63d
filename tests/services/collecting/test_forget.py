"""Forgetting a unit: nothing of it stays, nothing of the others goes, and work goes on."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from bandit_platform.domain.actor import Actor
from bandit_platform.domain.identity import pseudonym
from bandit_platform.journal import erase
from bandit_platform.services.collecting.forget import Forgotten, forget
from bandit_platform.services.collecting.ingest import Ingest
from bandit_platform.services.reporting.report import experiment_report
from bandit_platform.storage.audit_log import entries
from bandit_platform.web.bodies import EventItem

TABLES = ("decision", "event", "activation", "immature", "interaction", "unit_total")
ANN = "ann@shop.example"


def run(world: Any, unit: str = ANN) -> Forgotten:
    return forget(world.database, world.folder, world.secret, unit, pause=0.0)


def counts(world: Any) -> dict[str, int]:
    return {name: world.one(f"SELECT count(*) FROM {name}") for name in TABLES}  # noqa: S608


def visits(world: Any, unit: str, times: int = 3) -> list[Any]:
    decisions = [world.decide(unit) for _ in range(times)]
    decisions.append(world.decide(unit, defer_activation=True))
    world.server.recorder.activate(decisions[-1].decision_id)
    for decision in decisions:
        world.report(decision, "accept")
    return decisions


def test_every_row_of_the_unit_goes_and_no_other(world: Any, spec: Any) -> None:
    world.launch(spec)
    visits(world, "somebody else")
    world.settle()
    visits(world, "somebody else")
    world.ingest()
    before = counts(world)
    visits(world, ANN)
    world.settle()
    visits(world, ANN)
    world.ingest()
    found = run(world)
    assert found.unit == pseudonym(world.secret, ANN)
    assert found.rows["decisions"] == found.rows["events"] == 8
    assert found.rows["activations"] == 2
    assert found.rows["unit totals"] == 1
    after = counts(world)
    report = experiment_report(world.database, spec.key, world.clock())
    assert report.counts.immature == after["immature"]
    # the pass of time matured what the other had waiting
    assert after["interaction"] + after["immature"] == before["interaction"] + before["immature"]
    assert [after[n] for n in TABLES if n not in {"interaction", "immature"}] == [
        before[n] for n in TABLES if n not in {"interaction", "immature"}
    ]
    assert run(world) == Forgotten(unit=found.unit, rows=dict.fromkeys(found.rows, 0), journal=0)


def test_records_that_wait_in_the_journal_go_and_the_others_arrive(world: Any, spec: Any) -> None:
    world.launch(spec)
    visits(world, "before")
    visits(world, ANN)
    visits(world, "after")
    found = run(world)
    assert found.journal == 9
    assert found.rows["decisions"] == 0
    unit = pseudonym(world.secret, ANN)
    assert unit not in "".join(path.read_text() for path in world.folder.glob("*.jsonl"))
    visits(world, "later")  # the writer goes on in the same segment
    ingested = world.ingest()
    assert ingested.torn == 0
    assert counts(world)["decision"] == 12
    assert world.rows("SELECT * FROM decision WHERE unit = :unit", unit=unit) == []


def test_what_was_ingested_leaves_the_open_segment_too(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    visits(lite, ANN)
    lite.ingest()
    found = run(lite)
    assert found.journal == 9
    assert found.rows["decisions"] == 4


def test_not_a_byte_of_it_stays_in_the_database_file(lite: Any, spec: Any, tmp_path: Path) -> None:
    lite.launch(spec)
    decisions = visits(lite, ANN, times=40)
    lite.settle()
    run(lite)
    files = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert pseudonym(lite.secret, ANN).encode() not in files
    assert not [d for d in decisions if d.decision_id.encode() in files]


def test_learning_goes_on_after_the_newest_interactions_were_forgotten(
    world: Any, spec: Any
) -> None:
    world.launch(spec)
    for number in range(20):
        world.decide(f"unit-{number}")
    measured = next(u for u in map("newest-{}".format, range(99)) if _learns(world, u))
    world.settle()
    learner = world.learner()
    learned = world.learn(learner)
    assert learned > 1
    run(world, measured)
    made = [world.measured() for _ in range(5)]
    world.settle()
    assert world.learn(learner) == len(made)
    assert world.states()["serving"].interactions == learned + len(made)


def _learns(world: Any, unit: str) -> bool:
    return bool(world.decide(unit).reason != "holdout")


def test_ingest_at_the_same_time_brings_nothing_back(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    stop = Event()
    ingest = Ingest(lite.database, lite.folder)

    def work() -> None:
        while not stop.is_set():
            ingest.run_once()

    thread = Thread(target=work)
    thread.start()
    try:
        for _ in range(10):
            visits(lite, ANN)
            visits(lite, "somebody else")
            forget(lite.database, lite.folder, lite.secret, ANN, pause=0.05)
    finally:
        stop.set()
        thread.join()
    ingest.run_once()
    run(lite)
    unit = pseudonym(lite.secret, ANN)
    assert lite.rows("SELECT * FROM decision WHERE unit = :unit", unit=unit) == []
    assert counts(lite)["decision"] == 40
    assert lite.counter("journal.torn", "") == 0


@pytest.mark.parametrize("blanked", range(3))
def test_what_was_killed_half_way_goes_on_when_it_is_called_again(
    lite: Any, spec: Any, monkeypatch: pytest.MonkeyPatch, blanked: int
) -> None:
    """The unit's decision and what happened after it wait in two segments of the journal."""
    lite.launch(spec)
    decision = lite.decide(ANN)
    other = lite.new_server()
    report = EventItem(event_id="e", decision_id=decision.decision_id, type="accept")
    other.recorder.record([report], trusted=True)
    left = blanked

    def killed(path: Path, offsets: list[int]) -> int:
        nonlocal left
        if not left:
            raise KeyboardInterrupt
        left -= 1
        return blank(path, offsets)

    blank = erase._blank
    with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
        patch.setattr(erase, "_blank", killed)
        run(lite)
    run(lite)
    lite.ingest()
    assert counts(lite) == dict.fromkeys(TABLES, 0)


@pytest.mark.parametrize("unit", ["nobody", "", "'; DROP TABLE decision; --", "%"])
def test_a_stranger_is_nothing_to_forget(lite: Any, spec: Any, unit: str) -> None:
    lite.launch(spec)
    visits(lite, ANN)
    lite.ingest()
    assert not any(run(lite, unit).rows.values())
    assert counts(lite)["decision"] == 4


def test_the_audit_log_tells_how_much_was_forgotten_but_not_of_whom(world: Any, spec: Any) -> None:
    world.launch(spec)
    visits(world, ANN)
    world.settle()
    by = Actor(kind="command-line", name="dora")
    forget(world.database, world.folder, world.secret, ANN, by=by, pause=0.0)
    with world.database.read() as connection:
        told = [entry for entry in entries(connection) if entry.what == "unit.forgotten"]
    assert [entry.by for entry in told] == [by]
    removed = {change.path: change.before for change in told[0].difference}
    assert removed["decisions"] == 4
    for name in (ANN, pseudonym(world.secret, ANN)):
        assert name not in str(told)
