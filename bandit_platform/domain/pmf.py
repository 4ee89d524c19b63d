"""Probabilities over eligible arms, and the floor that keeps every arm measurable."""

from __future__ import annotations

import math
from collections.abc import Sequence

from bandit_platform.errors import PolicyError

#: How far a model's probabilities may miss 1 in sum (they are single precision).
TOLERANCE = 1e-4


def uniform_pmf(size: int) -> tuple[float, ...]:
    """Equal probability for each of ``size`` arms."""
    return (1.0 / size,) * size


def sound_pmf(raw: Sequence[float], size: int) -> tuple[float, ...]:
    """A model's probabilities, checked and renormalised in double precision.

    Raises:
        PolicyError: the wrong number of arms, or not a probability distribution.
    """
    if len(raw) != size or not size:
        raise PolicyError(f"the model gave {len(raw)} probabilities for {size} arms")
    within = min(raw) >= 0.0 and max(raw) <= 1.0 + TOLERANCE
    total = math.fsum(raw) if within else 0.0  # fsum itself refuses opposite infinities
    if not abs(total - 1.0) <= TOLERANCE:
        raise PolicyError("the model gave no probability distribution")
    return tuple([p / total for p in raw])


def with_floor(pmf: Sequence[float], floor: float) -> tuple[float, ...]:
    """The distribution with the mass ``floor`` spread evenly over its arms.

    Every arm, ``nothing`` included, then has at least ``floor / len(pmf)``, so that no importance
    weight exceeds ``len(pmf) / floor``.
    """
    share = floor / len(pmf)
    rest = 1.0 - floor
    return tuple([rest * p + share for p in pmf])
