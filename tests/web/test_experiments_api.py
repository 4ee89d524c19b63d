"""Experiments over HTTP, on the console's port."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest

KEY = "checkout-offers"
BASE = "/v1/experiments"


@pytest.fixture
def tables(spec_text: str) -> dict[str, Any]:
    """An experiment file as JSON would hold it."""
    return tomllib.loads(spec_text)


def send(deployment: Any, method: str, path: str, body: Any = None, **options: Any) -> Any:
    headers = {"Authorization": f"Bearer {deployment.admin_key}", **options.pop("headers", {})}
    data = body if isinstance(body, (str, bytes)) or body is None else json.dumps(body)
    kind = options.pop("kind", "application/json")
    client = deployment.console.test_client()
    return client.open(path, method=method, data=data, content_type=kind, headers=headers)


def test_an_experiment_is_created_changed_and_left_alone(
    deployment: Any, tables: dict[str, Any]
) -> None:
    created = send(deployment, "POST", BASE, tables)
    assert created.status_code == 201
    assert created.json == {
        "experiment": KEY,
        "outcome": "created",
        "revision": 1,
        "state": "draft",
        "changes": [],
    }
    again = send(deployment, "POST", BASE, tables)
    assert (again.status_code, again.json["outcome"]) == (200, "unchanged")
    tables["policy"]["floor"] = 0.2
    changed = send(deployment, "PUT", f"{BASE}/{KEY}", tables)
    assert (changed.status_code, changed.json["revision"]) == (200, 2)
    assert changed.json["changes"] == ["~ policy.floor: 0.1 → 0.2"]
    shown = deployment.get(f"{BASE}/{KEY}").json
    assert (shown["revision"], shown["spec"]["policy"]["floor"]) == (2, 0.2)


def test_the_address_may_give_the_key_and_must_not_contradict_it(
    deployment: Any, tables: dict[str, Any], refused: Any
) -> None:
    refused(send(deployment, "PUT", f"{BASE}/another", tables), 422, "invalid-input")
    del tables["key"]
    assert send(deployment, "PUT", f"{BASE}/another", tables).json["experiment"] == "another"
    assert [each["experiment"] for each in deployment.get(BASE).json["experiments"]] == ["another"]


def test_every_problem_of_a_spec_is_told_with_its_path(
    deployment: Any, tables: dict[str, Any], refused: Any
) -> None:
    tables["policy"]["floor"] = 0
    tables["holdout"]["share"] = "much"
    tables["arms"][0]["when"] = {"weight": {"gte": 1}}
    told = refused(send(deployment, "POST", BASE, tables), 422, "invalid-experiment")
    assert {error["path"] for error in told["errors"]} == {
        "policy.floor",
        "holdout.share",
        "arms[0].when.weight",
    }
    assert deployment.get(BASE).json == {"experiments": []}


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        ("{", "application/json", 400),
        ("[1]", "application/json", 422),
        ("{}", "application/json", 422),
        ("{}", "text/plain", 415),
        ('{"key": "' + "x" * 1_100_000 + '"}', "application/json", 413),
        ('{"key":' * 5000, "application/json", 422),
    ],
)
def test_bodies_that_hold_no_spec_are_refused(
    deployment: Any, body: str, kind: str, status: int
) -> None:
    answer = send(deployment, "POST", BASE, body, kind=kind)
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert deployment.get(BASE).json == {"experiments": []}


def test_what_a_started_experiment_may_not_change_is_a_conflict(
    running: Any, tables: dict[str, Any], refused: Any
) -> None:
    tables["holdout"]["share"] = 0.3
    told = refused(send(running, "PUT", f"{BASE}/{KEY}", tables), 409, "conflict")
    assert "holdout.share" in told["detail"]
    assert running.get(f"{BASE}/{KEY}").json["revision"] == 1


def test_a_started_experiment_takes_what_keeps_strangers_out(
    running: Any, tables: dict[str, Any], refused: Any
) -> None:
    tables["reward"]["currency"] = "GBP"
    tables["events"] = {"secret_only": ["purchase"]}
    assert send(running, "PUT", f"{BASE}/{KEY}", tables).json["revision"] == 2
    tables["reward"]["currency"] = "USD"
    tables["events"] = {"secret_only": []}
    told = refused(send(running, "PUT", f"{BASE}/{KEY}", tables), 409, "conflict")
    assert "reward.currency" in told["detail"]
    assert "events.secret_only" in told["detail"]


def test_the_steps_of_its_life(deployment: Any, tables: dict[str, Any], refused: Any) -> None:
    send(deployment, "POST", BASE, tables)
    refused(send(deployment, "POST", f"{BASE}/{KEY}/pause"), 409, "conflict")
    for step, state in (
        ("start", "running"),
        ("pause", "paused"),
        ("resume", "running"),
        ("stop", "stopped"),
        ("archive", "archived"),
    ):
        answer = send(deployment, "POST", f"{BASE}/{KEY}/{step}")
        assert (answer.status_code, answer.json) == (200, {"experiment": KEY, "state": state})
    refused(send(deployment, "POST", f"{BASE}/{KEY}/explode"), 404, "not-found")
    refused(send(deployment, "POST", f"{BASE}/nobody/start"), 404, "not-found")


def test_experiments_are_listed(running: Any, tables: dict[str, Any]) -> None:
    send(running, "POST", BASE, tables | {"key": "another"})
    listed = running.get(BASE)
    assert listed.status_code == 200
    assert [(each["experiment"], each["state"]) for each in listed.json["experiments"]] == [
        ("another", "draft"),
        (KEY, "running"),
    ]
    assert listed.json["experiments"][1]["started_at"] == running.clock.now.isoformat()


def test_the_report_and_the_trace_tell_what_the_services_tell(running: Any) -> None:
    from datetime import timedelta  # noqa: PLC0415 - only here

    from bandit_platform.bootstrap import build_worker  # noqa: PLC0415

    made = [running.decide(unit_id=f"u{number}").json for number in range(20)]
    for decision in made[::2]:
        running.events({"event_id": "e", "decision_id": decision["decision_id"], "type": "accept"})
    worker = build_worker(running.settings, lambda: running.clock.now + timedelta(hours=2))
    while worker.round():
        pass
    worker._database.close()
    report = running.get(f"{BASE}/{KEY}/report")
    assert report.status_code == 200
    assert report.json == running.platform.whole_report(KEY).to_dict()
    assert report.json["pairwise"]
    counts = report.json["counts"]
    assert (counts["decisions"], counts["events"], counts["immature"]) == (20, 10, 0)
    trace = running.get(f"{BASE}/{KEY}/decisions/{made[0]['decision_id']}")
    assert trace.status_code == 200
    assert (trace.json["arm"], trace.json["pmf"]) == (made[0]["arm"], made[0]["pmf"])
    assert (trace.json["status"], trace.json["reward"]) == ("matured", 1.0)


@pytest.mark.parametrize(
    "path", ["nobody", "nobody/report", f"{KEY}/decisions/{'0' * 48}", "nobody/decisions/x"]
)
def test_what_does_not_exist_is_not_found(running: Any, path: str, refused: Any) -> None:
    refused(running.get(f"{BASE}/{path}"), 404, "not-found")


def test_a_change_made_from_another_revision_is_refused(
    deployment: Any, tables: dict[str, Any], refused: Any
) -> None:
    created = send(deployment, "POST", BASE, tables, headers={"If-None-Match": "*"})
    assert (created.status_code, created.headers["ETag"]) == (201, '"1"')
    mine = deployment.get(f"{BASE}/{KEY}").headers["ETag"]
    tables["policy"]["floor"] = 0.2
    theirs = send(deployment, "PUT", f"{BASE}/{KEY}", tables, headers={"If-Match": mine})
    assert (theirs.status_code, theirs.headers["ETag"]) == (200, '"2"')
    tables["policy"]["floor"] = 0.3
    for method, path in (("PUT", f"{BASE}/{KEY}"), ("POST", BASE)):
        for stale in ({"If-Match": mine}, {"If-Match": '"7"'}, {"If-None-Match": "*"}):
            answer = send(deployment, method, path, tables, headers=stale)
            refused(answer, 412, "precondition-failed")
    shown = deployment.get(f"{BASE}/{KEY}")
    assert (shown.headers["ETag"], shown.json["spec"]["policy"]["floor"]) == ('"2"', 0.2)
    for fresh, floor in (('"1", W/"2"', 0.3), ('"3"', 0.4), ("*", 0.5)):
        tables["policy"]["floor"] = floor
        answer = send(deployment, "PUT", f"{BASE}/{KEY}", tables, headers={"If-Match": fresh})
        assert answer.status_code == 200


def test_if_match_creates_nothing(deployment: Any, tables: dict[str, Any], refused: Any) -> None:
    for tag in ("*", '"0"', '"1"'):
        answer = send(deployment, "PUT", f"{BASE}/{KEY}", tables, headers={"If-Match": tag})
        refused(answer, 412, "precondition-failed")
    assert deployment.get(BASE).json == {"experiments": []}


def test_two_changes_made_from_one_revision_at_once_are_one_change(
    deployment: Any, tables: dict[str, Any], monkeypatch: pytest.MonkeyPatch, refused: Any
) -> None:
    """The second one is noticed although nobody had changed anything when it was looked at."""
    send(deployment, "POST", BASE, tables)
    experiments = deployment.platform.experiments
    monkeypatch.setattr(type(experiments), "revision", lambda *_: 1)
    for floor, status in ((0.2, 200), (0.3, 412)):
        tables["policy"]["floor"] = floor
        answer = send(deployment, "PUT", f"{BASE}/{KEY}", tables, headers={"If-Match": '"1"'})
        assert answer.status_code == status
    assert experiments.get(KEY).spec.policy.floor == 0.2


def hundred_arms(tables: dict[str, Any], offer_bytes: int) -> dict[str, Any]:
    """The experiment with as many arms as it may have, each with a large offer."""
    text = "Skip the queue: " + "x" * offer_bytes
    arms = [
        {
            "key": f"offer-{number:02}",
            "features": {"price": 1.0 + number},
            "offer": {"title": f"Offer {number}", "text": text, "url": "https://shop.example/"},
        }
        for number in range(99)
    ]
    return {**tables, "arms": arms}


def test_a_definition_of_a_hundred_arms_with_real_offers_is_taken(
    deployment: Any, tables: dict[str, Any]
) -> None:
    large = hundred_arms(tables, 8_000)
    assert 700_000 < len(json.dumps(large)) < 1024 * 1024
    assert send(deployment, "POST", BASE, large).status_code == 201
    large["policy"]["floor"] = 0.2
    assert send(deployment, "PUT", f"{BASE}/{KEY}", large).json["revision"] == 2
    assert len(deployment.get(f"{BASE}/{KEY}").json["spec"]["arms"]) == 99


def test_a_body_over_the_limit_is_told_the_limit(
    deployment: Any, tables: dict[str, Any], refused: Any
) -> None:
    answer = send(deployment, "POST", BASE, hundred_arms(tables, 12_000))
    refusal = refused(answer, 413, "too-large")
    assert refusal["detail"] == "The body is longer than the limit of 1048576 bytes."
    assert deployment.get(BASE).json == {"experiments": []}
