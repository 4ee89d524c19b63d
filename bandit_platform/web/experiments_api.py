"""Experiments over HTTP, on the console's port."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response, json, request

from bandit_platform.bootstrap import Platform
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.lifecycle import Action
from bandit_platform.domain.spec_file import parse_tables
from bandit_platform.errors import InputError, NotFoundError, StaleError
from bandit_platform.services.launching.experiments import Applied
from bandit_platform.storage.experiments import StoredExperiment
from bandit_platform.web.auth import reaches
from bandit_platform.web.problems import problem
from bandit_platform.web.viewer import viewer


def experiments_blueprint(platform: Platform) -> APIBlueprint:
    """The views over the platform's experiments."""
    api = APIBlueprint("experiments", __name__, url_prefix="/v1", tag="Experiments")

    def apply_unchanged(spec: ExperimentSpec) -> Response:
        """Apply a spec, unless the request's conditions say that another revision was meant."""
        current = platform.experiments.revision(spec.key)
        try:
            based_on = _based_on(current)
            applied = platform.apply_experiment(spec, by=viewer().actor, based_on=based_on)
        except StaleError as error:
            return problem(412, "precondition-failed", "Precondition failed", f"{error}")
        return _applied(applied)

    @api.get("/experiments")
    @api.doc(summary="Every experiment", operation_id="list_experiments")
    def all_experiments() -> dict[str, Any]:
        found = [each for each in platform.experiments.all() if reaches(each.spec.key)]
        return {"experiments": [_summary(each) for each in found]}

    @api.get("/experiments/<experiment>")
    @api.doc(summary="One experiment with its spec", operation_id="get_experiment")
    def one_experiment(experiment: str) -> Response:
        stored = platform.experiments.get(experiment)
        body = {**_summary(stored), "spec": stored.spec.to_file()}
        return _json(body, 200, revision=stored.revision)

    @api.post("/experiments")
    @api.doc(summary="Apply a spec: create the experiment or change it", operation_id="apply")
    def apply() -> Response:
        spec = parse_tables(_tables())
        if not reaches(spec.key):
            return problem(403, "forbidden", "Forbidden", "The key does not open this.")
        return apply_unchanged(spec)

    @api.put("/experiments/<experiment>")
    @api.doc(summary="Make an experiment what the spec says", operation_id="replace_experiment")
    def replace(experiment: str) -> Response:
        tables = _tables()
        if tables.setdefault("key", experiment) != experiment:
            raise InputError("the spec has another key than the address")
        return apply_unchanged(parse_tables(tables))

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
    @api.doc(
        summary="The numbers behind the dashboard",
        description="`money` sums what offers brought (gross), took back and cost, and net, by "
        "advertiser and by category, in `currency`; `arms` has the same sums for each arm.",
        operation_id="report",
    )
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


def _based_on(current: int) -> int | None:
    """The revision that the request was made from, by its headers; None where it names none.

    Args:
        current: the revision in force; 0 for an experiment that does not exist.

    Raises:
        StaleError: another revision is in force.
    """
    if "If-Match" in request.headers:
        # Proxies that compress make a tag weak; a revision is the same however it is sent.
        matches = request.if_match.star_tag or request.if_match.contains_weak(f"{current}")
        if not current:
            raise StaleError("If-Match was sent, but there is no experiment with this key")
        if not matches:
            raise StaleError(
                f"If-Match does not match the current revision {current}; nothing was changed. Get "
                "the experiment again"
            )
        return current
    if request.if_none_match.star_tag:
        return 0
    return None


def _json(body: dict[str, Any], status: int, *, revision: int) -> Response:
    """An answer that names the revision it is about as its entity tag."""
    response = Response(json.dumps(body), status, content_type="application/json")
    response.set_etag(f"{revision}")
    return response


def _applied(applied: Applied) -> Response:
    body = {
        "experiment": applied.experiment,
        "outcome": applied.outcome,
        "revision": applied.revision,
        "state": applied.state,
        "changes": [str(change) for change in applied.changes],
    }
    status = 201 if applied.outcome == "created" else 200
    return _json(body, status, revision=applied.revision)


def _summary(stored: StoredExperiment) -> dict[str, Any]:
    return {
        "experiment": stored.spec.key,
        "placement": stored.spec.placement,
        "state": stored.state,
        "revision": stored.revision,
        "started_at": stored.started_at.isoformat() if stored.started_at else None,
        "stopped_at": stored.stopped_at.isoformat() if stored.stopped_at else None,
    }
