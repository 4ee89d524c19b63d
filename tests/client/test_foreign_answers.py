"""Answers of proxies, and of anything else between the shop and the service."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from bandit_platform.client import Client
from tests.client.services import KEY, accepted, scripted

ID = "d" * 48
Answer = tuple[int, Any, dict[str, str]]

FOREIGN: list[Answer] = [
    (302, b"", {"Location": "/maintenance"}),
    (301, b"", {"Location": "https://elsewhere.example/"}),
    (308, b"", {}),
    (200, b"<html>we are back soon</html>", {"Content-Type": "text/html"}),
    (200, {"status": "ok"}, {}),
    (200, b"", {}),
    (202, b"", {}),
    (202, b"[" * 100_000, {}),
    (202, {"events": []}, {}),
    (202, {"events": [{"event_id": "another", "status": "accepted"}]}, {}),
    (202, {"events": [{"event_id": None, "status": "accepted"}]}, {}),
    (202, {"events": [{"event_id": "e", "status": ["accepted"]}]}, {}),
    (202, {"events": [{"event_id": ["e"], "status": "rejected"}]}, {}),
    (202, {"events": ["accepted"]}, {}),
    (204, b"", {}),
    (404, b"default backend - 404", {}),
    (403, {"detail": "blocked", "type": "about:blank"}, {}),
    (413, b"<html>413 Request Entity Too Large</html>", {}),
    (422, {"detail": "no"}, {}),
    (503, b"", {"Retry-After": "inf"}),
]


def names(answer: Answer) -> str:
    return f"{answer[0]} {str(answer[1])[:60]}"


@pytest.mark.parametrize("foreign", FOREIGN, ids=names)
def test_an_outcome_is_kept_until_the_service_itself_has_answered(foreign: Answer) -> None:
    paths: list[str] = []
    away = threading.Event()
    away.set()

    def answer(path: str, body: Any) -> Answer:
        paths.append(path)
        return foreign if away.is_set() else (202, accepted(body["events"]), {})

    with scripted(answer) as url, Client(url, "sk") as client:
        assert client.report(ID, "purchase", event_id="e") == "e"
        assert client.flush(0.2) == 1
        away.clear()
        assert client.flush(20) == 0
        assert client.dropped == 0
    assert set(paths) == {"/v1/events"}


@pytest.mark.parametrize("foreign", [each for each in FOREIGN if each[0] != 204], ids=names)
def test_an_activation_is_kept_until_the_service_itself_has_answered(foreign: Answer) -> None:
    answers = iter([foreign])

    def answer(*_: Any) -> Answer:
        return next(answers, (204, b"", {}))

    with scripted(answer) as url, Client(url, "sk") as client:
        assert client.activate(ID)
        assert client.flush(20) == client.dropped == 0
    assert next(answers, None) is None


def test_a_report_that_something_on_the_way_never_lets_through_holds_up_no_other() -> None:
    arrived: list[str] = []

    def answer(path: str, body: Any) -> Answer:
        ids = [item["event_id"] for item in body["events"]] if body else []
        if path.endswith("/activate") or "bad" in ids:
            return 403, b"<html>Request blocked</html>", {}
        arrived.extend(ids)
        return 202, accepted(body["events"]), {}

    with scripted(answer) as url:
        client = Client(url, "sk")
        client.activate(ID)
        good = [f"good-{number}" for number in range(20)]
        for event_id in [*good[:7], "bad", *good[7:]]:
            client.report(ID, "accept", event_id=event_id)
        for _ in range(60):
            if client.flush(0.5) == 2:
                break
        assert client.close(0) == 2
        assert client.dropped == 0
    assert sorted(arrived) == sorted(good)


def test_a_proxy_that_takes_smaller_bodies_only_gets_smaller_ones() -> None:
    arrived: list[str] = []

    def answer(_: str, body: Any) -> Answer:
        if len(body["events"]) > 10:
            return 413, b"<html>413 Request Entity Too Large</html>", {}
        arrived.extend(item["event_id"] for item in body["events"])
        return 202, accepted(body["events"]), {}

    with scripted(answer) as url, Client(url, "sk") as client:
        sent = [client.report(ID, "accept") for _ in range(40)]
        assert client.flush(20) == client.dropped == 0
    assert sorted(arrived) == sorted(map(str, sent))


def test_a_batch_that_was_refused_as_a_whole_is_not_sent_again() -> None:
    calls: list[Any] = []

    def answer(_: str, body: Any) -> Answer:
        calls.append(body)
        ids = [item["event_id"] for item in body["events"]]
        receipts = [{"event_id": None, "status": "rejected", "why": "no"} for _ in ids]
        return 422, {"events": receipts}, {}

    with scripted(answer) as url, Client(url, "sk") as client:
        client.report(ID, "accept")
        assert client.flush() == 0
        assert client.dropped == 1
    assert len(calls) == 1


def test_foreign_answers_are_logged_once_in_ten_seconds(caplog: pytest.LogCaptureFixture) -> None:
    with scripted(lambda *_: (302, b"", {})) as url:
        client = Client(url, "sk")
        for _ in range(3):
            client.report(ID, "accept")
            client.flush(0.3)
        client.close(0)
    logged = [r.getMessage() for r in caplog.records if "sent again" in r.getMessage()]
    assert len(logged) == 1
    assert logged[0].endswith("status 302: the answer is not from the decision service")


DECISION = {
    "experiment": KEY,
    "arm": "vip",
    "offer": {"title": "VIP"},
    "decision_id": ID,
    "reason": "policy",
    "propensity": 0.5,
    "pmf": {"nothing": 0.5, "vip": 0.5},
    "model_version": None,
}


@pytest.mark.parametrize(
    "changed",
    [
        {"experiment": "another"},
        {"arm": None},
        {"arm": ["vip"]},
        {"offer": "<b>VIP</b>"},
        {"decision_id": 7},
        {"propensity": "0.5"},
        {"pmf": None},
        {"model_version": "7"},
    ],
    ids=str,
)
def test_an_answer_that_is_no_decision_shows_nothing(changed: dict[str, Any]) -> None:
    answers = iter([DECISION, {**DECISION, **changed}])
    with (
        scripted(lambda *_: (200, next(answers), {})) as url,
        Client(url, "sk", timeout=5.0) as client,
    ):
        assert client.decide(KEY, "ann").arm == "vip"
        spoilt = client.decide(KEY, "ann")
    assert (spoilt.arm, spoilt.offer, spoilt.reason) == ("nothing", None, "unavailable")
    assert spoilt.why == "status 200: the answer is not from the decision service"


@pytest.mark.parametrize("status", [302, 307, 200])
def test_a_page_or_a_redirect_is_no_decision_and_is_not_followed(status: int) -> None:
    keys: list[str] = []

    def elsewhere(path: str, _: Any) -> Answer:
        keys.append(path)
        return 201, DECISION, {}

    with (
        scripted(elsewhere) as other,
        scripted(lambda *_: (status, b"<html>", {"Location": f"{other}/x"})) as url,
    ):
        client = Client(url, "sk", timeout=5.0)
        assert client.decide(KEY, "ann").reason == "unavailable"
        client.report(ID, "accept")
        assert client.flush(0.3) == client.close(0) == 1
    assert keys == []
