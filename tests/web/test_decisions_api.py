from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from bandit_platform.domain.lifecycle import Action
from bandit_platform.errors import StorageError

PATH = "/v1/experiments/checkout-offers/decisions"


def measured(running: Any, **body: Any) -> Any:
    """An answer for a unit outside the holdout."""
    for number in range(100):
        answer = running.decide(unit_id=f"u-{number}", **body)
        if answer.json["reason"] != "holdout":
            return answer
    raise AssertionError("everybody is held out")


def test_a_decision_is_answered_whole(running: Any) -> None:
    answer = measured(running)
    assert answer.status_code == 201
    assert answer.content_type == "application/json"
    body = answer.json
    assert set(body) == {
        "decision_id",
        "experiment",
        "arm",
        "offer",
        "propensity",
        "pmf",
        "model_version",
        "model_versions",
        "reason",
        "expires_at",
    }
    assert (body["experiment"], body["reason"], body["model_version"]) == (
        "checkout-offers",
        "uniform",
        None,
    )
    assert list(body["pmf"]) == ["nothing", "upgrade", "insurance"]
    assert body["propensity"] == body["pmf"][body["arm"]] == pytest.approx(1 / 3)
    assert datetime.fromisoformat(body["expires_at"]) == running.clock.now + timedelta(hours=1)
    assert body["decision_id"] in running.journal()


def test_the_offer_comes_with_its_arm_and_nothing_has_none(running: Any) -> None:
    offers = {
        "nothing": None,
        "upgrade": {"title": "Upgrade", "url": "https://shop.example/upgrade"},
        "insurance": {"title": "Insurance"},
    }
    seen = set()
    for number in range(60):
        body = running.decide(unit_id=f"u-{number}").json
        assert body["offer"] == offers[body["arm"]]
        seen.add(body["arm"])
    assert seen == set(offers)


def test_context_and_lists_may_be_left_out(running: Any) -> None:
    answer = running.post(PATH, {"unit_id": "u"})
    assert answer.status_code == 201
    assert "upgrade" not in answer.json["pmf"]


def test_whole_numbers_are_numbers(running: Any) -> None:
    assert measured(running, context={"cart_value": 80}).json["pmf"]["upgrade"] > 0


@pytest.mark.parametrize("way", ["body", "header", "both"])
def test_a_request_key_gives_201_then_200_then_409(running: Any, way: str, refused: Any) -> None:
    body = {} if way == "header" else {"request_key": "order-8841"}
    headers = {} if way == "body" else {"Idempotency-Key": "order-8841"}
    first = running.decide(**body, headers=headers)
    second = running.decide(**body, headers=headers)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json == second.json
    # the two ways name the same key
    third = running.decide(request_key="order-8841")
    assert (third.status_code, third.json) == (200, first.json)
    other = running.decide(**body, headers=headers, unit_id="somebody else")
    refused(other, 409, "conflict")
    kinds = [json.loads(line)["k"] for line in running.journal().splitlines()]
    assert kinds == ["journal", "decision", "conflict"]


def test_an_idempotency_key_is_read_as_utf_8(running: Any) -> None:
    header = "Auftrag-é€".encode().decode("latin-1")  # as WSGI has it
    first = running.decide(headers={"Idempotency-Key": header})
    again = running.decide(request_key="Auftrag-é€")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json == again.json


def test_equal_numbers_are_one_request(running: Any) -> None:
    asked = {"unit_id": "u", "request_key": "order-1"}
    texts = ['{"cart_value": 80}', '{"cart_value": 80.0}', '{"cart_value": 8e1}']
    answers = [
        running.post(PATH, {**asked, "context": json.loads(text)}).status_code for text in texts
    ]
    assert answers == [201, 200, 200]


@pytest.mark.parametrize("header", ["", "k" * 257, "another-key"])
def test_an_idempotency_key_that_cannot_be_meant_is_refused(
    running: Any, header: str, refused: Any
) -> None:
    answer = running.decide(request_key="order-8841", headers={"Idempotency-Key": header})
    refused(answer, 422, "invalid-input")
    assert running.journal() == ""


@pytest.mark.parametrize(("action", "reason"), [("pause", "paused"), ("stop", "stopped")])
def test_an_experiment_that_does_not_run_answers_nothing(
    running: Any, action: Any, reason: str
) -> None:
    running.platform.change_state("checkout-offers", action)
    running.serving.registry.refresh()
    answer = running.decide()
    assert answer.status_code == 201
    body = answer.json
    assert (body["arm"], body["offer"], body["reason"], body["pmf"]) == (
        "nothing",
        None,
        reason,
        {"nothing": 1.0},
    )


def test_a_failing_model_is_a_fallback_and_no_error(running: Any) -> None:
    class Broken:
        version = 3

        def pmf(self, lines: Any, nothing: int) -> Any:
            raise RuntimeError("VW broke")

    registry = running.serving.registry
    registry._live = {key: replace(live, champion=Broken()) for key, live in registry._live.items()}
    answer = measured(running)
    assert answer.status_code == 201
    assert (answer.json["arm"], answer.json["reason"]) == ("nothing", "fallback")
    assert answer.json["model_version"] is None
    assert '"reason":"fallback"' in running.journal()


def test_an_unwritable_journal_is_a_fallback_for_decisions(
    running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        answer = running.decide()
    assert answer.status_code == 201
    assert (answer.json["arm"], answer.json["reason"], answer.json["offer"]) == (
        "nothing",
        "fallback",
        None,
    )
    assert running.journal() == ""


def test_decisions_go_on_while_the_database_is_away(
    running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any, **__: Any) -> Any:
        raise StorageError("the database is away")

    monkeypatch.setattr("bandit_platform.storage.database.Database.read", gone)
    monkeypatch.setattr("bandit_platform.storage.database.Database.write", gone)
    first = running.decide(request_key="order-1")
    again = running.decide(request_key="order-1")
    assert (first.status_code, again.status_code) == (201, 200)
    event = {"event_id": "e", "decision_id": first.json["decision_id"], "type": "accept"}
    sent = running.events(event)
    assert (sent.status_code, sent.json["events"][0]["status"]) == (202, "accepted")


@pytest.mark.parametrize("experiment", ["unknown", "..", "%00", "é"])
def test_an_experiment_that_does_not_exist_is_not_found(
    running: Any, experiment: str, refused: Any
) -> None:
    refused(running.decide(experiment=experiment), 404, "not-found")
    assert running.journal() == ""


def test_a_draft_answers_nothing_so_that_a_shop_can_try_its_way(deployment: Any, spec: Any) -> None:
    deployment.platform.apply_experiment(spec)
    deployment.serving.registry.refresh()
    answer = deployment.decide()
    assert answer.status_code == 201
    told = {name: answer.json[name] for name in ("arm", "offer", "propensity", "reason")}
    assert told == {"arm": "nothing", "offer": None, "propensity": 1.0, "reason": "draft"}
    deployment.platform.change_state(spec.key, Action.START)
    deployment.serving.registry.refresh()
    assert deployment.decide().json["reason"] in {"uniform", "holdout"}


@pytest.mark.parametrize("name", ["eligible_arms", "excluded_arms"])
def test_an_arm_that_never_was_is_refused(running: Any, name: str, refused: Any) -> None:
    body = refused(running.decide(**{name: ["upgrade", "canary"]}), 422, "invalid-input")
    assert "canary" not in json.dumps(body)
    assert running.journal() == ""


def test_arms_can_be_narrowed(running: Any) -> None:
    assert list(measured(running, eligible_arms=["insurance"]).json["pmf"]) == [
        "nothing",
        "insurance",
    ]
    assert list(measured(running, excluded_arms=["insurance"]).json["pmf"]) == [
        "nothing",
        "upgrade",
    ]


def test_a_deferred_decision_is_activated(running: Any, refused: Any) -> None:
    decision_id = running.decide(defer_activation=True).json["decision_id"]
    answer = running.post(f"/v1/decisions/{decision_id}/activate")
    assert (answer.status_code, answer.data) == (204, b"")
    assert f'"k":"activation","id":"{decision_id}"' in running.journal()
    forged = running.post(f"/v1/decisions/{'0' * 48}/activate")
    refused(forged, 404, "not-found")
    assert running.journal().count('"k":"activation"') == 1


def test_an_activation_that_cannot_be_written_is_not_acknowledged(
    running: Any, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    decision_id = running.decide(defer_activation=True).json["decision_id"]

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        answer = running.post(f"/v1/decisions/{decision_id}/activate")
    refused(answer, 503, "unavailable")
    assert answer.headers["Retry-After"] == "1"
