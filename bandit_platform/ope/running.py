"""Sums that do not depend on how the rows were cut into batches, to the last bit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bandit_platform.ope.reward_range import Floats

CHUNK = 8192
"""Rows added at a time: small enough for the processor's cache; has no influence on results."""


def running_sums(carry: Sequence[float], columns: Sequence[Floats]) -> Floats:
    """Sums carried on, one addition after the other in row order.

    Floating-point addition is not associative, so ``np.sum`` (pairwise) would make a live
    accumulator differ from its recomputation. ``np.add.accumulate`` with the carry in front adds
    strictly from left to right.

    Args:
        carry: k sums so far.
        columns: k arrays of shape (n,).

    Returns:
        shape (k, n + 1): column 0 is the carry, column i the sums after i rows.
    """
    table = np.empty((len(columns), columns[0].shape[0] + 1))
    table[:, 0] = carry
    for row, column in zip(table, columns, strict=True):
        row[1:] = column
    return np.add.accumulate(table, axis=1, out=table)
