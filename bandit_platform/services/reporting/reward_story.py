"""How a decision's reward comes about, event by event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType

from bandit_platform.domain.event import Event, Lateness
from bandit_platform.domain.experiment import ExperimentSpec
from bandit_platform.domain.reward import AmountWeight


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one event adds to the reward, or why it adds nothing."""

    event: Event
    late: Lateness | None
    adds: float | None
    #: how ``adds`` was computed, or why there is none
    why: str


def reward_parts(
    events: Sequence[tuple[Event, Lateness | None]], spec: ExperimentSpec, currency: str | None
) -> tuple[Part, ...]:
    """Each event's part in the reward, in the order they happened.

    Args:
        events: each with why it is late.
        spec: the experiment as it was when the reward became final, or else as it is.
        currency: the experiment's at that moment, as far as it was known.
    """
    return tuple(
        Part(event=event, late=late, adds=adds, why=why)
        for event, late in events
        for adds, why in [_part(event, late, spec, currency)]
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


def _part(
    event: Event, late: Lateness | None, spec: ExperimentSpec, currency: str | None
) -> tuple[float | None, str]:
    weight = spec.reward.weights.get(event.type)
    if late is not None:
        return None, _LATE[late]
    if event.type in spec.events.secret_only and not event.trusted:
        return None, "not trusted: only servers may report it"
    if isinstance(weight, AmountWeight):
        return _priced(event, weight, currency)
    return (None, "has no weight in the reward") if weight is None else (weight, "its weight")


def _priced(event: Event, weight: AmountWeight, currency: str | None) -> tuple[float | None, str]:
    if event.amount is None:
        return None, "came without an amount"
    if event.currency not in {None, currency}:
        if currency is not None:
            return None, f"in another currency than {currency}"
        if not event.trusted:
            return None, "reported by a page while the experiment had no currency"
    return weight.amount * event.amount, f"{weight.amount:g} times {event.amount:g}"
