"""The README's walk through a launch, run as it stands (on free ports)."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.processes

README = (Path(__file__).parent.parent / "README.md").read_text()
FILES = re.findall(r"<!-- file: (\S+) -->\n```toml\n(.*?)```", README, re.DOTALL)
BLOCKS = re.findall(r"<!-- run -->\n```bash\n(.*?)```", README, re.DOTALL)
WAIT = """
for _ in $(seq 100); do
  curl -sf http://127.0.0.1:8080/readyz && curl -sf http://127.0.0.1:8081/readyz && break
  sleep 0.2
done >/dev/null
"""
MARK = "=== block"


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What each block of commands printed."""
    folder = tmp_path_factory.mktemp("readme")
    for name, text in FILES:
        (folder / name).write_text(text)
    shop, console = free_ports(2)
    script = "set -euo pipefail\ntrap 'kill $(jobs -p)' EXIT\n"
    for block in BLOCKS:
        script += f"echo '{MARK}'\n{block}{WAIT if 'up &' in block else ''}\n"
    script = script.replace(":8080", f":{shop}").replace(":8081", f":{console}")
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("BANDIT_PLATFORM_")},
        "BANDIT_PLATFORM_PORT": str(shop),
        "BANDIT_PLATFORM_CONSOLE_PORT": str(console),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout.split(MARK)[1:]


def test_applies_and_starts(outputs: list[str]) -> None:
    assert "thank-you-page: created, revision 1, draft" in outputs[0]
    assert "thank-you-page is running" in outputs[0]


def test_gives_a_uniform_decision_before_any_model(outputs: list[str]) -> None:
    decision = json.loads(outputs[1])
    assert set(decision["pmf"]) == {"nothing", "parking", "vip-upgrade"} or (
        decision["reason"] == "holdout"
    )
    assert decision["reason"] in {"uniform", "holdout"}


def test_takes_the_event(outputs: list[str]) -> None:
    assert json.loads(outputs[2])["events"] == [{"event_id": "click-1", "status": "accepted"}]


def test_reports_and_tells_the_story_of_the_decision(outputs: list[str]) -> None:
    report, _, story = outputs[3].rpartition("\n{")
    trace, _ = json.JSONDecoder().raw_decode("{" + story)  # servers may say a word as they stop
    assert "1 decisions, 0 immature" in report
    assert trace["status"] == "matured"
    worth = {"nothing": 0.0, "parking": 2.0, "vip-upgrade": 12.0 - 1.5}
    assert trace["reward"] == worth[trace["arm"]]
    assert [event["type"] for event in trace["events"]] == ["accept"]
    if trace["reason"] == "uniform":  # a held-out unit teaches no model
        assert "model version 1" in report


def test_makes_a_key_for_pages_and_takes_a_purchase_from_the_server(outputs: list[str]) -> None:
    assert re.search(r"pk_[0-9a-f]{16}_", outputs[4])
    receipt, _ = json.JSONDecoder().raw_decode(outputs[5].strip())
    assert receipt["events"] == [{"event_id": "order-8841-parking", "status": "accepted"}]


def test_takes_an_outcome_that_names_the_order(outputs: list[str]) -> None:
    receipt, _ = json.JSONDecoder().raw_decode(outputs[6].strip())
    assert receipt["events"] == [{"event_id": "order-8841-insured", "status": "accepted"}]


def test_every_command_of_the_walk_is_run() -> None:
    commands = set(re.findall(r"bandit-platform (?:experiment )?\w+", "".join(BLOCKS)))
    assert {"bandit-platform experiment apply", "bandit-platform up"} <= commands
    assert len(BLOCKS) == 7
    assert len(FILES) == 1
