"""A disk that is full or cannot be written: valid answers, and readiness says why."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.journal.writer import JournalWriter
from bandit_platform.logs import configure_logs
from bandit_platform.simulation.connection import JsonConnection, bearer


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A disk of 256 KiB, or of what the test says."""
    folder = tmp_path / "data" / "journal"
    folder.mkdir(parents=True)
    size = getattr(request, "param", "256k")
    options = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(options, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def report_one(deployment: Any, decision_id: str) -> int:
    connection = JsonConnection("127.0.0.1", deployment.settings.port, bearer(deployment.key))
    event = {"event_id": "event-on-a-full-disk", "decision_id": decision_id, "type": "accept"}
    status = connection.post("/v1/events", {"events": [event]}).status
    connection.close()
    return status


def fill_up(path: Path) -> None:
    with suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(bytes(1024)):
            pass


@pytest.mark.processes
def test_a_full_disk(deploy: Any, start: Any, small_disk: Path) -> None:
    deployment = deploy()
    stage = start(deployment, "serve")
    fill = small_disk / "somebody else's"
    early = deployment.decide(request_key="before")
    assert early.status == 201
    fill_up(fill)
    full = [deployment.decide(request_key=f"full-{n}") for n in range(20)]
    assert {answer.status for answer in full} == {201}
    lost = [answer.body for answer in full if answer.body["reason"] == "fallback"]
    assert len(lost) > 10  # what still fitted was recorded
    assert {(b["arm"], b["offer"], b["propensity"]) for b in lost} == {("nothing", None, 1.0)}
    assert report_one(deployment, early.body["decision_id"]) == 503
    ready = deployment.ready()
    assert ready.status == 503
    assert "journal" in ready.body["why"]
    again = deployment.decide(request_key="before")
    assert (again.status, again.body) == (200, early.body)
    fill.unlink()
    assert deployment.ready().status == 200
    after = deployment.decide(request_key=f"full-{len(full) - 1}")
    assert after.status == 201
    assert after.body["reason"] != "fallback"
    deployment.ledger.decided(early.body, 0.0)
    deployment.ledger.decided(after.body, 0.0)
    start(deployment, "work", name="worker")
    deployment.settle(stage)


def test_a_journal_folder_that_is_none(lite: Any, spec: Any) -> None:
    """As root nothing is unwritable; a file in the folder's place is."""
    lite.folder.parent.mkdir(parents=True, exist_ok=True)
    lite.folder.write_text("not a folder")
    lite.launch(spec)
    answer = lite.ask(request_key="order-1")
    assert (answer.decision.reason, answer.decision.arm) == ("fallback", "nothing")
    assert "journal" in lite.server.journal.trouble()
    lite.folder.unlink()
    assert lite.server.journal.trouble() is None
    assert lite.ask(request_key="order-1").decision.reason != "fallback"
    assert lite.ingest().records == 1


def test_no_descriptors_left(lite: Any, spec: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(writer: JournalWriter) -> int:
        raise OSError(24, "Too many open files")

    lite.launch(spec)
    with monkeypatch.context() as patch:
        patch.setattr(JournalWriter, "_open", none_left)
        assert lite.ask().decision.reason == "fallback"
    assert lite.ask().decision.reason != "fallback"


@pytest.mark.parametrize("small_disk", ["256k", "4m"], indirect=True)
def test_counting_on_a_full_disk(small_disk: Path) -> None:
    """Too full from the start, or full later: a process goes on, and tells what it counted."""
    code = """
import sys
from pathlib import Path
from bandit_platform.web.meter import Meter
from tests.faults.test_disk import fill_up
meter = Meter()
fill_up(Path(sys.argv[1]))
for number in range(500):
    meter.decided((f"experiment-{number}", "nothing", "fallback"), 0.001)
print(meter.show([]).decode().count("decisions_total{"))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(small_disk / "somebody else's")],
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(small_disk)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "500"


def test_a_log_that_cannot_be_written(
    lite: Any, spec: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lies on the same disk, say: what would be told there is lost, and no answer is."""
    lite.launch(spec)
    lite.folder.parent.mkdir(parents=True, exist_ok=True)
    lite.folder.write_text("not a folder")
    reasons = []
    full = Path("/dev/full").open("w")  # noqa: SIM115 - closing it fails
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", full)
        configure_logs()
        reasons.append(lite.ask().decision.reason)
    configure_logs()
    with suppress(OSError):
        full.close()
    assert reasons == ["fallback"]
