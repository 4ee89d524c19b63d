"""``kill -9`` at random moments under load loses nothing, doubles nothing, and is soon over."""

from __future__ import annotations

import time
from typing import Any

import psutil
import pytest

from bandit_platform.simulation.crashes import crash_rounds, slowness, wait_until
from bandit_platform.simulation.load import Load
from bandit_platform.storage.lease import leader

pytestmark = pytest.mark.processes

ROUNDS = 10


def test_ten_crashes_under_load(deploy: Any, start: Any) -> None:
    deployment = deploy()
    stage = start(deployment, "serve", "work")

    def leads() -> str | None:
        with deployment.platform.database.read() as connection:
            return leader(connection)

    recoveries = crash_rounds(
        stage, deployment.shop, deployment.ledger, rounds=ROUNDS, seed=20261122, leads=leads
    )
    totals = deployment.settle(stage)
    assert totals.decisions >= len(deployment.ledger.decisions) > 150
    assert len(deployment.ledger.events) > 50
    assert totals.interactions > 150
    assert deployment.ledger.fallbacks == 0
    longest = 3.0 * slowness()
    for times in ([r.serving for r in recoveries], [r.working for r in recoveries]):
        taken = [seconds for seconds in times if seconds is not None]
        assert min(taken) < longest, (taken, longest)


def test_only_the_parent_of_the_serving_processes_is_killed(deploy: Any, start: Any) -> None:
    """Its children must not keep the port from the next start, nor live on for ever."""
    deployment = deploy(workers=2)
    stage = start(deployment, "serve")
    (parent,) = (process.pid for process in stage._running.values())
    children = psutil.Process(parent).children(recursive=True)
    assert len(children) >= 2
    stage.kill("serve", children=False)
    assert psutil.wait_procs(children, timeout=5)[1] == []
    stage.start("serve")
    stage.wait_until_ready()
    assert deployment.decide().status == 201


def test_one_serving_process_is_killed(deploy: Any, start: Any) -> None:
    deployment = deploy(workers=2)
    stage = start(deployment, "serve", "work")
    parent = psutil.Process(stage._running["serve"].pid)
    with Load(deployment.shop, deployment.ledger):
        time.sleep(0.5)
        serving = [p for p in parent.children() if "serve" in p.cmdline()]
        serving[0].kill()
        time.sleep(0.5)
    deployment.settle(stage)
    assert len(deployment.ledger.decisions) > 30
    wait_until("a new process", lambda: len(parent.children()) >= len(serving), stage)
