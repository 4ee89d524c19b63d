"""Targeting conditions of an arm over the context."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bandit_platform.domain.context import (
    MAX_SET_VALUE_LENGTH,
    Context,
    ContextSchema,
    ContextValue,
    SetField,
)
from bandit_platform.domain.exclusion import Exclusion, ExclusionCode, short_limit

Scalar = Annotated[float, Field(allow_inf_nan=False)] | str | bool

_ORDERED = ("gt", "gte", "lt", "lte")
_SCALAR_OPERATORS = ("eq", "ne", "in", "not_in", *_ORDERED)
_SET_OPERATORS = ("contains", "contains_any", "contains_none")
_OPERATORS = ("eq", "ne", "in_", "not_in", *_ORDERED, *_SET_OPERATORS)
_Text = Annotated[str, Field(max_length=MAX_SET_VALUE_LENGTH, strict=True)]


class Condition(BaseModel):
    """What one context field must satisfy; several operators must all hold."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    eq: Scalar | None = None
    ne: Scalar | None = None
    in_: tuple[Scalar, ...] | None = Field(default=None, alias="in")
    not_in: tuple[Scalar, ...] | None = None
    gt: float | None = Field(default=None, allow_inf_nan=False, strict=True)
    gte: float | None = Field(default=None, allow_inf_nan=False, strict=True)
    lt: float | None = Field(default=None, allow_inf_nan=False, strict=True)
    lte: float | None = Field(default=None, allow_inf_nan=False, strict=True)
    #: a set field holds this value, at least one of these, or none of these
    contains: _Text | None = None
    contains_any: tuple[_Text, ...] | None = Field(default=None, min_length=1)
    contains_none: tuple[_Text, ...] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _not_empty(self) -> Condition:
        if not self.operators:
            raise ValueError(
                "needs at least one of eq, ne, in, not_in, gt, gte, lt, lte, contains, "
                "contains_any, contains_none"
            )
        return self

    @cached_property
    def operators(self) -> dict[str, Any]:
        """The operators in use, by field name."""
        return {name: getattr(self, name) for name in _OPERATORS if getattr(self, name) is not None}

    def failure(self, value: ContextValue) -> tuple[str, Any] | None:
        """The first operator that does not hold for ``value``, and its limit; None if all hold."""
        for name, wanted in self.operators.items():
            if not _holds(name, value, wanted):
                return name.rstrip("_"), wanted
        return None


def _holds(operator: str, value: Any, wanted: Any) -> bool:  # noqa: PLR0911 - a table of operators
    match operator:
        case "eq":
            return bool(value == wanted)
        case "ne":
            return bool(value != wanted)
        case "in_":
            return value in wanted
        case "not_in":
            return value not in wanted
        case "gt":
            return bool(value > wanted)
        case "gte":
            return bool(value >= wanted)
        case "lt":
            return bool(value < wanted)
        case "lte":
            return bool(value <= wanted)
        case "contains":
            return wanted in value
        case "contains_any":
            return not set(wanted).isdisjoint(value)
        case _:
            return set(wanted).isdisjoint(value)


def unmet_condition(conditions: Mapping[str, Condition], context: Context) -> Exclusion | None:
    """Which condition the context does not meet; None when it meets all of them."""
    for name, condition in conditions.items():
        if name not in context:
            return Exclusion(code=ExclusionCode.CONDITION, field=name)
        failure = condition.failure(context[name])
        if failure is not None:
            operator, wanted = failure
            return Exclusion(
                code=ExclusionCode.CONDITION,
                field=name,
                operator=operator,
                limit=short_limit(wanted),
            )
    return None


def condition_problem(name: str, condition: Mapping[str, Any], schema: ContextSchema) -> str | None:
    """Why a condition cannot apply to the declared context, or None.

    ``condition`` is the raw table of the file, which need not be otherwise valid.
    """
    if name not in schema:
        return "is not declared under [context]"
    field = schema[name]
    kind = field.type
    if isinstance(field, SetField):
        return _set_condition_problem(field, condition)
    if any(operator in condition for operator in _SET_OPERATORS):
        return f"compares with {', '.join(_SET_OPERATORS)}, which needs a set, not a {kind}"
    if kind != "number" and any(operator in condition for operator in _ORDERED):
        return f"compares with {', '.join(_ORDERED)}, which needs a number, not a {kind}"
    wanted: list[Any] = [condition[op] for op in ("eq", "ne") if op in condition]
    for operator in ("in", "not_in"):
        value = condition.get(operator)
        wanted += value if isinstance(value, list) else []
    types = {"number": (int, float), "category": (str,), "boolean": (bool,)}[kind]
    for value in wanted:
        if not isinstance(value, types) or (kind == "number" and isinstance(value, bool)):
            return f"compares a {kind} with another type"
    return None


def _set_condition_problem(field: SetField, condition: Mapping[str, Any]) -> str | None:
    if any(operator in condition for operator in _SCALAR_OPERATORS):
        return f"compares a set, which needs {', '.join(_SET_OPERATORS)}"
    wanted = [condition["contains"]] if "contains" in condition else []
    for operator in ("contains_any", "contains_none"):
        value = condition.get(operator)
        wanted += value if isinstance(value, list) else []
    if any(not isinstance(value, str) for value in wanted):
        return "compares a set with what is not text"
    if field.values is not None and not set(wanted) <= set(field.values):
        return "compares with a value that is not one of the field's declared values"
    return None
