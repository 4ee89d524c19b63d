"""Segments whose truth is known, looked at all the time and all at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from bandit_platform.ope.sequences.many_bounds import many_bounds
from bandit_platform.services.learning.segment_block import SegmentSums
from bandit_platform.services.learning.walked import Columns

RUNS = 80
LOOKS = 12
ROWS = 125
EFFECTS = (0.35, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one experiment's looks found, over all of them."""

    #: some segment's truth was outside its interval at some look
    corrected_missed: bool
    #: some segment without effect was called helped or harmed at some look
    corrected_false: bool
    #: the same by normal intervals, for each segment and look on its own
    naive_false: bool
    #: the segment with an effect was found at the end
    found: bool


def experiment(seed: int) -> Run:
    """Half of each segment's shoppers are shown an offer, half nothing."""
    rng = np.random.default_rng(seed)
    sums = [SegmentSums.empty(1) for _ in EFFECTS]
    missed = false = naive = False
    differences: list[list[float]] = [[] for _ in EFFECTS]
    lower = np.zeros(len(EFFECTS))
    for _ in range(LOOKS):
        for place, effect in enumerate(EFFECTS):
            offered = rng.random(ROWS) < 0.5
            reward = (rng.random(ROWS) < 0.3 + effect * offered).astype(float)
            columns = Columns(
                weights=2.0 * offered[None, :],
                bounds=np.full((1, ROWS), 2.0),
                nothing=2.0 * ~offered,
                nothing_bound=np.full(ROWS, 2.0),
            )
            sums[place] = sums[place].updated(columns, reward, np.arange(ROWS))
            differences[place] += ((columns.weights[0] - columns.nothing) * reward).tolist()
        bounds = many_bounds([one.uplifts.sequence(0) for one in sums], looks=len(EFFECTS))
        for place, ((low, high), effect) in enumerate(zip(bounds, EFFECTS, strict=True)):
            missed |= not low <= effect <= high
            lower[place] = low
            gains = np.array(differences[place])
            reach = 1.96 * gains.std() / np.sqrt(len(gains))
            if effect == 0.0:
                false |= low > 0.0 or high < 0.0
                naive |= abs(gains.mean()) > reach
    return Run(
        corrected_missed=missed, corrected_false=false, naive_false=naive, found=bool(lower[0] > 0)
    )


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    return [experiment(seed) for seed in range(RUNS)]


def test_all_segments_hold_together_however_often_somebody_looks(runs: list[Run]) -> None:
    assert sum(run.corrected_missed for run in runs) <= 0.05 * RUNS


def test_a_segment_without_effect_is_not_found(runs: list[Run]) -> None:
    assert sum(run.corrected_false for run in runs) <= 0.05 * RUNS


def test_a_segment_with_an_effect_is_found(runs: list[Run]) -> None:
    assert sum(run.found for run in runs) >= 0.95 * RUNS


def test_peeked_intervals_without_correction_find_segments_that_are_not_there(
    runs: list[Run],
) -> None:
    assert sum(run.naive_false for run in runs) >= 0.5 * RUNS
