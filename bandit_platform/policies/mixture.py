"""The distribution that is served while a challenger gets a share of the decisions."""

from __future__ import annotations

from collections.abc import Sequence


def mixture(
    champion: Sequence[float], challenger: Sequence[float], share: float
) -> tuple[float, ...]:
    """(1 - share) * champion + share * challenger, arm by arm in double precision.

    One draw from it is a decision; the whole mixture is its distribution. The operations are the
    same in every process, so an audit gets the same bits.

    Args:
        champion: probability of each eligible arm under the champion, its floor applied.
        challenger: the same under the challenger.
        share: of the challenger, from 0 to below 1.
    """
    rest = 1.0 - share
    return tuple([rest * p + share * q for p, q in zip(champion, challenger, strict=True)])
