"""What serves an experiment, over HTTP on the console's port."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint

from bandit_platform.bootstrap import Platform
from bandit_platform.services.reporting.model_history import versions
from bandit_platform.web.deployment_bodies import (
    DeploymentChange,
    PinnedVersion,
    Promotion,
    RampStep,
)
from bandit_platform.web.reading import read_body
from bandit_platform.web.viewer import viewer

_BYTES = 16_384


def deployments_api(platform: Platform) -> APIBlueprint:
    """The views over the platform's deployments and model versions."""
    api = APIBlueprint("deployments_api", __name__, url_prefix="/v1", tag="Deployments")
    service = platform.deployments

    @api.get("/experiments/<experiment>/deployments")
    @api.doc(summary="What served, newest first, with the evidence", operation_id="deployments")
    def all_deployments(experiment: str) -> dict[str, Any]:
        return {"deployments": [each.to_dict() for each in service.deployments(experiment)]}

    @api.get("/experiments/<experiment>/models")
    @api.doc(summary="The newest 50 published model versions", operation_id="models")
    def models(experiment: str) -> dict[str, Any]:
        platform.experiments.get(experiment)
        listed = versions(platform.database, experiment)
        return {
            "models": [
                {
                    "version": each.version,
                    "model_hash": each.model_hash,
                    "arguments": each.arguments,
                    "blob_hash": each.blob_hash,
                    "bytes": each.size,
                    "interactions": each.interactions,
                    "published_at": each.published_at.isoformat(),
                    "used": each.used,
                }
                for each in listed
            ]
        }

    @api.post("/experiments/<experiment>/promote")
    @api.doc(summary="Make a policy the champion", operation_id="promote")
    def promote(experiment: str) -> dict[str, Any]:
        body = read_body(Promotion, _BYTES)
        by, based_on = viewer().actor, body.based_on
        return service.promote(experiment, body.policy, by, based_on=based_on).to_dict()

    @api.post("/experiments/<experiment>/ramp")
    @api.doc(summary="Mix a policy into every decision", operation_id="ramp")
    def ramp(experiment: str) -> dict[str, Any]:
        body = read_body(RampStep, _BYTES)
        by, based_on = viewer().actor, body.based_on
        return service.ramp(experiment, body.policy, body.share, by, based_on=based_on).to_dict()

    @api.post("/experiments/<experiment>/hold")
    @api.doc(summary="Keep the shares until a person changes them", operation_id="hold")
    def hold(experiment: str) -> dict[str, Any]:
        body = read_body(DeploymentChange, _BYTES)
        return service.hold(experiment, viewer().actor, based_on=body.based_on).to_dict()

    @api.post("/experiments/<experiment>/pin")
    @api.doc(summary="Let the champion serve one model version", operation_id="pin")
    def pin(experiment: str) -> dict[str, Any]:
        body = read_body(PinnedVersion, _BYTES)
        by, based_on = viewer().actor, body.based_on
        return service.pin(experiment, body.version, by, based_on=based_on).to_dict()

    @api.post("/experiments/<experiment>/release")
    @api.doc(summary="Serve the newest versions again, end a hold", operation_id="release")
    def release(experiment: str) -> dict[str, Any]:
        body = read_body(DeploymentChange, _BYTES)
        return service.release(experiment, viewer().actor, based_on=body.based_on).to_dict()

    @api.post("/experiments/<experiment>/roll-back")
    @api.doc(summary="Go back to what served before", operation_id="roll_back")
    def roll_back(experiment: str) -> dict[str, Any]:
        body = read_body(DeploymentChange, _BYTES)
        return service.roll_back(experiment, viewer().actor, based_on=body.based_on).to_dict()

    return api
