from __future__ import annotations

import json
import math

import numpy as np
import pytest

from bandit_platform.ope.sequences.unbounded import UnboundedAccumulator


def log(rows: int, seed: int = 3) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """An offer at 0.7 against nothing at 0.3: 12 bought one time in five, or one in ten."""
    rng = np.random.default_rng(seed)
    offer = rng.random(rows) < 0.7
    outcome = np.where(rng.random(rows) < np.where(offer, 0.2, 0.1), 12.0, 0.0)
    return np.where(offer, 1 / 0.7, 0.0), np.where(offer, 0.0, 1 / 0.3), outcome


def taken(rows: int, seed: int = 3, size: int = 1000) -> UnboundedAccumulator:
    weight, baseline, outcome = log(rows, seed)
    state = UnboundedAccumulator()
    for start in range(0, rows, size):
        cut = slice(start, start + size)
        state = state.updated(
            weight=weight[cut], baseline_weight=baseline[cut], outcome=outcome[cut]
        )
    return state


def test_how_rows_are_cut_changes_no_bit_and_neither_does_json() -> None:
    whole = taken(3000, size=3000)
    assert taken(3000, size=7) == whole == taken(3000, size=199)
    assert UnboundedAccumulator.from_state(json.loads(json.dumps(whole.to_state()))) == whole


def test_bounds_enclose_the_truth_and_say_that_they_are_asymptotic() -> None:
    state = taken(20_000)
    value, uplift = state.value(), state.uplift()
    assert value.interval == uplift.interval == "asymptotic-cs"
    assert value.lower < 2.4 < value.upper
    assert uplift.lower < 1.2 < uplift.upper
    assert uplift.lower > 0
    assert (value.n, value.collecting) == (19_800, False)


@pytest.mark.parametrize("rows", [0, 100, 200, 2000])
def test_before_enough_rows_there_are_no_bounds(rows: int) -> None:
    found = taken(rows).uplift()
    assert found.collecting
    assert (found.lower, found.upper) == (-math.inf, math.inf)
    assert (found.value is None) is (rows <= 200)


def test_bounds_are_not_shown_while_single_rows_carry_them() -> None:
    weight, baseline, outcome = log(5000)
    outcome[4000] = 10_000.0
    state = UnboundedAccumulator()
    state = state.updated(weight=weight, baseline_weight=baseline, outcome=outcome)
    assert state.uplift().collecting


def test_what_never_happens_is_not_shown_with_certainty() -> None:
    weight, baseline, outcome = log(5000)
    found = UnboundedAccumulator().updated(
        weight=weight, baseline_weight=baseline, outcome=outcome * 0.0
    )
    assert found.uplift().collecting


def test_looking_at_every_thousandth_row_misses_about_as_rarely_as_stated() -> None:
    runs, missed = 120, 0
    for seed in range(runs):
        weight, baseline, outcome = log(8000, seed)
        state = UnboundedAccumulator()
        for start in range(0, 8000, 1000):
            cut = slice(start, start + 1000)
            state = state.updated(
                weight=weight[cut], baseline_weight=baseline[cut], outcome=outcome[cut]
            )
            if not state.uplift().lower <= 1.2 <= state.uplift().upper:
                missed += 1
                break
    assert missed <= 0.05 * runs + 2.4 * math.sqrt(0.05 * 0.95 * runs)
