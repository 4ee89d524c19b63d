from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from bandit_platform.domain.access import Role
from bandit_platform.errors import NotFoundError, StorageError, UnavailableError
from bandit_platform.services.people.keys import Keys
from bandit_platform.services.serving.registry import Registry
from bandit_platform.storage.database import Database

KEY = "checkout-offers"


def learned(world: Any, spec: Any) -> None:
    world.launch(spec)
    more(world)


def more(world: Any) -> None:
    """Another model version."""
    world.traffic(40)
    world.settle()
    world.learn()


def version(server: Any) -> int | None:
    """The model version that a server uses."""
    champion = server.registry.get(KEY).champion
    return None if champion is None else champion.version


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_servers_pick_a_new_version_up(world: Any, spec: Any) -> None:
    learned(world, spec)
    assert version(world.server) == 1
    other = world.new_server()
    assert version(other) == 1
    first = world.measured()
    more(world)
    assert version(world.server) == 2
    assert version(other) == 2
    second = world.measured()
    assert (first.model_version, second.model_version) == (1, 2)
    assert first.pmf != second.pmf


def test_a_version_is_loaded_once(lite: Any, spec: Any) -> None:
    learned(lite, spec)
    policy = lite.server.registry.get(KEY).champion
    lite.refresh()
    assert lite.server.registry.get(KEY).champion is policy


@pytest.mark.parametrize("damage", ["other bytes", "another hash", "no model"])
def test_a_damaged_model_is_refused_and_the_old_one_stays(
    world: Any, spec: Any, damage: str, capfd: pytest.CaptureFixture[str]
) -> None:
    learned(world, spec)
    server = world.server
    old = server.registry.get(KEY).champion
    world.traffic(40)
    world.settle()
    learner = world.learner()
    learner.learn(KEY, world.clock())
    assert world.one("SELECT max(version) FROM model_version") == 2
    if damage == "other bytes":
        blob = bytearray(world.one("SELECT blob FROM model_version WHERE version = 2"))
        blob[-1] ^= 1
        world.run("UPDATE model_version SET blob = :b WHERE version = 2", b=bytes(blob))
    elif damage == "another hash":
        world.run("UPDATE model_version SET blob_hash = 'ffff' WHERE version = 2")
    else:
        from bandit_platform.policies.vowpal import blob_hash  # noqa: PLC0415 - only here

        world.run(
            "UPDATE model_version SET blob = :b, blob_hash = :h WHERE version = 2",
            b=b"no model",
            h=blob_hash(b"no model"),
        )
    capfd.readouterr()
    world.refresh()
    assert server.registry.get(KEY).champion is old
    assert version(server) == 1
    assert world.measured().model_version == 1
    assert "model refused" in "".join(capfd.readouterr())
    assert server.registry.damaged == {KEY: 2}
    # a server that starts now takes the newest one that is whole
    fresh = world.new_server()
    assert version(fresh) == 1
    again = world.measured(server=fresh)
    assert (again.reason, again.model_version) == ("policy", 1)
    capfd.readouterr()
    world.refresh()
    assert "model refused" not in "".join(capfd.readouterr())  # it is said once
    # the next good version is taken, and the trouble is over
    more(world)
    assert version(server) == 3
    assert server.registry.damaged == fresh.registry.damaged == {}


def test_without_any_whole_model_of_the_policy_a_server_is_uniform(
    lite: Any, spec: Any, spec_text: str
) -> None:
    learned(lite, spec)
    lite.apply(spec_text.replace("floor = 0.1", "floor = 0.1\nlearning_rate = 0.2"))
    more(lite)
    lite.run("UPDATE model_version SET blob = x'00' WHERE version = 2")
    fresh = lite.new_server()  # version 1 is whole, and another policy's
    assert version(fresh) is None
    assert lite.measured(server=fresh).reason == "uniform"
    assert fresh.registry.damaged == {KEY: 2}


def test_what_cannot_be_read_holds_up_neither_keys_nor_other_experiments(
    world: Any, spec: Any, spec_text: str, capfd: pytest.CaptureFixture[str]
) -> None:
    learned(world, spec)
    world.launch(spec_text.replace(KEY, "another"))
    issued = Keys(world.database, world.clock).create(role=Role.SERVER)
    server = world.server
    server.registry.refresh()
    assert server.registry.keys.find(issued.text, world.clock())
    world.run(
        "INSERT INTO revision (experiment, number, spec, created_at) "
        "SELECT experiment, 2, '{}', created_at FROM revision WHERE experiment = :key",
        key=KEY,
    )
    world.run("UPDATE experiment SET revision = 2 WHERE key = :key", key=KEY)
    Keys(world.database, world.clock).revoke(issued.key.key_id, timedelta(0))
    world.apply(spec_text.replace(KEY, "another").replace("floor = 0.1", "floor = 0.3"))
    capfd.readouterr()
    for _ in range(3):
        server.registry.refresh()
    assert server.registry.keys.find(issued.text, world.clock()) is None
    assert server.registry.get("another").revision == 2
    assert server.registry.trouble == (
        "an experiment could not be refreshed; the log of this process says which"
    )
    told = "".join(capfd.readouterr())
    assert told.count("experiment not refreshed") <= 1  # the refresh inside apply may have told
    # it goes on as it was, and can still be stopped
    assert world.measured().model_version == 1
    world.run("UPDATE experiment SET state = 'stopped' WHERE key = :key", key=KEY)
    world.refresh()
    assert world.decide().reason == "stopped"
    # a new server does not know it, and all others
    fresh = world.new_server()
    assert fresh.registry.get("another").revision == 2
    with pytest.raises(NotFoundError):
        fresh.registry.get(KEY)
    assert set(fresh.registry.unread) == {KEY}


def test_a_new_revision_keeps_the_model_unless_its_arguments_changed(
    lite: Any, spec: Any, spec_text: str
) -> None:
    learned(lite, spec)
    lite.apply(spec_text.replace("floor = 0.1", "floor = 0.3"))
    decision = lite.measured()
    assert (decision.revision, decision.model_version) == (2, 1)
    assert min(decision.pmf) >= 0.1 * (1 - 1e-12)
    lite.apply(spec_text.replace("floor = 0.1", "floor = 0.3\nlearning_rate = 0.2"))
    assert lite.measured().reason == "uniform"
    lite.learn()
    again = lite.measured()
    assert (again.reason, again.revision, again.model_version) == ("policy", 3, 2)


def test_turning_learning_off_turns_the_model_off(lite: Any, spec: Any, spec_text: str) -> None:
    learned(lite, spec)
    lite.apply(spec_text.replace("floor = 0.1", 'floor = 0.1\nmode = "shadow"'))
    assert lite.measured().reason == "uniform"
    lite.apply(spec_text)
    assert lite.measured().model_version == 1


def test_states_are_noticed(lite: Any, spec: Any) -> None:
    lite.apply(spec)
    registry = lite.server.registry
    assert registry.get(KEY).state == "draft"
    assert lite.decide("u").reason == "draft"
    for step, reason in (
        ("start", None),
        ("pause", "paused"),
        ("resume", None),
        ("stop", "stopped"),
    ):
        lite.change(step)
        decision = lite.decide("u")
        assert (decision.reason == reason) is (reason is not None)


def test_a_retired_arm_keeps_its_newest_offer(lite: Any, spec: Any, spec_text: str) -> None:
    lite.launch(spec)
    lite.apply(spec_text.replace('title = "Upgrade"', 'title = "Better upgrade"'))
    lite.apply(spec_text.replace('key = "upgrade"', 'key = "lounge"'))
    offers = lite.server.registry.get(KEY).offers
    assert set(offers) == {"nothing", "upgrade", "insurance", "lounge"}
    assert offers["upgrade"]["title"] == "Better upgrade"
    assert offers["nothing"] is None


def test_trouble_says_why_nothing_new_is_known(lite: Any, spec: Any, tmp_path: Any) -> None:
    registry = Registry(Database(f"sqlite:///{tmp_path / 'without-tables.sqlite3'}"))
    assert registry.trouble == "nothing loaded yet"
    with pytest.raises(UnavailableError):
        registry.get(KEY)
    with pytest.raises(StorageError):
        registry.refresh()
    lite.launch(spec)
    assert lite.server.registry.trouble is None


def test_what_is_known_stays_in_use_while_the_database_is_away(lite: Any, spec: Any) -> None:
    learned(lite, spec)
    registry = lite.server.registry
    lite.run("ALTER TABLE experiment RENAME TO elsewhere")
    registry.keep_fresh(0.01)
    assert within(5, lambda: registry.trouble is not None)
    assert lite.measured().model_version == 1
    lite.run("ALTER TABLE elsewhere RENAME TO experiment")
    assert within(5, lambda: registry.trouble is None)
    registry.close()


def test_a_background_refresh_survives_what_it_cannot_read(lite: Any, spec: Any) -> None:
    """A newer version of the program has written a spec that this one does not know."""
    learned(lite, spec)
    registry = lite.server.registry
    good = lite.one("SELECT spec FROM revision")
    lite.run("UPDATE revision SET spec = '{\"unknown\": 1}', number = 2")
    lite.run("UPDATE experiment SET revision = 2")
    registry.keep_fresh(0.01)
    assert within(5, lambda: registry.trouble is not None)
    assert lite.measured().model_version == 1
    lite.run("UPDATE revision SET spec = :spec", spec=good)
    assert within(5, lambda: registry.trouble is None)
    assert registry.get(KEY).revision == 2
    registry.close()
