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
from contextlib import ExitStack, closing, contextmanager, suppress
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
from tests.web.both_ports import CONTEXT, SHOP, shown

pytestmark = pytest.mark.processes

RATE = 60
COMMAND = [sys.executable, "-m", "bandit_platform"]
BODY = json.dumps({"unit_id": "u", "context": CONTEXT})


@dataclass
class Server:
    port: int
    key: str
    page_key: str
    process: subprocess.Popen[bytes]
    decision_id: str = ""

    def ask(self, connection: HTTPConnection) -> tuple[int, str | None]:
        connection.request(
            "POST",
            "/v1/experiments/checkout-offers/decisions",
            BODY,
            {"Content-Type": "application/json", **shown(self.key)},
        )
        answer = connection.getresponse()
        told = answer.read()
        if answer.status == 201:
            self.decision_id = json.loads(told)["decision_id"]
        return answer.status, answer.getheader("Retry-After")

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            assert time.monotonic() < deadline
            with suppress(OSError):
                if self.get("/readyz") == 200:
                    return
            time.sleep(0.1)

    def get(self, path: str) -> int:
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request("GET", path, headers=shown(self.key))
            return connection.getresponse().status

    def keep_asking(self, seconds: float) -> Counter[tuple[int, str | None]]:
        found: Counter[tuple[int, str | None]] = Counter()
        end = time.monotonic() + seconds
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            while not found or time.monotonic() < end:
                found[self.ask(connection)] += 1
        return found

    def beacon(self) -> int:
        """What a page that closes is told: its key stands in the body."""
        event = {"event_id": "e", "decision_id": self.decision_id, "type": "impression"}
        report = {"key": self.page_key, "events": [event]}
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            headers = {"Content-Type": "text/plain", "Origin": SHOP}
            connection.request("POST", "/v1/events", json.dumps(report), headers)
            return connection.getresponse().status

    def memory(self) -> int:
        """Resident bytes of the processes that answer."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        pages = [int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in children.split()]
        return sum(pages) * os.sysconf("SC_PAGE_SIZE")


@pytest.fixture
def server(tmp_path: Path, spec: Any, request: pytest.FixtureRequest) -> Iterator[Server]:
    """A server that grants few requests a second, or as the test says."""
    with serving(tmp_path, spec, **{"key_rate": RATE, **getattr(request, "param", {})}) as made:
        yield made


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, spec: Any) -> Iterator[Server]:
    """One without limits, for tests after which it is as before."""
    with serving(tmp_path_factory.mktemp("shared"), spec, key_rate=0) as made:
        yield made


@contextmanager
def serving(folder: Path, spec: Any, command: str = "serve", **changed: Any) -> Iterator[Server]:
    platform = build(Settings(data_dir=folder))
    platform.apply_experiment(spec)
    platform.change_state(spec.key, Action.START)
    (port,) = free_ports(1)
    ports = {"console_port" if command == "console" else "port": port}
    settings = Settings(data_dir=folder, drain_seconds=0.0, **ports, **changed)
    process = subprocess.Popen(
        # the system's usual limit of open files is lower than what is asked of it here
        ["sh", "-c", 'ulimit -S -n 512; exec "$@"', "sh", *COMMAND, command],
        env={**os.environ, **settings.to_environment()},
    )
    key = platform.keys.create(role=Role.EXPERIMENTER).text
    page_key = platform.keys.create(role=None, origins=[SHOP]).text
    made = Server(port, key, page_key, process)
    try:
        made.wait_until_ready()
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
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
        assert {server.ask(connection) for _ in range(RATE)} == {(201, None)}


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


DECIDE = "POST /v1/experiments/checkout-offers/decisions HTTP/1.1\r\nHost: x\r\n"


@contextmanager
def callers(port: int, count: int, sent: str) -> Iterator[None]:
    """Connections on which this was sent, and nothing more is."""
    with ExitStack() as stack:
        for _ in range(count):
            caller = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            caller.sendall(sent.encode())
        yield


STALLED = "Content-Length: 500\r\n\r\n{"


@pytest.mark.parametrize("count", [16, 1100])
@pytest.mark.parametrize(
    "sent",
    [
        f"{DECIDE}{STALLED}",
        f"{DECIDE}Authorization: Bearer sk_0000000000000000_{'A' * 43}\r\n{STALLED}",
        f"POST /v1/events HTTP/1.1\r\nHost: x\r\n{STALLED}",
        DECIDE,
        "",
    ],
    ids=["no key", "a false key", "events", "no whole head", "idle"],
)
def test_callers_who_fall_silent_hold_up_nobody(shared: Server, count: int, sent: str) -> None:
    with callers(shared.port, count, sent):
        began = time.monotonic()
        assert set(shared.keep_asking(0.2)) == {(201, None)}
        assert time.monotonic() - began < 2
        assert shared.beacon() == 202


@pytest.mark.parametrize("count", [16, 1100])
def test_nor_do_those_who_have_a_key(shared: Server, count: int) -> None:
    with callers(shared.port, count, f"{DECIDE}Authorization: Bearer {shared.key}\r\n{STALLED}"):
        assert set(shared.keep_asking(0.2)) == {(201, None)}
        assert shared.beacon() == 202


@pytest.mark.parametrize("server", [{"key_rate": 0, "connections": 60}], indirect=True)
def test_an_idle_connection_outlives_those_of_strangers(server: Server) -> None:
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=10)) as connection:
        assert server.ask(connection) == (201, None)
        kept = connection.sock
        with callers(server.port, 300, f"{DECIDE}{STALLED}"):
            for _ in range(5):
                assert server.ask(connection) == (201, None)
        assert connection.sock is kept


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory, spec: Any) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("console"), spec, "console", key_rate=0) as made:
        yield made


@pytest.mark.parametrize("count", [16, 1100])
@pytest.mark.parametrize(
    "sent",
    [f"POST /sign-in HTTP/1.1\r\nHost: x\r\n{STALLED}", DECIDE, ""],
    ids=["body", "head", ""],
)
def test_callers_who_fall_silent_do_not_hold_up_the_console(
    console: Server, count: int, sent: str
) -> None:
    with callers(console.port, count, sent):
        began = time.monotonic()
        for path in ("/sign-in", "/v1/experiments", "/readyz"):
            assert console.get(path) == 200
        assert time.monotonic() - began < 5
