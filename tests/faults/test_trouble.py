"""Whatever fails on a node, shops get valid answers, and readiness says what is wrong."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from bandit_platform.journal.writer import JournalWriter
from bandit_platform.simulation.connection import JsonConnection, bearer
from bandit_platform.simulation.crashes import wait_until
from bandit_platform.simulation.load import Load


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    folder = tmp_path / "data" / "journal"
    folder.mkdir(parents=True)
    options = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)]
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
                "INSERT INTO model_version SELECT experiment, version + 1, policy_hash, arguments,"
                " x'00', blob_hash, interactions, published_at FROM model_version"
                " WHERE version = (SELECT max(version) FROM model_version)"
            )
        )
    time.sleep(0.5)
    answers = [deployment.decide(unit_id=f"unit-{n}") for n in range(30)]
    assert {answer.status for answer in answers} == {201}
    assert {a.body["reason"] for a in answers} <= {"policy", "holdout"}
    assert {a.body["model_version"] for a in answers} - {None} == {good}
    stage.kill("serve")
    stage.start("serve")  # nothing good to go on with: uniform, never an error
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
