"""How a decision's reward comes about, event by event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from bandit_platform.domain.event import Event, Lateness
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.policy_spec import NOTHING
from bandit_platform.domain.reward import (
    AmountWeight,
    Omission,
    Weight,
    Worth,
    omission,
    worth_of_event,
)


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one event adds to the reward, or why it adds nothing."""

    event: Event
    late: Lateness | None
    adds: float | None
    #: how ``adds`` was computed, or why there is none
    why: str


def reward_parts(
    events: Sequence[tuple[Event, Lateness | None]],
    spec: ExperimentSpec,
    currency: str | None,
    worth: Worth | None = None,
) -> tuple[Part, ...]:
    """Each event's part in the reward, in the order they happened.

    Args:
        events: each with why it is late.
        spec: the experiment as it was when the reward became final, or else as it is.
        currency: the experiment's at that moment, as far as it was known.
        worth: of the outcomes of the arm that was shown; None for those of ``nothing``.
    """
    worth = worth or spec.worths[NOTHING]
    return tuple(
        Part(event=event, late=late, adds=adds, why=why)
        for event, late in events
        for adds, why in [_part(event, late, spec, worth, currency)]
    )


#: why an event that came too late adds nothing
_LATE = MappingProxyType(
    {
        Lateness.BEFORE_DECISION: "dated before the decision",
        Lateness.AFTER_WINDOW: "late: after the reward window",
        Lateness.REPORTED_LATE: "late: reported after the reward was final",
        Lateness.ARRIVED_LATE: "arrived late: acknowledged in time, but stored after the reward "
        "was final",
    }
)


#: of an arm that brings no value or cost of its own
_ONLY_WEIGHT = "its weight"


def _part(
    event: Event,
    late: Lateness | None,
    spec: ExperimentSpec,
    worth: Worth,
    currency: str | None,
) -> tuple[float | None, str]:
    if late is not None:
        return None, _LATE[late]
    if event.type in spec.events.secret_only and not event.trusted:
        return None, "not trusted: only servers may report it"
    weight, cost = worth.weights.get(event.type), worth.costs.get(event.type)
    if weight is None and cost is None:
        return None, "has no weight in the reward"
    whose = "the arm's value" if event.type in worth.own else _ONLY_WEIGHT
    if whose == _ONLY_WEIGHT and (worth.own or worth.costs):
        whose = "the experiment's weight"
    adds: float | None = None
    why = []
    for each, sign, name in ((weight, 1.0, whose), (cost, -1.0, "the arm's cost")):
        if each is None:
            continue
        left_out = omission(event, each, currency)
        if left_out is not None:
            why.append(_left_out(left_out, currency))
            continue
        adds = (adds or 0.0) + sign * worth_of_event(event, each)
        why.append(f"{'less ' if sign < 0 else ''}{_worked_out(event, each, name)}")
    return adds, ", ".join(dict.fromkeys(why))


def _left_out(why: Omission, currency: str | None) -> str:
    if why is Omission.NO_AMOUNT:
        return "came without an amount"
    if why is Omission.OTHER_CURRENCY:
        return f"in another currency than {currency}"
    return "reported by a page while the experiment had no currency"


def _worked_out(event: Event, weight: Weight, name: str) -> str:
    if not isinstance(weight, AmountWeight) or event.amount is None:
        return name
    counted = weight.counted(event.amount)
    text = f"{weight.amount:g} times {counted:g}"
    if name != _ONLY_WEIGHT:
        text += f" ({name})"
    return text if counted == event.amount else f"{text}, of the amount {event.amount:g}"
