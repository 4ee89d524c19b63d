"""Reports arrive, are sent again until they do, or are counted as lost."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bandit_platform.client import Client
from tests.client.services import KEY, accepted, listening, refusal, scripted
from tests.web.both_ports import CONTEXT, Site


def test_reports_are_sent_again_under_the_same_id_until_they_arrive() -> None:
    seen: list[list[str]] = []
    statuses = iter([503, 500, 429, 202])

    def answer(_path: str, body: Any) -> tuple[int, Any, dict[str, str]]:
        seen.append([item["event_id"] for item in body["events"]])
        status = next(statuses)
        return status, accepted(body["events"]) if status == 202 else {}, {"Retry-After": "0"}

    with scripted(answer) as url, Client(url, "sk") as client:
        event_id = client.report("d", "accept")
        assert client.flush(20) == 0
        assert client.dropped == 0
    assert seen == [[event_id]] * 4


def test_reports_wait_for_a_service_that_comes_back() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    client = Client(f"http://127.0.0.1:{port}", "sk")
    sent = [client.report("d", "accept") for _ in range(250)]
    assert client.flush(0.3) == 250
    got: list[str] = []

    def answer(_path: str, body: Any) -> tuple[int, Any, dict[str, str]]:
        assert len(body["events"]) <= 100
        got.extend(item["event_id"] for item in body["events"])
        return 202, accepted(body["events"]), {}

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, found, _ = answer(self.path, body)
            data = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    with listening(ThreadingHTTPServer(("127.0.0.1", port), Handler)):
        assert client.close(20) == 0
    assert got == sent


def test_refused_reports_are_counted_and_not_sent_again() -> None:
    calls = []

    def answer(_path: str, body: Any) -> tuple[int, Any, dict[str, str]]:
        calls.append(body)
        return refusal(422)

    with scripted(answer) as url, Client(url, "sk") as client:
        client.report("d", "accept")
        assert client.flush() == 0
        assert client.dropped == 1
    assert len(calls) == 1


def test_each_reason_for_a_refusal_is_told(
    client: Client, service: tuple[Site, str], caplog: pytest.LogCaptureFixture
) -> None:
    now = service[0].clock()
    decision = client.decide(KEY, "ann", CONTEXT)
    for type_, amount in (("accept", "2"), ("accept", "3"), ("Not a type", 1.0), ("accept", 1.0)):
        client.report(decision, type_, amount=amount, occurred_at=now)  # type: ignore[arg-type]
    assert client.flush() == 0
    assert client.dropped == 3
    told = {
        r.getMessage().partition(", ")[2] for r in caplog.records if "refused" in r.getMessage()
    }
    assert told == {
        "amount: Input should be a valid number",
        "type must be a lower-case word of at most 64 characters",
    }


def test_odd_parts_of_a_refusal_do_no_harm() -> None:
    _, problem, _ = refusal(400)
    odd = {**problem, "detail": ["no"], "errors": ["bad", {"path": "x"}, None]}
    with scripted(lambda *_: (400, odd, {})) as url, Client(url, "sk", timeout=5.0) as client:
        assert str(client.decide(KEY, "ann").why).startswith("status 400")
        for _ in range(2):
            client.report("d", "accept")
            assert client.flush() == 0
        assert client.dropped == 2


def test_large_reports_stay_below_the_limit_of_a_body() -> None:
    sizes = []

    def answer(_path: str, body: Any) -> tuple[int, Any, dict[str, str]]:
        sizes.append(len(json.dumps(body)))
        return 202, accepted(body["events"]), {}

    with scripted(answer) as url, Client(url, "sk") as client:
        for number in range(300):
            client.report("d" * 48, "accept", event_id=f"{number:0256}")
        assert client.flush(20) == 0
    assert max(sizes) <= 64 * 1024
    assert len(sizes) >= 3


def test_memory_is_bounded_and_reporting_never_raises() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    client = Client(f"http://127.0.0.1:{port}", "sk")
    taken = [client.report("d", "accept") for _ in range(10_050)]
    assert taken[-50:] == [None] * 50
    assert client.dropped == 50
    assert client.report("d", "accept", amount=float("inf")) is None
    assert client.report("d", object()) is None  # type: ignore[arg-type]
    assert client.dropped == 52
    began = time.monotonic()
    assert client.close(0.1) == 10_000
    assert time.monotonic() - began < 1.0


def test_a_forked_process_sends_its_own_reports() -> None:
    got: list[str] = []

    def answer(_path: str, body: Any) -> tuple[int, Any, dict[str, str]]:
        got.extend(item["event_id"] for item in body["events"])
        return 202, accepted(body["events"]), {}

    with scripted(answer) as url:
        code = f"""
import os
from bandit_platform.client import Client
client = Client({url!r}, "sk")
client.report("d", "accept", event_id="parent")
assert client.flush() == 0
if os.fork() == 0:
    client.report("d", "accept", event_id="child")
    os._exit(client.flush())
assert os.wait()[1] == 0
"""
        subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=30)
    assert got == ["parent", "child"]
