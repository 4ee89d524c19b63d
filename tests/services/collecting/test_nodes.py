"""Maturity waits for every node's journal, for a dead one only so long, and says so."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.bootstrap import build, build_serving
from bandit_platform.domain.actor import PLATFORM
from bandit_platform.errors import ConflictError, NotFoundError
from bandit_platform.journal.node import has_writers, node_id, note_writer
from bandit_platform.journal.writer import JournalWriter
from bandit_platform.services.collecting.node_ingest import NodeIngest
from bandit_platform.services.collecting.nodes import ThisNode, retire_node
from bandit_platform.services.reporting.trace import trace
from bandit_platform.services.serving.readiness import loop_warnings
from bandit_platform.services.serving.upkeep import UpkeepWatch
from bandit_platform.settings import Settings
from bandit_platform.storage.nodes import Node, nodes

WAIT = timedelta(seconds=60)
REWARDED = "SELECT count(*) FROM interaction WHERE reward = 1.0"
MATURED = "SELECT count(*) FROM interaction"


@pytest.fixture
def pair(make_world: Callable[..., Any], database: Any, clock: Any, spec: Any) -> tuple[Any, Any]:
    """Two nodes, each with a journal of its own, on one database; both have announced themselves.

    The first decided, and the second acknowledged an outcome of each decision.
    """
    first, second = make_world(database, clock, "one"), make_world(database, clock, "two")
    first.launch(spec)
    second.refresh()
    decisions = [first.measured() for _ in range(5)]
    for decision in decisions:
        second.report(decision)
    for world in (first, second):
        ThisNode(world.folder).announce(database, clock())
    clock.advance(3700)
    return first, second


@pytest.fixture
def stopwatch(clock: Any) -> Any:
    """Seconds since the beginning, by a clock that is set."""
    watch = type(clock)()
    began = watch.now

    def read() -> float:
        return float((watch.now - began).total_seconds())

    read.advance = watch.advance  # type: ignore[attr-defined]
    return read


def known(world: Any) -> tuple[Node, ...]:
    with world.database.read() as connection:
        return nodes(connection)


def ingest(world: Any) -> NodeIngest:
    return NodeIngest(world.database, world.folder, world.clock, iter(range(10**6)).__next__)


def rounds(worker: Any, stopwatch: Any, seconds: int) -> None:
    for _ in range(seconds):
        worker.round()
        stopwatch.advance(1)


def test_the_leader_waits_for_what_another_node_acknowledged(pair: tuple[Any, Any]) -> None:
    first, second = pair
    worker = first.worker()
    worker.round()
    assert first.one(MATURED) == 0
    mover = ingest(second)
    mover.round()
    worker.round()
    assert (first.one(MATURED), first.one(REWARDED)) == (5, 5)
    assert first.counter("late") == 0


def test_a_node_without_records_is_waited_for_until_its_journal_was_read(
    pair: tuple[Any, Any],
) -> None:
    """What it has acknowledged is not known before."""
    first, second = pair
    ingest(second).round()
    worker = first.worker()
    later = first.measured()
    first.clock.advance(3700)
    worker.round()
    assert [row.decision_id for row in first.rows("SELECT decision_id FROM immature")] == [
        later.decision_id
    ]


def test_one_node_does_not_wait_for_itself(pair: tuple[Any, Any]) -> None:
    first, second = pair
    second.server.journal.close()
    ingest(second).finish(1000)
    assert [node.node_id for node in known(first)] == [node_id(first.folder)]
    first.worker().round()
    assert first.one(REWARDED) == 5


def test_a_dead_node_is_waited_for_only_so_long_and_its_events_are_late_arrivals(
    pair: tuple[Any, Any], stopwatch: Any
) -> None:
    first, second = pair
    worker = first.worker(node_wait=WAIT, stopwatch=stopwatch)
    rounds(worker, stopwatch, 60)
    assert first.one(MATURED) == 0
    rounds(worker, stopwatch, 2)
    assert (first.one(MATURED), first.one(REWARDED)) == (5, 0)
    (given_up,) = [node for node in known(first) if node.given_up_at]
    assert given_up.node_id == node_id(second.folder)
    ingest(second).round()
    late = first.rows("SELECT decision_id, late, late_because FROM event")
    assert {(bool(row.late), row.late_because) for row in late} == {(True, "arrived_late")}
    assert first.counter("late") == first.counter("late.arrived_late") == 5
    assert all(node.given_up_at is None for node in known(first))  # it is back
    (told,) = trace(first.database, "checkout-offers", late[0].decision_id)["events"]
    assert told["why"].startswith("arrived late: acknowledged in time")


def test_a_node_that_lives_is_waited_for_without_end(pair: tuple[Any, Any], stopwatch: Any) -> None:
    """Its serve announces it again and again, and nothing ingests."""
    first, second = pair
    worker = first.worker(node_wait=WAIT, stopwatch=stopwatch)
    alive = ThisNode(second.folder)
    for _ in range(10):
        rounds(worker, stopwatch, 30)
        first.clock.advance(30)
        alive.announce(second.database, second.clock())
    assert first.one(MATURED) == 0


def test_nobody_is_silent_while_the_leader_cannot_look(
    pair: tuple[Any, Any], stopwatch: Any
) -> None:
    first, second = pair
    worker = first.worker(node_wait=WAIT, stopwatch=stopwatch)
    worker.round()
    stopwatch.advance(3600)  # the database was away for everybody
    rounds(worker, stopwatch, 3)
    ingest(second).round()
    worker.round()
    assert first.one(REWARDED) == 5


def test_a_node_that_was_given_up_is_not_waited_for_by_the_next_leader(
    pair: tuple[Any, Any], stopwatch: Any
) -> None:
    first, _ = pair
    rounds(first.worker(node_wait=WAIT, stopwatch=stopwatch), stopwatch, 62)
    decision = first.measured()
    first.clock.advance(3700)
    first.worker(lease=1e6).round()
    first.run("UPDATE lease SET expires_at = 0")
    first.worker(node_wait=WAIT, stopwatch=stopwatch).round()
    found = "SELECT count(*) FROM interaction WHERE decision_id = :d"
    assert first.one(found, d=decision.decision_id) == 1


def test_a_node_whose_processes_ended_and_whose_journal_is_empty_owes_nothing(
    pair: tuple[Any, Any],
) -> None:
    first, second = pair
    mover = ingest(second)
    mover.round()
    assert len(known(first)) == 2  # its server lives
    second.server.journal.close()
    mover.finish(1000)
    assert [node.node_id for node in known(first)] == [node_id(first.folder)]


def test_ingest_takes_over_at_its_end_what_a_server_appended_at_its_own(
    pair: tuple[Any, Any],
) -> None:
    first, second = pair
    second.server.journal.close()
    ingest(second).finish(1000)
    assert first.one("SELECT count(*) FROM event") == 5
    assert node_id(second.folder) not in {node.node_id for node in known(first)}


def test_a_node_that_is_behind_keeps_the_moment_up_to_which_it_is_not(
    pair: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal of which only a part could be read is not drained."""
    _, second = pair
    before = {node.node_id: node.drained_until for node in known(second)}
    from bandit_platform.services.collecting import ingest as module  # noqa: PLC0415

    whole = module.read_chunk
    monkeypatch.setattr(module, "read_chunk", lambda path, at: whole(path, at, 400))
    ingest(second).round()
    second.clock.advance(1)
    own = node_id(second.folder)
    (after,) = [node for node in known(second) if node.node_id == own]
    assert after.drained_until == before[own]
    monkeypatch.undo()
    ingest(second).round()
    (after,) = [node for node in known(second) if node.node_id == own]
    assert after.drained_until == second.clock()


def test_serve_announces_its_node_before_it_answers(tmp_path: Path, sqlite_url: str) -> None:
    settings = Settings(data_dir=tmp_path / "data", database_url=sqlite_url)
    with closing(build(settings).database) as database:
        serving = build_serving(settings)
        try:
            with database.read() as connection:
                (found,) = nodes(connection)
            assert found.node_id == node_id(settings.journal_dir)
        finally:
            serving.registry.close()
            serving.upkeep.close()
            serving.journal.close()


def test_the_first_announcement_says_how_far_the_journal_is(pair: tuple[Any, Any]) -> None:
    """The database was away when the node began to acknowledge."""
    first, second = pair
    first.run("DELETE FROM node")
    ThisNode(second.folder).announce(second.database, second.clock())
    (found,) = known(second)
    assert second.clock() - found.drained_until == timedelta(seconds=3700)
    second.ingest()
    first.run("DELETE FROM node")
    ThisNode(second.folder).announce(second.database, second.clock())
    (found,) = known(second)
    assert found.drained_until == second.clock()


def test_waiting_is_shown(pair: tuple[Any, Any], stopwatch: Any) -> None:
    first, second = pair
    worker = first.worker(node_wait=WAIT, stopwatch=stopwatch)
    worker.round()
    watch = UpkeepWatch(first.database, first.folder, first.clock)
    watch.refresh()
    (warning,) = loop_warnings(watch.look())
    (other,) = [node for node in known(first) if node.node_id == node_id(second.folder)]
    assert warning.startswith(
        f"maturity waits for node {other.label}, whose journal is 3700 s behind"
    )
    rounds(worker, stopwatch, 62)
    watch.refresh()
    (warning,) = loop_warnings(watch.look())
    assert "maturity no longer waits for it" in warning
    assert f"bandit-platform node retire {other.node_id}" in warning


def test_a_node_that_will_not_come_back_is_retired(pair: tuple[Any, Any]) -> None:
    first, second = pair
    own = node_id(second.folder)
    with pytest.raises(NotFoundError):
        retire_node(first.database, "nowhere", first.clock(), PLATFORM)
    with pytest.raises(ConflictError, match="2 nodes match this name"):
        retire_node(first.database, known(first)[0].host, first.clock(), PLATFORM)
    ThisNode(second.folder).announce(second.database, second.clock())
    with pytest.raises(ConflictError, match="stop its processes first"):
        retire_node(first.database, own[:8], first.clock(), PLATFORM)
    first.clock.advance(60)
    assert retire_node(first.database, own[:8], first.clock(), PLATFORM).node_id == own
    assert own not in {node.node_id for node in known(first)}
    assert first.one("SELECT count(*) FROM audit_log WHERE what = 'node.retired'") == 1
    first.worker().round()
    assert first.one(MATURED) == 5


def test_the_identity_stays_and_damage_to_it_makes_another(tmp_path: Path) -> None:
    made = node_id(tmp_path)
    assert node_id(tmp_path) == made
    (tmp_path / "node").write_bytes(b"")
    again = node_id(tmp_path)
    assert again != made
    assert (node_id(tmp_path), len(again)) == (again, 16)
    assert [path.name for path in tmp_path.iterdir()] == ["node"]


def test_writers_are_seen_while_they_live(tmp_path: Path) -> None:
    folder = tmp_path / "journal"
    assert not has_writers(folder)
    writers = [JournalWriter(folder, segment_bytes=1000) for _ in range(2)]
    for writer in writers:
        assert has_writers(folder)
        writer.close()
    assert not has_writers(folder)
    assert note_writer(Path("/proc/nowhere")) is None
