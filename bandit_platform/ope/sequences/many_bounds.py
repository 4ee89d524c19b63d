"""Bounds of many confidence sequences at once: one curve solved for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bandit_platform.ope.sequences.confidence_sequence import ConfidenceSequence
from bandit_platform.ope.sequences.mixture import boundary, tuned_rho
from bandit_platform.ope.sequences.stream import LEAST_TIME


def many_bounds(
    sequences: Sequence[ConfidenceSequence], *, looks: int = 1
) -> list[tuple[float, float]]:
    """Each sequence's lower and upper bound now, as its ``bounds`` gives them.

    Args:
        sequences: in any state; one that is still collecting has the ends of its scale.
        looks: how many intervals must hold together; each gets that part of its alpha (Bonferroni).
    """
    sides = [side for one in sequences for side in _sides(one, looks)]
    if not sides:
        return [one.bounds() for one in sequences]
    time, rho, alpha, reach = np.array(sides).T
    margins = iter((reach * boundary(time, rho=rho, alpha=alpha)).tolist())
    return [
        one.bounds() if one.collecting else _around(one, next(margins), next(margins))
        for one in sequences
    ]


def _around(one: ConfidenceSequence, below: float, above: float) -> tuple[float, float]:
    mean = one.stream.z / one.stream.n
    return min(max(mean - below, one.least), 1.0), min(max(mean + above, one.least), 1.0)


def _sides(one: ConfidenceSequence, looks: int) -> tuple[tuple[float, float, float, float], ...]:
    """For the lower and the upper side: intrinsic time, rho, alpha, and B/t."""
    if one.frozen is None or one.collecting:
        return ()
    shared = replace(one, settings=replace(one.settings, alpha=one.settings.alpha / looks))
    alpha, growth = shared.level()
    made = []
    for span in shared.spans(growth):
        best_at = max(one.settings.horizon * one.frozen.variance / span**2, LEAST_TIME)
        rho = tuned_rho(best_at=best_at, alpha=alpha / 2.0)
        made.append((one.stream.v / span**2, rho, alpha / 2.0, span / one.stream.n))
    return tuple(made)
