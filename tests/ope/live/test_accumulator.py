from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bandit_platform.errors import EvaluationError
from bandit_platform.ope import PolicyAccumulator, RewardRange

SCALE = RewardRange(low=-1, high=3)


def empty(**more):
    return PolicyAccumulator.empty(**{"reward_range": SCALE, "tuning_rows": 40, **more})


def fed(state, rows, cut=slice(None), bound=None):
    most = rows.bound if bound is None else bound
    return state.updated(
        weight=rows.weight[cut],
        baseline_weight=rows.baseline[cut],
        reward=rows.reward[cut],
        max_weight=most,
        baseline_max_weight=most,
    )


@pytest.mark.parametrize("seed", range(5))
def test_cutting_into_batches_changes_no_bit(rows, seed: int) -> None:
    table, rng = rows(3000, seed), np.random.default_rng(seed)
    cuts = np.sort(rng.integers(0, 3000, 30))
    state = empty()
    for start, end in zip([0, *cuts], [*cuts, 3000], strict=True):
        state = fed(state, table, slice(start, end))
        state = PolicyAccumulator.from_state(json.loads(json.dumps(state.to_state())))
    assert state == fed(empty(), table)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 39), st.integers(0, 200))
def test_cuts_inside_and_after_tuning_change_no_bit(first: int, second: int) -> None:
    rng = np.random.default_rng(3)
    w, b, r = rng.random(250) * 5, rng.random(250) * 5, rng.random(250)
    most = {"max_weight": 5.0, "baseline_max_weight": 5.0}
    state = empty()
    for part in (slice(0, first), slice(first, first + second), slice(first + second, None)):
        state = state.updated(weight=w[part], baseline_weight=b[part], reward=r[part], **most)
    assert state == empty().updated(weight=w, baseline_weight=b, reward=r, **most)


def test_bounds_hold_the_point_and_the_truth(rows) -> None:
    state = fed(empty(), rows(20_000))
    truth = -0.1 + 0.2 * 0.3 + 0.1 * 3
    value, uplift = state.value(), state.uplift()
    assert value.lower < truth < value.upper
    assert value.lower < value.value < value.upper
    assert uplift.lower < 0 < uplift.upper
    assert state.snips().lower < truth < state.snips().upper
    assert state.ips().lower < truth < state.ips().upper
    assert value.interval == "confidence-sequence"


def test_collecting_bounds_are_the_ends_of_the_range(rows) -> None:
    state = fed(empty(), rows(40))
    assert state.value().collecting
    assert (state.value().lower, state.value().upper) == (-1, 3)
    assert (state.uplift().lower, state.uplift().upper) == (-4, 4)
    assert empty().value().value is None


def test_more_rows_narrow_and_a_higher_alpha_narrows(rows) -> None:
    table = rows(20_000)
    few, many = fed(empty(), table, slice(0, 2000)).value(), fed(empty(), table).value()
    loose = fed(empty(alpha=0.2), table).value()
    assert many.upper - many.lower < few.upper - few.lower
    assert loose.upper - loose.lower < many.upper - many.lower


def test_a_policy_has_no_uplift_over_itself(rows) -> None:
    table = rows(20_000)
    most = {"max_weight": 10.0, "baseline_max_weight": 10.0}
    same = {"weight": table.weight, "baseline_weight": table.weight, "reward": table.reward}
    exact = empty(same_policy=True).updated(**same, **most).uplift()
    assert (exact.lower, exact.value, exact.upper) == (0, 0, 0)
    unaware = empty().updated(**same, **most)
    assert unaware.uplift().value == 0
    assert unaware.uplift().upper - unaware.uplift().lower < 0.05
    assert unaware.snips_uplift().value == 0
    assert unaware.snips_uplift().upper == pytest.approx(0, abs=1e-7)


def test_swapping_the_policies_reflects_the_uplift(rows) -> None:
    table = rows(5000)
    there = fed(empty(), table).uplift()
    swapped = type(table)(
        weight=table.baseline, baseline=table.weight, reward=table.reward, bound=10.0
    )
    back = fed(empty(), swapped).uplift()
    assert back.value == pytest.approx(-there.value, abs=1e-12)
    assert (back.lower, back.upper) == pytest.approx((-there.upper, -there.lower), abs=1e-12)


def test_turning_the_reward_round_reflects_the_value(rows) -> None:
    table = rows(5000)
    turned = type(table)(
        weight=table.weight, baseline=table.baseline, reward=2.0 - table.reward, bound=10.0
    )
    there, back = fed(empty(), table).value(), fed(empty(), turned).value()
    assert back.lower == pytest.approx(2.0 - there.upper, abs=1e-9)
    assert back.upper == pytest.approx(2.0 - there.lower, abs=1e-9)


def test_the_logging_policy_needs_no_weights() -> None:
    reward = np.random.default_rng(0).random(5000)
    one = np.ones(5000)
    state = PolicyAccumulator.empty(reward_range=RewardRange(low=0, high=1)).updated(
        weight=one, baseline_weight=one, reward=reward, max_weight=1.0, baseline_max_weight=1.0
    )
    assert state.value().value == pytest.approx(reward[200:].mean())
    assert state.value().upper - state.value().lower < 0.04


def test_a_bound_that_grows_widens_and_stays_valid(rows) -> None:
    table = rows(5000)
    state = fed(empty(), table, slice(0, 2500))
    grown, steady = fed(state, table, slice(2500, None), bound=35.0), fed(empty(), table)
    assert grown.value_sequence.bound == 35.0
    assert grown.value().upper - grown.value().lower > steady.value().upper - steady.value().lower
    assert grown.value_sequence.stream.z == steady.value_sequence.stream.z


def test_a_bound_declared_fixed_must_not_grow(rows) -> None:
    table = rows(500)
    state = fed(empty(level_share=1.0), table, slice(0, 250))
    state = fed(state, table, slice(250, None), bound=35.0)
    with pytest.raises(EvaluationError, match="grew"):
        state.value()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weight": [1.0, 10.1]}, "row 1: weight"),
        ({"baseline_weight": [10.1, 1.0]}, "row 0: baseline weight"),
        ({"weight": [1.0, np.nan]}, "row 1: weight"),
        ({"reward": [0.0, 3.1]}, "row 1: reward"),
        ({"reward": [0.0]}, "equally long"),
        ({"max_weight": 0.0}, "above 0"),
        ({"max_weight": [1.0, 2.0, 3.0]}, "one per row"),
    ],
)
def test_impossible_rows_are_refused(change, message: str) -> None:
    good = {
        "weight": [1.0, 1.0],
        "baseline_weight": [1.0, 1.0],
        "reward": [0.0, 0.0],
        "max_weight": 10.0,
        "baseline_max_weight": 10.0,
    }
    with pytest.raises(EvaluationError, match=message):
        empty().updated(**{**good, **change})


def test_a_weight_a_rounding_above_its_bound_is_accepted() -> None:
    over = 10.0 * (1 + 1e-12)
    empty().updated(
        weight=[over],
        baseline_weight=[over],
        reward=[0.0],
        max_weight=10.0,
        baseline_max_weight=10.0,
    )


def test_the_asymptotic_sequence_is_narrower_once_burnt_in(rows) -> None:
    table = rows(20_000)
    early = fed(empty(), table, slice(0, 1000))
    assert early.asymptotic_value().collecting
    assert (early.asymptotic_uplift().lower, early.asymptotic_uplift().upper) == (-4, 4)
    state = fed(empty(), table)
    for wide, narrow in (
        (state.value(), state.asymptotic_value()),
        (state.uplift(), state.asymptotic_uplift()),
    ):
        assert narrow.interval == "asymptotic-cs"
        assert narrow.value == pytest.approx(wide.value)
        assert wide.lower < narrow.lower < narrow.value < narrow.upper < wide.upper
    assert empty(same_policy=True).asymptotic_uplift().upper == 0
