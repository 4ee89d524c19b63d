from __future__ import annotations

import gc
import json
from itertools import pairwise
from typing import Any

import pytest

from bandit_platform.domain.policy_spec import EXPLORATIONS
from bandit_platform.errors import UnavailableError
from bandit_platform.policies.learned import LearnedPolicy, explorer_for
from bandit_platform.policies.vowpal import VowpalModel
from bandit_platform.services.learning.learn import Learner
from tests.services.conftest import HOLDER as WORLD_HOLDER
from tests.services.learned_world import ALL_POLICIES, collected, versions
from tests.services.learning.batches import batches_of

KEY = "checkout-offers"
HOLDER = "the worker of this test"


class CrashError(Exception):
    """The process dies here."""


def crash(*_: Any, **__: Any) -> None:
    raise CrashError


def forget(world: Any) -> None:
    for table in ("policy_state", "model_state", "model_version", "timeline"):
        world.run(f"DELETE FROM {table}")  # noqa: S608 - our own names


def relearned(world: Any, *, rows: int, restarts: bool) -> dict[str, Any]:
    """The states that learning from the first interaction on leads to."""
    forget(world)
    learner = world.learner()
    with batches_of(rows):
        while learner.learn(KEY, world.clock()).taken:
            if restarts:
                learner = world.learner()
    return everything(world)


def everything(world: Any) -> dict[str, Any]:
    """The progress of every policy and of every model."""
    models = {f"model of {name}": state for name, state in world.models().items()}
    return {**world.states(), **models}


def test_only_so_many_models_stay_in_memory(lite: Any, spec: Any) -> None:
    def models() -> int:
        gc.collect()
        return sum(isinstance(each, VowpalModel) for each in gc.get_objects())

    collected(lite, spec)
    expected = lite.states()
    forget(lite)
    before = models()
    learner = Learner(lite.database, WORLD_HOLDER, models_held=1)
    with batches_of(7):
        while learner.learn(KEY, lite.clock()).taken:
            assert models() - before == 1  # of two policies with a model
    assert lite.states() == expected


def test_every_policy_takes_in_every_interaction_of_the_policy_traffic(
    world: Any, spec: Any
) -> None:
    collected(world, spec)
    rows = world.one("SELECT count(*) FROM interaction WHERE policy_traffic")
    last = world.one("SELECT max(number) FROM interaction WHERE policy_traffic")
    states = world.states()
    assert set(states) == ALL_POLICIES
    assert {state.interactions for state in states.values()} == {rows}
    assert {state.cursor for state in states.values()} == {last}
    models = world.models()
    assert set(models) == {"serving", "greedier"}
    assert models["serving"] == models["greedier"]
    assert models["serving"].interactions == rows


def test_stored_accumulators_equal_a_recomputation_bit_for_bit(world: Any, spec: Any) -> None:
    collected(world, spec)
    stored = {name: state.accumulator for name, state in world.states().items()}
    assert world.recomputed() == stored
    logging = json.loads(stored["logging"])
    assert logging["target"]["n"] == world.states()["logging"].interactions


@pytest.mark.parametrize("exploration", sorted(EXPLORATIONS))
def test_neither_batches_nor_restarts_change_a_bit(
    lite: Any, spec_text: str, exploration: str
) -> None:
    spec = spec_text.replace("floor = 0.1", f'floor = 0.1\nexploration = "{exploration}"')
    collected(lite, spec, 90)
    whole = relearned(lite, rows=1000, restarts=False)
    assert whole["model of serving"].interactions == whole["serving"].interactions > 50
    for rows, restarts in ((1, False), (7, True), (50, False), (64, True)):
        again = relearned(lite, rows=rows, restarts=restarts)
        assert again == whole, (rows, restarts)
    assert lite.recomputed() == {n: state.accumulator for n, state in lite.states().items()}


def test_batches_and_restarts_on_both_databases(world: Any, spec: Any) -> None:
    collected(world, spec, 90)
    whole = relearned(world, rows=1000, restarts=False)
    assert relearned(world, rows=13, restarts=True) == whole


def test_the_pmf_that_is_valued_comes_from_before_the_interaction_was_learned(
    lite: Any, spec: Any
) -> None:
    collected(lite, spec, 60)
    untrained = LearnedPolicy.fresh(spec.policy)
    text = lite.server.registry.get(KEY).text
    first = next(iter(lite.recomputed_rows()))
    lines = text.lines(first.context, first.eligible)
    assert first.policies["serving"] == untrained.pmf(
        lines, explorer_for(spec.policy, spec), first.eligible.index("nothing")
    )


@pytest.mark.parametrize("step", ["roll_up", "add_timeline_point", "_publish", "publish"])
def test_a_crash_inside_the_transaction_leaves_everything_as_before(
    world: Any, spec: Any, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    world.launch(spec)
    world.traffic(80)
    world.settle()
    learner = world.learner()
    with batches_of(30):
        learner.learn(KEY, world.clock())
        world.clock.advance(60)
        before = (everything(world), versions(world), world.rows("SELECT * FROM timeline"))
        with monkeypatch.context() as patch:
            patch.setattr(f"bandit_platform.services.learning.learn.{step}", crash)
            with pytest.raises(CrashError):
                learner.learn(KEY, world.clock())
        assert (everything(world), versions(world), world.rows("SELECT * FROM timeline")) == before
        # the same process goes on from what was committed, not from its own memory
        world.learn(learner)
    after = everything(world)
    assert after == relearned(world, rows=1000, restarts=False)
    assert len({state.cursor for state in after.values()}) == 1


def test_a_crash_after_the_commit_repeats_nothing(
    world: Any, spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.launch(spec)
    world.traffic(60)
    world.settle()
    learner = world.learner()
    with batches_of(20):
        learner.learn(KEY, world.clock())
        learner._models.clear()  # a process that died here held nothing
        other = world.learner()
        world.learn(other)
        # and a learner whose memory is behind the table does not use it
        learner._models.update(other._models)
        world.traffic(30)
        world.settle()
        world.learn()
        world.traffic(10)
        world.settle()
        world.learn(learner)
    assert everything(world) == relearned(world, rows=1000, restarts=False)


def test_a_new_candidate_learns_from_the_first_interaction_and_the_others_go_on(
    world: Any, spec: Any, spec_text: str
) -> None:
    collected(world, spec, 120)
    before = world.states()
    softer = '[[candidates]]\nname = "softer"\nexploration = "softmax"\n\n[holdout]'
    world.apply(spec_text.replace("[holdout]", softer))
    learner = world.learner()
    with batches_of(25):
        learner.learn(KEY, world.clock())
        during = world.states()
        assert during["softer"].interactions == 25
        assert {name: s for name, s in during.items() if name != "softer"} == before
        world.traffic(40)
        world.settle()
        world.learn(learner)
    after = world.states()
    assert set(after) == ALL_POLICIES | {"softer"}
    # from there on they walk together, and the timeline goes on
    newest = world.one("SELECT max(interactions) FROM timeline")
    assert newest > before["logging"].interactions
    assert len({state.cursor for state in after.values()}) == 1
    assert everything(world) == relearned(world, rows=1000, restarts=False)
    assert world.recomputed() == {name: state.accumulator for name, state in after.items()}


def test_changed_arguments_mean_learning_from_the_first_interaction(
    world: Any, spec: Any, spec_text: str
) -> None:
    collected(world, spec, 120)
    before, models_before = world.states(), world.models()
    world.apply(
        spec_text.replace("floor = 0.1", "floor = 0.1\nlearning_rate = 0.1").replace(
            'exploration = "epsilon_greedy"',
            'exploration = "epsilon_greedy"\nparameters = { epsilon = 0.3 }',
        )
    )
    with batches_of(30):
        world.learn()
    after = world.states()
    for name in ("serving", "greedier"):
        assert after[name].policy_hash != before[name].policy_hash
        assert after[name].interactions == before[name].interactions
    for name in ALL_POLICIES - {"serving", "greedier"}:
        assert after[name] == before[name]
    models = world.models()
    assert models["serving"].model_hash not in {each.model_hash for each in models_before.values()}
    assert models["greedier"] == models_before["greedier"], "its exploration alone changed"
    assert everything(world) == relearned(world, rows=1000, restarts=False)
    newest = versions(world)[-1]
    assert newest.model_hash == models["serving"].model_hash
    assert "--learning_rate 0.1" in newest.arguments


def test_a_candidate_s_floor_is_no_reason_to_learn_again(
    lite: Any, spec: Any, spec_text: str
) -> None:
    collected(lite, spec, 60)
    before, interactions = lite.models()["greedier"], lite.states()["greedier"].interactions
    lite.apply(
        spec_text.replace(
            'exploration = "epsilon_greedy"', 'exploration = "epsilon_greedy"\nfloor = 0.2'
        )
    )
    lite.learn()
    assert lite.models()["greedier"] == before
    assert lite.states()["greedier"].interactions == interactions, "valued with the new floor"
    assert lite.recomputed() == {n: state.accumulator for n, state in lite.states().items()}


def test_a_candidate_that_is_taken_away_is_forgotten(lite: Any, spec: Any, spec_text: str) -> None:
    collected(lite, spec, 60)
    lite.apply(
        spec_text.replace('[[candidates]]\nname = "greedier"\nexploration = "epsilon_greedy"', "")
    )
    lite.learn()
    assert set(lite.states()) == ALL_POLICIES - {"greedier"}


def test_arms_come_and_go_and_the_accumulators_go_on(world: Any, spec: Any, spec_text: str) -> None:
    collected(world, spec, 90)
    first = world.states()["logging"].interactions
    extra = '[[arms]]\nkey = "parking"\nfeatures = { margin = 2.0, kind = "partner" }\n\n[reward]'
    world.apply(spec_text.replace("[reward]", extra))
    world.traffic(60)
    world.settle()
    world.learn()
    second = world.states()
    assert second["always:parking"].interactions == second["logging"].interactions > first
    retired = spec_text.replace("[reward]", extra).replace('key = "upgrade"', 'key = "lounge"')
    world.apply(retired)
    world.traffic(60)
    world.settle()
    world.learn()
    third = world.states()
    assert set(third) == (ALL_POLICIES - {"always:upgrade"}) | {"always:parking", "always:lounge"}
    assert {state.interactions for state in third.values()} == {
        world.one("SELECT count(*) FROM interaction WHERE policy_traffic")
    }
    drawn = {row.arm for row in world.rows("SELECT DISTINCT arm FROM decision")}
    assert drawn == {"nothing", "insurance", "upgrade", "parking", "lounge"}
    assert everything(world) == relearned(world, rows=17, restarts=True)


def test_only_the_leader_learns(world: Any, spec: Any) -> None:
    world.launch(spec)
    world.traffic(40)
    world.settle()
    learner = world.learner()
    with batches_of(10):
        learner.learn(KEY, world.clock())
        before = (world.states(), versions(world))
        world.clock.advance(1e10)
        world.lead("another worker")
        with pytest.raises(UnavailableError, match="another worker leads"):
            learner.learn(KEY, world.clock())
        assert (world.states(), versions(world)) == before
        world.clock.advance(1e10)
        assert world.lead()
        world.learn(learner)
    assert everything(world) == relearned(world, rows=1000, restarts=False)


def test_a_learner_that_never_led_changes_nothing(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    lite.traffic(20)
    lite.settle()
    with pytest.raises(UnavailableError):
        Learner(lite.database, "nobody").learn(KEY, lite.clock())
    assert lite.states() == {}


def test_the_timeline_has_a_point_whenever_the_interactions_grew(lite: Any, spec: Any) -> None:
    lite.launch(spec)
    lite.traffic(420)
    lite.settle()
    with batches_of(5):
        lite.learn()
    points = [row.interactions for row in lite.rows("SELECT * FROM timeline ORDER BY interactions")]
    assert points[0] == 50
    steps = [after / before for before, after in pairwise(points)]
    assert min(steps) >= 1.02
    assert max(steps) <= 1.15
    payload = json.loads(
        lite.rows("SELECT payload FROM timeline ORDER BY interactions DESC LIMIT 1")[0].payload
    )
    assert set(payload["policies"]) == {state.policy_hash for state in lite.states().values()}
    assert sum(payload["arms"].values()) == lite.counter("interactions.policy")
