"""Experiments over HTTP, on the console's port."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response, json, request

from bandit_platform.bootstrap import Platform
from bandit_platform.domain.lifecycle import Action
from bandit_platform.domain.spec_file import parse_tables
from bandit_platform.errors import InputError, NotFoundError
from bandit_platform.services.launching.experiments import Applied
from bandit_platform.storage.experiments import StoredExperiment
from bandit_platform.web.auth import reaches
from bandit_platform.web.problems import problem
from bandit_platform.web.viewer import viewer


def experiments_blueprint(platform: Platform) -> APIBlueprint:
    """The views over the platform's experiments."""
    api = APIBlueprint("experiments", __name__, url_prefix="/v1", tag="Experiments")

    @api.get("/experiments")
    @api.doc(summary="Every experiment", operation_id="list_experiments")
    def all_experiments() -> dict[str, Any]:
        found = [each for each in platform.experiments.all() if reaches(each.spec.key)]
        return {"experiments": [_summary(each) for each in found]}

    @api.get("/experiments/<experiment>")
    @api.doc(summary="One experiment with its spec", operation_id="get_experiment")
    def one_experiment(experiment: str) -> dict[str, Any]:
        stored = platform.experiments.get(experiment)
        return {**_summary(stored), "spec": stored.spec.to_file()}

    @api.post("/experiments")
    @api.doc(summary="Apply a spec: create the experiment or change it", operation_id="apply")
    def apply() -> Response:
        spec = parse_tables(_tables())
        if not reaches(spec.key):
            return problem(403, "forbidden", "Forbidden", "The key does not open this.")
        return _applied(platform.apply_experiment(spec, by=viewer().actor))

    @api.put("/experiments/<experiment>")
    @api.doc(summary="Make an experiment what the spec says", operation_id="replace_experiment")
    def replace(experiment: str) -> Response:
        tables = _tables()
        if tables.setdefault("key", experiment) != experiment:
            raise InputError("the spec has another key than the address")
        return _applied(platform.apply_experiment(parse_tables(tables), by=viewer().actor))

    @api.post("/experiments/<experiment>/<action>")
    @api.doc(summary="start, pause, resume, stop or archive", operation_id="change_state")
    def change_state(experiment: str, action: str) -> dict[str, Any]:
        if action not in set(Action):
            raise NotFoundError("there is no such step")
        return {
            "experiment": experiment,
            "state": platform.change_state(experiment, Action(action), by=viewer().actor),
        }

    @api.get("/experiments/<experiment>/report")
    @api.doc(summary="The numbers behind the dashboard", operation_id="report")
    def report(experiment: str) -> dict[str, Any]:
        return platform.whole_report(experiment).to_dict()

    @api.get("/experiments/<experiment>/decisions/<decision_id>")
    @api.doc(summary="The whole trace of one decision", operation_id="trace")
    def trace(experiment: str, decision_id: str) -> dict[str, Any]:
        return platform.trace(experiment, decision_id)

    return api


def _tables() -> dict[str, Any]:
    try:
        tables = request.get_json()
    except RecursionError:
        raise InputError("the body is nested too deeply") from None
    if not isinstance(tables, dict):
        raise InputError("the body must be a JSON object: the tables of an experiment file")
    return tables


def _applied(applied: Applied) -> Response:
    body = {
        "experiment": applied.experiment,
        "outcome": applied.outcome,
        "revision": applied.revision,
        "state": applied.state,
        "changes": [str(change) for change in applied.changes],
    }
    status = 201 if applied.outcome == "created" else 200
    return Response(json.dumps(body), status, content_type="application/json")


def _summary(stored: StoredExperiment) -> dict[str, Any]:
    return {
        "experiment": stored.spec.key,
        "placement": stored.spec.placement,
        "state": stored.state,
        "revision": stored.revision,
        "started_at": stored.started_at.isoformat() if stored.started_at else None,
        "stopped_at": stored.stopped_at.isoformat() if stored.stopped_at else None,
    }
