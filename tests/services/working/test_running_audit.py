"""The worker looks at every decision once, within its time, and goes on where it stopped."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from bandit_platform.errors import UnavailableError
from bandit_platform.services.reporting.audit import audit
from bandit_platform.services.working.running_audit import RunningAudit
from bandit_platform.storage.audit_state import AuditState, audit_states
from bandit_platform.storage.forget import UnitTraces, forget_unit
from tests.services.conftest import HOLDER, KEY


class Stopwatch:
    """Every look takes as long as it is told."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.now = 0.0
        self.seconds = seconds

    def __call__(self) -> float:
        self.now += self.seconds
        return self.now


def state(world: Any) -> AuditState:
    with world.database.read() as connection:
        found: AuditState = audit_states(connection)[KEY]
    return found


def look(world: Any, running: RunningAudit, until: Any = None) -> int:
    return running.step(HOLDER, [KEY], until or world.clock(), world.clock())


@pytest.fixture
def busy(world: Any, spec: Any) -> Any:
    """Five hundred decisions, most of them by a model."""
    world.launch(spec)
    world.traffic(60)
    world.settle()
    world.learn()
    world.traffic(440, seconds=0.1)
    world.ingest()
    world.lead()
    world.clock.advance(0.01)
    return world


def test_every_decision_is_looked_at_once(busy: Any) -> None:
    running = RunningAudit(busy.database, busy.secret, stopwatch=Stopwatch())
    assert [look(busy, running) for _ in range(4)] == [200, 200, 100, 0]
    assert (state(busy).checked, state(busy).mismatches, state(busy).newest) == (500, 0, ())
    again = RunningAudit(busy.database, busy.secret, stopwatch=Stopwatch())
    assert look(busy, again) == 0
    busy.clock.advance(1)
    busy.decide()
    busy.ingest()
    busy.clock.advance(1)
    assert look(busy, again) == 1
    assert state(busy).checked == 501


def test_what_was_altered_is_kept_with_what_differs(busy: Any) -> None:
    victim = busy.one("SELECT decision_id FROM decision WHERE reason = 'policy' LIMIT 1")
    busy.run("UPDATE decision SET propensity = 0.111 WHERE decision_id = :id", id=victim)
    running = RunningAudit(busy.database, busy.secret, stopwatch=Stopwatch())
    while look(busy, running):
        pass
    assert state(busy).mismatches == len(audit(busy.database, busy.secret, KEY).mismatches) == 1
    assert state(busy).newest == ((victim, "the propensity is not the arm's probability"),)


def test_a_row_that_cannot_be_read_is_told_of_and_holds_up_nothing(busy: Any) -> None:
    victim = busy.one("SELECT max(decision_id) FROM decision")
    busy.run("UPDATE decision SET pmf = 'torn' WHERE decision_id = :id", id=victim)
    running = RunningAudit(busy.database, busy.secret, stopwatch=Stopwatch())
    while look(busy, running):
        pass
    assert (state(busy).checked, state(busy).mismatches) == (500, 1)
    assert state(busy).newest == ((victim, "its row cannot be read: ValueError"),)


def test_what_may_still_arrive_is_not_passed_over(busy: Any) -> None:
    running = RunningAudit(busy.database, busy.secret, stopwatch=Stopwatch())
    until = busy.clock() - timedelta(seconds=20)
    while look(busy, running, until):
        pass
    late = busy.one("SELECT count(*) FROM decision") - state(busy).checked
    assert 190 <= late <= 210
    while look(busy, running):
        pass
    assert state(busy).checked == 500


def test_it_takes_a_small_share_of_the_time(busy: Any) -> None:
    stopwatch = Stopwatch(seconds=1.0)
    running = RunningAudit(busy.database, busy.secret, share=0.05, stopwatch=stopwatch)
    looks = [look(busy, running) for _ in range(60)]
    assert [place for place, checked in enumerate(looks) if checked] == [0, 19, 38]


def test_only_the_leader_writes(busy: Any) -> None:
    running = RunningAudit(busy.database, busy.secret, stopwatch=Stopwatch())
    with pytest.raises(UnavailableError):
        running.step("somebody else", [KEY], busy.clock(), busy.clock())
    with busy.database.read() as connection:
        assert audit_states(connection) == {}


def test_experiments_take_turns(world: Any, spec: Any, spec_text: str) -> None:
    world.launch(spec)
    world.launch(spec_text.replace(KEY, "another"))
    for _ in range(3):
        world.clock.advance(1)
        world.decide()
        world.decide(experiment="another")
    world.ingest()
    world.lead()
    world.clock.advance(1)
    running = RunningAudit(world.database, world.secret, stopwatch=Stopwatch())
    for _ in range(2):
        assert running.step(HOLDER, {KEY, "another"}, world.clock(), world.clock()) == 3
    with world.database.read() as connection:
        assert {key: one.checked for key, one in audit_states(connection).items()} == {
            KEY: 3,
            "another": 3,
        }


def test_a_forgotten_unit_is_named_by_no_audit(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    decision = lite.measured()
    lite.ingest()
    lite.run("UPDATE decision SET propensity = 0.111")
    lite.lead()
    lite.clock.advance(1)
    running = RunningAudit(lite.database, lite.secret, stopwatch=Stopwatch())
    assert look(lite, running) >= 1
    assert decision.decision_id in dict(state(lite).newest)
    with lite.database.write() as connection:
        forget_unit(connection, decision.unit, UnitTraces(decisions={decision.decision_id}))
    assert decision.decision_id not in str(lite.rows("SELECT * FROM audit_state"))
    assert state(lite).mismatches >= 1
    lite.decide()
    lite.ingest()
    lite.clock.advance(1)
    assert look(lite, running) == 1
