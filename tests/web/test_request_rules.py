"""What PHP, Liquid and senders of webhooks send, and what an experiment makes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bandit_platform.domain.request_rules import RequestRules

PATH = "/v1/experiments/checkout-offers/decisions"


@pytest.fixture
def dropping(deployment: Any, spec: Any) -> Any:
    """A running experiment that drops undeclared fields."""
    deployment.launch(spec.model_copy(update={"request": RequestRules(unknown="drop")}))
    return deployment


@pytest.fixture
def lenient(deployment: Any, spec: Any) -> Any:
    """A running experiment that coerces values."""
    deployment.launch(spec.model_copy(update={"request": RequestRules(lenient=True)}))
    return deployment


def records(deployment: Any, kind: str) -> list[dict[str, Any]]:
    lines = map(json.loads, deployment.journal().splitlines())
    return [line for line in lines if line["k"] == kind]


def contexts(deployment: Any) -> list[dict[str, Any]]:
    return [each["context"] for each in records(deployment, "decision")]


@pytest.mark.parametrize(
    "body",
    [
        '{"unit_id": "u", "context": []}',
        '{"unit_id": "u", "context": null}',
        '{"unit_id": "u", "context": {}, "excluded_arms": null, "eligible_arms": null}',
        '{"unit_id": "u", "context": [], "request_key": null, "defer_activation": null}',
        '{"unit_id": "u", "context": {"cart_value": null, "country": null, "other": null}}',
        '{"unit_id": "u", "nonsense": null}',
        '\ufeff{"unit_id": "u"}',
    ],
)
def test_null_is_absent_and_a_list_without_items_is_an_empty_table(running: Any, body: str) -> None:
    answer = running.post(PATH, body.encode())
    assert answer.status_code == 201, answer.text
    assert contexts(running) == [{}]


def test_a_null_asks_the_same_as_nothing(running: Any) -> None:
    context = {"cart_value": 80.0}
    first = running.decide(request_key="k", context=context)
    for same in ({**context, "country": None}, {"country": None, "cart_value": 80.0}):
        again = running.decide(request_key="k", context=same, excluded_arms=None)
        assert (again.status_code, again.json) == (200, first.json)


@pytest.mark.parametrize("context", ["", 0, False, "x", [1], [[]]])
def test_a_context_that_is_no_table_is_refused(running: Any, context: Any, refused: Any) -> None:
    body = refused(running.decide(context=context), 422, "invalid-body")
    assert body["errors"][0]["path"] == "context"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([82.5], "must be a number"),
        ({"amount": 82.5}, "must be a number"),
        ("82.50", "must be a number"),
        (10**400, "must be a finite number"),
        ("9" * 300, "must be a number"),
    ],
    ids=str,
)
def test_a_refusal_names_the_field(running: Any, value: Any, message: str, refused: Any) -> None:
    for more in ({}, {"request_key": "k"}):
        answer = running.decide(context={"country": "GB", "cart_value": value}, **more)
        body = refused(answer, 422, "invalid-context")
        assert body["errors"] == [{"path": "context.cart_value", "message": message}]
    assert contexts(running) == []


def test_an_undeclared_field_is_refused_unless_the_experiment_drops_it(
    running: Any, refused: Any
) -> None:
    for other in (1, [1], {"a": None}):
        answer = running.decide(context={"cart_value": 80.0, "canary": other})
        body = refused(answer, 422, "invalid-context")
        assert body["errors"][0]["path"] == "context"
        assert "canary" not in answer.text


def test_undeclared_fields_are_dropped_and_only_counted(dropping: Any) -> None:
    others = {"email": "a@b.example", "cart": {"items": [{"id": 7}]}, "note": "n" * 3000}
    assert dropping.decide(context={"cart_value": 80.0, **others}).status_code == 201
    assert dropping.decide(context={"cart_value": 80.0}).status_code == 201
    many = {f"field_{number}": number for number in range(200)}
    assert dropping.decide(context={"cart_value": 80.0, **many}).status_code == 201
    assert contexts(dropping) == [{"cart_value": 80.0}] * 3
    assert [each.get("dropped_fields") for each in records(dropping, "decision")] == [3, None, 50]
    for text in ("email", "example", "nnn", "field_"):
        assert text not in dropping.journal()


def test_dropped_fields_do_not_make_a_repeated_request_another_one(dropping: Any) -> None:
    first = dropping.decide(request_key="k", context={"cart_value": 80.0, "at": 1})
    again = dropping.decide(request_key="k", context={"cart_value": 80.0, "at": 2, "x": [1]})
    assert (again.status_code, again.json) == (200, first.json)
    other = dropping.decide(request_key="k", context={"cart_value": 81.0, "at": 1})
    assert other.status_code == 409


def test_what_is_declared_is_still_judged(dropping: Any, refused: Any) -> None:
    answer = dropping.decide(context={"cart_value": "82.50", "other": [1]})
    body = refused(answer, 422, "invalid-context")
    assert [each["path"] for each in body["errors"]] == ["context.cart_value"]


def test_a_lenient_experiment_takes_what_templates_write(lenient: Any) -> None:
    said = {"cart_value": "82.50", "country": "GB", "returning": "1"}
    first = lenient.decide(unit_id=7, request_key=8841, context=said, defer_activation="true")
    assert first.status_code == 201, first.text
    meant = {"cart_value": 82.5, "country": "GB", "returning": True}
    again = lenient.decide(unit_id="7", request_key="8841", context=meant, defer_activation=True)
    assert (again.status_code, again.json) == (200, first.json)
    by_header = lenient.decide(
        unit_id=7, context=said, defer_activation=1, headers={"Idempotency-Key": "8841"}
    )
    assert by_header.json == first.json
    assert contexts(lenient) == [meant]
    assert records(lenient, "decision")[0]["deferred"] is True


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"unit_id": 7}, "unit_id"),
        ({"request_key": 8841}, "request_key"),
        ({"defer_activation": "true"}, "defer_activation"),
        ({"context": {"cart_value": "82.50"}}, "context.cart_value"),
        ({"context": {"country": 44}}, "context.country"),
        ({"context": {"returning": 1}}, "context.returning"),
    ],
    ids=str,
)
def test_without_it_each_is_refused_by_name(running: Any, body: dict[str, Any], path: str) -> None:
    answer = running.decide(**body)
    assert answer.status_code == 422
    assert [each["path"] for each in answer.json["errors"]] == [path]


@pytest.mark.parametrize(
    "body",
    [
        {"unit_id": 1.5},
        {"unit_id": True},
        {"unit_id": 2**60},
        {"unit_id": None},
        {"request_key": [1]},
        {"defer_activation": "yes"},
        {"context": {"cart_value": "82,50"}},
        {"context": {"cart_value": "nan"}},
        {"context": {"cart_value": True}},
        {"context": {"returning": 2}},
        {"context": {"country": 1.5}},
        {"context": {"other": "1"}},
        {"nonsense": 1},
    ],
    ids=str,
)
def test_what_is_not_clear_is_refused_by_a_lenient_experiment_too(
    lenient: Any, body: dict[str, Any]
) -> None:
    answer = lenient.decide(**body)
    assert answer.status_code == 422
    assert answer.json["errors"]
    assert contexts(lenient) == []


def item(decision_id: str, **changed: Any) -> dict[str, Any]:
    return {"event_id": "e", "decision_id": decision_id, "type": "purchase", **changed}


WRITTEN = {"event_id": 8841, "amount": "14.50", "currency": "GBP", "occurred_at": None}


def test_outcomes_are_read_as_the_experiment_of_their_decision_says(
    lenient: Any, spec: Any
) -> None:
    lenient.launch(spec.model_copy(update={"key": "strict"}))
    made = lenient.decision_id()
    strict = lenient.decide(experiment="strict").json["decision_id"]
    answer = lenient.events(item(made, **WRITTEN), item(strict, **WRITTEN))
    assert answer.status_code == 202
    taken, refused = answer.json["events"]
    assert taken == {"event_id": "8841", "status": "accepted"}
    assert (refused["status"], refused["why"][:9]) == ("rejected", "event_id:")
    (event,) = records(lenient, "event")
    assert (event["id"], event["amount"], event["decision"]) == ("8841", 14.5, made)
    repeated = lenient.events(item(made, event_id="8841", amount=14.5, currency="GBP"))
    assert repeated.json["events"][0]["status"] == "duplicate"


@pytest.mark.parametrize("decision_id", ["0" * 48, "é" * 48, 7, None, "x"])
def test_nothing_is_coerced_for_a_decision_that_was_never_made(
    lenient: Any, decision_id: Any
) -> None:
    answer = lenient.events(item(decision_id, **WRITTEN))
    assert answer.status_code == 422
    assert answer.json["events"][0]["status"] == "rejected"


def test_null_is_absent_in_outcomes_of_every_experiment(running: Any) -> None:
    made = running.decision_id()
    nothing = dict.fromkeys(["amount", "currency", "occurred_at", "slot"])
    assert running.events(item(made, **nothing)).json["events"][0]["status"] == "accepted"


def test_a_time_may_have_a_space_and_needs_a_zone(running: Any) -> None:
    made = running.decision_id()
    moment = running.clock.now.strftime("%Y-%m-%d %H:%M:%S")
    answer = running.events(item(made, occurred_at=f"{moment}Z"), item(made, occurred_at=moment))
    taken, refused = answer.json["events"]
    assert taken["status"] == "accepted"
    assert refused["why"] == "occurred_at: Input should have timezone info"


def test_an_outcome_that_names_the_request_key_is_coerced_too(lenient: Any) -> None:
    named = {"experiment": "checkout-offers", "request_key": 8841, "unit_id": 7}
    answer = lenient.events({"event_id": 1, "type": "purchase", "amount": "5.90", **named})
    assert answer.json["events"] == [{"event_id": "1", "status": "accepted"}]
    (event,) = records(lenient, "request_event")
    assert event["amount"] == 5.9
