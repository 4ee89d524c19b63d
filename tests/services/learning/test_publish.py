"""Frozen models and published versions: what servers may pick up, and when."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from bandit_platform.policies.arguments import policy_hash, vowpal_arguments
from bandit_platform.policies.learned import LearnedPolicy
from bandit_platform.policies.vowpal import blob_hash
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


def answers(world: Any, blob: bytes) -> list[tuple[float, ...]]:
    """What a model says to a few shoppers."""
    policy, live = LearnedPolicy.load(blob), world.server.registry.get(KEY)
    contexts = [
        {"cart_value": value, "country": country, "returning": returning}
        for value in (60.0, 100.0)
        for country in ("GB", "DE")
        for returning in (True, False)
    ]
    arms = ("nothing", "upgrade", "insurance")
    return [policy.pmf(live.text.lines(context, arms), live.explorer, 0) for context in contexts]


def test_a_frozen_policy_learns_from_what_was_decided_before_and_from_nothing_after(
    world: Any, spec_text: str
) -> None:
    rare = spec_text.replace('publish_every = "1s"', 'publish_every = "1d"')
    world.launch(rare)
    learner = world.learner()
    for _ in range(2):
        world.traffic(60)
        world.settle()
        world.learn(learner)
    assert len(versions(world)) == 1
    world.traffic(30)  # decided before the freeze, known after it
    world.apply(rare.replace("floor = 0.1", 'floor = 0.1\nmode = "frozen"'))
    world.clock.advance(90_000)
    world.settle()
    world.learn(learner)
    world.refresh()
    before = world.states()["serving"]
    published = blob_of(world, 2)
    assert answers(world, before.blob) == answers(world, published)
    world.traffic(60)
    world.clock.advance(90_000)
    world.settle()
    world.learn(learner)
    after = world.states()["serving"]
    taken = after.interactions - before.interactions
    assert taken > 40
    assert after.lesson == before.lesson == before.interactions
    assert answers(world, after.blob) == answers(world, published)
    assert len(versions(world)) == 2
    # valued as it is served: every new importance weight is one
    weights = [json.loads(state.accumulator)["target"]["w"] for state in (before, after)]
    assert weights[1] - weights[0] == pytest.approx(taken, abs=1e-9)
    world.traffic(20)
    world.settle()
    world.learn()  # a worker that has just started
    assert answers(world, world.states()["serving"].blob) == answers(world, published)
    stored = {name: state.accumulator for name, state in world.states().items()}
    assert world.recomputed() == stored


def test_a_model_that_was_frozen_goes_on_learning_from_what_was_published(
    lite: Any, spec_text: str
) -> None:
    collected(lite, spec_text, 60)
    learner = lite.learner()
    lite.apply(spec_text.replace("floor = 0.1", 'floor = 0.1\nmode = "frozen"'))
    lite.traffic(20)
    lite.settle()
    lite.learn(learner)
    frozen = lite.states()["serving"]
    lite.apply(spec_text)
    lite.traffic(20)
    lite.settle()
    lite.clock.advance(5)
    lite.learn(learner)
    after = lite.states()["serving"]
    assert after.blob != frozen.blob
    assert blob_of(lite, versions(lite)[-1].version) == after.blob


def test_a_recomputation_knows_what_was_frozen(lite: Any, spec_text: str) -> None:
    collected(lite, spec_text, 60)
    lite.apply(spec_text.replace("floor = 0.1", 'floor = 0.1\nmode = "frozen"'))
    lite.traffic(30)
    lite.settle()
    lite.learn()
    lite.apply(spec_text)
    lite.traffic(30)
    lite.settle()
    lite.learn()
    stored = {name: state.accumulator for name, state in lite.states().items()}
    assert lite.recomputed() == stored
    assert check_learned(lite.database, KEY) == []


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
    assert blob_of(lite, 2) == lite.states()["serving"].blob
    # and not again while nothing was learned
    learner.learn(KEY, published + timedelta(days=1))
    assert versions(lite)[-1] == newest


def test_a_version_says_what_it_is(world: Any, spec: Any) -> None:
    collected(world, spec, 60)
    with world.database.read() as connection:
        newest = newest_version(connection, KEY)
    assert newest is not None
    assert newest.policy_hash == policy_hash(spec.policy)
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
