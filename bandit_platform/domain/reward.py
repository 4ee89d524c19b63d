"""What counts: from the events of a decision to one number.

The reward of a decision is the declared default plus the weight of every event inside the
window, clipped to the declared range. Clips are counted, because each is a sign that the range
does not fit the shop.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bandit_platform.domain.duration import Duration
from bandit_platform.domain.event import EVENT_TYPE_PATTERN, Event

#: Entries of the table that are no event types.
RESERVED = frozenset({"window", "default", "range", "currency"})


class AmountWeight(BaseModel):
    """An event worth a multiple of the amount it reports."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    amount: float = Field(allow_inf_nan=False, strict=True)


class RewardSpec(BaseModel):
    """The reward definition: window, default, range and a weight by event type.

    In the file the event types stand beside ``window``; here they are under ``weights``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: Duration = timedelta(days=7)
    default: float = Field(default=0.0, allow_inf_nan=False, strict=True)
    range: tuple[float, float]
    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")
    weights: dict[str, float | AmountWeight]

    @model_validator(mode="before")
    @classmethod
    def _gather_weights(cls, data: Any) -> Any:
        if not isinstance(data, dict) or "weights" in data:
            return data
        fixed = {name: value for name, value in data.items() if name in RESERVED}
        weights = {name: value for name, value in data.items() if name not in RESERVED}
        return {**fixed, "weights": weights}

    @field_validator("window")
    @classmethod
    def _window_length(cls, value: timedelta) -> timedelta:
        if not timedelta(milliseconds=100) <= value <= timedelta(days=366):
            raise ValueError("must be between 100ms and 366d")
        return value

    @field_validator("weights")
    @classmethod
    def _weights(cls, value: dict[str, float | AmountWeight]) -> dict[str, float | AmountWeight]:
        if not value:
            raise ValueError("needs at least one event type, such as accept = 1.0")
        for name, weight in value.items():
            if not EVENT_TYPE_PATTERN.fullmatch(name):
                raise ValueError("event types are lower-case words of at most 64 characters")
            if isinstance(weight, float) and not math.isfinite(weight):
                raise ValueError(f"{name} must be a finite number")
        return value

    @field_validator("range")
    @classmethod
    def _finite_range(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not (math.isfinite(value[0]) and math.isfinite(value[1]) and value[0] < value[1]):
            raise ValueError("must be two finite numbers, the lower one first")
        return value

    def to_file(self) -> dict[str, Any]:
        """The table as it stands in an experiment file."""
        data = self.model_dump(mode="json", exclude={"weights"}, exclude_none=True)
        weights = {
            name: weight if isinstance(weight, float) else {"amount": weight.amount}
            for name, weight in self.weights.items()
        }
        return {**data, **weights}


@dataclass(frozen=True, kw_only=True, slots=True)
class Reward:
    """The reward of one decision."""

    #: the reward, inside the declared range
    value: float
    #: whether the range cut it
    clipped: bool
    #: how many events gave it
    events: int
    #: how many events were left out because their amount is in another currency
    other_currency: int
    #: how many were left out because a page named their currency while the experiment has none
    unknown_currency: int = 0


def reward_of(events: Iterable[Event], spec: RewardSpec, currency: str | None) -> Reward:
    """The reward that the events of one decision add up to.

    Args:
        events: the decision's events inside the window.
        spec: the reward definition.
        currency: the experiment's currency; amounts in another one are left out and counted,
            because amounts of different currencies are never summed. While it is None, so are
            amounts for which a page names a currency, because a page must not settle it.
    """
    value = spec.default
    counted = foreign = unknown = 0
    for event in events:
        weight = spec.weights.get(event.type)
        if weight is None:
            continue
        if isinstance(weight, AmountWeight):
            if event.amount is None:
                continue
            if event.currency not in {None, currency}:
                if currency is not None:
                    foreign += 1
                    continue
                if not event.trusted:
                    unknown += 1
                    continue
            value += weight.amount * event.amount
        else:
            value += weight
        counted += 1
    low, high = spec.range
    bounded = min(max(value, low), high)
    return Reward(
        value=bounded,
        clipped=bounded != value,
        events=counted,
        other_currency=foreign,
        unknown_currency=unknown,
    )
