"""The client against the real application, and against services that misbehave."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bandit_platform.client import Client
from bandit_platform.errors import InputError
from tests.client.services import KEY, scripted
from tests.web.both_ports import CONTEXT, Site


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


def test_an_outcome_may_name_the_order(client: Client, service: tuple[Site, str]) -> None:
    client.decide(KEY, "ann", CONTEXT, request_key="order-1")
    now = service[0].clock()
    assert client.report_request(KEY, "order-1", "accept", occurred_at=now)
    assert client.report_request(KEY, "order-1", "accept", unit_id="ann", occurred_at=now)
    assert client.flush() == client.dropped == 0
    assert client.report_request("no-experiment", "order-1", "accept", occurred_at=now)
    assert client.flush() == 0
    assert client.dropped == 1
    journal = "".join(p.read_text() for p in service[0].settings.journal_dir.glob("*.jsonl"))
    assert journal.count('"k":"request_event"') == 2


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


def test_a_context_may_hold_lists_and_sets_of_texts(
    client: Client, service: tuple[Site, str]
) -> None:
    for cart in (["b", "a"], ("b", "a"), {"b", "a"}, frozenset({"a", "b"})):
        refused = client.decide(KEY, "ann", {**CONTEXT, "country": cart})
        assert refused.why == "status 422: context.country: must be text"


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


@pytest.mark.parametrize(
    "url", ["", "localhost:8080", "ftp://x", "http://", "file:///etc", "http://x:port"]
)
def test_an_address_that_cannot_be_one_is_refused_at_once(url: str) -> None:
    with pytest.raises(InputError):
        Client(url, "sk")


@pytest.mark.parametrize("key", ["", "sk_1\n", "sk 1"])
def test_a_key_that_no_header_can_hold_is_refused_at_once(key: str) -> None:
    with pytest.raises(InputError, match="one word"):
        Client("http://127.0.0.1:9", key)


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
