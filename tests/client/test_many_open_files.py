"""A process with more open files than select() can count."""

from __future__ import annotations

import json
import resource
import subprocess
import sys

import pytest

from tests.client.services import KEY, accepted, scripted

_OPEN = 1100
_SHOP = f"""
import json, os, sys
from bandit_platform.client import Client
import resource
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard) if hard > 0 else 4096, hard))
held = [os.open("/dev/null", os.O_RDONLY) for _ in range({_OPEN})]
assert max(held) >= 1024
with Client(sys.argv[1], "sk", timeout=5.0) as client:
    reasons = [client.decide("{KEY}", f"u{{n}}").reason for n in range(10)]
    for n in range(4):
        client.report("d", "accept", event_id=f"e{{n}}")
        assert client.flush(5) == 0
    print(json.dumps([reasons, client.dropped]))
"""


@pytest.mark.skipif(
    0 < resource.getrlimit(resource.RLIMIT_NOFILE)[1] < _OPEN + 100,
    reason="the system allows too few open files",
)
def test_decisions_and_outcomes_arrive_from_a_process_with_many_open_files() -> None:
    decision = {
        "experiment": KEY, "arm": "nothing", "offer": None, "decision_id": "d", "reason": "p",
        "propensity": 1.0, "pmf": {"nothing": 1.0}, "model_version": None,
    }  # fmt: skip

    def answer(path: str, body: dict[str, object]) -> tuple[int, object, dict[str, str]]:
        if path.endswith("/decisions"):
            return 201, decision, {}
        return 202, accepted(body["events"]), {}  # type: ignore[arg-type]

    with scripted(answer) as url:
        done = subprocess.run(
            [sys.executable, "-c", _SHOP, url], check=True, timeout=60, stdout=subprocess.PIPE
        )
    assert json.loads(done.stdout) == [["p"] * 10, 0]
