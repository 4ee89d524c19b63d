"""The declared context of an experiment: what a request may say about the moment.

Anything undeclared is refused, so that personal data cannot leak into logs by accident, and a
refused value is never repeated in the error.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from bandit_platform.domain.personal import is_card_number, personal_shape
from bandit_platform.errors import ContextError, Problem

MAX_KEYS = 50
MAX_KEY_LENGTH = 64
MAX_VALUE_LENGTH = 256
#: values of one field of type set, and characters of each
MAX_SET_VALUES = 50
MAX_SET_VALUE_LENGTH = 128
#: between texts that are looked at together; no shape of personal data goes across it
_APART = "\0"

#: the values of a set are sorted, each once
ContextValue = float | str | bool | tuple[str, ...]
Context = Mapping[str, ContextValue]


class _Field(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    required: bool = False


class NumberField(_Field):
    """A finite number, optionally bounded (bounds included)."""

    type: Literal["number"]
    #: accept what looks like the number of a payment card
    allow_personal: bool = False
    min: float | None = Field(default=None, allow_inf_nan=False)
    max: float | None = Field(default=None, allow_inf_nan=False)

    @model_validator(mode="after")
    def _ordered(self) -> NumberField:
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min is above max")
        return self

    def problem(self, value: object) -> str | None:
        """Why ``value`` is not acceptable, or None."""
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return "must be a number"
        try:
            finite = math.isfinite(value)
        except OverflowError:  # a whole number beyond every float
            finite = False
        if not finite:
            return "must be a finite number"
        if self.min is not None and value < self.min:
            return f"must be at least {self.min:g}"
        if self.max is not None and value > self.max:
            return f"must be at most {self.max:g}"
        if not self.allow_personal and is_card_number(value):
            return _personal("a payment-card number")
        return None


class CategoryField(_Field):
    """A short text, optionally one of a declared list."""

    type: Literal["category"]
    #: accept what looks like an e-mail address, or the number of a telephone or payment card
    allow_personal: bool = False
    values: tuple[Annotated[str, Field(max_length=MAX_VALUE_LENGTH)], ...] | None = Field(
        default=None, strict=False
    )

    def problem(self, value: object) -> str | None:
        """Why ``value`` is not acceptable, or None."""
        if not isinstance(value, str):
            return "must be text"
        if len(value) > MAX_VALUE_LENGTH:
            return f"must have at most {MAX_VALUE_LENGTH} characters"
        if not _is_unicode(value):
            return "must be valid Unicode text"
        if self.values is not None:
            return None if value in self.values else "is not one of the declared values"
        shape = None if self.allow_personal else personal_shape(value)
        return None if shape is None else _personal(shape)


class SetField(_Field):
    """A set of short texts, such as the SKUs in a cart; order and repeats do not matter."""

    type: Literal["set"]
    #: accept what looks like an e-mail address, or the number of a telephone or payment card
    allow_personal: bool = False
    values: tuple[Annotated[str, Field(max_length=MAX_SET_VALUE_LENGTH)], ...] | None = Field(
        default=None, strict=False
    )
    #: different values that a request may send
    max_items: int = Field(default=MAX_SET_VALUES, ge=1, le=MAX_SET_VALUES)

    def problem(self, value: object) -> str | None:
        """Why ``value`` is not acceptable, or None."""
        if not isinstance(value, (list, tuple)):
            return "must be a list of texts"
        if not all(isinstance(item, str) for item in value):
            return "each value must be text"
        joined = _APART.join(value)
        if max(map(len, value), default=0) > MAX_SET_VALUE_LENGTH:
            return f"each value must have at most {MAX_SET_VALUE_LENGTH} characters"
        if not _is_unicode(joined):
            return "each value must be valid Unicode text"
        if len(value) > self.max_items and len(set(value)) > self.max_items:
            return f"must have at most {self.max_items} different values"
        return self._values_problem(value, joined)

    def _values_problem(self, texts: Iterable[str], joined: str) -> str | None:
        if self.values is not None:
            known = set(texts) <= set(self.values)
            return None if known else "holds a value that is not one of the declared values"
        if self.allow_personal or personal_shape(joined) is None:  # at once, almost always
            return None
        shape = next(filter(None, map(personal_shape, texts)), None)
        return None if shape is None else f"holds a value that {_personal(shape)}"


def _is_unicode(text: str) -> bool:
    """Whether a log can hold it: no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _personal(shape: str) -> str:
    return f"looks like {shape}; allow_personal = true in the declaration accepts such values"


class BooleanField(_Field):
    """True or false."""

    type: Literal["boolean"]

    def problem(self, value: object) -> str | None:
        """Why ``value`` is not acceptable, or None."""
        return None if isinstance(value, bool) else "must be true or false"


ContextField = Annotated[
    NumberField | CategoryField | BooleanField | SetField, Field(discriminator="type")
]
ContextSchema = Mapping[str, NumberField | CategoryField | BooleanField | SetField]


def validate_context(schema: ContextSchema, raw: Mapping[str, Any]) -> dict[str, ContextValue]:
    """The context of a request in the schema's order: numbers as float, sets sorted and unique.

    Args:
        schema: the declared fields by name.
        raw: what the request said; a field that is missing or None stays absent.

    Raises:
        ContextError: with every problem; values are never repeated in it.
    """
    problems: list[Problem] = []
    if len(raw) > MAX_KEYS:
        raise ContextError([Problem(path="context", message=f"has more than {MAX_KEYS} keys")])
    undeclared = [name for name in raw if name not in schema and raw[name] is not None]
    if undeclared:
        count = len(undeclared)
        problems.append(
            Problem(
                path="context",
                message=f"{count} undeclared {'key' if count == 1 else 'keys'}; "
                "declare what may be sent under [context] in the experiment",
            )
        )
    values: dict[str, ContextValue] = {}
    for name, field in schema.items():
        value = raw.get(name)
        if value is None:
            if field.required:
                problems.append(Problem(path=f"context.{name}", message="is required"))
            continue
        problem = field.problem(value)
        if problem is not None:
            problems.append(Problem(path=f"context.{name}", message=problem))
        elif field.type == "number":
            values[name] = float(value)
        else:
            values[name] = set_value(value) if field.type == "set" else value
    if problems:
        raise ContextError(problems)
    return values


def set_value(texts: Iterable[str]) -> tuple[str, ...]:
    """The value of a set field: sorted, each text once."""
    return tuple(sorted(set(texts)))
