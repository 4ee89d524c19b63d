"""Frozen models and published versions: what servers may pick up, and when."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bandit_platform.policies.arguments import model_hash, vowpal_arguments
from bandit_platform.policies.vowpal import blob_hash
from bandit_platform.services.reporting.audit import audit
from bandit_platform.services.reporting.report import experiment_report
from bandit_platform.simulation.proof import check_learned
from bandit_platform.storage.models import model_blob, newest_version
from tests.services.learned_world import ALL_POLICIES, collected, versions

KEY = "checkout-offers"


def blob_of(world: Any, version: int) -> bytes:
    with world.database.read() as connection:
        stored = model_blob(connection, KEY, version)
    assert stored is not None
    assert blob_hash(stored[0]) == stored[1]
    return stored[0]


def frozen(spec_text: str) -> str:
    return spec_text.replace("floor = 0.1", 'floor = 0.1\nmode = "frozen"', 1)


def test_a_frozen_policy_serves_one_version_and_its_model_learns_on(
    world: Any, spec_text: str
) -> None:
    collected(world, spec_text, 60)
    learner = world.learner()
    world.apply(frozen(spec_text))
    pinned = versions(world)[-1].version
    assert world.deployments.current(KEY).deployment.champion_version == pinned
    before = world.models()["serving"].interactions
    for _ in range(2):
        decisions = world.traffic(40)
        world.settle()
        world.learn(learner)
        served = {d.model_versions for d in decisions if d.reason == "policy"}
        assert served == {(pinned,)}
    assert world.models()["serving"].interactions > before + 40, "the model learns on"
    assert versions(world)[-1].version == pinned, "and nothing of it is published"
    # the pinned version has a row of its own, valued as it is served: every weight is one
    row = world.states()[f"version:{pinned}"]
    decided = sum(d.reason == "policy" for d in world.stored() if d.model_versions == (pinned,))
    assert row.interactions >= decided > 50
    since = world.one("SELECT interactions FROM model_version WHERE version = :v", v=pinned)
    assert since + row.interactions == world.states()["serving"].interactions
    assert check_learned(world.database, KEY) == []
    assert audit(world.database, world.secret, KEY).mismatches == ()
    report = experiment_report(world.database, KEY, world.clock(), whole=True)
    line = next(one for one in report.policies if one.kind == "version")
    assert (line.name, line.role, line.before) == (f"version:{pinned}", "champion", since)


def test_leaving_frozen_serves_what_was_learned_meanwhile_at_once(
    lite: Any, spec_text: str
) -> None:
    collected(lite, spec_text, 60)
    lite.apply(frozen(spec_text))
    lite.traffic(40)
    lite.settle()
    lite.learn()
    pinned = versions(lite)[-1].version
    model = lite.models()["serving"]
    lite.apply(spec_text)
    newest = versions(lite)[-1]
    assert (newest.version, newest.interactions) == (pinned + 1, model.interactions)
    assert blob_of(lite, newest.version) == model.blob
    assert lite.measured().model_versions == (newest.version,)
    assert lite.deployments.current(KEY).deployment.champion_version is None


def test_frozen_before_anything_was_learned_pins_the_first_version(
    lite: Any, spec_text: str
) -> None:
    lite.launch(frozen(spec_text))
    assert lite.measured().reason == "uniform"
    learner = lite.learner()
    for _ in range(3):
        lite.traffic(30)
        lite.settle()
        lite.learn(learner)
    assert [row.version for row in versions(lite)] == [1]
    current = lite.deployments.current(KEY).deployment
    assert (current.number, current.champion_version, current.action) == (2, 1, "pin")
    decision = lite.measured()
    assert (decision.deployment, decision.model_versions) == (2, (1,))
    lite.ingest()
    assert audit(lite.database, lite.secret, KEY).mismatches == ()


def test_versions_are_published_at_most_every_so_often(lite: Any, spec_text: str) -> None:
    lite.launch(spec_text.replace('publish_every = "1s"', 'publish_every = "10m"'))
    learner = lite.learner()
    lite.traffic(30)
    lite.settle()
    first = learner.learn(KEY, lite.clock())
    assert first.publish_at is None
    assert [row.version for row in versions(lite)] == [1]
    published = lite.clock.now
    lite.traffic(30)
    lite.clock.now = published + timedelta(minutes=9)
    lite.ingest()
    lite.mature(published + timedelta(hours=3))
    second = learner.learn(KEY, lite.clock())
    assert second.taken > 0
    assert second.publish_at == published + timedelta(minutes=10)
    assert [row.version for row in versions(lite)] == [1]
    # it is published when it is due, although nothing more came
    third = learner.learn(KEY, published + timedelta(minutes=10))
    assert (third.taken, third.publish_at) == (0, None)
    newest = versions(lite)[-1]
    assert (newest.version, newest.interactions) == (2, lite.states()["serving"].interactions)
    assert blob_of(lite, 2) == lite.models()["serving"].blob
    # and not again while nothing was learned
    learner.learn(KEY, published + timedelta(days=1))
    assert versions(lite)[-1] == newest


def test_a_version_says_what_it_is(world: Any, spec: Any) -> None:
    collected(world, spec, 60)
    with world.database.read() as connection:
        newest = newest_version(connection, KEY)
    assert newest is not None
    assert newest.model_hash == model_hash(spec.policy)
    assert newest.arguments == vowpal_arguments(spec.policy)
    assert newest.blob_hash == blob_hash(blob_of(world, newest.version))
    assert newest.interactions == world.states()["serving"].interactions


def test_nothing_is_published_before_anything_was_learned(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    lite.learn()
    assert versions(lite) == []


def test_a_uniform_experiment_publishes_nothing_and_values_its_candidates(
    lite: Any, spec_text: str
) -> None:
    collected(lite, spec_text.replace("floor = 0.1", 'floor = 0.1\nmode = "uniform"'), 60)
    assert versions(lite) == []
    assert set(lite.states()) == ALL_POLICIES - {"serving"}
    assert lite.recomputed() == {n: state.accumulator for n, state in lite.states().items()}
