"""The OpenAPI document: bodies and answers of each operation, from the models that check them.

Bodies are parsed by hand on the hot path, so the framework cannot see them; this adds them.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from bandit_platform.domain.lifecycle import Action
from bandit_platform.domain.question import Question
from bandit_platform.web import bodies
from bandit_platform.web.deployment_bodies import (
    DeploymentChange,
    PinnedVersion,
    Promotion,
    RampStep,
)

_REFS = "#/components/schemas/{model}"
_BODIES: dict[str, tuple[type[BaseModel], type[BaseModel], tuple[int, ...]]] = {
    "decide": (bodies.DecisionRequest, bodies.DecisionAnswer, (201, 200)),
    "record_events": (bodies.EventsRequest, bodies.EventsAnswer, (202, 422)),
}
_MEANINGS = {
    200: "The stored decision of a repeated request key",
    201: "A new decision",
    202: "A receipt for each outcome; at least one was accepted",
    204: "Recorded",
    422: "Every outcome was rejected; the receipts say why. Resending them changes nothing",
}
#: refusals of every operation that asks for a key, and of single ones
_WITH_KEY = (401, 403, 429)
_OPEN = frozenset({"healthz", "readyz"})
#: operations that take a publishable key in their address as well
_FOR_PAGES = frozenset({"decide", "activate", "record_events"})
_READING = (404, 503)
_CHANGING = (400, 404, 409, 413, 415, 422, 503)
_APPLYING = (*_CHANGING, 412)
_PROBLEMS = {
    "decide": (400, 404, 409, 413, 415, 422, 503),
    "record_events": (400, 413, 415, 422, 503),
    "activate": _READING,
    "list_experiments": (503,),
    "get_experiment": _READING,
    "report": _READING,
    "trace": _READING,
    "apply": _APPLYING,
    "replace_experiment": _APPLYING,
    "change_state": (404, 409, 503),
    "deployments": _READING,
    "models": _READING,
    **dict.fromkeys(("promote", "ramp", "hold", "pin", "release", "roll_back"), _CHANGING),
    "ask_question": _CHANGING,
    "list_questions": (503,),
    "get_question": _READING,
}
#: operation → what it takes, of those whose answer has no model
_REQUESTS: dict[str, type[BaseModel]] = {
    "ask_question": Question,
    "promote": Promotion,
    "ramp": RampStep,
    "hold": DeploymentChange,
    "pin": PinnedVersion,
    "release": DeploymentChange,
    "roll_back": DeploymentChange,
}
_OBJECT = {"type": "object"}
_SPEC_BODY = {"required": True, "content": {"application/json": {"schema": _OBJECT}}}
_CONDITIONS = {
    "If-Match": "The ETag of the revision that you edited; 412 if it is no longer current.",
    "If-None-Match": "Send * to only create the experiment; 412 if it already exists.",
}
_APPLIED = {200: "The experiment is as the spec says", 201: "The experiment was created"}
#: operation → status → what it means and what it holds, of those without models
_PLAIN: dict[str, dict[int, tuple[str, str]]] = {
    "apply": {status: (text, "application/json") for status, text in _APPLIED.items()},
    "replace_experiment": {status: (text, "application/json") for status, text in _APPLIED.items()},
    "ask_question": {202: ("The question waits for its answer", "application/json")},
    "metrics": {200: ("Metrics in the text format of Prometheus", "text/plain")},
    "readyz": {
        200: ("The process can do its work", "application/json"),
        503: ("It cannot, and why", "application/json"),
    },
}


def complete_document(spec: Any) -> Any:
    """Add bodies, answers and problems to the framework's document."""
    schemas = spec.setdefault("components", {}).setdefault("schemas", {})
    models: list[type[BaseModel]] = [bodies.EventItem, bodies.ProblemAnswer, *_REQUESTS.values()]
    models += [model for pair in _BODIES.values() for model in pair[:2]]
    _, definitions = models_json_schema(
        [(model, "validation") for model in models], ref_template=_REFS
    )
    schemas.update(definitions["$defs"])
    schemas["EventsRequest"]["properties"]["events"]["items"] = _ref(bodies.EventItem)
    schemes = {"key": {"type": "http", "scheme": "bearer"}}
    if "/v1/events" in spec["paths"]:
        schemes["page_key"] = {"type": "apiKey", "in": "query", "name": "key"}
    spec["components"]["securitySchemes"] = schemes
    for path in spec["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict) and "operationId" in operation:
                _complete(operation)
    return spec


def _complete(operation: dict[str, Any]) -> None:
    name = operation["operationId"]
    if name in _BODIES:
        content = {"application/json": {"schema": _ref(_BODIES[name][0])}}
        operation["requestBody"] = {"required": True, "content": content}
    elif name in _REQUESTS:
        content = {"application/json": {"schema": _ref(_REQUESTS[name])}}
        operation["requestBody"] = {"required": True, "content": content}
    elif name in {"apply", "replace_experiment"}:
        operation["requestBody"] = _SPEC_BODY
        operation["parameters"] = [*operation.get("parameters", ()), *_conditions()]
    elif name == "change_state":
        (action,) = [each for each in operation["parameters"] if each["name"] == "action"]
        action["schema"] = {"type": "string", "enum": [each.value for each in Action]}
    operation["responses"] = _answers(name, operation["summary"])
    with_key = name not in _OPEN
    if with_key:
        operation["security"] = [{"key": []}, *([{"page_key": []}] if name in _FOR_PAGES else [])]
    for status in sorted({*_PROBLEMS.get(name, ()), *(_WITH_KEY if with_key else ())}):
        refused = {"application/problem+json": {"schema": _ref(bodies.ProblemAnswer)}}
        answer = operation["responses"].setdefault(
            str(status), {"description": "Refused; nothing was changed", "content": {}}
        )
        answer["content"] = {**answer["content"], **refused}


def _conditions() -> list[dict[str, Any]]:
    return [
        {"in": "header", "name": name, "schema": {"type": "string"}, "description": text}
        for name, text in _CONDITIONS.items()
    ]


def _answers(name: str, summary: str) -> dict[str, Any]:
    """What an operation answers when it is not refused."""
    if name in _BODIES:
        _, answer, statuses = _BODIES[name]
        content = {"application/json": {"schema": _ref(answer)}}
        return {str(s): {"description": _MEANINGS[s], "content": content} for s in statuses}
    if name == "activate":
        return {"204": {"description": _MEANINGS[204]}}
    plain = _PLAIN.get(name, {200: (summary, "application/json")})
    return {
        str(status): {"description": text, "content": {kind: {"schema": _of(kind)}}}
        for status, (text, kind) in plain.items()
    }


def _of(kind: str) -> dict[str, str]:
    return _OBJECT if kind == "application/json" else {"type": "string"}


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REFS.format(model=model.__name__)}
