"""Experiments over HTTP, on the console's port: look, never change (changing needs keys)."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint

from bandit_platform.bootstrap import Platform
from bandit_platform.storage.experiments import StoredExperiment


def experiments_blueprint(platform: Platform) -> APIBlueprint:
    """The views over the platform's experiments."""
    api = APIBlueprint("experiments", __name__, url_prefix="/v1", tag="Experiments")

    @api.get("/experiments")
    @api.doc(summary="Every experiment", operation_id="list_experiments")
    def all_experiments() -> dict[str, Any]:
        return {"experiments": [_summary(each) for each in platform.experiments.all()]}

    @api.get("/experiments/<experiment>")
    @api.doc(summary="One experiment with its spec", operation_id="get_experiment")
    def one_experiment(experiment: str) -> dict[str, Any]:
        stored = platform.experiments.get(experiment)
        return {**_summary(stored), "spec": stored.spec.to_file()}

    @api.get("/experiments/<experiment>/report")
    @api.doc(summary="The numbers behind the dashboard", operation_id="report")
    def report(experiment: str) -> dict[str, Any]:
        return platform.report(experiment).to_dict()

    @api.get("/experiments/<experiment>/decisions/<decision_id>")
    @api.doc(summary="The whole trace of one decision", operation_id="trace")
    def trace(experiment: str, decision_id: str) -> dict[str, Any]:
        return platform.trace(experiment, decision_id)

    return api


def _summary(stored: StoredExperiment) -> dict[str, Any]:
    return {
        "experiment": stored.spec.key,
        "placement": stored.spec.placement,
        "state": stored.state,
        "revision": stored.revision,
        "started_at": stored.started_at.isoformat() if stored.started_at else None,
        "stopped_at": stored.stopped_at.isoformat() if stored.stopped_at else None,
    }
