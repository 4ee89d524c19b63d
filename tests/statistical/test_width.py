"""The default confidence sequence against the best one that hindsight could have chosen."""

from __future__ import annotations

import numpy as np
import pytest

from bandit_platform.ope.sequences.confidence_sequence import ConfidenceSequence, Settings
from bandit_platform.ope.sequences.mixture import boundary

ALPHA = 0.05
SCENES = {
    "five arms, 2 to 10 %": (np.linspace(0.02, 0.10, 5), 0.065),
    "ten arms, floor of 2 %": (np.linspace(0.05, 0.30, 10), 0.02),
    "three arms evenly": (np.array([0.10, 0.15, 0.18]), 1 / 3),
    "one in a hundred": (np.linspace(0.002, 0.010, 5), 0.05),
    "most succeed": (np.linspace(0.6, 0.9, 4), 0.1),
}


def drawn(name: str, n: int, kind: str, seed: int):
    rates, floor = SCENES[name]
    rng, k = np.random.default_rng(seed), len(rates)
    pmf = np.full((n, k), floor)
    pmf[np.arange(n), rng.integers(0, k, n)] += 1 - floor * k
    arm = (pmf.cumsum(1) < rng.random((n, 1))).sum(1).clip(max=k - 1)
    p = pmf[np.arange(n), arm]
    gain = (arm == k - 1) / p - ((arm == 0) / p if kind == "uplift" else 0.0)
    return gain, (rng.random(n) < rates[arm]).astype(float), 1 / floor


def hindsight(gain, reward, bound: float, kind: str) -> float:
    """Least width over offsets and mixture parameters, all rows used, written out afresh."""
    n, uplift = gain.size, kind == "uplift"
    least = np.inf
    for c in np.unique(np.concatenate((np.linspace(0, 1, 9), np.linspace(0, 0.3, 13)))):
        z = gain * (reward - c) + (0.0 if uplift else c)
        before = np.concatenate(([0.0 if uplift else c], np.cumsum(z)[:-1] / np.arange(1, n)))
        v = float(((z - np.clip(before, -1.0 if uplift else 0.0, 1.0)) ** 2).sum())
        if uplift:
            spans = [1 + bound * max(c, 1 - c)] * 2
        else:
            spans = [1 + (bound - 1) * c, 1 + (bound - 1) * (1 - c)]
        width = 0.0
        for span in spans:
            time = v / span**2
            grid = np.geomspace(max(time, 1.0) / 100, max(time, 1.0), 30)
            width += span / n * min(float(boundary(time, rho=r, alpha=ALPHA / 2)) for r in grid)
        least = min(least, width)
    return least


@pytest.mark.parametrize("kind", ["value", "uplift"])
@pytest.mark.parametrize("name", list(SCENES))
def test_width_is_near_the_best_in_hindsight(name: str, kind: str) -> None:
    ratios = {"live": [], "file": []}
    for seed in range(2):
        gain, reward, bound = drawn(name, 20_000, kind, seed)
        best = hindsight(gain, reward, bound, kind)
        setups = {
            "live": Settings(kind=kind, alpha=ALPHA),
            "file": Settings(
                kind=kind, alpha=ALPHA, tuning_rows=400, horizon=19_600, level_share=1.0
            ),
        }
        second = np.full(20_000, bound if kind == "uplift" else 0.0)
        for setup, settings in setups.items():
            state = ConfidenceSequence(settings=settings)
            low, high = state.updated(gain, reward, np.full(20_000, bound), second).bounds()
            ratios[setup].append((high - low) / best)
    for setup, found in ratios.items():
        assert np.mean(found) <= 1.25, (setup, found)
