"""Two workers on one database, and two serving nodes with a journal each."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest

from bandit_platform.simulation.crashes import wait_until
from bandit_platform.simulation.load import Load, Shop
from bandit_platform.simulation.stage import stage_settings
from bandit_platform.storage.lease import leader

pytestmark = pytest.mark.processes

KEY = "checkout-offers"


def leads(deployment: Any) -> str | None:
    with deployment.platform.database.read() as connection:
        return leader(connection)


def test_the_second_worker_takes_over_when_the_first_is_killed(deploy: Any, start: Any) -> None:
    deployment = deploy()
    stage = start(deployment, "serve", "work", name="first")
    wait_until("a lead", lambda: leads(deployment) is not None, stage)
    first = leads(deployment)
    other = start(deployment, "work", name="second")
    with Load(deployment.shop, deployment.ledger):
        time.sleep(2.5)  # the second one is up and waits
        assert leads(deployment) == first
        stage.kill("work")
        taken = wait_until("taking over", lambda: leads(deployment) != first, other, seconds=10)
        time.sleep(0.5)
    assert taken < 10
    deployment.settle(other)


def test_two_nodes_with_a_journal_each_on_one_postgresql(
    deploy: Any, start: Any, postgres_url: str
) -> None:
    deployment = deploy(postgres_url)
    elsewhere = stage_settings(deployment.folder / "second")
    settings = replace(
        deployment.settings, data_dir=elsewhere.data_dir, port=elsewhere.port, console_port=0
    )
    first = start(deployment, "serve", "work", name="first")
    start(deployment, "serve", "ingest", settings=settings, name="second")
    second = replace(deployment.shop, port=settings.port)
    assert isinstance(second, Shop)
    with (
        Load(deployment.shop, deployment.ledger, seed=1, rate=80, senders=2),
        Load(second, deployment.ledger, seed=2, rate=80, senders=2),
    ):
        time.sleep(3)
    totals = deployment.settle(first)
    assert totals.decisions >= len(deployment.ledger.decisions) > 60
    assert totals.interactions > 60
    for journal in (deployment.settings.journal_dir, settings.journal_dir):
        assert journal.is_dir()
