"""The driver counts exactly what it sent and what was acknowledged."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

import pytest

from bandit_platform.errors import UnavailableError
from bandit_platform.simulation.driver import GIVE_UP_AFTER, Reply, Target, Visit, drive
from bandit_platform.simulation.tally import Tally
from bandit_platform.simulation.truth import Outcome


class FakeService:
    """Answers like the service, remembers what it was sent, and fails where it is told to."""

    def __init__(self) -> None:
        self.decisions: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.activated: list[str] = []
        self.lock = Lock()

    def answer(self, path: str, body: Any) -> tuple[int, dict[str, Any]]:
        with self.lock:
            if path.endswith("/activate"):
                self.activated.append(path.split("/")[3])
                return 204, {}
            if path == "/v1/events":
                self.events += body["events"]
                return 202, {"events": [{"status": self.status(each)} for each in body["events"]]}
            return self.decide(body)

    def decide(self, body: Any) -> tuple[int, dict[str, Any]]:
        number = int(body["request_key"])
        if number % 10 == 3:
            return 503, {"title": "Not now"}
        self.decisions.append(body)
        arm = "mens" if number % 2 else "nothing"
        answer = {"decision_id": f"d{number}", "arm": arm, "reason": "policy", "pmf": {arm: 1.0}}
        return (200 if number % 10 == 4 else 201), answer

    def status(self, event: Any) -> str:
        return {"purchase": "duplicate", "forged": "rejected"}.get(event["type"], "accepted")


@contextmanager
def serving(service: FakeService) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["Content-Length"]))
            status, body = service.answer(self.path, json.loads(text) if text else None)
            data = b"" if status == 204 else json.dumps(body).encode()
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def visits(count: int, outcome: str = "visit") -> Iterator[Visit]:
    for number in range(count):
        yield Visit(
            number=number,
            request={"unit_id": "u", "context": {}, "request_key": str(number)},
            reply=lambda arm: (
                Reply(events=[Outcome(type=outcome, amount=2.5)], activate=True)
                if arm == "mens"
                else Reply()
            ),
        )


def run(
    port: int, sent: Iterator[Visit], *, rate: float | None = None, connections: int = 4
) -> Tally:
    target = Target(
        host="127.0.0.1",
        port=port,
        experiment="e",
        currency="GBP",
        connections=connections,
        rate=rate,
    )
    return drive(sent, target, progress=lambda _: None, check=lambda: None)


def test_everything_is_counted_once() -> None:
    service = FakeService()
    with serving(service) as port:
        tally = run(port, visits(100))
    assert tally.decisions_sent == 100
    assert tally.decisions_acknowledged == len(service.decisions) == 90
    assert tally.decisions_new == 80
    assert tally.failures == {"decision: 503 Not now": 10}
    assert [served.number for served in tally.served] == [n for n in range(100) if n % 10 != 3]
    assert tally.events_sent == tally.events_accepted == len(service.events) == 40
    assert tally.activations_sent == tally.activations_acknowledged == len(service.activated) == 40
    assert len({event["event_id"] for event in service.events}) == 40
    assert service.events[0]["currency"] == "GBP"
    assert "served" not in tally.to_dict()


@pytest.mark.parametrize(("outcome", "field"), [("purchase", "duplicate"), ("forged", "rejected")])
def test_event_answers_are_told_apart(outcome: str, field: str) -> None:
    with serving(FakeService()) as port:
        tally = run(port, visits(20, outcome))
    assert tally.events_accepted == 0
    assert tally.to_dict()[f"events_{field}"] == tally.events_sent == 8


def test_a_service_that_is_gone_ends_the_run_and_is_counted() -> None:
    with serving(FakeService()) as port:
        pass
    tally = run(port, visits(5000))
    assert GIVE_UP_AFTER <= tally.decisions_sent < 5000
    assert tally.failures == {"decision: ConnectionRefusedError": tally.decisions_sent}
    assert tally.decisions_acknowledged == 0


def test_the_rate_is_kept() -> None:
    with serving(FakeService()) as port:
        started = time.monotonic()
        run(port, visits(60), rate=100.0)
    assert 0.55 < time.monotonic() - started < 3.0


def test_a_dead_process_ends_the_run() -> None:
    def check() -> None:
        raise UnavailableError("work ended with status 1")

    with serving(FakeService()) as port:
        target = Target(host="127.0.0.1", port=port, experiment="e", rate=50.0)
        with pytest.raises(UnavailableError, match="work ended"):
            drive(visits(10_000), target, progress=lambda _: None, check=check)


def test_a_signal_before_all_senders_have_begun_stops_those_that_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[Thread] = []

    class Interrupted(Thread):
        def start(self) -> None:
            if len(begun) == 2:
                raise KeyboardInterrupt
            begun.append(self)
            super().start()

    monkeypatch.setattr("bandit_platform.simulation.driver.Thread", Interrupted)
    with serving(FakeService()) as port:
        target = Target(host="127.0.0.1", port=port, experiment="e", rate=50.0, connections=4)
        with pytest.raises(KeyboardInterrupt):
            drive(visits(10_000), target, progress=lambda _: None, check=lambda: None)
    assert not any(thread.is_alive() for thread in begun)


def test_an_answer_that_is_no_decision_is_an_error_not_a_count() -> None:
    class Odd(FakeService):
        def decide(self, body: Any) -> tuple[int, dict[str, Any]]:
            return 201, {"surprise": True}

    with serving(Odd()) as port, pytest.raises(KeyError):
        run(port, visits(3))
