"""Cut a log into segments by a context column."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from bandit_platform.errors import InputError
from bandit_platform.ope.logs.log import DecisionLog
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
    """

    column: str
    levels: tuple[str, ...]
    edges: Floats | None = None

    @classmethod
    def of(cls, log: DecisionLog, column: str) -> Segmenter:
        """Segments for a column: its values, or its quarters where it has many numbers.

        Raises:
            InputError: the log has no such context column.
        """
        name = column.removeprefix("context.")
        if log.context is None or name not in log.context.columns:
            known = [] if log.context is None else [f"context.{each}" for each in log.context]
            there = f"context columns: {', '.join(known)}" if known else "it has no context"
            raise InputError(f"the log has no column context.{name}; {there}")
        from pandas.api.types import is_bool_dtype, is_numeric_dtype  # noqa: PLC0415 - slow

        values = log.context[name]
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
        if self.edges is not None:
            numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
            codes = np.searchsorted(self.edges, numbers, side="right")
            return np.where(np.isnan(numbers), len(self.levels) - 1, codes).astype(np.int64)
        found = pd.Index(self.levels[:-1]).get_indexer(pd.Index(values.astype(str)))
        return np.where(found < 0, len(self.levels) - 1, found).astype(np.int64)
