"""The OpenAPI document: bodies and answers of each operation, from the models that check them.

Bodies are parsed by hand on the hot path, so the framework cannot see them; this adds them.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from bandit_platform.web import bodies

_REFS = "#/components/schemas/{model}"
_BODIES: dict[str, tuple[type[BaseModel], type[BaseModel] | None, tuple[int, ...]]] = {
    "decide": (bodies.DecisionRequest, bodies.DecisionAnswer, (201, 200)),
    "record_events": (bodies.EventsRequest, bodies.EventsAnswer, (202,)),
}
_MEANINGS = {
    200: "The stored decision of a repeated request key",
    201: "A new decision",
    202: "Each outcome was judged",
    204: "Recorded",
}
#: refusals of every operation that asks for a key, and of single ones
_WITH_KEY = (401, 403, 429)
_OPEN = frozenset({"healthz", "readyz"})
_PROBLEMS = {
    "decide": (400, 404, 409, 413, 415, 422, 503),
    "record_events": (400, 413, 415, 422, 503),
    "activate": (404, 503),
}


def complete_document(spec: Any) -> Any:
    """Add bodies, answers and problems to the framework's document."""
    schemas = spec.setdefault("components", {}).setdefault("schemas", {})
    models: list[type[BaseModel]] = [bodies.EventItem, bodies.ProblemAnswer]
    models += [model for pair in _BODIES.values() for model in pair[:2] if model is not None]
    _, definitions = models_json_schema(
        [(model, "validation") for model in models], ref_template=_REFS
    )
    schemas.update(definitions["$defs"])
    schemas["EventsRequest"]["properties"]["events"]["items"] = _ref(bodies.EventItem)
    spec["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    for path in spec["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict) and "operationId" in operation:
                _complete(operation)
    return spec


def _complete(operation: dict[str, Any]) -> None:
    name = operation["operationId"]
    with_key = name not in _OPEN
    if name in _BODIES:
        request, answer, statuses = _BODIES[name]
        content = {"application/json": {"schema": _ref(request)}}
        operation["requestBody"] = {"required": True, "content": content}
        operation["responses"] = {
            str(status): {
                "description": _MEANINGS[status],
                "content": {"application/json": {"schema": _ref(answer)}},
            }
            for status in statuses
            if answer is not None
        }
    elif name == "activate":
        operation["responses"] = {"204": {"description": _MEANINGS[204]}}
    if with_key:
        operation["security"] = [{"key": []}]
    for status in sorted({*_PROBLEMS.get(name, ()), *(_WITH_KEY if with_key else ())}):
        operation["responses"][str(status)] = {
            "description": "Refused; nothing was changed",
            "content": {"application/problem+json": {"schema": _ref(bodies.ProblemAnswer)}},
        }


def _ref(model: type[BaseModel] | None) -> dict[str, str]:
    return {"$ref": _REFS.format(model=model.__name__ if model else "")}
