"""An experiment's rules for requests: how to handle undeclared fields, which values to coerce.

Shop templates and webhook senders often cannot meet a strict schema: they
send numbers as text, ids as numbers, and all the fields they have. An experiment can allow both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from bandit_platform.domain.context import MAX_KEYS, ContextSchema

#: whole numbers up to here are written alike by everybody
_LARGEST_ID = 2**53
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_BOOLEANS: Mapping[Any, bool] = {"true": True, "1": True, "false": False, "0": False}


class RequestRules(BaseModel):
    """The table ``[request]`` of an experiment file."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: undeclared context fields are refused with the request, or dropped and counted
    unknown: Literal["refuse", "drop"] = "refuse"
    #: coerce values of another type where it is clear what is meant
    lenient: bool = False

    @cached_property
    def strict(self) -> bool:
        """Whether a request is read as it is."""
        return self.unknown == "refuse" and not self.lenient

    def adapted(self, schema: ContextSchema, raw: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
        """A request's context as the rules allow to read it, and how many fields were dropped.

        What is left is not valid yet: :func:`validate_context` judges it. The number of dropped
        fields is counted up to 50.
        """
        context: dict[str, Any] = {}
        dropped = 0
        for name, value in raw.items():
            field = schema.get(name)
            if field is None and self.unknown == "drop":
                dropped += value is not None
            elif field is None or not self.lenient:
                context[name] = value
            else:
                context[name] = _COERCIONS[field.type](value)
        return context, min(dropped, MAX_KEYS)


def as_number(value: Any) -> Any:
    """A decimal number in text as a number, empty text as None; anything else as it is."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if not text:
        return None
    return float(text) if _NUMBER.fullmatch(text) else value


def as_boolean(value: Any) -> Any:
    """True, false, 1 and 0 in text, and the numbers 1 and 0, as booleans; empty text as None."""
    if isinstance(value, str):
        return _BOOLEANS.get(value.strip(), value) if value.strip() else None
    return bool(value) if isinstance(value, int | float) and value in {0, 1} else value


def as_text(value: Any) -> Any:
    """A whole number as text; anything else as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return str(int(value)) if abs(value) < _LARGEST_ID and value == int(value) else value


def as_set(value: Any) -> Any:
    """One text or number as a list of it, PHP's numbered table as a list, numbers in it as text.

    Nulls and empty texts are left out, so that empty text is an empty list.
    """
    if isinstance(value, dict) and all(name.isdecimal() for name in value):
        value = list(value.values())
    elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
        value = [value]
    if not isinstance(value, list):
        return value
    return [as_text(item) for item in value if item is not None and item != ""]


_COERCIONS = {"number": as_number, "boolean": as_boolean, "category": as_text, "set": as_set}
