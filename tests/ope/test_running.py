"""Sums in row order: the bits are those of adding one number after the other."""

from __future__ import annotations

import numpy as np
import pytest

from bandit_platform.ope.running import CHUNK, running_sums, totals


def added(carry: float, column: np.ndarray) -> float:
    """The plain loop."""
    for number in column.tolist():
        carry += number
    return carry


@pytest.mark.parametrize("rows", [0, 1, 5, CHUNK, 2 * CHUNK + 17])
@pytest.mark.parametrize("size", [1, 2, 5, 9])
def test_totals_have_the_bits_of_a_loop(rows: int, size: int) -> None:
    rng = np.random.default_rng(rows + size)
    columns = [rng.normal(size=rows) * 10.0**place for place in range(size)]
    carry = rng.normal(size=size).tolist()
    pairs = zip(carry, columns, strict=True)
    assert totals(carry, columns) == [added(first, column) for first, column in pairs]


def test_other_orders_would_show() -> None:
    column = np.random.default_rng(0).random(2 * CHUNK)
    assert totals([0.0], [column])[0] != float(column.sum())


def test_columns_that_lie_apart_in_memory() -> None:
    table = np.random.default_rng(1).random((300, 4))
    constant = np.broadcast_to(0.1, (300,))
    found = totals([0.0, 1.0, 0.0], [table[:, 2], table[::-1, 0], constant])
    assert found == [
        added(0.0, table[:, 2]),
        added(1.0, table[::-1, 0]),
        added(0.0, constant),
    ]


def test_the_path_ends_in_the_total() -> None:
    column = np.random.default_rng(2).normal(size=1000)
    path = running_sums(0.25, column)
    assert path[0] == 0.25
    assert path[1:].tolist() == [totals([0.25], [column[:n]])[0] for n in range(1, 1001)]
