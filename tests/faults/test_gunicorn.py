"""The decision application under another server: gunicorn, with both of its plain workers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import pytest

from bandit_platform.simulation.crashes import wait_until
from bandit_platform.simulation.load import Load

pytestmark = pytest.mark.processes


@contextmanager
def gunicorn(deployment: Any, *options: str) -> Iterator[psutil.Process]:
    """The documented command, on the deployment's port."""
    counts = deployment.folder / "counts"
    counts.mkdir()
    command = [sys.executable, "-m", "gunicorn", "bandit_platform.web.decision_app:serve_app()"]
    address = f"127.0.0.1:{deployment.settings.port}"
    environment = {
        **os.environ,
        **deployment.settings.to_environment(),
        "PROMETHEUS_MULTIPROC_DIR": str(counts),
    }
    with (deployment.folder / "gunicorn.log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--bind", address, "--workers", "2", *options],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait(20)


@pytest.mark.parametrize(
    "options", [("--worker-class", "sync"), ("--worker-class", "gthread", "--threads", "4")]
)
def test_a_worker_is_killed_under_load_and_nothing_is_lost(
    deploy: Any, start: Any, options: tuple[str, ...]
) -> None:
    deployment = deploy()
    worker = start(deployment, "work")

    def decides() -> bool:
        try:
            return bool(deployment.decide().status == 201)
        except OSError:
            return False

    with gunicorn(deployment, *options) as server:
        wait_until("a first decision", decides, worker)
        assert deployment.ready().body["status"] == "ready"
        first = deployment.decide(request_key="order-1")
        with Load(deployment.shop, deployment.ledger):
            time.sleep(0.5)
            victim = server.children()[0]
            victim.kill()
            time.sleep(0.5)
            wait_until("another worker", lambda: len(server.children()) == 2, worker)
            time.sleep(0.5)
        assert victim.pid not in {child.pid for child in server.children()}
        again = [deployment.decide(request_key="order-1") for _ in range(6)]
        assert {(a.status, a.body["decision_id"]) for a in again} == {
            (200, first.body["decision_id"])
        }
        deployment.settle(worker)
    assert len(deployment.ledger.decisions) > 30
    assert len(deployment.ledger.events) > 5
    assert deployment.ledger.fallbacks == 0
