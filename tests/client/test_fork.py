"""A client that a process forks with: what both have must not be used by both."""

from __future__ import annotations

import subprocess
import sys
import threading
from typing import Any

from tests.client.services import accepted, scripted

BEGINNING = """
import os, signal, threading
from bandit_platform.client import Client

def in_a_child(action):
    if os.fork() == 0:
        signal.alarm(10)
        os._exit(action())
    assert os.wait()[1] == 0
"""


def run(code: str) -> None:
    subprocess.run([sys.executable, "-W", "error", "-c", BEGINNING + code], check=True, timeout=30)


def test_a_forked_process_asks_over_connections_of_its_own() -> None:
    """Over a parent's connection it could read the answer to another shopper."""
    connections: list[int] = []

    def answer(_path: str, _body: Any) -> tuple[int, Any, dict[str, str]]:
        connections.append(threading.get_ident())  # the service has a thread for each
        return 503, {}, {}

    with scripted(answer) as url:
        run(f"""
client = Client({url!r}, "sk", timeout=5)
def ask():
    client.decide("checkout-offers", "u")
    return 0
ask()
ask()
in_a_child(ask)
ask()
""")
    parent, again, child, after = connections
    assert parent == again == after
    assert child != parent


def test_a_report_does_not_wait_for_a_thread_that_the_fork_left_behind() -> None:
    got: list[str] = []

    def answer(_path: str, body: Any) -> tuple[int, Any, dict[str, str]]:
        got.extend(item["event_id"] for item in body["events"])
        return 202, accepted(body["events"]), {}

    with scripted(answer) as url:
        run(f"""
client = Client({url!r}, "sk")
held, forked = threading.Event(), threading.Event()
def use():
    with client._outbox._changed:  # as every report does for a moment
        held.set()
        forked.wait()
user = threading.Thread(target=use)
user.start()
held.wait()
def report():
    client.report("d", "accept", event_id="child")
    return client.flush()
in_a_child(report)
forked.set()
user.join()
""")
    assert got == ["child"]
