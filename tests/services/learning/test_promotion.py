"""A promoted candidate is served with the model that it has learned, from the next refresh on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.spec_file import parse_toml
from bandit_platform.policies.learned import LearnedPolicy, explorer_for
from bandit_platform.policies.trained_model import TrainedModel
from bandit_platform.services.reporting.audit import audit
from bandit_platform.simulation.bulk import Bulk, fill
from bandit_platform.simulation.proof import check_learned
from bandit_platform.storage.models import model_blob, newest_version
from tests.services.learned_world import versions

KEY = "checkout-offers"
#: more than one batch of the worker, so that relearning could not go unnoticed
INTERACTIONS = 9000


def promoted(spec_text: str) -> ExperimentSpec:
    """The experiment with the candidate serving and the served policy gone."""
    spec = parse_toml(spec_text)
    (candidate,) = spec.candidates
    policy = spec.policy.model_copy(
        update={name: getattr(candidate, name) for name in type(candidate).model_fields
                if name in type(spec.policy).model_fields}
    )  # fmt: skip
    return spec.model_copy(update={"policy": policy, "candidates": ()})


@pytest.fixture
def learned(world: Any, spec: ExperimentSpec) -> Any:
    """An experiment whose policies have learned from all interactions."""
    world.launch(spec)
    bulk = Bulk(spec=spec, decisions=INTERACTIONS, until=world.clock())
    for _ in fill(world.database, bulk):
        pass
    while world.learn():
        pass
    world.refresh()
    return world


def publish_all(world: Any) -> None:
    """Publish the model as far as it has learned; the first version knows one batch only."""
    world.clock.advance(2)
    world.learn()


def by_revision(world: Any, spec_text: str) -> None:
    world.apply(promoted(spec_text))


def by_hand(world: Any, spec_text: str) -> None:
    world.deployments.promote(KEY, "greedier")
    world.refresh()


@pytest.fixture(params=[by_revision, by_hand])
def promote(request: pytest.FixtureRequest, spec_text: str) -> Callable[[Any], None]:
    """Makes the candidate serve; servers refresh, and no worker runs."""

    def act(world: Any) -> None:
        request.param(world, spec_text)

    return act


def test_the_next_refresh_serves_what_the_candidate_learned(
    learned: Any, promote: Callable[[Any], None]
) -> None:
    world = learned
    before = world.models()["greedier"]
    assert before.interactions == INTERACTIONS
    promote(world)
    with world.database.read() as connection:
        newest = newest_version(connection, KEY)
        assert newest is not None
        stored = model_blob(connection, KEY, newest.version)
    assert stored is not None
    assert newest.interactions == INTERACTIONS
    assert stored[0] == before.blob
    decision = world.measured()
    assert (decision.reason, decision.model_versions) == ("policy", (newest.version,))
    assert decision.deployment == 2
    live = world.server.registry.get(KEY)
    greedier = live.policies[live.deployment.champion]
    assert greedier.exploration == "epsilon_greedy"
    expected = LearnedPolicy(TrainedModel.load(stored[0]), greedier).pmf(
        live.text.lines(decision.context, decision.eligible),
        explorer_for(greedier, live.spec),
        decision.eligible.index("nothing"),
    )
    assert decision.pmf == expected


def test_learning_goes_on_from_there_and_no_version_knows_less(
    learned: Any, promote: Callable[[Any], None]
) -> None:
    world = learned
    state, model = world.states()["greedier"], world.models()["greedier"]
    began = world.clock.advance(1)
    promote(world)
    world.learn()
    assert "greedier" not in world.states()
    assert world.states()["serving"] == state
    assert world.models()["serving"] == model
    for _ in range(3):
        world.traffic(20)
        world.settle()
        while world.learn():
            pass
        world.refresh()
    known = [version.interactions for version in versions(world)]
    assert known == sorted(known)
    assert known[-1] > INTERACTIONS
    assert check_learned(world.database, KEY) == []
    found = audit(world.database, world.secret, KEY, began)
    assert (found.checked, found.mismatches) == (60, ())


def test_after_a_crash_between_promotion_and_learning_nothing_is_lost(
    learned: Any, promote: Callable[[Any], None]
) -> None:
    world = learned
    promote(world)
    world.learn(world.learner())  # another worker, with nothing in memory
    world.traffic(20)
    world.settle()
    world.learn(world.learner())
    assert check_learned(world.database, KEY) == []


def test_another_model_than_the_one_that_served_is_published_the_same_way(
    learned: Any, spec_text: str
) -> None:
    """The candidate of the issue shares the model; this one has learned another."""
    world = learned
    other = '[[candidates]]\nname = "plain"\ninteractions = []\n'
    world.apply(spec_text + other)
    while world.learn():
        pass
    model = world.models()["plain"]
    assert model.interactions == INTERACTIONS
    count = len(versions(world))
    why = world.deployments.promote(KEY, "plain").deployment.why
    world.refresh()
    newest = versions(world)[-1]
    assert len(versions(world)) == count + 1
    assert why["policy"]["model_version"] == newest.version
    assert why["policy"]["model_interactions"] == INTERACTIONS
    assert (newest.model_hash, newest.interactions) == (model.model_hash, INTERACTIONS)
    assert world.measured().model_versions == (newest.version,)
    world.apply((spec_text + other).replace("floor = 0.1", "floor = 0.2", 1))
    assert world.measured().reason == "policy", "the file's policy serves again, with its model"


def test_a_policy_that_nobody_learned_starts_uniform_until_it_has_caught_up(
    learned: Any, spec_text: str
) -> None:
    world = learned
    publish_all(world)
    count = len(versions(world))
    world.apply(spec_text.replace("floor = 0.1", "floor = 0.1\nlearning_rate = 0.3", 1))
    assert len(versions(world)) == count
    assert world.measured().reason == "uniform"
    learner = world.learner()
    learner.learn(KEY, world.clock())
    assert len(versions(world)) == count, "it has learned from the oldest interactions only"
    while world.learn(learner):
        pass
    known = [version.interactions for version in versions(world)]
    assert len(known) == count + 1
    assert known == sorted(known)
    assert world.measured().reason == "policy"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("floor = 0.1", "floor = 0.3"),
        ("floor = 0.1", 'floor = 0.1\nexploration = "softmax"'),
        ("floor = 0.1", "floor = 0.1\nparameters = { gamma_scale = 50.0 }"),
    ],
)
def test_a_change_of_exploration_or_floor_serves_at_the_next_refresh(
    learned: Any, spec_text: str, before: str, after: str
) -> None:
    world = learned
    publish_all(world)
    count = len(versions(world))
    old = world.measured(context={"cart_value": 80.0, "country": "GB", "returning": True})
    world.apply(spec_text.replace(before, after, 1))
    new = world.measured(context={"cart_value": 80.0, "country": "GB", "returning": True})
    assert len(versions(world)) == count
    assert new.model_versions == old.model_versions
    assert new.pmf != old.pmf
    world.ingest()
    assert audit(world.database, world.secret, KEY, new.decided_at).mismatches == ()
