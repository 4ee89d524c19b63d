"""Axes: which range to show, where a number falls on it, and where its ticks are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from bandit_platform.services.reporting.report_records import EstimateRow
from bandit_platform.services.reporting.rounding import rounded

#: An interval is drawn whole up to this many times the median width; wider ones are cut.
_WIDEST = 3.0


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A mark on an axis."""

    #: percent of the axis' length
    at: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A range of numbers laid over 0 to 100 percent of a width."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Where a number falls, in percent, held inside the axis."""
        share = (value - self.low) / (self.high - self.low)
        return round(100 * min(max(share, 0.0), 1.0), 2)

    def ticks(self, about: int = 5, *, sign: bool = False) -> tuple[Tick, ...]:
        """Round numbers along the axis."""
        step = _nice_step((self.high - self.low) / about)
        decimals = max(0, -math.floor(math.log10(step) + 1e-9))
        first = math.ceil(self.low / step)
        last = math.floor(self.high / step)
        return tuple(
            Tick(at=self.place(i * step), label=rounded(i * step, decimals, sign=sign))
            for i in range(first, last + 1)
        )


@dataclass(frozen=True, kw_only=True)
class Bar:
    """An interval on an axis, in percent."""

    left: float
    width: float
    point: float
    #: the interval goes on beyond this end of the axis
    cut_left: bool
    cut_right: bool


def bar(axis: Axis, row: EstimateRow) -> Bar | None:
    """The interval as drawn on the axis; None while there is nothing to draw."""
    if row.collecting or row.value is None:
        return None
    left, right = axis.place(row.lower), axis.place(row.upper)
    return Bar(
        left=left,
        width=round(max(right - left, 0.2), 2),
        point=axis.place(row.value),
        cut_left=row.lower < axis.low,
        cut_right=row.upper > axis.high,
    )


def common_axis(rows: Sequence[EstimateRow], *, include: Sequence[float] = ()) -> Axis | None:
    """One axis for several intervals: all points, and intervals unless far wider than most."""
    drawn = [row for row in rows if not row.collecting and row.value is not None]
    if not drawn:
        return None
    reach = _WIDEST * median(row.upper - row.lower for row in drawn)
    values = [row.value for row in drawn if row.value is not None]
    lows = [max(row.lower, (row.value or 0.0) - reach) for row in drawn]
    highs = [min(row.upper, (row.value or 0.0) + reach) for row in drawn]
    low, high = min(*lows, *values, *include), max(*highs, *values, *include)
    return padded(low, high)


def padded(low: float, high: float, share: float = 0.06) -> Axis:
    """The range with some air at both ends; never of length zero."""
    length = high - low
    if length <= 0:
        length = abs(high) or 1.0
    return Axis(low=low - share * length, high=high + share * length)


def _nice_step(rough: float) -> float:
    power: float = 10.0 ** math.floor(math.log10(rough))
    for step in (1, 2, 5):
        if rough <= step * power * 1.0001:
            return step * power
    return 10 * power
