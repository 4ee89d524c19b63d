"""Policies that do not learn: every arm equally likely, or always the same arm."""

from __future__ import annotations

from collections.abc import Sequence

from bandit_platform.domain.pmf import uniform_pmf
from bandit_platform.domain.policy_spec import NOTHING


def uniform(eligible: Sequence[str]) -> tuple[float, ...]:
    """Every eligible arm equally likely."""
    return uniform_pmf(len(eligible))


def always(arm: str, eligible: Sequence[str]) -> tuple[float, ...]:
    """The arm wherever it is eligible, ``nothing`` elsewhere."""
    shown = arm if arm in eligible else NOTHING
    return tuple(1.0 if each == shown else 0.0 for each in eligible)
