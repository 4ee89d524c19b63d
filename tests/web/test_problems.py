from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from bandit_platform.errors import StorageError

DECIDE = "/v1/experiments/checkout-offers/decisions"
CANARY = "canary7f3a"


@pytest.mark.parametrize("port", ["shop", "console"])
def test_an_address_that_does_not_exist_is_a_problem(
    refusing: Any, port: str, refused: Any
) -> None:
    client = getattr(refusing, port).test_client()
    for path in ("/nowhere", f"/{CANARY}", "/v1", "/v1/", "/redoc", "/static"):
        for method in ("GET", "POST", "DELETE"):
            answer = client.open(path, method=method)
            refused(answer, 404, "not-found")
            assert CANARY not in answer.text


@pytest.mark.parametrize(
    ("port", "path", "method"),
    [
        ("shop", "/v1/events", "GET"),
        ("shop", DECIDE, "DELETE"),
        ("shop", "/healthz", "POST"),
        ("console", "/v1/experiments/checkout-offers/report", "DELETE"),
        ("console", "/", "DELETE"),
    ],
)
def test_a_method_an_address_does_not_take_is_a_problem(
    refusing: Any, port: str, path: str, method: str, refused: Any
) -> None:
    answer = getattr(refusing, port).test_client().open(path, method=method)
    refused(answer, 405, "method-not-allowed")
    taken = set(answer.headers["Allow"].split(", "))
    assert taken & {"GET", "POST"}
    assert method not in taken


def test_an_unexpected_error_is_recorded_and_says_nothing(
    running: Any, refused: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("a mistake of ours")

    monkeypatch.setattr(running.serving.decider, "decide", broken)
    answer = running.decide(unit_id=CANARY)
    body = refused(answer, 500, "internal")
    assert "mistake" not in json.dumps(body)
    logged = "".join(capfd.readouterr())
    assert "ZeroDivisionError" in logged
    assert CANARY not in logged


def test_trouble_that_passes_says_when_to_try_again(
    running: Any, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: Any) -> Any:
        raise StorageError("the database: OperationalError: connection to 10.0.0.3 failed")

    monkeypatch.setattr(running.platform, "whole_report", away)
    answer = running.get("/v1/experiments/checkout-offers/report")
    body = refused(answer, 503, "unavailable")
    assert answer.headers["Retry-After"] == "1"
    assert "10.0.0.3" not in json.dumps(body)


def bad_requests() -> Iterator[tuple[str, str, Any]]:
    """(name, path, body) of requests with the canary wherever a caller can put text."""
    yield "unit", DECIDE, {"unit_id": CANARY * 30}
    yield "field", DECIDE, {"unit_id": "u", CANARY: 1}
    yield "context key", DECIDE, {"unit_id": "u", "context": {CANARY: 1}}
    yield "long key", DECIDE, {"unit_id": "u", "context": {CANARY * 10: 1}}
    yield "list", DECIDE, {"unit_id": "u", "context": {"country": [CANARY]}}
    yield "object", DECIDE, {"unit_id": "u", "context": {CANARY: {CANARY: CANARY}}}
    yield "wrong type", DECIDE, {"unit_id": "u", "context": {"cart_value": CANARY}}
    yield "not boolean", DECIDE, {"unit_id": "u", "context": {"returning": CANARY}}
    yield "long value", DECIDE, {"unit_id": "u", "context": {"country": CANARY * 30}}
    yield "arm", DECIDE, {"unit_id": "u", "eligible_arms": [CANARY]}
    yield "long arm", DECIDE, {"unit_id": "u", "excluded_arms": [CANARY * 10]}
    yield "request key", DECIDE, {"unit_id": "u", "request_key": CANARY * 30}
    yield "flag", DECIDE, {"unit_id": "u", "defer_activation": CANARY}
    yield "not json", DECIDE, f'{{"unit_id": "{CANARY}", }}'
    yield "not an object", DECIDE, [CANARY]
    yield "experiment", f"/v1/experiments/{CANARY}/decisions", {"unit_id": CANARY}
    yield "decision", f"/v1/decisions/{CANARY}/activate", None
    yield "address", f"/v1/{CANARY}", {}
    yield "events", "/v1/events", {"events": CANARY}
    yield "batch field", "/v1/events", {"events": [{}], CANARY: CANARY}
    yield "batch item", "/v1/events", {"events": [CANARY]}
    for name in ("event_id", "decision_id", "type", "amount", "currency", "occurred_at"):
        yield f"event {name}", "/v1/events", {"events": [event(**{name: CANARY * 30})]}
        yield f"event {name}s", "/v1/events", {"events": [event(**{name: [CANARY]})]}
    yield "event type", "/v1/events", {"events": [event(type=CANARY.upper())]}
    yield "event moment", "/v1/events", {"events": [event(occurred_at=f"2026-11-22T{CANARY}")]}
    yield "event field", "/v1/events", {"events": [event() | {CANARY: CANARY}]}
    yield "forged", "/v1/events", {"events": [event(decision_id=CANARY)]}


def event(**changed: Any) -> dict[str, Any]:
    return {"event_id": "e", "decision_id": "0" * 48, "type": "accept", **changed}


@pytest.mark.parametrize(
    ("path", "body"), [pytest.param(path, body, id=name) for name, path, body in bad_requests()]
)
def test_a_refused_value_is_never_repeated(
    refusing: Any,
    path: str,
    body: Any,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    answer = refusing.post(path, body)
    assert answer.status_code in {400, 404, 422}
    if answer.content_type == "application/json":
        assert [receipt["status"] for receipt in answer.json["events"]] == ["rejected"]
    assert CANARY not in answer.text.lower()
    assert all(CANARY not in value.lower() for _, value in answer.headers)
    assert CANARY not in ("".join(capfd.readouterr()) + caplog.text).lower()
    assert CANARY not in refusing.journal().lower()


def test_nothing_of_a_good_request_is_in_the_log_either(
    running: Any, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    class Broken:
        def pmf(self, lines: Any, nothing: int) -> Any:
            raise RuntimeError("VW broke")

    caplog.set_level(logging.DEBUG)
    registry = running.serving.registry
    registry._live = {key: replace(live, champion=Broken()) for key, live in registry._live.items()}
    context = {"cart_value": 80.0, "country": CANARY}
    reasons = set()
    for number in range(30):
        answer = running.decide(
            unit_id=f"{CANARY}-{number}", context=context, request_key=f"{CANARY}-{number}"
        )
        reasons.add(answer.json["reason"])
        made = answer.json["decision_id"]
        running.events({"event_id": CANARY, "decision_id": made, "type": "accept"})
    assert "fallback" in reasons
    logged = "".join(capfd.readouterr()) + caplog.text
    assert "RuntimeError" in logged
    assert CANARY not in logged
