"""Many uplift sequences over the same rows, updated together.

A policy's uplift in each segment, and every policy's uplift over every other one, are hundreds of
confidence sequences. Here the sequences that see the same rows are the columns of one table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import numpy as np

from bandit_platform.ope.reward_range import Floats
from bandit_platform.ope.sequences.confidence_sequence import ConfidenceSequence, Frozen, Settings
from bandit_platform.ope.sequences.stream import Stream
from bandit_platform.ope.sequences.tuning import TuningSums

_SUMS = slice(0, 8)  # r, rr, g, size, gg, gr, ggr, ggrr of the tuning rows
_FROZEN = slice(8, 13)  # offset, variance, start, bound, baseline bound when tuning ended
_OFFSET, _START = 8, 10
_BOUND, _BASELINE_BOUND = 13, 14
_Z, _V, _PEAK = 15, 16, 17
ROWS = 18
"""Numbers kept of each sequence."""
_CELLS = 65_536
"""Cells worked on at a time, so that they stay in the processor's cache."""


@dataclass(frozen=True, kw_only=True, eq=False)
class UpliftBank:
    """States of k uplift sequences that have taken in the same rows.

    The numbers are those of :class:`ConfidenceSequence`, bit for bit, however the rows were cut
    into batches; :meth:`sequence` gives one of them back.

    Attributes:
        settings: fixed before the first row, the same for all.
        n: rows taken in, those that tune included.
        table: what is kept of each sequence, shape (ROWS, k).
    """

    settings: Settings
    n: int
    table: Floats

    @classmethod
    def empty(cls, size: int, settings: Settings) -> UpliftBank:
        """Before the first row.

        Args:
            size: k, how many sequences.
            settings: of kind "uplift".
        """
        return cls(settings=settings, n=0, table=np.zeros((ROWS, size)))

    @property
    def tuned(self) -> bool:
        """Whether the rows that tune have all come."""
        return self.n >= self.settings.tuning_rows

    def chosen(self, columns: Sequence[int]) -> UpliftBank:
        """Some of the sequences."""
        return replace(self, table=self.table[:, list(columns)])

    def updated(
        self, gain: Floats, reward: Floats, bound: Floats, baseline_bound: Floats
    ) -> UpliftBank:
        """The states after more rows.

        Args:
            gain: w₁ - w₂, shape (k, n).
            reward: scaled rewards in [0, 1], shape (n,).
            bound: each row's weight bound of the target policy, shape (k, n).
            baseline_bound: the same of the baseline policy, shape (k, n).
        """
        rows, size = reward.shape[0], self.table.shape[1]
        if not rows or not size:
            return replace(self, n=self.n + rows)
        table = self.table.copy()
        step = max(1, _CELLS // rows)
        for first in range(0, size, step):
            some = slice(first, first + step)
            self._take(table[:, some], gain[some], reward, bound[some], baseline_bound[some])
        return replace(self, n=self.n + rows, table=table)

    def _take(
        self, table: Floats, gain: Floats, reward: Floats, bound: Floats, baseline_bound: Floats
    ) -> None:
        taken = min(max(self.settings.tuning_rows - self.n, 0), reward.shape[0])
        if taken:
            _tune(table, gain[:, :taken], reward[:taken])
            _grow(table, bound[:, :taken], baseline_bound[:, :taken])
            if self.n + taken == self.settings.tuning_rows:
                self._freeze(table)
        if taken == reward.shape[0]:
            return
        outcome = (reward[taken:] - table[_OFFSET][:, None]) * gain[:, taken:]
        before = self.n + taken - self.settings.tuning_rows
        _stream(table, outcome, before, float(self.settings.tuning_rows))
        _grow(table, bound[:, taken:], baseline_bound[:, taken:])

    def _freeze(self, table: Floats) -> None:
        """Choose the offset and tune the boundary, one sequence after the other: it is rare."""
        for column in table.T:
            tuning = _tuning(column, self.settings.tuning_rows)
            offset = tuning.offset()
            column[_FROZEN] = (
                offset,
                tuning.variance(offset=offset),
                tuning.mean(offset=offset, base=0.0) * tuning.n,
                column[_BOUND],
                column[_BASELINE_BOUND],
            )

    def sequence(self, place: int) -> ConfidenceSequence:
        """One of the sequences."""
        column = self.table[:, place]
        tuning_rows = min(self.n, self.settings.tuning_rows)
        numbers = [float(number) for number in column]
        frozen = None
        if self.tuned:
            offset, variance, start, bound, baseline_bound = numbers[_FROZEN]
            frozen = Frozen(
                offset=offset,
                variance=variance,
                start=start,
                bound=bound,
                baseline_bound=baseline_bound,
            )
        return ConfidenceSequence(
            settings=self.settings,
            tuning=_tuning(column, tuning_rows),
            frozen=frozen,
            bound=numbers[_BOUND],
            baseline_bound=numbers[_BASELINE_BOUND],
            stream=Stream(
                n=self.n - tuning_rows, z=numbers[_Z], v=numbers[_V], peak=numbers[_PEAK]
            ),
        )


def running(carry: Floats, columns: Floats) -> Floats:
    """Sums carried on, strictly from left to right: shape (k, n) to (k, n + 1)."""
    table = np.empty((columns.shape[0], columns.shape[1] + 1))
    table[:, 0] = carry
    table[:, 1:] = columns
    return cast("Floats", np.add.accumulate(table, axis=1, out=table))


def _tuning(column: Floats, rows: int) -> TuningSums:
    names = ("r", "rr", "g", "size", "gg", "gr", "ggr", "ggrr")
    sums = {name: float(value) for name, value in zip(names, column[_SUMS], strict=True)}
    return TuningSums(n=rows, **sums)


def _tune(table: Floats, gain: Floats, reward: Floats) -> None:
    shared = np.broadcast_to(reward, gain.shape)
    both = gain * reward
    columns = (
        shared,
        shared * shared,
        gain,
        np.abs(gain),
        gain * gain,
        both,
        gain * both,
        both * both,
    )
    for row, column in zip(table[_SUMS], columns, strict=True):
        row[:] = running(row, column)[:, -1]


def _grow(table: Floats, bound: Floats, baseline_bound: Floats) -> None:
    for row, most in ((table[_BOUND], bound), (table[_BASELINE_BOUND], baseline_bound)):
        np.maximum(row, most.max(axis=1), out=row)


def _stream(table: Floats, outcome: Floats, before: int, tuning_rows: float) -> None:
    """As :meth:`Stream.walked`, for every sequence at once."""
    z_path = running(table[_Z], outcome)
    rows = np.arange(before, before + outcome.shape[1], dtype=np.float64)
    rows += tuning_rows
    guess = z_path[:, :-1] + table[_START][:, None]
    guess /= rows
    np.minimum(np.maximum(guess, -1.0, out=guess), 1.0, out=guess)
    miss = np.subtract(outcome, guess, out=guess)
    miss *= miss
    table[_Z] = z_path[:, -1]
    table[_V] = running(table[_V], miss)[:, -1]
    np.maximum(table[_PEAK], miss.max(axis=1), out=table[_PEAK])
