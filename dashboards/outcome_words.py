"""Outcomes in the words of a shop."""

from __future__ import annotations

from types import MappingProxyType

from bandit_platform.domain.direction import Direction
from bandit_platform.services.learning.outcomes import OTHER
from bandit_platform.services.reporting.happened import REVENUE

_LABELS = MappingProxyType(
    {
        "impression": "Offer seen",
        "accept": "Accepted",
        "dismiss": "Dismissed",
        "purchase": "Purchased",
        "return": "Returned",
        "complaint": "Complained",
        "review": "Reviewed",
        "referral": "Referred somebody",
        "repeat-purchase": "Bought again",
        REVENUE: "Revenue",
        OTHER: "All other events",
    }
)
_GOOD_WHEN = MappingProxyType(
    {
        Direction.HIGHER: "↑ more is better",
        Direction.LOWER: "↓ less is better",
        Direction.NEUTRAL: "neither way is better",
    }
)


def outcome_label(name: str) -> str:
    """What an event type, or the revenue, is called on a page."""
    return _LABELS.get(name, name)


def good_when(direction: Direction) -> str:
    """Which way is better, in words and with an arrow."""
    return _GOOD_WHEN[direction]
