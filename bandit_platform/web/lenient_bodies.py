"""Reads bodies that PHP, Liquid templates and webhooks send and that the strict form refuses.

Null is absent and ``[]`` is an empty table, always. Where an experiment is lenient, ids that are
whole numbers, numbers in text and the like are coerced. Well-formed bodies never come here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from bandit_platform.domain.context import ContextSchema
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.request_rules import as_boolean, as_number, as_text
from bandit_platform.errors import ContextError, Problem
from bandit_platform.web.bodies import ContextValue, DecisionRequest, EventItem

_VALUE: TypeAdapter[Any] = TypeAdapter(ContextValue)
_REQUEST = {
    "unit_id": as_text,
    "request_key": as_text,
    "session_id": as_text,
    "page_id": as_text,
    "defer_activation": as_boolean,
}
_EVENT = {
    "event_id": as_text,
    "amount": as_number,
    "request_key": as_text,
    "unit_id": as_text,
}
_NO_VALUE = (
    "holds a value that is not true, false, a finite number, text of at most 256 characters or a "
    "list of texts"
)


def read_decision_request(
    data: bytes, wrong: ValidationError, find: Callable[[], ExperimentSpec]
) -> DecisionRequest:
    """A request for a decision; its context is left to the experiment's schema.

    Args:
        data: the body.
        wrong: why it has not the documented form.
        find: gives the experiment.

    Raises:
        pydantic.ValidationError: it cannot be read in another way either.
        ContextError: the context holds what is no value of a field.
    """
    try:
        tables = from_json(data)
    except ValueError:
        raise wrong from None
    if not isinstance(tables, dict):
        raise wrong
    spec = find()
    fields = _present(tables)
    if spec.request.lenient:
        fields = _coerced(fields, _REQUEST)
    context = fields.pop("context", {})
    if context == []:
        context = {}
    if not isinstance(context, dict):
        return DecisionRequest.model_validate({**fields, "context": context})
    adapted, _ = spec.request.adapted(spec.context, context)
    try:
        asked = DecisionRequest.model_validate({**fields, "context": adapted})
    except ValidationError as error:
        if all(each["loc"][0] == "context" for each in error.errors(include_url=False)):
            _demand_values(spec.context, adapted)
        raise
    return asked.model_copy(update={"context": context})


def read_event(item: dict[str, Any], is_lenient: Callable[[Any, Any], bool]) -> EventItem:
    """One reported outcome.

    Args:
        item: as it was sent.
        is_lenient: tells whether the experiment is lenient that a decision's id, or else its own
            name, leads to.

    Raises:
        pydantic.ValidationError: it cannot be read.
    """
    fields = _present(item)
    if is_lenient(fields.get("decision_id"), fields.get("experiment")):
        fields = _coerced(fields, _EVENT)
    return EventItem.model_validate_json(json.dumps(fields))


def _present(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def _coerced(
    fields: dict[str, Any], coercions: Mapping[str, Callable[[Any], Any]]
) -> dict[str, Any]:
    return _present(
        {name: coercions[name](it) if name in coercions else it for name, it in fields.items()}
    )


def _demand_values(schema: ContextSchema, context: dict[str, Any]) -> None:
    problems: dict[str, Problem] = {}
    for name, value in context.items():
        try:
            _VALUE.validate_python(value, strict=True)
        except ValidationError:
            field = schema.get(name)
            path = "context" if field is None else f"context.{name}"
            message = (field.problem(value) if field else None) or _NO_VALUE
            problems.setdefault(path, Problem(path=path, message=message))
    if problems:
        raise ContextError(list(problems.values()))
