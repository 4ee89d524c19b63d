from __future__ import annotations

import errno
import json
import os
from datetime import timedelta
from typing import Any

import pytest

from bandit_platform.bootstrap import build_worker
from tests.web.both_ports import SHOP, Site

FORGED = "0" * 48


def item(decision_id: str, event_id: str = "e", **changed: Any) -> dict[str, Any]:
    return {"event_id": event_id, "decision_id": decision_id, "type": "accept", **changed}


def statuses(answer: Any) -> list[str]:
    """What became of each outcome; 422 and nothing else says that all were rejected."""
    judged = [receipt["status"] for receipt in answer.json["events"]]
    assert answer.status_code == (422 if set(judged) == {"rejected"} else 202), answer.text
    return judged


def recorded(deployment: Any) -> list[str]:
    records = map(json.loads, deployment.journal().splitlines())
    return [record["id"] for record in records if record["k"] == "event"]


def test_each_outcome_is_judged_on_its_own_and_in_order(running: Any) -> None:
    made = running.decision_id()
    answer = running.events(
        item(made, "a"),
        item(FORGED, "b"),
        item(made, "c", type="Not A Type"),
        item(made, "a"),
        item(made, "d", amount=59.9, currency="GBP", type="purchase"),
        item(made, "e", colour="red"),
        {"event_id": "f"},
    )
    assert answer.content_type == "application/json"
    assert statuses(answer) == [
        "accepted",
        "rejected",
        "rejected",
        "duplicate",
        "accepted",
        "rejected",
        "rejected",
    ]
    receipts = answer.json["events"]
    assert [receipt["event_id"] for receipt in receipts] == ["a", "b", "c", "a", "d", "e", "f"]
    assert receipts[1]["why"] == "decision_id was never issued here"
    assert receipts[5]["why"] == "has an unknown field"
    assert receipts[6]["why"] == "type: Field required"
    assert [("why" in receipt) for receipt in receipts] == [
        receipt["status"] == "rejected" for receipt in receipts
    ]
    assert recorded(running) == ["a", "d"]


def test_outcomes_may_name_experiment_and_request_key(running: Any) -> None:
    named = {"experiment": "checkout-offers", "request_key": "order-1"}
    made = running.decide(request_key="order-1").json["decision_id"]
    answer = running.events(
        {"event_id": "a", "type": "accept", **named},
        {"event_id": "a", "type": "accept", "decision_id": None, **named},
        {"event_id": "b", "type": "accept", "unit_id": "u", **named},
        {"event_id": "c", "type": "accept"},
        item(made, "d", **named),
        {"event_id": "e", "type": "accept", **named, "experiment": "none"},
        {"event_id": "f", "type": "accept", **named, "request_key": 8841},
    )
    assert statuses(answer) == ["accepted", "duplicate", "accepted", *["rejected"] * 4]
    worker = build_worker(running.settings, running.clock)
    worker.round()
    running.clock.advance(3)
    worker.round()
    told = running.get(f"/v1/experiments/checkout-offers/decisions/{made}").json["events"]
    assert [event["event_id"] for event in told] == ["a", "b"]


def test_a_page_names_the_unit_beside_a_request_key(site: Site) -> None:
    def report(**named: str) -> str:
        event = {"event_id": "a", "type": "accept", "experiment": "checkout-offers", **named}
        answer = site.shop.test_client().post(
            "/v1/events",
            json={"events": [event]},
            headers={"Authorization": f"Bearer {site.keys['publishable']}", "Origin": SHOP},
        )
        receipt = answer.json["events"][0]
        return str(receipt.get("why") or receipt["status"])

    assert "needs unit_id" in report(request_key="order-1")
    assert report(request_key="order-1", unit_id="u") == "accepted"


def test_a_batch_is_refused_if_every_outcome_was_rejected(running: Any) -> None:
    made = running.decision_id()
    for _ in range(2):  # a sender that tries again hears the same
        answer = running.events(item(FORGED, "a"), {"event_id": "b"}, item(made, "c", amount="x"))
        assert answer.status_code == 422
        assert answer.content_type == "application/json"
        assert [receipt["status"] for receipt in answer.json["events"]] == ["rejected"] * 3
        assert [receipt["event_id"] for receipt in answer.json["events"]] == ["a", "b", "c"]
        assert all(receipt["why"] for receipt in answer.json["events"])
    assert recorded(running) == []
    assert running.events(item(made, "c")).status_code == 202
    assert running.events(item(made, "c")).status_code == 202  # a duplicate was taken before


def test_a_repeat_is_a_duplicate(running: Any) -> None:
    made = running.decision_id()
    assert statuses(running.events(item(made))) == ["accepted"]
    assert statuses(running.events(item(made), item(made, "other"))) == ["duplicate", "accepted"]
    assert recorded(running) == ["e", "other"]


@pytest.mark.parametrize(
    "changed",
    [
        {"event_id": ""},
        {"event_id": "e" * 257},
        {"event_id": 7},
        {"event_id": None},
        {"event_id": "e\x00"},
        {"decision_id": ""},
        {"decision_id": FORGED},
        {"decision_id": "d" * 65},
        {"decision_id": None},
        {"type": ""},
        {"type": "UPPER"},
        {"type": "t" * 65},
        {"type": 1},
        {"amount": "59.9"},
        {"amount": True},
        {"amount": 10**400},
        {"amount": 1e13},
        {"currency": "gbp"},
        {"currency": "GBPX"},
        {"currency": "GBP\n"},
        {"currency": 826},
        {"occurred_at": "yesterday"},
        {"occurred_at": "2026-11-22T10:00:00"},
        {"occurred_at": 1_790_000_000},
        {"occurred_at": "2999-01-01T00:00:00Z"},
        {"occurred_at": "0001-01-01T00:00:00+14:00"},
        {"unknown": 1},
    ],
)
def test_a_malformed_outcome_is_rejected_and_the_others_are_not(
    running: Any, changed: dict[str, Any]
) -> None:
    made = running.decision_id()
    answer = running.events(item(made, "before"), item(made) | changed, item(made, "after"))
    assert statuses(answer) == ["accepted", "rejected", "accepted"]
    assert answer.json["events"][1]["why"]
    assert recorded(running) == ["before", "after"]


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 400])
def test_numbers_that_are_not_finite_are_rejected(running: Any, amount: str) -> None:
    made = running.decision_id()
    body = json.dumps({"events": [item(made, type="purchase", amount=0)]})
    answer = running.post("/v1/events", body.replace('"amount": 0', f'"amount": {amount}'))
    assert statuses(answer) == ["rejected"]
    assert answer.json["events"][0]["why"].startswith("amount: ")
    assert recorded(running) == []


def test_a_late_outcome_is_accepted(running: Any) -> None:
    made = running.decision_id()
    running.clock.advance(86_400)
    moment = running.clock.now - timedelta(hours=1)
    assert statuses(running.events(item(made, occurred_at=moment.isoformat()))) == ["accepted"]


def test_a_browser_s_beacon_is_read_though_it_is_called_text(running: Any) -> None:
    made = running.decision_id()
    body = {"events": [item(made)]}
    answer = running.post("/v1/events", body, kind="text/plain;charset=UTF-8")
    assert statuses(answer) == ["accepted"]


def test_a_hundred_outcomes_are_one_batch_and_one_more_are_none(running: Any, refused: Any) -> None:
    made = running.decision_id()
    items = [item(made, f"e{number}") for number in range(101)]
    body = refused(running.events(*items), 422, "invalid-body")
    assert body["errors"][0]["path"] == "events"
    assert recorded(running) == []
    assert statuses(running.events(*items[:100])) == ["accepted"] * 100
    assert len(recorded(running)) == 100


@pytest.mark.parametrize(
    "body", [{"events": []}, {}, {"events": {}}, {"events": [1]}, {"events": [], "more": 1}, []]
)
def test_a_batch_of_another_form_is_refused(running: Any, body: Any, refused: Any) -> None:
    refused(running.post("/v1/events", body), 422, "invalid-body")


def test_nothing_is_acknowledged_when_the_journal_cannot_be_written(
    running: Any, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = running.decision_id()

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        answer = running.events(item(made), item(FORGED))
    refused(answer, 503, "unavailable")
    assert answer.headers["Retry-After"] == "1"
    assert statuses(running.events(item(made))) == ["accepted"]
    assert recorded(running) == ["e"]


def test_a_key_in_the_body_is_no_longer_than_it_may_be(running: Any) -> None:
    decision_id = running.decide().json["decision_id"]
    event = {"event_id": "e", "decision_id": decision_id, "type": "accept"}
    answer = running.post("/v1/events", {"events": [event], "key": "k" * 129})
    assert answer.status_code == 422
