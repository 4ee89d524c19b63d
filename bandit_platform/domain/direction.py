"""Which way an outcome is good: more of it, less of it, or neither."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from bandit_platform.domain.reward import AmountWeight


class Direction(StrEnum):
    """What it means when there is more of something."""

    HIGHER = "higher is better"
    LOWER = "lower is better"
    NEUTRAL = "neither way is better"


_LOWER = frozenset({"dismiss", "return", "complaint"})
_HIGHER = frozenset({"accept", "purchase", "repeat-purchase", "referral"})


def direction_of(kind: str, weights: Mapping[str, float | AmountWeight]) -> Direction:
    """Which way an event type is good.

    Regrets are bad whatever they weigh. Other types follow the sign of their weight in the
    reward; what has none is good where its name says so, else neither. A value of an arm counts
    only for types without a weight for all arms.
    """
    if kind in _LOWER:
        return Direction.LOWER
    weight = weights.get(kind)
    value = weight.amount if isinstance(weight, AmountWeight) else weight
    if value:
        return Direction.HIGHER if value > 0 else Direction.LOWER
    return Direction.HIGHER if kind in _HIGHER else Direction.NEUTRAL
