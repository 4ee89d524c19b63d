"""What a request may say beside unit and context: session, page and the shop's own choice."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest

from bandit_platform.domain.decision import Decision
from bandit_platform.services.collecting.ingest import Ingest
from bandit_platform.services.reporting.trace import NOT_SHOWN

KEY = "checkout-offers"
FURTHER = {"session_id": "checkout-77", "page_id": "view-3", "baseline_arms": ["insurance"]}


def last_line(deployment: Any) -> dict[str, Any]:
    return dict(json.loads(deployment.journal().splitlines()[-1]))


def test_session_page_and_baseline_are_logged_without_their_names(running: Any) -> None:
    first = running.decide(**FURTHER)
    assert first.status_code == 201
    line = last_line(running)
    assert line["baseline_arms"] == ["insurance"]
    assert len(line["session_id"]) == len(line["page_id"]) == 32
    assert line["session_id"] != line["page_id"]
    assert not {"checkout-77", "view-3"} & set(json.dumps(line).split('"'))
    running.decide(**{**FURTHER, "session_id": "checkout-78"})
    other = last_line(running)
    assert (other["page_id"], other["session_id"] == line["session_id"]) == (line["page_id"], False)
    running.decide(baseline_arm="upgrade")
    assert last_line(running)["baseline_arms"] == ["upgrade"]
    running.decide()
    assert not set(FURTHER) & set(last_line(running))


@pytest.mark.parametrize(
    "wrong",
    [
        {"baseline_arms": ["nowhere"]},
        {"baseline_arm": "upgrade", "baseline_arms": ["upgrade"]},
        {"baseline_arms": "upgrade"},
        {"session_id": ""},
        {"page_id": 7},
        {"session_id": "s" * 257},
    ],
)
def test_what_is_wrong_is_refused(refusing: Any, refused: Any, wrong: dict[str, Any]) -> None:
    answer = refusing.decide(**wrong)
    assert answer.status_code == 422
    assert "nowhere" not in answer.text


def test_another_session_is_the_same_request_and_another_baseline_is_not(running: Any) -> None:
    asked = {**FURTHER, "request_key": "order-1"}
    first = running.decide(**asked)
    again = running.decide(**{**asked, "session_id": "another", "page_id": "another"})
    assert (again.status_code, again.json) == (200, first.json)
    assert running.decide(**{**asked, "baseline_arms": ["upgrade"]}).status_code == 409


def test_the_trace_has_every_field_of_a_decision(running: Any) -> None:
    made = running.decide(**FURTHER).json["decision_id"]
    Ingest(running.platform.database, running.settings.journal_dir).run_once()
    traced = running.platform.trace(KEY, made)
    assert {each.name for each in fields(Decision)} - NOT_SHOWN <= set(traced)
    assert traced["baseline_arms"] == ["insurance"]
    assert len(traced["session_id"]) == 32
