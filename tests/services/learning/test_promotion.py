"""A promoted candidate is served with the model that it has learned, from the next refresh on."""

from __future__ import annotations

from typing import Any

import pytest

from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.spec_file import parse_toml
from bandit_platform.policies.learned import LearnedPolicy
from bandit_platform.services.reporting.audit import audit
from bandit_platform.simulation.bulk import Bulk, fill
from bandit_platform.simulation.proof import check_learned
from bandit_platform.storage.models import model_blob, newest_version, policy_states
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


def test_the_next_refresh_serves_what_the_candidate_learned(learned: Any, spec_text: str) -> None:
    world = learned
    with world.database.read() as connection:
        before = policy_states(connection, KEY)["greedier"]
    assert before.interactions == INTERACTIONS
    world.apply(promoted(spec_text))  # refreshes the server, and no worker has run
    with world.database.read() as connection:
        newest = newest_version(connection, KEY)
        assert newest is not None
        stored = model_blob(connection, KEY, newest.version)
    assert stored is not None
    assert newest.interactions == INTERACTIONS
    assert stored[0] == before.blob
    decision = world.measured()
    assert (decision.reason, decision.model_version) == ("policy", newest.version)
    live = world.server.registry.get(KEY)
    expected = LearnedPolicy.load(stored[0]).pmf(
        live.text.lines(decision.context, decision.eligible),
        live.explorer,
        decision.eligible.index("nothing"),
    )
    assert decision.pmf == expected


def test_learning_goes_on_from_there_and_no_version_knows_less(
    learned: Any, spec_text: str
) -> None:
    world = learned
    with world.database.read() as connection:
        before = policy_states(connection, KEY)["greedier"]
    began = world.clock.advance(1)
    world.apply(promoted(spec_text))
    world.learn()
    with world.database.read() as connection:
        after = policy_states(connection, KEY)
    assert "greedier" not in after
    assert (after["serving"].cursor, after["serving"].blob) == (before.cursor, before.blob)
    assert after["serving"].accumulator == before.accumulator
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
    learned: Any, spec_text: str
) -> None:
    world = learned
    world.apply(promoted(spec_text))
    world.learn(world.learner())  # another worker, with nothing in memory
    world.traffic(20)
    world.settle()
    world.learn(world.learner())
    assert check_learned(world.database, KEY) == []


def test_a_policy_that_nobody_learned_starts_uniform(learned: Any, spec_text: str) -> None:
    world = learned
    count = len(versions(world))
    world.apply(spec_text.replace("floor = 0.1", "floor = 0.1\nlearning_rate = 0.3", 1))
    assert len(versions(world)) == count
    assert world.measured().reason == "uniform"


def test_a_promotion_after_a_freeze_learns_again(learned: Any, spec_text: str) -> None:
    """Candidates learned from decisions that taught the frozen policy nothing."""
    world = learned
    world.apply(spec_text.replace("floor = 0.1", 'floor = 0.1\nmode = "frozen"', 1))
    count = len(versions(world))
    world.apply(promoted(spec_text))
    assert len(versions(world)) == count
    while world.learn():
        pass
    assert check_learned(world.database, KEY) == []
