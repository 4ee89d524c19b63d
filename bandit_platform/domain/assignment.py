"""Who is held out, and which arm a decision draws: functions of names, not of chance."""

from __future__ import annotations

from collections.abc import Sequence

from bandit_platform.domain.keyed_hash import fraction, keyed_hash


def in_holdout(secret: bytes, experiment: str, unit: str, share: float) -> bool:
    """Whether the unit belongs to the experiment's holdout; always the same answer."""
    return fraction(keyed_hash(secret, b"holdout", experiment, unit)) < share


def draw_seed(secret: bytes, experiment: str, decision_id: str) -> str:
    """The seed of a decision's draw: 16 hexadecimal characters, stored with the decision."""
    return keyed_hash(secret, b"draw", experiment, decision_id).hex()


def draw(pmf: Sequence[float], seed: str) -> int:
    """The position that a seed draws from a distribution.

    The arms share out [0, 1) in their order; the seed, read as a number there, falls on one.
    """
    point = fraction(bytes.fromhex(seed))
    cumulated = 0.0
    for position, probability in enumerate(pmf):
        cumulated += probability
        if point < cumulated:
            return position
    return max(range(len(pmf)), key=lambda i: (pmf[i] > 0, i))
