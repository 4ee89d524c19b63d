"""Real processes over real files: what was acknowledged is counted exactly once, kills included."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.bootstrap import Platform, build, utc_now
from bandit_platform.domain.access import Role
from bandit_platform.domain.lifecycle import Action
from bandit_platform.domain.spec_file import parse_toml
from bandit_platform.settings import Settings
from bandit_platform.storage.database import Database
from tests.services.conftest import World, make_world  # noqa: F401 - a fixture

pytestmark = pytest.mark.processes

KEY = "checkout-offers"
CLIENTS, VISITS = 4, 100
PATIENCE = 45.0
WEIGHTS = {"accept": 1.0, "dismiss": -0.1}


class Processes:
    """serve, console and work, each in a process group of its own that can be killed whole."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._environment = {**os.environ, **settings.to_environment()}
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        with (self._folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [sys.executable, "-m", "bandit_platform", name],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self, name: str) -> None:
        """As a power cut would end it: no signal that it could handle."""
        process = self._running.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def kill_all(self) -> None:
        for name in list(self._running):
            self.kill(name)

    def logs(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self._folder.glob("*.log")))


@dataclass
class Client:
    """One connection at a time, tried again until there is an answer."""

    port: int
    key: str
    connection: HTTPConnection | None = None

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with suppress(OSError, HTTPException):
                status, answer = self._once("POST", path, json.dumps(body))
                if status < 500:
                    return status, answer
            self.close()
            time.sleep(0.02)
        raise AssertionError(f"no answer from {path}")

    def get(self, path: str) -> tuple[int, Any]:
        try:
            return self._once("GET", path, None)
        finally:
            self.close()

    def close(self) -> None:
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _once(self, method: str, path: str, body: str | None) -> tuple[int, Any]:
        if self.connection is None:
            self.connection = HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        self.connection.request(method, path, body, headers)
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())


@dataclass
class Shop:
    """What the shop was told: every acknowledgement, in the order of each client."""

    decisions: dict[str, Any] = field(default_factory=dict)
    events: Counter[tuple[str, str]] = field(default_factory=Counter)
    errors: list[BaseException] = field(default_factory=list)

    def visit(self, client: Client, visitor: random.Random, number: int) -> None:
        body = {
            "unit_id": f"unit-{number}",
            "context": {
                "cart_value": visitor.choice([30.0, 80.0]),
                "country": visitor.choice(["GB", "US"]),
                "returning": visitor.random() < 0.5,
            },
            "request_key": f"visit-{number}",
        }
        status, decision = client.post(f"/v1/experiments/{KEY}/decisions", body)
        assert status in {200, 201}, decision
        self.decisions[decision["decision_id"]] = decision
        kinds = [kind for kind in ("accept", "dismiss", "impression") if visitor.random() < 0.4]
        items = [
            {"event_id": f"{kind}-{number}", "decision_id": decision["decision_id"], "type": kind}
            for kind in kinds
        ]
        if items:
            status, answer = client.post("/v1/events", {"events": items})
            assert status == 202, answer
            for item, receipt in zip(items, answer["events"], strict=True):
                assert receipt["status"] in {"accepted", "duplicate"}, receipt
                self.events[item["decision_id"], item["event_id"]] += 1

    def visits(self, client: Client, first: int) -> None:
        try:
            for number in range(first, first + VISITS):
                self.visit(client, random.Random(number), number)
        except BaseException as error:  # noqa: BLE001 - shown by the test
            self.errors.append(error)
        finally:
            client.close()


def until(holds: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"in vain: {what}"
        time.sleep(0.05)


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    port, console_port = free_ports(2)
    return Settings(
        data_dir=tmp_path / "data",
        port=port,
        console_port=console_port,
        work_seconds=0.05,
        refresh_seconds=0.1,
        grace_seconds=0.5,
        lease_seconds=1.0,
    )


@pytest.fixture
def platform(settings: Settings, spec_text: str) -> Iterator[Platform]:
    made = build(settings)
    quick = spec_text.replace('window = "1h"', 'window = "500ms"')
    made.apply_experiment(
        parse_toml(quick.replace('publish_every = "1s"', 'publish_every = "500ms"'))
    )
    made.change_state(KEY, Action.START)
    yield made
    made.database.close()


@pytest.fixture
def processes(settings: Settings, tmp_path: Path) -> Iterator[Processes]:
    made = Processes(settings, tmp_path)
    yield made
    made.kill_all()


def is_ready(port: int) -> bool:
    client = Client(port=port, key="")
    with suppress(OSError, HTTPException):
        return client.get("/readyz")[0] == 200
    return False


@pytest.fixture
def world(settings: Settings, make_world: Any, tmp_path: Path) -> Iterator[World]:  # noqa: F811
    """A look into the tables."""
    with closing(Database(settings.database)) as database:
        yield make_world(database, utc_now, "look")


def test_acknowledged_is_counted_exactly_once_whatever_is_killed(
    platform: Platform, settings: Settings, processes: Processes, world: World
) -> None:
    key = platform.keys.create(role=Role.SERVER).text
    for name in ("serve", "console", "work"):
        processes.start(name)
    until(lambda: is_ready(settings.port) and is_ready(settings.console_port), "processes ready")

    shop = Shop()
    threads = [
        threading.Thread(
            target=shop.visits, args=(Client(port=settings.port, key=key), number * VISITS)
        )
        for number in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    total = CLIENTS * VISITS
    until(lambda: len(shop.decisions) > total // 4 or bool(shop.errors), "a quarter of the visits")
    until(lambda: world.one("SELECT count(*) FROM decision") > 0, "something ingested")
    processes.kill("work")
    until(lambda: len(shop.decisions) > total // 2 or bool(shop.errors), "half of the visits")
    processes.start("work")
    processes.kill("serve")
    processes.start("serve")
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert shop.errors == [], processes.logs()

    # what was learned reaches the shop
    until(lambda: world.one("SELECT count(*) FROM model_version") > 0, "a model was published")
    time.sleep(1.0)
    shop.visits(Client(port=settings.port, key=key), total)
    assert shop.errors == [], processes.logs()
    last = list(shop.decisions.values())[-VISITS:]
    assert {each["reason"] for each in last} == {"policy", "holdout"}
    total += VISITS

    assert len(shop.decisions) == total
    until(lambda: world.one("SELECT count(*) FROM immature") == 0, "every window ended")
    until(lambda: settled(world, total), "everything learned")
    processes.kill("work")
    check_decisions(world, shop)
    check_events(world, shop)
    check_rewards(world, shop)
    check_learned(world)

    admin = Client(port=settings.console_port, key=platform.keys.create(role=Role.ADMIN).text)
    status, report = admin.get(f"/v1/experiments/{KEY}/report")
    assert status == 200
    counts = report["counts"]
    assert counts["decisions"] == total
    assert counts["events"] == len(shop.events)
    assert (counts["immature"], counts["orphan"]) == (0, 0)
    assert (
        counts["interactions"]
        + counts["holdout_interactions"]
        + sum(counts["by_reason"][reason] for reason in ("fallback", "paused", "stopped"))
        == total
    )
    assert counts["learned"] == counts["interactions"] > total // 2
    assert counts["by_reason"]["policy"] >= VISITS // 2


def settled(world: World, total: int) -> bool:
    if world.one("SELECT count(*) FROM decision") != total or not world.states():
        return False
    newest = world.one("SELECT max(number) FROM interaction WHERE policy_traffic")
    return {state.cursor for state in world.states().values()} == {newest}


def check_decisions(world: World, shop: Shop) -> None:
    stored = {row.decision_id: row for row in world.rows("SELECT * FROM decision")}
    assert set(stored) == set(shop.decisions)
    for decision_id, told in shop.decisions.items():
        row = stored[decision_id]
        pmf = dict(zip(json.loads(row.eligible), json.loads(row.pmf), strict=True))
        versions = json.loads(row.model_versions or "[]")
        assert (row.arm, row.propensity, pmf, row.reason, versions[:1]) == (
            told["arm"],
            told["propensity"],
            told["pmf"],
            told["reason"],
            [] if told["model_version"] is None else [told["model_version"]],
        )
    reasons = Counter(row.reason for row in stored.values())
    for reason, count in reasons.items():
        assert world.counter(f"decisions.{reason}") == count


def check_events(world: World, shop: Shop) -> None:
    rows = world.rows("SELECT * FROM event")
    assert Counter((row.decision_id, row.event_id) for row in rows) == Counter(set(shop.events))
    assert not any(row.orphan for row in rows)
    for kind, count in Counter(row.type for row in rows).items():
        assert world.counter(f"events.{kind}") == count
    assert world.counter("late") == sum(bool(row.late) for row in rows)


def check_rewards(world: World, shop: Shop) -> None:
    expected: Counter[str] = Counter()
    for row in world.rows("SELECT * FROM event WHERE NOT late"):
        expected[row.decision_id] += WEIGHTS.get(row.type, 0.0)
    interactions = world.rows("SELECT * FROM interaction ORDER BY number")
    measured = {
        each["decision_id"]
        for each in shop.decisions.values()
        if each["reason"] in {"policy", "uniform", "holdout"}
    }
    assert {row.decision_id for row in interactions} == measured
    assert len(interactions) == len(measured)
    for row in interactions:
        assert row.reward == pytest.approx(expected[row.decision_id])
    assert any(row.reward > 0 for row in interactions)


def check_learned(world: World) -> None:
    states = world.states()
    rows = world.one("SELECT count(*) FROM interaction WHERE policy_traffic")
    assert {state.interactions for state in states.values()} == {rows}
    assert world.recomputed() == {name: state.accumulator for name, state in states.items()}
