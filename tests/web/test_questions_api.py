"""Programs that ask questions."""

from __future__ import annotations

from typing import Any

from bandit_platform.domain.access import Role
from tests.web.furnished import answer_all

KEY = "checkout-offers"
ASKED = {
    "experiment": KEY,
    "policy": ["uniform", "always:insurance"],
    "estimator": ["ips", "snips"],
    "alpha": "0.05",
}
BODY = {"experiment": KEY, "policies": ["uniform", "always:insurance"], "estimators": ["ips"]}


def over_http(deployment: Any, method: str, path: str, key: str, body: Any = None) -> Any:
    return deployment.console.test_client().open(
        path, method=method, json=body, headers={"Authorization": f"Bearer {key}"}
    )


def test_programs_ask_and_read(full: Any) -> None:
    key = full.platform.keys.create(role=Role.ANALYST).text
    asked = over_http(full, "POST", "/v1/questions", key, BODY)
    assert asked.status_code == 202
    path = asked.headers["Location"]
    assert asked.json["state"] == "queued"
    assert over_http(full, "GET", path, key).json["result"] is None
    answer_all(full)
    done = over_http(full, "GET", path, key).json
    assert done["state"] == "done"
    assert [one["policy"] for one in done["result"]["policies"]] == BODY["policies"]
    (listed,) = over_http(full, "GET", "/v1/questions", key).json["questions"]
    assert listed["finding"] == done["finding"]
    assert "result" not in listed


def test_programs_are_told_every_mistake_without_an_echo(full: Any, refused: Any) -> None:
    key = full.platform.keys.create(role=Role.ANALYST).text
    body = {**BODY, "policies": ["uniform", "SECRET"], "alpha": 3, "by": ["SECRET"]}
    answer = over_http(full, "POST", "/v1/questions", key, body)
    told = refused(answer, 422, "invalid-question")
    assert [part["path"] for part in told["errors"]] == ["policies[1]", "alpha", "by[0]"]
    assert "SECRET" not in answer.text
    unknown = over_http(full, "POST", "/v1/questions", key, {**BODY, "SECRET": 1})
    refused(unknown, 422, "invalid-body")
    refused(
        over_http(full, "POST", "/v1/questions", key, {**BODY, "experiment": "x"}), 404, "not-found"
    )


def test_a_key_for_some_experiments_sees_only_their_questions(full: Any, refused: Any) -> None:
    keys = full.platform.keys
    inside = keys.create(role=Role.ANALYST, experiments=[KEY]).text
    outside = keys.create(role=Role.ANALYST, experiments=["other"]).text
    path = over_http(full, "POST", "/v1/questions", inside, BODY).headers["Location"]
    refused(over_http(full, "POST", "/v1/questions", outside, BODY), 404, "not-found")
    refused(over_http(full, "GET", path, outside), 404, "not-found")
    assert over_http(full, "GET", "/v1/questions", outside).json["questions"] == []
    assert len(over_http(full, "GET", "/v1/questions", inside).json["questions"]) == 1
    viewer = keys.create(role=Role.VIEWER).text
    refused(over_http(full, "GET", "/v1/questions", viewer), 403, "forbidden")
