"""The shop's side of the API: decisions, activations and events."""

from __future__ import annotations

import json
from typing import Any

from apiflask import APIBlueprint
from flask import Response, request
from pydantic import ValidationError
from pydantic_core import to_json

from bandit_platform.domain.personal import personal_shape
from bandit_platform.errors import InputError
from bandit_platform.services.serving.decide import Answer, Decider, Query
from bandit_platform.services.serving.record_events import EventRecorder, EventReport, Receipt
from bandit_platform.web.auth import is_trusted, own_experiments
from bandit_platform.web.bodies import DecisionRequest, EventItem, EventsRequest, WellFormedEvents
from bandit_platform.web.meter import Meter
from bandit_platform.web.observed import DECIDED
from bandit_platform.web.reading import body_bytes, read_body

DECISION_BYTES = 32 * 1024
EVENTS_BYTES = 64 * 1024


def decisions_blueprint(decider: Decider, recorder: EventRecorder, meter: Meter) -> APIBlueprint:
    """The views over the two services of a serving process, which count what they answer."""
    api = APIBlueprint("decisions", __name__, url_prefix="/v1", tag="Shop")

    @api.post("/experiments/<experiment>/decisions")
    @api.doc(summary="Which arm to show", operation_id="decide")
    def decide(experiment: str) -> Response:
        body = read_body(DecisionRequest, DECISION_BYTES, text=True)
        answer = decider.decide(experiment, _query(body))
        decision = answer.decision
        request.environ[DECIDED] = (decision.experiment, decision.arm, decision.reason.value)
        return _json(_shown(answer), 201 if answer.new else 200)

    @api.post("/decisions/<decision_id>/activate")
    @api.doc(summary="A deferred decision was really shown", operation_id="activate")
    def activate(decision_id: str) -> Response:
        recorder.activate(decision_id, own_experiments())
        return Response(status=204)

    @api.post("/events")
    @api.doc(summary="What happened after decisions", operation_id="record_events")
    def events() -> Response:
        receipts = _record(recorder, _reports(body_bytes(EVENTS_BYTES, text=True)))
        meter.reported(receipt["status"] for receipt in receipts)
        return _json({"events": receipts}, 202)

    return api


def _query(body: DecisionRequest) -> Query:
    header = request.environ.get("HTTP_IDEMPOTENCY_KEY")
    if header is not None and (not 1 <= len(header) <= 256):
        raise InputError("the Idempotency-Key is not 1 to 256 characters long")
    if header is not None and body.request_key not in {None, header}:
        raise InputError("the Idempotency-Key differs from request_key")
    return Query(
        unit_id=body.unit_id,
        context=body.context,
        request_key=body.request_key or header,
        eligible_arms=None if body.eligible_arms is None else tuple(body.eligible_arms),
        excluded_arms=tuple(body.excluded_arms),
        defer_activation=body.defer_activation,
    )


def _shown(answer: Answer) -> dict[str, Any]:
    decision = answer.decision
    return {
        "decision_id": decision.decision_id,
        "experiment": decision.experiment,
        "arm": decision.arm,
        "offer": answer.offer,
        "propensity": decision.propensity,
        "pmf": dict(zip(decision.eligible, decision.pmf, strict=True)),
        "model_version": decision.model_version,
        "reason": decision.reason,
        "expires_at": decision.expires_at.isoformat(),
    }


def _reports(data: bytes) -> list[EventReport | Receipt]:
    """Every item as a report or, where it is malformed, as the receipt that says so."""
    try:
        return [_reported(each) for each in WellFormedEvents.model_validate_json(data).events]
    except ValidationError:
        return [_report(item) for item in EventsRequest.model_validate_json(data).events]


def _record(recorder: EventRecorder, reports: list[EventReport | Receipt]) -> list[dict[str, Any]]:
    """Receipts in the order of the items; malformed items are rejected, the others recorded."""
    recorded = iter(
        recorder.record(
            [r for r in reports if isinstance(r, EventReport)],
            trusted=is_trusted(),
            experiments=own_experiments(),
        )
    )
    receipts = [next(recorded) if isinstance(r, EventReport) else r for r in reports]
    return [
        {"event_id": r.event_id, "status": r.status, **({"why": r.why} if r.why else {})}
        for r in receipts
    ]


def _report(item: dict[str, Any]) -> EventReport | Receipt:
    try:
        body = EventItem.model_validate_json(json.dumps(item))
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        first = found[0]
        field = first["loc"][0] if first["loc"] else ""
        known = field if field in EventItem.model_fields else "an unknown field"
        fields = {each["loc"][0] for each in found if each["loc"]}
        return Receipt(
            event_id=None if "event_id" in fields else _shown_id(item["event_id"]),
            status="rejected",
            why=f"{known}: {first['msg']}" if known == field else f"has {known}",
        )
    return _reported(body)


def _reported(body: EventItem) -> EventReport:
    return EventReport(
        event_id=body.event_id,
        decision_id=body.decision_id,
        type=body.type,
        amount=body.amount,
        currency=body.currency,
        occurred_at=body.occurred_at,
    )


def _shown_id(event_id: str) -> str | None:
    """The id of a rejected item, unless it holds what must not be repeated."""
    return None if personal_shape(event_id) else event_id


def _json(body: dict[str, Any], status: int) -> Response:
    return Response(to_json(body), status, content_type="application/json")
