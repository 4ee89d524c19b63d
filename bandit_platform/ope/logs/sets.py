"""Cells of a decision log that hold sets of texts, such as the SKUs of a cart.

CSV files and text columns of Parquet hold a set as a JSON list, list columns of Parquet as a list.
Every such cell becomes a sorted tuple, whatever the cells around it hold, so that a log read in
parts is read as it is in one piece.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def with_sets(column: pd.Series) -> pd.Series:
    """The column with its sets as sorted tuples; the same column where it has none."""
    import pandas as pd  # noqa: PLC0415 - slow to import
    from pandas.api.types import is_bool_dtype, is_numeric_dtype  # noqa: PLC0415 - slow

    if is_numeric_dtype(column.dtype) or is_bool_dtype(column.dtype):
        return column
    cells = column.to_numpy(dtype=object)
    if not any(map(_may_be_set, cells)):
        return column
    made = np.empty(len(cells), dtype=object)
    for row, cell in enumerate(cells):
        made[row] = set_of(cell)
    return pd.Series(made, index=column.index, name=column.name)


def set_of(cell: Any) -> Any:
    """A JSON list of texts, or a list of them, as a sorted tuple; anything else as it is."""
    if isinstance(cell, str):
        return _read(cell) if cell.startswith("[") else cell
    if isinstance(cell, (list, tuple, np.ndarray)) and all(isinstance(each, str) for each in cell):
        return tuple(sorted({str(each) for each in cell}))
    return cell


def has_sets(column: pd.Series) -> bool:
    """Whether any cell is a set."""
    return column.dtype == object and any(isinstance(cell, tuple) for cell in column)


def member_counts(column: pd.Series) -> Counter[str]:
    """Value → how many sets of the column contain it."""
    return Counter(text for cell in column if isinstance(cell, tuple) for text in cell)


def _may_be_set(cell: Any) -> bool:
    if isinstance(cell, str):
        return cell.startswith("[")
    return isinstance(cell, (list, tuple, np.ndarray))


@lru_cache(maxsize=65536)
def _read(text: str) -> Any:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return set_of(found) if isinstance(found, list) and set_of(found) is not found else text
