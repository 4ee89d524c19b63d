"""The client against the real application, and against services that misbehave."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from inspect import signature
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from bandit_platform.client import Client, Decision, FakeClient
from bandit_platform.errors import InputError
from bandit_platform.settings import Settings
from tests.web.both_ports import CONTEXT, Site

KEY = "checkout-offers"
Script = Callable[[str, Any], tuple[int, Any, dict[str, str]]]


@contextmanager
def listening(server: Any) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def scripted(answer: Script) -> Iterator[str]:
    """A service that answers as it is told."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            status, found, headers = answer(self.path, json.loads(body) if body else None)
            data = found if isinstance(found, bytes) else json.dumps(found).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            pass

    with listening(Server(("127.0.0.1", 0), Handler)) as url:
        yield url


def accepted(items: list[dict[str, Any]]) -> dict[str, Any]:
    return {"events": [{"event_id": i["event_id"], "status": "accepted"} for i in items]}


@pytest.fixture
def service(tmp_path: Path, spec: Any, clock: Any) -> Iterator[tuple[Site, str]]:
    site = Site(Settings(data_dir=tmp_path, refresh_seconds=3600), spec, clock)
    with listening(make_server("127.0.0.1", 0, site.shop, threaded=True)) as url:
        yield site, url
    site.serving.registry.close()
    site.serving.upkeep.close()
    site.serving.journal.close()


@pytest.fixture
def client(service: tuple[Site, str]) -> Iterator[Client]:
    site, url = service
    with Client(url, str(site.keys["server"]), timeout=5.0) as made:
        yield made


def test_decisions_and_outcomes_arrive(client: Client, service: tuple[Site, str]) -> None:
    decision = client.decide(KEY, "ann", CONTEXT, excluded_arms=["upgrade"])
    assert decision.arm in {"nothing", "insurance"}
    assert bool(decision) is (decision.arm != "nothing")
    assert decision.pmf[decision.arm] == decision.propensity
    now = service[0].clock()
    event_id = client.report(decision, "purchase", amount=59.9, currency="GBP", occurred_at=now)
    client.report(decision, "accept", event_id="click-1", occurred_at=now)
    assert client.flush() == client.dropped == 0
    journal = "".join(p.read_text() for p in service[0].settings.journal_dir.glob("*.jsonl"))
    assert f'"id":"{event_id}","type":"purchase","amount":59.9,"currency":"GBP"' in journal
    assert '"id":"click-1"' in journal


def test_a_request_key_gives_the_same_decision(client: Client) -> None:
    first = client.decide(KEY, "ann", CONTEXT, request_key="order-1")
    assert client.decide(KEY, "ann", CONTEXT, request_key="order-1") == first


def test_a_deferred_decision_is_activated(client: Client, service: tuple[Site, str]) -> None:
    decision = client.decide(KEY, "ann", CONTEXT, defer_activation=True)
    assert client.activate(decision)
    assert client.flush() == 0
    journal = "".join(p.read_text() for p in service[0].settings.journal_dir.glob("*.jsonl"))
    assert '"k":"activation"' in journal


def test_threads_share_a_client(client: Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: client.decide(KEY, f"u-{n}", CONTEXT), range(200)))
    assert len({decision.decision_id for decision in made}) == 200


@pytest.mark.parametrize(
    "arguments",
    [
        ("unknown", "ann", {}),
        ("a/../b?c#d", "ann", {}),
        (KEY, "", CONTEXT),
        (KEY, "ann", {"undeclared": 1}),
        (KEY, "ann", {"cart_value": float("nan")}),
        (KEY, "ann", {"cart_value": object()}),
        (KEY, 7, None),
    ],
)
def test_a_refused_question_is_nothing_with_a_reason(
    client: Client, arguments: tuple[Any, ...], caplog: pytest.LogCaptureFixture
) -> None:
    decision = client.decide(*arguments)
    assert not decision
    assert (decision.arm, decision.offer, decision.reason) == ("nothing", None, "unavailable")
    assert decision.why
    assert [r.name for r in caplog.records].count("bandit_platform.client") == 1
    assert client.report(decision, "accept") is None
    assert client.activate(decision) is False


def test_a_refusal_names_the_fields(client: Client) -> None:
    refused = client.decide(KEY, "ann", CONTEXT, request_key=8841)  # type: ignore[arg-type]
    assert refused.why == (
        "status 422: The body does not have the documented form. "
        "(request_key: Input should be a valid string)"
    )
    wrong = client.decide(KEY, "ann", {**CONTEXT, "cart_value": "much"})
    assert wrong.why == "status 422: context.cart_value: must be a number"


def test_decimals_are_numbers(client: Client, service: tuple[Site, str]) -> None:
    decision = client.decide(KEY, "ann", {**CONTEXT, "cart_value": Decimal("59.90")})
    assert decision.decision_id
    now = service[0].clock()
    client.report(decision, "purchase", amount=Decimal("14.50"), occurred_at=now)
    assert client.flush() == client.dropped == 0
    journal = "".join(p.read_text() for p in service[0].settings.journal_dir.glob("*.jsonl"))
    assert '"cart_value":59.9' in journal
    assert '"amount":14.5' in journal


def test_a_wrong_key_and_a_service_that_is_away_are_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with Client(f"http://127.0.0.1:{port}", "sk") as client:
        assert client.decide(KEY, "ann").reason == "unavailable"


def test_what_goes_on_going_wrong_is_told_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def told() -> int:
        return [r.name for r in caplog.records].count("bandit_platform.client")

    with scripted(lambda *_: (503, {}, {})) as url, Client(url, "sk", timeout=5.0) as client:
        for _ in range(5):
            client.decide(KEY, "ann")
        assert told() == 1
        client.decide("another", "ann")
        assert told() == 2
        monkeypatch.setattr("bandit_platform.client.client._TELL_SECONDS", 0.0)
        client.decide("another", "ann")
        assert told() == 3


def test_a_slow_service_costs_no_more_than_the_time_limit() -> None:
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as silent,
        Client(f"http://127.0.0.1:{silent.getsockname()[1]}", "sk", timeout=0.2) as client,
    ):
        began = time.monotonic()
        decision = client.decide(KEY, "ann")
        assert 0.15 < time.monotonic() - began < 1.0
        assert decision.reason == "unavailable"
        assert "no answer" in str(decision.why)


@pytest.mark.parametrize(
    "found", [b"", b"<html>", b"[]", b"null", b'{"arm": "x"}', b'{"arm"', b"\xff"]
)
def test_an_answer_that_makes_no_sense_is_nothing(found: bytes) -> None:
    with scripted(lambda *_: (201, found, {})) as url, Client(url, "sk", timeout=5.0) as client:
        assert client.decide(KEY, "ann").reason == "unavailable"


def test_a_connection_that_the_service_closed_is_not_used_again() -> None:
    body = {"experiment": KEY, "arm": "nothing", "offer": None, "decision_id": "d", "reason": "p"}
    body |= {"propensity": 1.0, "pmf": {"nothing": 1.0}, "model_version": None}
    with (
        scripted(lambda *_: (201, body, {"Connection": "close"})) as url,
        Client(url, "sk", timeout=5.0) as client,
    ):
        assert {client.decide(KEY, "ann").reason for _ in range(10)} == {"p"}


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
        return 422, {"detail": "no"}, {}

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


def test_a_strangers_error_is_a_refusal_too() -> None:
    odd = {"detail": ["no"], "errors": ["bad", {"path": "x"}, None]}
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


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://x", "http://", "file:///etc"])
def test_an_address_that_cannot_be_one_is_refused_at_once(url: str) -> None:
    with pytest.raises(InputError):
        Client(url, "sk")


README = (Path(__file__).parents[2] / "README.md").read_text()


def test_the_example_of_the_readme_runs(
    service: tuple[Site, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    site, url = service
    (example,) = re.findall(r"<!-- run -->\n```python\n(.*?)```", README, re.DOTALL)
    monkeypatch.setenv("SHOP_KEY", str(site.keys["server"]))
    example = example.replace("http://127.0.0.1:8080", url).replace("thank-you-page", KEY)
    example = example.replace("order_value", "cart_value")
    site.clock.now = datetime.now(UTC)
    shown: list[Any] = []
    exec(compile(example, "README.md", "exec"), {"show": shown.append})  # noqa: S102 - our text
    assert [r for r in caplog.records if r.name == "bandit_platform.client"] == []
    journal = "".join(p.read_text() for p in site.settings.journal_dir.glob("*.jsonl"))
    assert len(shown) == journal.count('"type":"accept"')
    assert journal.count('"k":"decision"') == 1


def test_it_needs_the_standard_library_only() -> None:
    code = """
import sys
before = set(sys.modules)
import bandit_platform.client
own = {name.split(".")[0] for name in set(sys.modules) - before}
print(*sorted(own - set(sys.stdlib_module_names)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    assert done.stdout.split() == ["bandit_platform"]


def test_the_fake_answers_as_told_and_remembers() -> None:
    with FakeClient().will_answer("page", "parking", {"title": "Park"}) as fake:
        shown = fake.decide("page", "ann", {"country": "GB"}, request_key="r")
        other = fake.decide("elsewhere", "ann")
        fake.report(shown, "accept", amount=1.0)
        fake.activate(shown)
    assert (shown.arm, shown.offer, bool(shown)) == ("parking", {"title": "Park"}, True)
    assert not other
    assert fake.asked[0]["context"] == {"country": "GB"}
    assert fake.events == [
        {"event_id": "event-1", "decision_id": "decision-1", "type": "accept", "amount": 1.0}
    ]
    assert fake.activated == ["decision-1"]


def test_the_fake_can_do_what_the_client_can() -> None:
    public = {name for name in dir(Client) if not name.startswith("_")}
    assert public <= {name for name in dir(FakeClient()) if not name.startswith("_")}
    assert isinstance(FakeClient().decide("page", "ann"), Decision)
    for name in ("decide", "report", "activate", "flush", "close"):
        assert signature(getattr(FakeClient, name)) == signature(getattr(Client, name))
