"""What counts: from the events of a decision to one number.

The reward of a decision is the declared default plus the worth of every event inside the window,
clipped to the range. Clips are counted, because each is a sign that the range does not fit the
shop. What an event is worth is said under ``[reward]`` for all arms, and by an arm for itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
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
    #: the greatest amount that counts; with it, amounts count from 0 up to it
    max: float | None = Field(default=None, gt=0, le=1e12, allow_inf_nan=False, strict=True)

    def counted(self, amount: float) -> float:
        """The part of an amount that counts."""
        return amount if self.max is None else min(max(amount, 0.0), self.max)


Weight = float | AmountWeight


def weight_problem(name: str, weight: Weight) -> str | None:
    """What is wrong with an event type and what it is worth; None for nothing."""
    if not EVENT_TYPE_PATTERN.fullmatch(name):
        return "event types are lower-case words of at most 64 characters"
    if isinstance(weight, float) and not math.isfinite(weight):
        return f"{name} must be a finite number"
    return None


class RewardSpec(BaseModel):
    """The reward definition: window, default, range and a weight by event type.

    In the file the event types stand beside ``window``; here they are under ``weights``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: Duration = timedelta(days=7)
    default: float = Field(default=0.0, allow_inf_nan=False, strict=True)
    #: the least and greatest reward; None: what the worths of the arms' outcomes allow
    range: tuple[float, float] | None = None
    currency: str | None = Field(default=None, pattern=r"^[A-Z]{3}$")
    weights: dict[str, Weight] = {}

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
    def _weights(cls, value: dict[str, Weight]) -> dict[str, Weight]:
        for name, weight in value.items():
            if problem := weight_problem(name, weight):
                raise ValueError(problem)
        return value

    @field_validator("range")
    @classmethod
    def _finite_range(cls, value: tuple[float, float] | None) -> tuple[float, float] | None:
        if value is not None and not (
            math.isfinite(value[0]) and math.isfinite(value[1]) and value[0] < value[1]
        ):
            raise ValueError("must be two finite numbers, the lower one first")
        return value

    def to_file(self) -> dict[str, Any]:
        """The table as it stands in an experiment file."""
        data = self.model_dump(mode="json", exclude={"weights"}, exclude_none=True)
        return {**data, **weights_to_file(self.weights)}


def weights_to_file(weights: Mapping[str, Weight]) -> dict[str, Any]:
    """Worths of event types as an experiment file states them."""
    return {
        name: weight if isinstance(weight, float) else weight.model_dump(exclude_none=True)
        for name, weight in weights.items()
    }


@dataclass(frozen=True, kw_only=True)
class Worth:
    """How outcomes of decisions that showed one arm count."""

    #: the reward when nothing happens
    default: float
    #: event type → what it brings: the arm's own value, else the experiment's weight
    weights: Mapping[str, Weight]
    #: event type → what it costs the shop; subtracted
    costs: Mapping[str, Weight]
    #: event types whose weight is the arm's own value
    own: frozenset[str] = frozenset()

    @property
    def event_types(self) -> tuple[str, ...]:
        """Event types that change the reward."""
        return tuple(dict.fromkeys([*self.weights, *self.costs]))

    def bounds(self) -> tuple[float, float]:
        """The least and greatest reward when each event type happens at most once.

        Amounts without a maximum are left out.
        """
        low = high = Decimal(str(self.default))
        for name in self.event_types:
            worths = [Decimal(0)]
            for part in (0, 1):
                brings = _at(self.weights.get(name, 0.0), part)
                worths.append(brings - _at(self.costs.get(name, 0.0), part))
            low += min(worths)
            high += max(worths)
        return float(low), float(high)


def _at(weight: Weight, part: int) -> Decimal:
    """A worth with no amount (part 0) or with the maximum amount (part 1)."""
    if isinstance(weight, AmountWeight):
        return Decimal(str(weight.amount)) * Decimal(str(weight.max or 0.0)) * part
    return Decimal(str(weight))


@dataclass(frozen=True, kw_only=True, slots=True)
class Reward:
    """The reward of one decision."""

    #: the reward, inside the range
    value: float
    #: whether the range cut it, or the greatest amount that counts
    clipped: bool
    #: how many events gave it
    events: int
    #: how many events were left out because their amount is in another currency
    other_currency: int
    #: how many were left out because a page named their currency while the experiment has none
    unknown_currency: int = 0
    #: what the events brought, without what they took back and cost
    gross: float = 0.0
    #: what they took back: returns, penalties for dismissals (at most 0)
    taken_back: float = 0.0
    #: what they cost (at least 0)
    costs: float = 0.0


#: The share of the range by which sums of fractions miss its ends: no clip.
_ROUNDING = 1e-9


class Omission(StrEnum):
    """Why an event with a worth adds nothing to the reward."""

    NO_AMOUNT = "no_amount"
    #: its amount is in another currency than the experiment's
    OTHER_CURRENCY = "other_currency"
    #: a page named a currency while the experiment has none
    UNKNOWN_CURRENCY = "unknown_currency"


def omission(event: Event, weight: Weight, currency: str | None) -> Omission | None:
    """Why an event does not count with a weight; None where it does.

    Args:
        event: inside the window.
        weight: what its type brings or costs.
        currency: the experiment's; None while it has none.
    """
    if not isinstance(weight, AmountWeight):
        return None
    if event.amount is None:
        return Omission.NO_AMOUNT
    if event.currency in {None, currency}:
        return None
    if currency is not None:
        return Omission.OTHER_CURRENCY
    return None if event.trusted else Omission.UNKNOWN_CURRENCY


def worth_of_event(event: Event, weight: Weight) -> float:
    """What an event that counts adds with a weight."""
    if not isinstance(weight, AmountWeight):
        return weight
    return weight.amount * weight.counted(event.amount or 0.0)


def reward_of(
    events: Iterable[Event], worth: Worth, bounds: tuple[float, float], currency: str | None
) -> Reward:
    """The reward that the events of one decision add up to.

    Args:
        events: the decision's events inside the window.
        worth: of the outcomes of the arm that was shown.
        bounds: the least and the greatest reward of the experiment.
        currency: the experiment's currency; amounts in another one are left out and counted,
            because amounts of different currencies are never summed. While it is None, so are
            amounts for which a page names a currency, because a page must not settle it.
    """
    value = worth.default
    gross = taken_back = costs = 0.0
    counted = foreign = unknown = 0
    cut = False
    for event in events:
        brings, cost = worth.weights.get(event.type), worth.costs.get(event.type)
        omitted = set()
        counts = False
        for weight, sign in ((brings, 1.0), (cost, -1.0)):
            if weight is None:
                continue
            why = omission(event, weight, currency)
            if why is not None:
                omitted.add(why)
                continue
            added = worth_of_event(event, weight)
            value += sign * added
            counts = True
            if isinstance(weight, AmountWeight) and event.amount is not None:
                cut = cut or weight.counted(event.amount) != event.amount
            if sign < 0:
                costs += added
            elif added > 0:
                gross += added
            else:
                taken_back += added
        counted += counts
        foreign += Omission.OTHER_CURRENCY in omitted
        unknown += Omission.UNKNOWN_CURRENCY in omitted
    low, high = bounds
    slack = _ROUNDING * (high - low)
    return Reward(
        value=min(max(value, low), high),
        clipped=cut or not low - slack <= value <= high + slack,
        events=counted,
        other_currency=foreign,
        unknown_currency=unknown,
        gross=gross,
        taken_back=taken_back,
        costs=costs,
    )
