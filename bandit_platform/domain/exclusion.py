"""The reason why an arm was ineligible: a stable code with its details, not a sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

Value = float | str | bool
#: a longer list of a condition is named by its field and operator only
_LONGEST_LIST = 20


class ExclusionCode(StrEnum):
    """The kinds of reasons; audits and counts compare these."""

    #: the request named other arms as the only eligible ones
    NOT_REQUESTED = "not_requested"
    EXCLUDED_BY_REQUEST = "excluded_by_request"
    NOT_STARTED = "not_started"
    ENDED = "ended"
    #: a targeting condition does not hold
    CONDITION = "condition"
    #: the set field that ``not_if_in`` names holds the arm's SKU
    IN_CART = "in_cart"


@dataclass(frozen=True, kw_only=True, slots=True)
class Exclusion:
    """Why an arm was not eligible for a decision."""

    code: ExclusionCode
    #: the context field that a condition or ``not_if_in`` is about
    field: str | None = None
    #: the operator that does not hold, as experiment files name it; None where the field is missing
    operator: str | None = None
    #: what the operator compares with; None for a list of more than 20 values
    limit: Value | tuple[Value, ...] | None = None
    #: when the arm starts, or ended
    moment: datetime | None = None


def to_data(exclusion: Exclusion) -> dict[str, Any]:
    """The exclusion as JSON data, without the fields that are None."""
    data: dict[str, Any] = {"code": exclusion.code.value}
    if exclusion.field is not None:
        data["field"] = exclusion.field
    if exclusion.operator is not None:
        data["operator"] = exclusion.operator
    if exclusion.limit is not None:
        data["limit"] = exclusion.limit
    if exclusion.moment is not None:
        data["moment"] = exclusion.moment.isoformat()
    return data


def from_data(data: Any) -> Exclusion:
    """The exclusion that JSON data hold.

    Raises:
        ValueError: the code is unknown, or the moment none.
        TypeError: the data have another form.
        KeyError: there is no code.
    """
    if not isinstance(data, dict):
        raise TypeError("an exclusion is an object")
    found = dict(data)
    limit, moment = found.get("limit"), found.get("moment")
    if isinstance(limit, list):
        found["limit"] = tuple(limit)
    if moment is not None:
        found["moment"] = datetime.fromisoformat(moment)
    return Exclusion(**{**found, "code": ExclusionCode(found["code"])})


def exclusions_to_data(excluded: Mapping[str, Exclusion]) -> dict[str, dict[str, Any]]:
    """The exclusions of a decision's arms as JSON data."""
    return {arm: to_data(why) for arm, why in excluded.items()}


def short_limit(wanted: Any) -> Value | tuple[Value, ...] | None:
    """What a condition compares with, unless it is a long list."""
    if isinstance(wanted, tuple) and len(wanted) > _LONGEST_LIST:
        return None
    limit: Value | tuple[Value, ...] = wanted
    return limit
