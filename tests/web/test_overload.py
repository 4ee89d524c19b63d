"""More than a server takes: callers are told to wait, memory stays, and afterwards all is well."""

from __future__ import annotations

import json
import os
import selectors
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.bootstrap import build
from bandit_platform.domain.access import Role
from bandit_platform.domain.lifecycle import Action
from bandit_platform.settings import Settings
from tests.test_readme import free_ports
from tests.web.both_ports import CONTEXT, shown

pytestmark = pytest.mark.processes

RATE = 60
BODY = json.dumps({"unit_id": "u", "context": CONTEXT})


@dataclass
class Server:
    port: int
    key: str
    process: subprocess.Popen[bytes]

    def ask(self, connection: HTTPConnection) -> tuple[int, str | None]:
        connection.request(
            "POST",
            "/v1/experiments/checkout-offers/decisions",
            BODY,
            {"Content-Type": "application/json", **shown(self.key)},
        )
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("Retry-After")

    def keep_asking(self, seconds: float) -> Counter[tuple[int, str | None]]:
        found: Counter[tuple[int, str | None]] = Counter()
        end = time.monotonic() + seconds
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            while not found or time.monotonic() < end:
                found[self.ask(connection)] += 1
        return found

    def memory(self) -> int:
        """Resident bytes of the processes that answer."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in children.split()]
        return sum(pages) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def server(tmp_path: Path, spec: Any, request: pytest.FixtureRequest) -> Iterator[Server]:
    platform = build(Settings(data_dir=tmp_path))
    platform.apply_experiment(spec)
    platform.change_state(spec.key, Action.START)
    (port,) = free_ports(1)
    changed: dict[str, Any] = {"key_rate": RATE, **getattr(request, "param", {})}
    settings = Settings(data_dir=tmp_path, port=port, **changed)
    process = subprocess.Popen(
        [sys.executable, "-m", "bandit_platform", "serve"],
        env={**os.environ, **settings.to_environment()},
    )
    made = Server(port, platform.keys.create(role=Role.SERVER).text, process)
    try:
        deadline = time.monotonic() + 30
        while True:
            assert time.monotonic() < deadline
            try:
                if (201, None) in made.keep_asking(0):
                    break
            except OSError:
                time.sleep(0.1)
        yield made
    finally:
        process.terminate()
        process.wait(20)


def test_too_much_is_refused_and_soon_forgotten(server: Server) -> None:
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(server.keep_asking, [1.0] * 12))
        before = server.memory()
        began = time.monotonic()
        found: Counter[tuple[int, str | None]] = Counter()
        for each in pool.map(server.keep_asking, [3.0] * 12):
            found += each
        took = time.monotonic() - began
    assert set(found) == {(201, None), (429, "1")}
    assert 0.8 * RATE < found[201, None] / took < 1.5 * RATE
    assert found[429, "1"] > 3 * found[201, None]
    assert server.memory() < 1.05 * before + 4_000_000
    time.sleep(1.1)
    assert set(server.keep_asking(0.02)) == {(201, None)}


CROWD = 500


def crowd(server: Server, seconds: float) -> Counter[tuple[int, bool]]:
    """Very many callers at once, each asking again as soon as it is answered."""
    request = (
        "POST /v1/experiments/checkout-offers/decisions HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {server.key}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(BODY)}\r\n\r\n{BODY}"
    ).encode()
    found: Counter[tuple[int, bool]] = Counter()
    end = time.monotonic() + seconds
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())

        def come() -> None:
            caller = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            caller.sendall(request)
            selector.register(caller, selectors.EVENT_READ)

        for _ in range(CROWD):
            come()
        while time.monotonic() < end:
            for key, _ in selector.select(0.1):
                caller: Any = key.fileobj
                told = caller.recv(65536)
                status, retry = told[9:12], b"retry-after: 1\r\n" in told.lower()
                if told.startswith(b"HTTP/1.1 "):
                    found[int(status), retry] += 1
                    if b"connection: close" not in told.lower():
                        caller.sendall(request)
                elif not told:  # it was closed, and somebody else comes
                    selector.unregister(caller)
                    caller.close()
                    come()
    return found


@pytest.mark.parametrize("server", [{"key_rate": 0, "wait_seconds": 0.02}], indirect=True)
def test_more_than_can_be_answered_is_refused_in_part_and_soon_forgotten(server: Server) -> None:
    usual = speed(server)
    crowd(server, 4.0)  # until every thread has taken the memory that it keeps
    before = server.memory()
    found = crowd(server, 5.0)
    assert set(found) == {(201, False), (503, True)}
    assert found[201, False] > 50
    assert found[503, True] > 50
    assert server.memory() < 1.05 * before + 4_000_000
    deadline = time.monotonic() + 15
    while set(server.keep_asking(0.3)) != {(201, None)}:
        assert time.monotonic() < deadline
    while speed(server) < 0.8 * usual:  # other tests share the machine
        assert time.monotonic() < deadline


def speed(server: Server) -> float:
    """Decisions a second that one caller gets."""
    return server.keep_asking(1.0).total() / 1.0


@contextmanager
def unfinished(server: Server, count: int) -> Iterator[None]:
    """Callers that announce a body, send a part of it, and fall silent."""
    head = (
        "POST /v1/experiments/checkout-offers/decisions HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: Bearer {server.key}\r\nContent-Length: 500\r\n\r\n{{"
    )
    callers = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(count)]
    for caller in callers:
        caller.sendall(head.encode())
    time.sleep(0.5)
    yield
    for caller in callers:
        caller.close()


@pytest.mark.parametrize("server", [{"key_rate": 0}], indirect=True)
def test_callers_who_stop_in_mid_request_hold_up_nobody(server: Server) -> None:
    with unfinished(server, Settings().threads - 2):
        began = time.monotonic()
        assert set(server.keep_asking(0.05)) == {(201, None)}
        assert time.monotonic() - began < 2


@pytest.mark.parametrize("server", [{"key_rate": 0}], indirect=True)
@pytest.mark.parametrize("more", [-1, 0, 20])
def test_very_many_of_them_are_told_of_and_soon_forgotten(server: Server, more: int) -> None:
    with unfinished(server, Settings().threads + more):
        time.sleep(1.0)
        assert server.keep_asking(0) == Counter({(503, "1"): 1})
        with closing(HTTPConnection("127.0.0.1", server.port, timeout=5)) as connection:
            connection.request("POST", "/v1/events", "{}")
            busy = connection.getresponse()
            assert busy.read().startswith(b'{"type": "urn:bandit-platform:problem:unavailable"')
            assert busy.getheader("X-Request-ID")
            connection.request("GET", "/readyz")
            assert connection.getresponse().status == 200
    time.sleep(0.5)
    assert set(server.keep_asking(0.05)) == {(201, None)}
