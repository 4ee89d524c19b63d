"""SIGTERM loses no request: not of a kept connection under load, with one process or with two."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.bootstrap import build
from bandit_platform.domain.access import Role
from bandit_platform.domain.lifecycle import Action
from bandit_platform.settings import Settings
from tests.test_readme import free_ports

pytestmark = pytest.mark.processes

DRAIN_SECONDS = 2.0
CALLERS = 8


@dataclass
class Calls:
    """What one caller saw, which keeps its connection until it is told not to."""

    answered: int = 0
    #: requests sent over a kept connection that got no answer
    lost: int = 0
    let_go: int = 0
    ended: bool = False


@dataclass
class Platform:
    settings: Settings
    key: str
    process: subprocess.Popen[bytes]

    def address(self, console: bool) -> tuple[int, str, str, Any]:
        """Port, method, path and body of a request."""
        if console:
            return self.settings.console_port, "GET", "/v1/experiments", None
        body = json.dumps({"unit_id": "u", "context": {}})
        path = "/v1/experiments/checkout-offers/decisions"
        return self.settings.port, "POST", path, body

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}

    def call(self, *, console: bool) -> Calls:
        """Ask again and again, over one connection for as long as that is kept."""
        calls, (port, method, path, body) = Calls(), self.address(console)
        deadline = time.monotonic() + 60
        while not calls.ended:
            assert time.monotonic() < deadline
            with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
                kept = 0
                while True:
                    try:
                        connection.request(method, path, body, self.headers())
                        answer = connection.getresponse()
                        answer.read()
                    except ConnectionRefusedError:
                        calls.ended = True
                        break
                    except (HTTPException, OSError):
                        calls.lost += kept > 0
                        break
                    assert answer.status in {200, 201}
                    calls.answered += 1
                    if answer.getheader("Connection") == "close":
                        calls.let_go += 1
                        break
                    kept += 1
        return calls

    def ready(self, port: int) -> tuple[int, Any, str | None]:
        with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read()), answer.getheader("Connection")

    def wait_until_ready(self, *ports: int) -> None:
        deadline = time.monotonic() + 60
        for port in ports:
            while True:
                assert time.monotonic() < deadline
                assert self.process.poll() is None
                with suppress(OSError, HTTPException):
                    if self.ready(port)[0] == 200:
                        break
                time.sleep(0.05)


@contextmanager
def running(tmp_path: Path, spec: Any, command: str, **changed: Any) -> Iterator[Platform]:
    port, console_port = free_ports(2)
    settings = Settings(
        data_dir=tmp_path / "data",
        port=port,
        console_port=console_port,
        key_rate=0,
        wait_seconds=0.0,
        **{"drain_seconds": DRAIN_SECONDS, **changed},
    )
    platform = build(settings)
    platform.apply_experiment(spec)
    platform.change_state(spec.key, Action.START)
    key = platform.keys.create(role=Role.ADMIN).text
    platform.database.close()
    process = subprocess.Popen(
        [sys.executable, "-m", "bandit_platform", command],
        env={**os.environ, **settings.to_environment()},
    )
    try:
        yield Platform(settings, key, process)
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize(
    ("command", "workers"), [("serve", 1), ("serve", 2), ("console", 1), ("up", 1)]
)
def test_no_kept_connection_loses_a_request(
    tmp_path: Path, spec: Any, command: str, workers: int
) -> None:
    sides = {"serve": [False], "console": [True], "up": [False, True]}[command]
    with running(tmp_path, spec, command, workers=workers) as platform:
        ports = [platform.address(console)[0] for console in sides]
        platform.wait_until_ready(*ports)
        with ThreadPoolExecutor(CALLERS * len(sides)) as pool:
            calling = [
                pool.submit(platform.call, console=console)
                for console in sides
                for _ in range(CALLERS)
            ]
            time.sleep(1.0)
            began = time.monotonic()
            platform.process.terminate()
            for port in ports:
                _not_ready(platform, port)
            assert platform.process.wait(20) == 0
            took = time.monotonic() - began
            found = [each.result() for each in calling]
    assert [each.lost for each in found] == [0] * len(found)
    assert all(each.answered > 5 for each in found)
    assert all(each.let_go > 0 for each in found)
    assert DRAIN_SECONDS <= took < DRAIN_SECONDS + 8


def _not_ready(platform: Platform, port: int) -> None:
    """Soon after the signal a balancer that looks is told, and so is one that comes anew."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while True:
        status, body, connection = platform.ready(port)
        if status == 503:
            assert body["why"] == "the process is about to stop"
            assert connection == "close"
            return
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize(
    ("number", "drain_seconds"), [(signal.SIGINT, 30.0), (signal.SIGTERM, 0.0)]
)
def test_an_end_at_once_is_possible(
    tmp_path: Path, spec: Any, number: int, drain_seconds: float
) -> None:
    with running(tmp_path, spec, "serve", workers=2, drain_seconds=drain_seconds) as platform:
        port = platform.settings.port
        platform.wait_until_ready(port)
        with closing(HTTPConnection("127.0.0.1", port, timeout=20)) as idle:
            idle.request("GET", "/healthz")
            idle.getresponse().read()
            platform.process.send_signal(number)
            assert platform.process.wait(10) == 0
            assert idle.sock.recv(1) == b""
