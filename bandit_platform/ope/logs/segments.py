"""Cut a log into segments by a context column."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from bandit_platform.errors import InputError
from bandit_platform.ope.logs.log import DecisionLog
from bandit_platform.ope.logs.sets import has_sets
from bandit_platform.ope.reward_range import Floats

MOST_LEVELS = 12
"""Values of a column that get a segment of their own; the rest are one segment together."""
OTHER = "other"


@dataclass(frozen=True, kw_only=True, eq=False)
class Segmenter:
    """Names each row's segment.

    Attributes:
        column: the context column, without ``context.``.
        levels: names of the segments.
        edges: inner edges of number ranges, each belonging to the range above it; None where a
            segment is a value.
        contains: cut into the sets that contain this value, those that do not, and missing ones.
    """

    column: str
    levels: tuple[str, ...]
    edges: Floats | None = None
    contains: str | None = None

    @classmethod
    def of(cls, log: DecisionLog, column: str) -> Segmenter:
        """Segments for a column: its values, or its quarters where it has many numbers.

        A column of sets is cut by one value, which ``column`` names: ``context.cart_skus=MUG-1``.

        Raises:
            InputError: the log has no such context column, or a column of sets needs a value.
        """
        name, value = column_of(column, () if log.context is None else log.context.columns)
        if log.context is None or name not in log.context.columns:
            known = [] if log.context is None else [f"context.{each}" for each in log.context]
            there = f"context columns: {', '.join(known)}" if known else "it has no context"
            raise InputError(f"the log has no column context.{name}; {there}")
        from pandas.api.types import is_bool_dtype, is_numeric_dtype  # noqa: PLC0415 - slow

        values = log.context[name]
        if value is not None or has_sets(values):
            return _by_member(name, value, is_set=has_sets(values))
        numeric = is_numeric_dtype(values.dtype) and not is_bool_dtype(values.dtype)
        if numeric and values.nunique() > MOST_LEVELS:
            inner = np.unique(np.nanquantile(values.to_numpy(dtype=np.float64), [0.25, 0.5, 0.75]))
            shown = [f"{edge:g}" for edge in inner]
            ranges = [f"{a} to {b}" for a, b in pairwise(shown)]
            names = (f"below {shown[0]}", *ranges, f"{shown[-1]} and more", "missing")
            return cls(column=name, levels=names, edges=inner)
        counts = values.astype(str).value_counts()
        common = sorted(str(level) for level in counts.index[:MOST_LEVELS])
        return cls(column=name, levels=(*common, OTHER))

    def codes(self, log: DecisionLog) -> npt.NDArray[np.int64]:
        """Each row's position in ``levels``, shape (n,)."""
        import pandas as pd  # noqa: PLC0415 - slow to import

        if log.context is None:
            raise InputError(f"the log has no column context.{self.column}")
        values = log.context[self.column]
        if self.contains is not None:
            sets = [cell if isinstance(cell, tuple) else None for cell in values]
            return np.array(
                [2 if cell is None else int(self.contains not in cell) for cell in sets],
                dtype=np.int64,
            )
        if self.edges is not None:
            numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
            codes = np.searchsorted(self.edges, numbers, side="right")
            return np.where(np.isnan(numbers), len(self.levels) - 1, codes).astype(np.int64)
        found = pd.Index(self.levels[:-1]).get_indexer(pd.Index(values.astype(str)))
        return np.where(found < 0, len(self.levels) - 1, found).astype(np.int64)


def column_of(column: str, known: Iterable[str]) -> tuple[str, str | None]:
    """The context column that a text names, and the value that its sets are cut by, or None."""
    name = column.removeprefix("context.")
    field, equals, value = name.partition("=")
    return (field, value) if equals and name not in set(known) else (name, None)


def _by_member(name: str, value: str | None, *, is_set: bool) -> Segmenter:
    if not is_set:
        raise InputError(f"context.{name} does not hold sets; give it without a value")
    if value is None:
        raise InputError(
            f"context.{name} holds sets; name a value to cut by, such as context.{name}=VALUE"
        )
    levels = (f"contains {value}", f"does not contain {value}", "missing")
    return Segmenter(column=name, levels=levels, contains=value)
