"""A damaged model, a dead worker, a clock set back: valid answers, and readiness says why."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from bandit_platform.simulation.crashes import wait_until
from bandit_platform.simulation.load import Load

pytestmark = pytest.mark.processes


def test_a_corrupt_model_is_refused_and_the_last_good_one_serves(deploy: Any, start: Any) -> None:
    deployment = deploy()
    stage = start(deployment, "serve", "work")
    database = deployment.platform.database

    def version() -> int:
        return deployment.decide(unit_id="unit-7").body["model_version"] or 0

    with Load(deployment.shop, deployment.ledger, rate=60):
        wait_until("a model", lambda: version() >= 1, stage)
        stage.kill("work")
        good = version()
    with database.write() as connection:
        connection.execute(
            text(
                "INSERT INTO model_version SELECT experiment, version + 1, model_hash, arguments,"
                " x'00', blob_hash, interactions, cursor, published_at FROM model_version"
                " WHERE version = (SELECT max(version) FROM model_version)"
            )
        )
    time.sleep(0.5)
    answers = [deployment.decide(unit_id=f"unit-{n}") for n in range(30)]
    assert {answer.status for answer in answers} == {201}
    assert {a.body["reason"] for a in answers} <= {"policy", "holdout"}
    assert {a.body["model_version"] for a in answers} - {None} == {good}
    stage.kill("serve")
    stage.start("serve")  # in memory there is nothing; in the database an older one that is whole
    stage.wait_until_ready()
    answers = [deployment.decide(unit_id=f"unit-{n}") for n in range(30)]
    assert {a.body["model_version"] for a in answers} - {None} == {good}
    assert "damaged" in str(deployment.ready().body["warnings"])
    with database.write() as connection:
        connection.execute(text("UPDATE model_version SET blob = x'00'"))
    stage.kill("serve")
    stage.start("serve")  # nothing whole is left: uniform, never an error
    stage.wait_until_ready()
    answers = [deployment.decide(unit_id=f"unit-{n}") for n in range(30)]
    assert {a.body["reason"] for a in answers} <= {"uniform", "holdout"}


def test_a_dead_worker_is_told_of(deploy: Any, start: Any) -> None:
    deployment = deploy(lease_seconds=1.0)
    stage = start(deployment, "serve", "console", "work")
    console = deployment.settings.console_port
    for port in (deployment.settings.port, console):
        wait_until("no warning", lambda p=port: "warnings" not in deployment.ready(p).body, stage)
    stage.kill("work")
    for port in (deployment.settings.port, console):
        told = lambda p=port: "worker" in str(deployment.ready(p).body.get("warnings"))  # noqa: E731
        wait_until("a warning", told, stage, seconds=10)
        assert deployment.ready(port).status == 200
    assert deployment.decide().status == 201


@contextmanager
def set_back(world: Any, hours: float) -> Iterator[None]:
    before = world.clock.now
    world.clock.now = before - timedelta(hours=hours)
    yield
    world.clock.now = max(before, world.clock.now)


def test_a_clock_that_is_set_back(world: Any, spec: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world.launch(spec)
    world.traffic(60)
    world.clock.advance(3700)
    first = world.worker()
    while first.round():
        pass
    learned = world.one("SELECT count(*) FROM interaction")
    with set_back(world, 10):
        decision = world.measured()
        world.report(decision)
        second = world.worker()  # the first one has died with a lease of the future
        second.round()
        assert world.one("SELECT holder FROM lease") == second._holder
        world.traffic(60)
        world.clock.advance(3700)
        while second.round():
            pass
        assert world.one("SELECT count(*) FROM interaction") == learned + 61
        assert world.one("SELECT max(version) FROM model_version") == 2
    assert world.recomputed() == {name: s.accumulator for name, s in world.states().items()}
