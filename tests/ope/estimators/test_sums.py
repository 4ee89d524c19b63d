from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bandit_platform.errors import EvaluationError
from bandit_platform.ope import CrossSums, WeightSums

weights = st.floats(0, 1e3, allow_nan=False)
rewards = st.floats(0, 1, allow_nan=False)
tables = st.lists(st.tuples(weights, rewards), min_size=1, max_size=60)


def columns(table):
    return np.array([w for w, _ in table]), np.array([r for _, r in table])


def test_sums_by_hand() -> None:
    sums = WeightSums().updated([2.0, 0.0, 4.0], [0.5, 1.0, 0.25])
    assert (sums.n, sums.w, sums.ww, sums.wr) == (3, 6.0, 20.0, 2.0)
    assert (sums.wwr, sums.wwrr, sums.w_max) == (6.0, 2.0, 4.0)


@given(tables, st.data())
def test_cutting_into_batches_changes_no_bit(table, data) -> None:
    w, r = columns(table)
    cut = data.draw(st.integers(0, len(table)))
    whole = WeightSums().updated(w, r)
    assert WeightSums().updated(w[:cut], r[:cut]).updated(w[cut:], r[cut:]) == whole


def test_chunks_change_no_bit() -> None:
    rng = np.random.default_rng(1)
    w, r = rng.random(30_000) * 9, rng.random(30_000)
    one_by_some = WeightSums()
    for start in range(0, 30_000, 777):
        one_by_some = one_by_some.updated(w[start : start + 777], r[start : start + 777])
    assert one_by_some == WeightSums().updated(w, r)
    assert one_by_some.ww == pytest.approx(float(np.sum(w * w)), rel=1e-12)


@given(tables, tables)
def test_parts_merged_are_the_whole(first, second) -> None:
    w, r = columns(first + second)
    whole = WeightSums().updated(w, r)
    merged = WeightSums().updated(*columns(first)).merged(WeightSums().updated(*columns(second)))
    assert merged.n == whole.n
    assert merged.w_max == whole.w_max
    for name in ("w", "ww", "wr", "wwr", "wwrr"):
        assert getattr(merged, name) == pytest.approx(getattr(whole, name), rel=1e-12, abs=1e-12)


@given(tables)
def test_state_survives_json_exactly(table) -> None:
    sums = WeightSums().updated(*columns(table))
    assert WeightSums.from_state(json.loads(json.dumps(sums.to_state()))) == sums
    w, r = columns(table)
    cross = CrossSums().added(w, w[::-1], r)
    assert CrossSums.from_state(json.loads(json.dumps(cross.to_state()))) == cross


def test_no_rows_change_nothing() -> None:
    assert WeightSums().updated([], []) == WeightSums()


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_impossible_weight_is_refused_by_row(bad: float) -> None:
    with pytest.raises(EvaluationError, match="row 1"):
        WeightSums().updated([1.0, bad], [0.0, 0.0])


def test_unequal_lengths_are_refused() -> None:
    with pytest.raises(EvaluationError, match="equally long"):
        WeightSums().updated([1.0], [0.0, 0.0])
