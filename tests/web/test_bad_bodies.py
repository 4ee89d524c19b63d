from __future__ import annotations

import json
from typing import Any

import pytest

DECIDE = "/v1/experiments/checkout-offers/decisions"
EVENTS = "/v1/events"
KIB = 1024


def padded(path: str, size: int) -> bytes:
    """A valid body of exactly ``size`` bytes: JSON may end in spaces."""
    body: dict[str, Any] = {"unit_id": "u"} if path == DECIDE else {"events": [{"event_id": "e"}]}
    text = json.dumps(body).encode()
    return text + b" " * (size - len(text))


#: a batch was read, and each of its outcomes judged
ALL_REJECTED = 422


@pytest.mark.parametrize("path", [DECIDE, EVENTS])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"not json",
        b'{"unit_id": "u"} trailing',
        b"\xff\xfe",
        b'{"unit_id": "\xe9"}',
        b'{"unit_id": "\\ud800"}',
        b'{"unit_id": "a\nb"}',
        b"[" * 5000,
        b'{"unit_id": ' + b"9" * 5000 + b"}",
        b"{'unit_id': 'u'}",
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_is_no_json_is_malformed(refusing: Any, path: str, body: bytes, refused: Any) -> None:
    refused(refusing.post(path, body), 400, "malformed")


@pytest.mark.parametrize("path", [DECIDE, EVENTS])
@pytest.mark.parametrize("body", ["null", "1", '"text"', "[]", "true"])
def test_json_that_is_no_object_has_the_wrong_form(
    refusing: Any, path: str, body: str, refused: Any
) -> None:
    refused(refusing.post(path, body), 422, "invalid-body")


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "unit_id"),
        ({"unit_id": ""}, "unit_id"),
        ({"unit_id": "u" * 257}, "unit_id"),
        ({"unit_id": 7}, "unit_id"),
        ({"unit_id": None}, "unit_id"),
        ({"unit_id": "u", "context": [1]}, "context"),
        ({"unit_id": "u", "context": "GB"}, "context"),
        ({"unit_id": "u", "context": {"": 1}}, "context"),
        ({"unit_id": "u", "context": {"k" * 65: 1}}, "context"),
        ({"unit_id": "u", "context": {f"k{n}": 1 for n in range(51)}}, "context"),
        ({"unit_id": "u", "request_key": ""}, "request_key"),
        ({"unit_id": "u", "request_key": "k" * 257}, "request_key"),
        ({"unit_id": "u", "request_key": 8841}, "request_key"),
        ({"unit_id": "u", "eligible_arms": "upgrade"}, "eligible_arms"),
        ({"unit_id": "u", "eligible_arms": [1]}, "eligible_arms[0]"),
        ({"unit_id": "u", "eligible_arms": ["a"] * 101}, "eligible_arms"),
        ({"unit_id": "u", "excluded_arms": "upgrade"}, "excluded_arms"),
        ({"unit_id": "u", "excluded_arms": ["a" * 65]}, "excluded_arms[0]"),
        ({"unit_id": "u", "defer_activation": "yes"}, "defer_activation"),
        ({"unit_id": "u", "defer_activation": 1}, "defer_activation"),
        ({"unit_id": "u", "unknown": 1}, ""),
    ],
    ids=lambda value: repr(value)[:50],
)
def test_every_field_is_strict_and_named(
    refusing: Any, body: dict[str, Any], path: str, refused: Any
) -> None:
    told = refused(refusing.post(DECIDE, body), 422, "invalid-body")
    assert {error["path"] for error in told["errors"]} == {path}
    assert all(error["message"] for error in told["errors"])


def test_every_problem_of_a_body_is_told_at_once(refusing: Any, refused: Any) -> None:
    body = {"unit_id": 1, "context": {"country": {"is": "GB"}}, "more": 1, "defer_activation": 0}
    told = refused(refusing.post(DECIDE, body), 422, "invalid-body")
    assert {error["path"] for error in told["errors"]} == {
        "unit_id",
        "context",
        "defer_activation",
        "",
    }


@pytest.mark.parametrize(
    ("sent", "path"),
    [
        ({"email": "a@example.com"}, "context"),
        ({"cart_value": -0.01}, "context.cart_value"),
        ({"cart_value": "80"}, "context.cart_value"),
        ({"cart_value": True}, "context.cart_value"),
        ({"country": 44.0}, "context.country"),
        ({"country": False}, "context.country"),
        ({"country": ["GB"]}, "context.country"),
        ({"country": {"is": "GB"}}, "context.country"),
        ({"country": "G" * 257}, "context.country"),
        ({"returning": "yes"}, "context.returning"),
        ({"returning": 1}, "context.returning"),
    ],
)
def test_a_context_must_be_as_declared(
    refusing: Any, sent: dict[str, Any], path: str, refused: Any
) -> None:
    told = refused(refusing.decide(context=sent), 422, "invalid-context")
    assert [error["path"] for error in told["errors"]] == [path]


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400])
def test_numbers_of_a_context_are_finite(refusing: Any, number: str, refused: Any) -> None:
    body = f'{{"unit_id": "u", "context": {{"cart_value": {number}}}}}'
    answer = refusing.post(DECIDE, body)
    assert answer.status_code == 422
    refused(answer, 422, answer.json["type"].rsplit(":", 1)[1])
    assert answer.json["type"].endswith((":invalid-body", ":invalid-context"))


@pytest.mark.parametrize(("path", "limit"), [(DECIDE, 32 * KIB), (EVENTS, 64 * KIB)])
@pytest.mark.parametrize("told", [True, False], ids=["with a length", "without"])
def test_bodies_are_taken_up_to_their_limit(
    standing: Any, path: str, limit: int, told: bool, refused: Any
) -> None:
    def post(size: int) -> Any:
        body = padded(path, size)
        return standing.post(path, body) if told else standing.post_without_length(path, body)

    assert post(limit).status_code == (201 if path == DECIDE else ALL_REJECTED)
    before = standing.journal()
    refused(post(limit + 1), 413, "too-large")
    refused(post(10 * limit), 413, "too-large")
    assert standing.journal() == before


@pytest.mark.parametrize("told", [True, False], ids=["with a length", "without"])
def test_a_beacon_with_its_key_in_the_body_is_taken_up_to_the_limit(
    standing: Any, told: bool, refused: Any
) -> None:
    key = standing.platform.keys.create(role=None).text
    standing.serving.registry.refresh()
    text = json.dumps({"key": key, "events": [{"event_id": "e"}]}).encode()

    def post(size: int) -> Any:
        body = text + b" " * (size - len(text))
        if not told:
            return standing.post_without_length(EVENTS, body, kind="text/plain", headers={})
        client = standing.shop.test_client()
        return client.post(EVENTS, data=body, content_type="text/plain")

    assert post(64 * KIB).status_code == ALL_REJECTED
    refused(post(64 * KIB + 1), 413, "too-large")
    refused(post(640 * KIB), 413, "too-large")


@pytest.mark.parametrize("path", [DECIDE, EVENTS])
@pytest.mark.parametrize("kind", [None, "", "text/html", "application/x-www-form-urlencoded"])
def test_another_content_type_is_refused(
    refusing: Any, path: str, kind: str | None, refused: Any
) -> None:
    refused(refusing.post(path, padded(path, 100), kind=kind), 415, "unsupported-media-type")


def test_pages_may_send_json_as_text(standing: Any) -> None:
    text = "text/plain;charset=UTF-8"
    assert standing.post(DECIDE, padded(DECIDE, 100), kind=text).status_code == 201
    assert standing.post(EVENTS, padded(EVENTS, 100), kind=text).status_code == ALL_REJECTED


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "APPLICATION/JSON"])
def test_json_may_say_its_charset(standing: Any, kind: str) -> None:
    assert standing.post(DECIDE, {"unit_id": "u"}, kind=kind).status_code == 201


def test_fifty_keys_of_full_length_are_within_the_limits(refusing: Any, refused: Any) -> None:
    context = {f"{n:064d}": "v" * 256 for n in range(50)}
    told = refused(refusing.decide(context=context), 422, "invalid-context")
    assert told["errors"] == [
        {
            "path": "context",
            "message": "50 undeclared keys; declare what may be sent under [context] in the "
            "experiment",
        }
    ]
