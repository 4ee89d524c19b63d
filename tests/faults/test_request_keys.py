"""One request key is one decision, whoever of a node's processes is asked, and when."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from bandit_platform.simulation.connection import Answer
from bandit_platform.simulation.crashes import wait_until
from bandit_platform.simulation.load import Load
from bandit_platform.simulation.proof import stored_decisions

pytestmark = pytest.mark.processes

KEY = "checkout-offers"
AT_ONCE = 100


def ask_at_once(deployment: Any, key: str) -> list[Answer]:
    """The same request, many times at the same moment, each over a connection of its own."""
    barrier = Barrier(AT_ONCE)

    def ask(_: int) -> Answer:
        barrier.wait()
        return deployment.decide(request_key=key, unit_id=f"unit of {key}")

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(ask, range(AT_ONCE)))


def test_a_hundred_requests_with_one_key_get_one_decision(deploy: Any, start: Any) -> None:
    deployment = deploy(workers=2)
    stage = start(deployment, "serve", "work")
    first: dict[str, dict[str, Any]] = {}
    for number in range(3):
        key = f"order-{number}"
        answers = ask_at_once(deployment, key)
        assert sorted(a.status for a in answers) == [200] * (AT_ONCE - 1) + [201]
        assert all(a.body == answers[0].body for a in answers)
        first[key] = answers[0].body

    def model_changed() -> bool:
        answer = deployment.decide(unit_id="any")
        return bool(answer.body["model_version"] and answer.body["model_version"] >= 2)

    with Load(deployment.shop, deployment.ledger, rate=60):
        wait_until("a second model version", model_changed, stage)
    for key, body in first.items():
        for answer in ask_at_once(deployment, key):
            assert (answer.status, answer.body) == (200, body)
    with deployment.platform.database.read() as connection:
        rows = {d.decision_id: d for d in stored_decisions(connection, KEY)}
    for body in first.values():
        assert rows[body["decision_id"]].arm == body["arm"]
    assert sum(d.request_key is not None for d in rows.values()) <= len(
        set(deployment.ledger.decisions) | {b["decision_id"] for b in first.values()}
    )
