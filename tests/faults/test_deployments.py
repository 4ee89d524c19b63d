"""A process is killed while it changes a deployment; a server is cut off; two workers run."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from sqlalchemy import event

from bandit_platform.errors import UnavailableError
from bandit_platform.services.deployments.deployments import Deployments
from bandit_platform.services.launching.experiments import Experiments
from bandit_platform.services.learning.learn import Learner
from bandit_platform.services.reporting.audit import audit
from bandit_platform.simulation.proof import check_learned
from bandit_platform.storage.audit_log import entries
from bandit_platform.storage.database import Database
from tests.services.deployments.test_deployments import by_hand, shop
from tests.services.learned_world import collected, versions

KEY = "checkout-offers"
PLAIN = '[[candidates]]\nname = "plain"\ninteractions = []\n'


@pytest.fixture
def learned(lite: Any, spec_text: str) -> Any:
    """An experiment with a candidate whose own model has learned and was never published."""
    collected(lite, spec_text + PLAIN, 90)
    return lite


def everything(world: Any) -> Any:
    """What a change of the deployment writes."""
    with world.database.read() as connection:
        noted = entries(connection)
    stored = [(row.number, row.spec) for row in world.experiments.revisions(KEY)]
    return stored, world.deployments.deployments(KEY), versions(world), noted


def killed_at(world: Any, statement: int, act: Callable[[Database], Any]) -> bool:
    """Act in a process of its own that is killed before its n-th statement; whether it was."""
    url = str(world.database._engine.url)
    child = os.fork()
    if child == 0:
        try:
            with closing(Database(url)) as database:
                left = [statement]

                def count(*_: Any) -> None:
                    left[0] -= 1
                    if left[0] < 0:
                        os.kill(os.getpid(), signal.SIGKILL)

                event.listen(database._engine, "before_cursor_execute", count)
                event.listen(database._engine, "commit", count)
                act(database)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def killed_everywhere(world: Any, act: Callable[[Database], Any]) -> int:
    """Kill the act before each of its statements in turn; nothing of it may be left.

    Returns:
        How often it was killed before it was done.
    """
    before = everything(world)
    statement = 0
    while killed_at(world, statement, act):
        assert everything(world) == before, f"half of it was done before statement {statement}"
        statement += 1
    assert everything(world) != before
    return statement


@pytest.mark.parametrize(
    "steps",
    [("promote",), ("ramp",), ("ramp", "promote"), ("ramp", "roll_back"), ("promote", "roll_back")],
)
def test_a_change_that_is_killed_anywhere_leaves_nothing_half(learned: Any, steps: Any) -> None:
    world = learned
    arguments = {"promote": ("plain",), "ramp": ("plain", 0.25), "roll_back": ()}
    *first, last = steps
    for step in first:
        by_hand(world, step, *arguments[step])
        shop(world, 20)

    def act(database: Database) -> None:
        getattr(Deployments(database, world.clock), last)(KEY, *arguments[last])

    assert killed_everywhere(world, act) > 8
    world.refresh()
    assert world.deployments.current(KEY).deployment.number == len(steps) + 1
    made = shop(world) + shop(world)
    assert {d.deployment for d in made} == {len(steps) + 1}
    assert audit(world.database, world.secret, KEY).mismatches == ()
    assert check_learned(world.database, KEY) == []
    known = [version.interactions for version in versions(world)]
    assert known == sorted(known)


def test_a_revision_that_promotes_and_is_killed_anywhere_leaves_nothing_half(
    learned: Any, spec: Any, spec_text: str
) -> None:
    from bandit_platform.domain.spec_file import parse_toml  # noqa: PLC0415 - only here

    promoted = parse_toml(spec_text.replace("floor = 0.1", "floor = 0.1\ninteractions = []", 1))

    def act(database: Database) -> None:
        Experiments(database, learned.clock).apply(promoted)

    assert killed_everywhere(learned, act) > 8
    learned.refresh()
    assert learned.measured().reason == "policy", "the model that the candidate had learned"


@pytest.mark.parametrize("killed", ["roll_up", "publish", "_publish"])
def test_a_worker_that_dies_after_a_promotion_repeats_and_skips_nothing(
    learned: Any, monkeypatch: pytest.MonkeyPatch, killed: str
) -> None:
    world = learned
    by_hand(world, "ramp", "plain", 0.4)
    world.traffic(60)
    world.settle()

    def die(*_: Any, **__: Any) -> None:
        raise SystemExit

    learner = world.learner()
    before = (world.states(), world.models(), versions(world))
    with monkeypatch.context() as patch:
        patch.setattr(f"bandit_platform.services.learning.learn.{killed}", die)
        with pytest.raises(SystemExit):
            learner.learn(KEY, world.clock())
    assert (world.states(), world.models(), versions(world)) == before
    by_hand(world, "promote", "plain")
    world.learn()
    assert check_learned(world.database, KEY) == []


def test_a_server_that_is_cut_off_goes_on_with_its_last_deployment(
    learned: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = learned
    ramped = by_hand(world, "ramp", "plain", 0.4).deployment.number
    near, far = world.server, world.new_server()

    def away(*_: Any) -> Any:
        raise UnavailableError("the database is away")

    monkeypatch.setattr(
        far.registry, "_database", type("Away", (), {"read": away, "write": away})()
    )
    by = world.deployments.promote(KEY, "plain")
    near.registry.refresh()
    with pytest.raises(UnavailableError):
        far.registry.refresh()
    new, old = world.measured(server=near), world.measured(server=far)
    assert (new.deployment, len(new.model_versions)) == (by.deployment.number, 1)
    assert (old.deployment, len(old.model_versions)) == (ramped, 2)
    monkeypatch.undo()
    far.registry.refresh()
    assert world.measured(server=far).deployment == by.deployment.number
    world.settle()
    world.learn()
    assert audit(world.database, world.secret, KEY).mismatches == ()
    assert check_learned(world.database, KEY) == []


def test_of_two_workers_one_publishes_what_was_ramped(learned: Any) -> None:
    world = learned
    first, second = world.learner(), Learner(world.database, "the other worker")
    by_hand(world, "ramp", "plain", 0.4)
    for _ in range(2):
        world.traffic(30)
        world.settle()
        count = len(versions(world))
        with pytest.raises(UnavailableError):
            second.learn(KEY, world.clock())
        world.learn(first)
        assert len(versions(world)) == count + 2, "one version of each model"
    world.clock.advance(2e9)
    assert world.lead("the other worker")
    world.traffic(30)
    world.clock.advance(3700)
    world.ingest()
    from bandit_platform.services.collecting.mature import mature  # noqa: PLC0415 - only here

    mature(world.database, "the other worker", world.clock())
    second.learn(KEY, world.clock())
    assert check_learned(world.database, KEY) == []
