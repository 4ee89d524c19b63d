"""A test decision and a test event, sent as a shop sends them: over HTTP, with a shop's key."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from bandit_platform.client.connections import Connections, Reply
from bandit_platform.domain.access import key_id_of
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.errors import InputError, UnavailableError

_SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class TryOut:
    """What came back, in a sentence."""

    sent: bool
    told: str
    decision_id: str = ""


def try_out(service_url: str, key: str, spec: ExperimentSpec, context: Mapping[str, Any]) -> TryOut:
    """Ask for a decision of a draft and report an event for it.

    The key is used once and kept nowhere. A started experiment is not asked: its decisions count.

    Args:
        service_url: where shops ask.
        key: the text of a shop's key.
        spec: the draft.
        context: what the request says.
    """
    if key_id_of(key) is None:
        return TryOut(sent=False, told="That is not the text of a key: pk_… or sk_…")
    try:
        with closing(Connections(service_url, key)) as connections:
            return _send(connections, spec, context)
    except (UnavailableError, InputError, KeyError, TypeError):
        return TryOut(
            sent=False,
            told=f"The service at {service_url} did not answer. It is started by "
            "bandit-platform serve; where it listens elsewhere, send the commands below to it.",
        )


def _send(connections: Connections, spec: ExperimentSpec, context: Mapping[str, Any]) -> TryOut:
    body = {"unit_id": "test of the console", "context": dict(context)}
    answer = connections.post(f"/v1/experiments/{spec.key}/decisions", body, _SECONDS)
    if answer.status != 201:
        return TryOut(sent=False, told=f"The service refused the decision: {_why(answer)}")
    decision_id = str(answer.body["decision_id"])
    if answer.body["reason"] != "draft":
        return TryOut(sent=False, told="The experiment was started in the meantime.")
    event = {
        "event_id": f"test-{uuid4()}",
        "decision_id": decision_id,
        "type": spec.event_types[0],
    }
    answer = connections.post("/v1/events", {"events": [event]}, _SECONDS)
    if answer.status != 202:
        return TryOut(sent=False, told=f"The service refused the event: {_why(answer)}")
    return TryOut(
        sent=True,
        told="The service answered nothing, with reason draft, and took the event. Both arrive "
        "here within a few seconds, as soon as the worker has stored them.",
        decision_id=decision_id,
    )


def _why(answer: Reply) -> str:
    body = answer.body if isinstance(answer.body, dict) else {}
    receipts = body.get("events")
    if isinstance(receipts, list) and receipts and isinstance(receipts[0], dict):
        return str(receipts[0].get("why"))
    return str(body.get("detail") or f"status {answer.status}")
