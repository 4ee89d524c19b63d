"""Probabilities over eligible arms, and the floors that keep every arm measurable."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from bandit_platform.domain.floor import FloorTable
from bandit_platform.errors import PolicyError

#: How far a model's probabilities may miss 1 in sum (they are single precision).
TOLERANCE = 1e-4

Mixer = Callable[[Sequence[float], int | None], tuple[float, ...]]


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


def with_floor(
    pmf: Sequence[float], floor: float | FloorTable, nothing: int | None
) -> tuple[float, ...]:
    """The distribution mixed with the floor.

    With probabilities p over K arms, of which n are offers::

        number f:              p'(a)       = f / K  + (1 - f) p(a)          for every arm
        table f_0, f_1:        p'(nothing) = f_0    + (1 - f_0 - f_1) p(nothing)
                               p'(offer)   = f_1 / n + (1 - f_0 - f_1) p(offer)

    Each sums to 1 as p does. The constant is added to a product that is at least 0, and rounding
    keeps order, so each probability is at least its floor and rises with p. Where only ``nothing``
    is eligible, it gets 1.

    Args:
        pmf: probabilities of the eligible arms.
        floor: a number, or a table.
        nothing: position of ``nothing``; None for a log without it, where the two masses of a
            table are spread evenly over all arms.
    """
    return floor_mixer(floor)(pmf, nothing)


def floor_mixer(floor: float | FloorTable) -> Mixer:
    """:func:`with_floor` for one floor, without looking at it each time."""
    return _table_mixer(floor) if isinstance(floor, FloorTable) else _number_mixer(floor)


def _number_mixer(floor: float) -> Mixer:
    rest = 1.0 - floor

    def mixed(pmf: Sequence[float], nothing: int | None) -> tuple[float, ...]:  # noqa: ARG001
        share = floor / len(pmf)
        return tuple([rest * p + share for p in pmf])

    return mixed


def _table_mixer(floor: FloorTable) -> Mixer:
    least, offers = floor.nothing, floor.offers
    rest = 1.0 - least - offers
    without_nothing = _number_mixer(least + offers)

    def mixed(pmf: Sequence[float], nothing: int | None) -> tuple[float, ...]:
        size = len(pmf)
        if nothing is None:
            return without_nothing(pmf, None)
        if size == 1:
            return (1.0,)
        share = offers / (size - 1)
        found = [rest * p + share for p in pmf]
        found[nothing] = rest * pmf[nothing] + least
        return tuple(found)

    return mixed


def untrained_pmf(size: int, floor: float | FloorTable, nothing: int) -> tuple[float, ...]:
    """Equal probability for each arm, or the nearest to it that respects the floors of a table.

    Args:
        size: number of eligible arms.
        floor: of the policy that decides once it has a model.
        nothing: position of ``nothing``.
    """
    offers = size - 1
    if not isinstance(floor, FloorTable) or not offers:
        return uniform_pmf(size)
    if size * floor.nothing > 1.0:
        chance, each = floor.nothing, (1.0 - floor.nothing) / offers
    elif size * floor.offers > offers:
        chance, each = 1.0 - floor.offers, floor.offers / offers
    else:
        return uniform_pmf(size)
    return (*(each,) * nothing, chance, *(each,) * (offers - nothing))
