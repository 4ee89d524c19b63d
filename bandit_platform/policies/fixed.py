"""Policies that do not learn: chance among all arms or all offers, or always the same arm.

They are asked about every interaction; the same few lists of eligible arms come again and again.
"""

from __future__ import annotations

from functools import lru_cache

from bandit_platform.domain.pmf import uniform_pmf
from bandit_platform.domain.policy_spec import NOTHING


def uniform(eligible: tuple[str, ...]) -> tuple[float, ...]:
    """Every eligible arm equally likely."""
    return uniform_pmf(len(eligible))


@lru_cache(maxsize=4096)
def always(arm: str, eligible: tuple[str, ...]) -> tuple[float, ...]:
    """The arm wherever it is eligible, ``nothing`` elsewhere."""
    shown = arm if arm in eligible else NOTHING
    return tuple(1.0 if each == shown else 0.0 for each in eligible)


@lru_cache(maxsize=4096)
def something(eligible: tuple[str, ...]) -> tuple[float, ...]:
    """Every eligible offer equally likely, ``nothing`` only where there is no offer."""
    offers = sum(arm != NOTHING for arm in eligible)
    if not offers:
        return always(NOTHING, eligible)
    return tuple(0.0 if arm == NOTHING else 1.0 / offers for arm in eligible)
