"""Turn context columns into the numeric features of a reward model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from bandit_platform.ope.logs.sets import has_sets, member_counts
from bandit_platform.ope.reward_range import Floats

if TYPE_CHECKING:
    import pandas as pd

MOST_LEVELS = 12
"""Commonest levels of a category that get a feature of their own."""
MOST_FEATURES = 60
"""Features in all; columns beyond are left out."""


@dataclass(frozen=True, kw_only=True)
class NumberColumn:
    """A numeric or boolean column, centred and scaled; a missing value is the centre.

    Attributes:
        name: the column.
        centre: subtracted.
        scale: divided by.
    """

    name: str
    centre: float
    scale: float

    @property
    def width(self) -> int:
        """Number of features."""
        return 1

    def encoded(self, column: pd.Series) -> Floats:
        """Features of the rows, shape (n, 1), within ±5."""
        values = _numeric(column)
        scaled = np.clip((values - self.centre) / self.scale, -5.0, 5.0)
        return np.nan_to_num(scaled, nan=0.0)[:, None]


@dataclass(frozen=True, kw_only=True)
class CategoryColumn:
    """A text column, one feature for each common level; other levels have none.

    Attributes:
        name: the column.
        levels: the common levels.
    """

    name: str
    levels: tuple[str, ...]

    @property
    def width(self) -> int:
        """Number of features."""
        return len(self.levels)

    def encoded(self, column: pd.Series) -> Floats:
        """Features of the rows, shape (n, levels)."""
        import pandas as pd  # noqa: PLC0415 - slow to import

        codes = pd.Index(self.levels).get_indexer(pd.Index(column.astype(str)))
        made = np.zeros((len(column), len(self.levels)))
        rows = np.flatnonzero(codes >= 0)
        made[rows, codes[rows]] = 1.0
        return made


@dataclass(frozen=True, kw_only=True)
class SetColumn:
    """A column of sets, one feature for each common value that a set contains.

    Attributes:
        name: the column.
        levels: the common values.
    """

    name: str
    levels: tuple[str, ...]

    @property
    def width(self) -> int:
        """Number of features."""
        return len(self.levels)

    def encoded(self, column: pd.Series) -> Floats:
        """Features of the rows, shape (n, levels)."""
        import pandas as pd  # noqa: PLC0415 - slow to import

        cells = [cell if isinstance(cell, tuple) else () for cell in column]
        rows = np.repeat(np.arange(len(cells)), [len(cell) for cell in cells])
        texts = pd.Index([text for cell in cells for text in cell], dtype=object)
        codes = pd.Index(self.levels, dtype=object).get_indexer(texts)
        made = np.zeros((len(cells), len(self.levels)))
        made[rows[codes >= 0], codes[codes >= 0]] = 1.0
        return made


AnyColumn = NumberColumn | CategoryColumn | SetColumn


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """Features of a context, fixed on the rows it was made from.

    Attributes:
        columns: how each column is encoded; none means the constant alone.
    """

    columns: tuple[AnyColumn, ...] = ()

    @property
    def width(self) -> int:
        """Number of features, the leading constant included."""
        return 1 + sum(column.width for column in self.columns)

    @classmethod
    def of(cls, context: pd.DataFrame | None) -> Encoder:
        """An encoder for columns like these; needs no rewards."""
        chosen: list[AnyColumn] = []
        width = 1
        for name in [] if context is None else context.columns:
            column = _column(str(name), context[name])  # type: ignore[index]
            if column is not None and width + column.width <= MOST_FEATURES:
                chosen.append(column)
                width += column.width
        return cls(columns=tuple(chosen))

    def encoded(self, context: pd.DataFrame | None, n: int) -> Floats:
        """Features of n rows, shape (n, width), the constant 1 first."""
        parts: list[Floats] = [np.ones((n, 1))]
        if context is not None:
            parts += [column.encoded(context[column.name]) for column in self.columns]
        return np.concatenate(parts, axis=1)


def _column(name: str, column: pd.Series) -> AnyColumn | None:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype  # noqa: PLC0415 - slow

    if is_numeric_dtype(column.dtype) or is_bool_dtype(column.dtype):
        values = _numeric(column)
        values = values[np.isfinite(values)]
        if values.size == 0 or float(values.std()) == 0.0:
            return None
        return NumberColumn(name=name, centre=float(values.mean()), scale=float(values.std()))
    if has_sets(column):
        common = member_counts(column).most_common(MOST_LEVELS)
        return SetColumn(name=name, levels=tuple(text for text, _ in common)) if common else None
    counts = column.astype(str).value_counts()
    levels = tuple(str(level) for level in counts.index[:MOST_LEVELS])
    return CategoryColumn(name=name, levels=levels) if len(counts) > 1 else None


def _numeric(column: pd.Series) -> npt.NDArray[np.float64]:
    values: npt.NDArray[np.float64] = column.to_numpy(dtype=np.float64, na_value=np.nan)
    return values
