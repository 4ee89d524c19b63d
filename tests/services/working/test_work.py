from __future__ import annotations

import threading
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from bandit_platform.errors import PolicyError, StorageError, UnavailableError
from bandit_platform.services.learning.learn import Learner

KEY = "checkout-offers"


def interactions(world: Any) -> int:
    return int(world.one("SELECT count(*) FROM interaction"))


def version(world: Any) -> int:
    return int(world.one("SELECT coalesce(max(version), 0) FROM model_version"))


def finish(world: Any, worker: Any) -> int:
    """Rounds until there is nothing left to do."""
    rounds = 1
    while worker.round():
        rounds += 1
    world.refresh()
    return rounds


def test_a_round_ingests_matures_learns_and_publishes(world: Any, spec: Any) -> None:
    world.launch(spec)
    world.traffic(60)
    world.clock.advance(3700)
    worker = world.worker()
    assert worker.round()
    assert not worker.round()
    assert interactions(world) == 60
    learned = world.one("SELECT count(*) FROM interaction WHERE policy_traffic")
    assert {state.interactions for state in world.states().values()} == {learned}
    assert version(world) == 1
    world.refresh()
    assert world.measured().model_version == 1


def test_a_second_worker_waits_and_takes_over_after_the_lease(world: Any, spec: Any) -> None:
    world.launch(spec)
    first, second = world.worker(lease=5.0), world.worker(lease=5.0)
    first.round()
    world.traffic(30)
    world.clock.advance(3700)
    first.round()
    matured = interactions(world)
    assert matured == 30
    world.traffic(30, seconds=0.1)
    world.clock.now = world.clock.now + timedelta(seconds=3600)
    first.round()  # renews the lease
    before = (interactions(world), world.states(), version(world))
    world.traffic(10, seconds=0.01)
    world.clock.advance(4.8)
    assert second.round()  # it does ingest: the records of its node
    assert not second.round()
    assert (interactions(world), world.states(), version(world)) == before
    world.clock.advance(3700)  # the first has not been heard of for long
    second.round()
    assert interactions(world) == 70
    finish(world, second)
    assert {s.interactions for s in world.states().values()} == {
        world.one("SELECT count(*) FROM interaction WHERE policy_traffic")
    }
    # now the first one comes back, is not the leader and changes nothing
    world.traffic(10)
    world.clock.advance(0.5)
    world.ingest()
    after = (interactions(world), world.states(), version(world))
    assert not first.round()
    assert (interactions(world), world.states(), version(world)) == after


def test_a_worker_that_loses_its_lease_within_a_round_changes_nothing_more(
    world: Any, spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.launch(spec)
    world.traffic(40)
    world.clock.advance(3700)
    slow, other = world.worker(lease=5.0), world.worker(lease=5.0)
    stopped_at: list[Any] = []
    real = Learner.learn

    def interrupted(learner: Learner, *arguments: Any) -> Any:
        if learner is slow._learner:  # the process stood still here for ten seconds
            world.clock.advance(10)
            other.round()
            stopped_at.append((world.states(), version(world)))
        return real(learner, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "learn", interrupted)
        with pytest.raises(UnavailableError, match="another worker leads"):
            slow.round()
    ((states, published),) = stopped_at
    assert (world.states(), version(world)) == (states, published)
    assert published == 1
    assert {s.interactions for s in states.values()} == {
        world.one("SELECT count(*) FROM interaction WHERE policy_traffic")
    }
    assert world.recomputed() == {name: s.accumulator for name, s in world.states().items()}


def test_a_worker_that_stops_lets_the_next_one_lead_at_once(world: Any, spec: Any) -> None:
    world.launch(spec)
    world.traffic(10)
    first, second = world.worker(), world.worker()
    stop = threading.Event()
    stop.set()
    first.round()
    first.run(stop, 0.01)
    world.clock.advance(3700)
    second.round()
    assert interactions(world) == 10


def test_a_worker_that_starts_again_goes_on_where_the_last_one_ended(world: Any, spec: Any) -> None:
    world.launch(spec)
    for _ in range(4):
        world.traffic(25)
        world.clock.advance(3700)
        finish(world, world.worker())  # another process each time
    assert interactions(world) == 100
    assert version(world) == 4
    assert world.recomputed() == {name: s.accumulator for name, s in world.states().items()}


def test_what_was_learned_is_published_when_it_is_due_though_nothing_more_comes(
    world: Any, spec_text: str
) -> None:
    world.launch(spec_text.replace('publish_every = "1s"', 'publish_every = "10m"'))
    worker = world.worker()
    world.traffic(20)
    world.clock.advance(3700)
    finish(world, worker)
    published = world.clock.now
    assert version(world) == 1
    world.traffic(20)
    late = world.worker()  # a restart must not forget that a version is owed
    for current in (worker, late):
        world.clock.now = published + timedelta(seconds=20)
        world.run("UPDATE immature SET matures_at = 0")
        finish(world, current)
        world.run("UPDATE lease SET expires_at = 0")
    assert interactions(world) == 40
    assert version(world) == 1
    world.clock.now = published + timedelta(minutes=10, seconds=-1)
    finish(world, late)
    assert version(world) == 1
    world.clock.advance(1)
    finish(world, late)
    assert version(world) == 2
    assert world.one("SELECT interactions FROM model_version WHERE version = 2") == (
        world.states()["serving"].interactions
    )


def test_a_new_candidate_catches_up_without_new_traffic(
    world: Any, spec: Any, spec_text: str
) -> None:
    world.launch(spec)
    worker = world.worker()
    world.traffic(40)
    world.clock.advance(3700)
    finish(world, worker)
    softer = '[[candidates]]\nname = "softer"\nexploration = "softmax"\n\n[holdout]'
    world.apply(spec_text.replace("[holdout]", softer))
    world.clock.advance(1)
    finish(world, worker)
    states = world.states()
    assert states["softer"].interactions == states["serving"].interactions > 0


def test_a_stopped_experiment_is_finished_and_an_archived_one_left_alone(
    world: Any, spec: Any
) -> None:
    world.launch(spec)
    worker = world.worker()
    world.traffic(20)
    world.change("stop")
    world.clock.advance(3700)
    finish(world, worker)
    learned = world.states()["serving"].interactions
    assert learned == world.counter("interactions.policy") > 0
    world.change("archive")
    world.run("DELETE FROM policy_state")
    finish(world, worker)
    finish(world, world.worker())
    assert world.states() == {}


def test_one_experiment_that_cannot_be_learned_does_not_hold_up_another(
    lite: Any, spec: Any, spec_text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lite.launch(spec)
    lite.launch(spec_text.replace("checkout-offers", "zebra"))
    lite.traffic(10)
    for _ in range(10):
        lite.decide(experiment="zebra")
    lite.clock.advance(3700)
    real = Learner.learn

    def learn(learner: Learner, key: str, now: Any) -> Any:
        if key == KEY:
            raise RuntimeError("VW broke")
        return real(learner, key, now)

    worker = lite.worker()
    with monkeypatch.context() as patch:
        patch.setattr(Learner, "learn", learn)
        finish(lite, worker)
    assert lite.states("zebra")["serving"].interactions == lite.counter(
        "interactions.policy", key="zebra"
    )
    assert lite.states() == {}
    # once it can be learned again it is, as soon as there is something new
    lite.traffic(10)
    lite.clock.advance(3700)
    finish(lite, worker)
    assert lite.states()["serving"].interactions == lite.counter("interactions.policy")


@pytest.mark.parametrize("refusal", [StorageError("no such value"), PolicyError("VW broke")])
def test_rows_that_the_database_or_a_model_refuses_hold_up_no_other_experiment(
    lite: Any, spec: Any, spec_text: str, monkeypatch: pytest.MonkeyPatch, refusal: Exception
) -> None:
    lite.launch(spec)
    lite.launch(spec_text.replace("checkout-offers", "zebra"))
    for _ in range(10):
        lite.decide()
        lite.decide(experiment="zebra")
    lite.clock.advance(3700)
    real = Learner.learn

    def learn(learner: Learner, key: str, now: Any) -> Any:
        if key == KEY:
            raise refusal
        return real(learner, key, now)

    worker = lite.worker()
    monkeypatch.setattr(Learner, "learn", learn)
    for _ in range(4):
        with suppress(StorageError):  # which a worker's loop logs, and goes on
            worker.round()
    assert lite.states("zebra")["serving"].interactions == lite.counter(
        "interactions.policy", key="zebra"
    )


def test_an_experiment_whose_spec_cannot_be_read_waits_and_holds_up_no_other(
    world: Any, spec: Any, spec_text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    world.launch(spec)
    world.launch(spec_text.replace("checkout-offers", "zebra"))
    worker = world.worker()
    good = world.one("SELECT spec FROM revision WHERE experiment = :key", key=KEY)
    for _ in range(10):
        world.decide()
        world.decide(experiment="zebra")
    world.run("UPDATE revision SET spec = '{\"unknown\": 1}' WHERE experiment = :key", key=KEY)
    world.clock.advance(3700)
    for _ in range(5):
        worker.round()
    assert "".join(capfd.readouterr()).count("experiment waits") == 1
    assert world.rows("SELECT * FROM policy_state WHERE experiment = :key", key=KEY) == []
    assert world.one("SELECT count(*) FROM immature") == 10
    assert world.counter("interactions.policy", key="zebra") > 0
    assert world.states("zebra")["serving"].interactions == world.counter(
        "interactions.policy", key="zebra"
    )
    world.run("UPDATE revision SET spec = :spec WHERE experiment = :key", spec=good, key=KEY)
    world.clock.advance(1)
    finish(world, worker)
    assert world.one("SELECT count(*) FROM immature") == 0
    assert world.states()["serving"].interactions == world.counter("interactions.policy")


@pytest.mark.parametrize("error", [UnavailableError("database away"), OverflowError("what?")])
def test_trouble_in_a_round_does_not_end_the_worker(
    lite: Any, spec: Any, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    lite.launch(spec)
    lite.traffic(10)
    lite.clock.advance(3700)
    worker, stop = lite.worker(), threading.Event()
    real = worker.round
    rounds: list[bool] = []

    def troubled() -> bool:
        if not rounds:
            rounds.append(False)
            raise error
        rounds.append(real())
        if not rounds[-1]:
            stop.set()
        return rounds[-1]

    monkeypatch.setattr(worker, "round", troubled)
    thread = threading.Thread(target=worker.run, args=(stop, 0.01))
    thread.start()
    thread.join(30)
    assert not thread.is_alive()
    assert rounds == [False, True, False]
    assert interactions(lite) == 10
    assert lite.one("SELECT expires_at FROM lease") == 0


def test_an_idle_worker_does_nothing(lite: Any) -> None:
    assert not lite.worker().round()
