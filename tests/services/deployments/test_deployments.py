"""What serves an experiment, as people change it: promote, ramp, hold, pin, release, roll back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from bandit_platform.domain.actor import Actor
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.errors import InputError, NotFoundError, StaleError, StateError
from bandit_platform.policies.arguments import policy_hash
from bandit_platform.services.reporting.audit import audit
from bandit_platform.services.reporting.report import experiment_report
from bandit_platform.simulation.proof import check_learned
from bandit_platform.storage.audit_log import entries
from tests.services.learned_world import collected, versions
from tests.services.learning.batches import batches_of

KEY = "checkout-offers"
ANNA = Actor(kind="user", name="anna")


def by_hand(world: Any, action: str, *arguments: Any, **options: Any) -> Any:
    """A change by a person; servers know at once."""
    entry = getattr(world.deployments, action)(KEY, *arguments, by=ANNA, **options)
    world.refresh()
    return entry


def shop(world: Any, count: int = 40) -> list[Any]:
    """Traffic that is stored and learned from; only the decisions that a model made."""
    decisions = world.traffic(count)
    world.settle()
    world.learn()
    return [decision for decision in decisions if decision.reason == "policy"]


@pytest.fixture
def learned(world: Any, spec: ExperimentSpec) -> Any:
    """An experiment whose policies have learned."""
    collected(world, spec, 120)
    return world


def test_the_first_revision_deploys_the_policy_of_the_file(world: Any, spec: Any) -> None:
    world.launch(spec)
    (entry,) = world.deployments.deployments(KEY)
    assert (entry.champion, entry.challenger) == ("policy", None)
    assert (entry.deployment.number, entry.deployment.action) == (1, "applied")
    assert entry.deployment.champion == policy_hash(spec.policy)
    assert world.measured().deployment == 1


def test_changes_beside_the_policy_leave_the_deployment_as_it_is(
    learned: Any, spec_text: str
) -> None:
    by_hand(learned, "ramp", "greedier", 0.3)
    learned.apply(spec_text.replace("[context]", '[context]\nnew = { type = "boolean" }'))
    candidate = '[[candidates]]\nname = "greedier"\nexploration = "epsilon_greedy"'
    learned.apply(spec_text.replace(candidate, ""))
    entry = learned.deployments.current(KEY)
    assert entry.deployment.number == 2
    assert entry.challenger == "greedier", "although no revision names it any more"
    decision = learned.measured()
    assert len(decision.model_versions) == 2
    shop(learned)
    report = experiment_report(learned.database, KEY, learned.clock())
    roles = {row.name: row.role for row in report.policies if row.role}
    assert roles == {"serving": "champion", "greedier": "challenger"}
    assert check_learned(learned.database, KEY) == []


def test_another_policy_in_the_file_ends_a_ramp(learned: Any, spec_text: str) -> None:
    by_hand(learned, "ramp", "greedier", 0.3)
    learned.apply(spec_text.replace("floor = 0.1", "floor = 0.2", 1))
    entry = learned.deployments.current(KEY)
    assert (entry.champion, entry.challenger, entry.deployment.share) == ("policy", None, 0.0)
    assert entry.deployment.number == 3
    assert learned.deployments.deployments(KEY)[1].champion.startswith("policy-"), "renamed"


def test_a_promotion_says_what_it_is_based_on(learned: Any) -> None:
    shop(learned, 200)
    report = experiment_report(learned.database, KEY, learned.clock(), whole=True)
    rows = {row.name: row for row in report.policies}
    both = {"serving", "greedier"}
    pair = next(one for one in report.pairwise if {one.policy, one.baseline} == both)
    entry = by_hand(learned, "promote", "greedier")
    why = entry.deployment.why
    assert entry.champion == "greedier"
    assert why["policy"]["name"] == "greedier"
    assert why["policy"]["value"]["value"] == rows["greedier"].value.value
    assert why["policy"]["interactions"] == report.counts.interactions
    assert why["champion"]["value"]["lower"] == rows["serving"].value.lower
    assert why["policy"]["model_version"] == versions(learned)[-1].version
    turned = -1.0 if pair.policy == "serving" else 1.0
    assert why["uplift_over_champion"]["value"] == turned * pair.uplift.value
    assert why["uplift_over_champion"]["n"] == pair.uplift.n
    stored = learned.deployments.deployments(KEY)[0]
    assert stored == entry
    with learned.database.read() as connection:
        noted = entries(connection)[0]
    assert (noted.what, noted.by) == ("experiment.promoted", ANNA)
    assert {change.path: change.after for change in noted.difference} == {
        "deployment.number": 2,
        "deployment.champion": "greedier",
    }


def test_the_report_shows_roles_and_the_names_of_policies(learned: Any) -> None:
    shop(learned, 200)
    by_hand(learned, "promote", "greedier")
    report = experiment_report(learned.database, KEY, learned.clock())
    rows = {row.name: row for row in report.policies}
    assert rows["serving"].own_names == ("greedier",)
    assert rows["serving"].role == "champion"
    assert rows["policy"].kind == "candidate"
    assert "greedier" not in rows
    assert set(report.timeline[-1].policies) == set(rows)


def test_a_held_deployment_keeps_its_shares_until_it_is_released(learned: Any) -> None:
    by_hand(learned, "ramp", "greedier", 0.25)
    held = by_hand(learned, "hold").deployment
    assert (held.held, held.share) == (True, 0.25)
    with pytest.raises(StateError, match="held already"):
        by_hand(learned, "hold")
    assert by_hand(learned, "release").deployment.held is False
    with pytest.raises(StateError, match="no version is pinned"):
        by_hand(learned, "release")


def test_a_pinned_version_serves_until_it_is_released(learned: Any) -> None:
    first = versions(learned)[-1].version
    assert by_hand(learned, "pin").deployment.champion_version == first
    assert {d.model_versions for d in shop(learned)} == {(first,)}
    assert {d.model_versions for d in shop(learned)} == {(first,)}
    with pytest.raises(NotFoundError, match="no model version 99"):
        by_hand(learned, "pin", 99)
    model = learned.models()["serving"]
    by_hand(learned, "release")
    newest = versions(learned)[-1]
    assert (newest.version, newest.interactions) == (first + 1, model.interactions)
    assert {d.model_versions for d in shop(learned)} == {(first + 1,)}
    assert audit(learned.database, learned.secret, KEY).mismatches == ()


def test_a_roll_back_serves_the_version_of_before_until_it_is_released(
    learned: Any, spec_text: str
) -> None:
    plain = '[[candidates]]\nname = "plain"\ninteractions = []\n'
    learned.apply(spec_text + plain)
    learned.learn()
    before = versions(learned)[-1].version
    by_hand(learned, "promote", "plain")
    shop(learned)
    shop(learned)
    entry = by_hand(learned, "roll_back")
    assert (entry.champion, entry.deployment.champion_version) == ("policy", before)
    assert entry.deployment.why["rolled_back_to"] == 1
    served = shop(learned) + shop(learned)
    assert {d.model_versions for d in served} == {(before,)}
    assert learned.states()[f"version:{before}"].interactions > 0
    by_hand(learned, "release")
    newest = versions(learned)[-1]
    assert newest.interactions == learned.models()["serving"].interactions
    assert {d.model_versions for d in shop(learned)} == {(newest.version,)}
    assert audit(learned.database, learned.secret, KEY).mismatches == ()
    assert check_learned(learned.database, KEY) == []


def test_a_roll_back_after_a_revision_without_the_old_policy(learned: Any, spec_text: str) -> None:
    before = versions(learned)[-1].version
    learned.apply(spec_text.replace("floor = 0.1", "floor = 0.1\ninteractions = []", 1))
    shop(learned)
    entry = by_hand(learned, "roll_back")
    assert entry.deployment.champion_version == before
    assert {d.model_versions for d in shop(learned)} == {(before,)}
    assert check_learned(learned.database, KEY) == [], "what it had learned was kept"
    assert audit(learned.database, learned.secret, KEY).mismatches == ()


def test_a_roll_back_of_a_ramp_ends_it(learned: Any) -> None:
    before = versions(learned)[-1].version
    by_hand(learned, "ramp", "greedier", 0.1)
    by_hand(learned, "ramp", "greedier", 0.5)
    shop(learned)
    entry = by_hand(learned, "roll_back")
    assert (entry.champion, entry.challenger) == ("policy", None)
    assert entry.deployment.champion_version == before
    assert {d.model_versions for d in shop(learned)} == {(before,)}
    assert audit(learned.database, learned.secret, KEY).mismatches == ()


def test_a_roll_back_returns_to_the_version_that_served_not_to_one_that_the_ramp_published(
    world: Any, spec_text: str
) -> None:
    collected(world, spec_text.replace('publish_every = "1s"', 'publish_every = "1d"'), 120)
    (served,) = versions(world)
    assert {d.model_versions for d in shop(world)} == {(served.version,)}
    by_hand(world, "ramp", "greedier", 0.5)
    assert versions(world)[-1].interactions > served.interactions
    entry = by_hand(world, "roll_back")
    assert entry.deployment.champion_version == served.version
    assert {d.model_versions for d in shop(world)} == {(served.version,)}


def test_the_version_that_a_roll_back_returns_to_is_kept(world: Any, spec_text: str) -> None:
    collected(world, spec_text.replace('publish_every = "1s"', 'publish_every = "1d"'), 120)
    ((before, *_),) = versions(world)
    shop(world)
    by_hand(world, "ramp", "greedier", 0.5)
    for _ in range(4):
        world.clock.advance(90_000)
        shop(world, 5)
        world.run("DELETE FROM model_use")
    kept = [row.version for row in versions(world)]
    assert before in kept
    assert before + 1 not in kept
    entry = by_hand(world, "roll_back")
    assert entry.deployment.champion_version == before
    assert {d.model_versions for d in shop(world)} == {(before,)}


def test_versions_that_a_deployment_names_are_kept(learned: Any) -> None:
    pinned = by_hand(learned, "pin").deployment.champion_version
    learned.run("DELETE FROM model_use")
    learner = learned.learner()
    for _ in range(4):
        learned.clock.advance(8000)
        learned.traffic(5)
        learned.settle()
        learned.learn(learner)
    by_hand(learned, "release")
    learned.run("DELETE FROM model_use")
    for _ in range(3):
        learned.clock.advance(8000)
        learned.traffic(5)
        learned.settle()
        learned.learn(learner)
        learned.run("DELETE FROM model_use")
    kept = [row.version for row in versions(learned)]
    assert pinned in kept
    assert pinned + 1 not in kept


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        (lambda d: d.promote(KEY, "nobody"), NotFoundError, "policies: greedier, policy"),
        (lambda d: d.promote("none", "greedier"), NotFoundError, "no experiment"),
        (lambda d: d.promote(KEY, "policy"), StateError, "champion already"),
        (lambda d: d.ramp(KEY, "policy", 0.5), StateError, "is the champion"),
        (lambda d: d.ramp(KEY, "greedier", 0.0), InputError, "above 0 and below 1"),
        (lambda d: d.ramp(KEY, "greedier", 1.0), InputError, "above 0 and below 1"),
        (lambda d: d.ramp(KEY, "greedier", float("nan")), InputError, "above 0 and below 1"),
        (lambda d: d.promote(KEY, "greedier", based_on=7), StaleError, "number 1 is in force"),
        (lambda d: d.roll_back(KEY), StateError, "no earlier champion"),
        (lambda d: d.release(KEY), StateError, "no version is pinned"),
    ],
)
def test_what_is_refused_changes_nothing(
    learned: Any, change: Callable[[Any], Any], error: type[Exception], match: str
) -> None:
    before = (learned.deployments.deployments(KEY), versions(learned))
    with pytest.raises(error, match=match):
        change(learned.deployments)
    assert (learned.deployments.deployments(KEY), versions(learned)) == before


def test_a_policy_that_has_not_learned_is_refused(world: Any, spec: Any, spec_text: str) -> None:
    world.launch(spec)
    for action in (("promote", "greedier"), ("ramp", "greedier", 0.1)):
        with pytest.raises(StateError, match="has not learned from any interaction yet"):
            by_hand(world, *action)
    with pytest.raises(StateError, match="no model version yet"):
        by_hand(world, "pin")
    shop(world, 90)
    world.apply(spec_text + '[[candidates]]\nname = "plain"\ninteractions = []\n')
    with batches_of(20):
        world.learner().learn(KEY, world.clock())
    with pytest.raises(StateError, match="has learned from 20 interactions so far"):
        by_hand(world, "promote", "plain")


def test_a_file_that_deploys_a_model_which_is_catching_up_publishes_no_less(
    learned: Any, spec_text: str
) -> None:
    learned.apply(spec_text + '[[candidates]]\nname = "plain"\ninteractions = []\n')
    with batches_of(20):
        learned.learner().learn(KEY, learned.clock())
    assert learned.models()["plain"].interactions == 20
    before = versions(learned)
    learned.apply(spec_text.replace("floor = 0.1", "floor = 0.1\ninteractions = []", 1))
    assert versions(learned) == before
    assert learned.measured().reason == "uniform"
    shop(learned)
    known = [version.interactions for version in versions(learned)]
    assert len(known) > len(before)
    assert known == sorted(known)


@pytest.mark.parametrize("mode", ["uniform", "shadow"])
def test_nothing_is_ramped_where_nothing_learned_serves(
    world: Any, spec_text: str, mode: str
) -> None:
    collected(world, spec_text.replace("floor = 0.1", f'floor = 0.1\nmode = "{mode}"'), 60)
    with pytest.raises(StateError, match=rf"policy\.mode is {mode}"):
        by_hand(world, "ramp", "greedier", 0.1)


@pytest.mark.parametrize("state", ["stop", "archive"])
def test_what_has_ended_is_not_deployed_any_more(learned: Any, state: str) -> None:
    learned.change("stop")
    if state == "archive":
        learned.change("archive")
    with pytest.raises(StateError, match="cannot change what"):
        by_hand(learned, "promote", "greedier")


def test_two_people_at_once_do_not_undo_each_other(learned: Any) -> None:
    seen = learned.deployments.current(KEY).deployment.number
    by_hand(learned, "ramp", "greedier", 0.2, based_on=seen)
    with pytest.raises(StaleError, match="number 2 is in force, not 1"):
        by_hand(learned, "promote", "greedier", based_on=seen)


def test_a_frozen_experiment_pins_what_is_promoted(learned: Any, spec_text: str) -> None:
    learned.apply(spec_text.replace("floor = 0.1", 'floor = 0.1\nmode = "frozen"', 1))
    shop(learned)
    entry = by_hand(learned, "promote", "greedier")
    version = versions(learned)[-1].version
    assert entry.deployment.champion_version == version
    with pytest.raises(StateError, match=r"policy\.mode is frozen"):
        by_hand(learned, "release")
