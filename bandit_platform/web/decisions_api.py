"""The shop's side of the API: decisions, activations and events."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, request

from bandit_platform.errors import ConflictError
from bandit_platform.web.auth import Gate, shown_key
from bandit_platform.web.observed import DECIDED
from bandit_platform.web.reading import body_bytes
from bandit_platform.web.shop import EVENTS_BYTES, Shop


def decisions_blueprint(shop: Shop, gate: Gate) -> APIBlueprint:
    """The views over a serving process."""
    api = APIBlueprint("decisions", __name__, url_prefix="/v1", tag="Shop")

    @api.post("/experiments/<experiment>/decisions")
    @api.doc(summary="Which arm to show", operation_id="decide")
    def decide(experiment: str) -> Response:
        body = body_bytes(shop.decision_bytes(experiment), text=True)
        environ = request.environ
        caller = gate.caller(environ)
        try:
            decided = shop.decide(experiment, body, environ.get("HTTP_IDEMPOTENCY_KEY"), caller)
        except ConflictError:
            shop.record_conflict(experiment, caller)
            raise
        request.environ[DECIDED] = decided.choice
        return _json(decided.body, 201 if decided.new else 200)

    @api.post("/decisions/<decision_id>/activate")
    @api.doc(summary="A deferred decision was really shown", operation_id="activate")
    def activate(decision_id: str) -> Response:
        shop.activate(decision_id, shown_key())
        return Response(status=204)

    @api.post("/events")
    @api.doc(summary="What happened after decisions", operation_id="record_events")
    def events() -> Response:
        body, environ = body_bytes(EVENTS_BYTES, text=True), request.environ
        refused = gate.refuse_events(environ)
        if refused is not None:
            return refused
        judged = shop.record(body, shown_key())
        gate.count_events(environ, judged.count)
        return _json(judged.body, 422 if judged.rejected else 202)

    return api


def _json(body: bytes, status: int) -> Response:
    return Response(body, status, content_type="application/json")
