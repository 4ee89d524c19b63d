"""The plan against simulated experiments that stop at the first look that tells an uplift."""

from __future__ import annotations

import numpy as np
import pytest

from bandit_platform.ope.sequences.confidence_sequence import ConfidenceSequence, Settings
from bandit_platform.ope.sequences.detectable import Situation, decisions_needed

RUNS = 31


def stopping_time(
    rng: np.random.Generator, *, arms: int, rate: float, uplift: float, bound: float
) -> float:
    """Rows until the lower bound is above zero, looked at after every 1 %; inf for never."""
    n, p = 40_000, 1.0 / arms
    nothing = rng.random(n) < p
    none = rate - uplift
    some = none + uplift / (1.0 - p)
    reward = (rng.random(n) < np.where(nothing, none, some)).astype(float)
    gain = 1.0 - nothing / p
    sequence = ConfidenceSequence(settings=Settings(kind="uplift", tuning_rows=200))
    ones = np.ones(n)
    walked, z, v = sequence.walked(gain, reward, ones, ones * bound)
    looks = np.unique(np.geomspace(50, z.size, 650).astype(int))
    lower, _ = walked.curve(looks.astype(float), z[looks - 1], v[looks - 1])
    found = looks[lower > 0.0]
    return float(found[0] + 200) if found.size else np.inf


@pytest.mark.parametrize(
    ("arms", "rate", "uplift", "bound"),
    [(2, 0.5, 0.1, 2.0), (3, 0.2, 0.06, 3.0), (4, 0.3, 0.1, 40.0), (3, 0.05, 0.03, 60.0)],
)
def test_the_plan_is_near_the_median_stopping_time(
    arms: int, rate: float, uplift: float, bound: float
) -> None:
    rng = np.random.default_rng(7)
    found = [
        stopping_time(rng, arms=arms, rate=rate, uplift=uplift, bound=bound) for _ in range(RUNS)
    ]
    planned = decisions_needed(
        Situation(mean=rate, variance=rate * (1 - rate), nothing=1 / arms, bound=bound), uplift
    )
    assert planned is not None
    assert 1 / 1.5 <= planned / float(np.median(found)) <= 1.5


def test_smaller_uplifts_and_wider_bounds_need_more() -> None:
    def needed(uplift: float, bound: float = 3.0) -> int:
        found = decisions_needed(
            Situation(mean=0.2, variance=0.16, nothing=1 / 3, bound=bound), uplift
        )
        assert found is not None
        return found

    assert needed(0.02) > 3 * needed(0.05)
    assert needed(0.05, 60.0) > needed(0.05)
