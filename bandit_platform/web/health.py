"""Whether a process lives, and whether it can do its work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiflask import APIBlueprint
from flask import Response, json, request

from bandit_platform.services.serving.readiness import Readiness
from bandit_platform.services.serving.upkeep import Upkeep
from bandit_platform.web.meter import CONTENT_TYPE, Meter, upkeep_families
from bandit_platform.web.reading import DRAINING


def health_blueprint(
    ready: Callable[[], Readiness], meter: Meter, look: Callable[[], Upkeep]
) -> APIBlueprint:
    """``/healthz``, ``/readyz`` and ``/metrics``.

    Args:
        ready: whether the process can do its work at the moment.
        meter: what the process counted.
        look: how the loop behind the decisions does.
    """
    api = APIBlueprint("health", __name__, tag="Health")

    @api.get("/healthz")
    @api.doc(summary="The process answers", operation_id="healthz")
    def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @api.get("/readyz")
    @api.doc(summary="The process can do its work", operation_id="readyz")
    def readyz() -> Response:
        found = ready()
        why = "the process is about to stop" if DRAINING in request.environ else found.why
        body: dict[str, Any] = {"status": "ready" if why is None else "not ready"}
        if why is not None:
            body["why"] = why
        if found.warnings:
            body["warnings"] = found.warnings
        status = 200 if why is None else 503
        return Response(json.dumps(body), status, content_type="application/json")

    @api.get("/metrics")
    @api.doc(summary="What was counted, for Prometheus", operation_id="metrics")
    def metrics() -> Response:
        return Response(meter.show(upkeep_families(look(), ready().why)), content_type=CONTENT_TYPE)

    return api
