from __future__ import annotations

import pytest

from bandit_platform.domain.direction import Direction, direction_of
from bandit_platform.domain.reward import AmountWeight

WEIGHTS = {"wish": 0.5, "yawn": -0.1, "refund": AmountWeight(amount=-1.0), "complaint": 1.0,
           "seen": 0.0}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "direction"),
    [
        ("dismiss", Direction.LOWER),
        ("return", Direction.LOWER),
        ("complaint", Direction.LOWER),
        ("wish", Direction.HIGHER),
        ("yawn", Direction.LOWER),
        ("refund", Direction.LOWER),
        ("seen", Direction.NEUTRAL),
        ("unheard-of", Direction.NEUTRAL),
        ("accept", Direction.HIGHER),
        ("purchase", Direction.HIGHER),
    ],
)
def test_which_way_an_outcome_is_good(kind: str, direction: Direction) -> None:
    assert direction_of(kind, WEIGHTS) is direction
