"""Text in CSV cells that no spreadsheet takes for a formula.

A spreadsheet computes a cell that begins with ``=``, ``+``, ``-``, ``@``, a tab, a carriage return
or a line feed, even inside quotes; some spreadsheets also compute the full-width and small forms
of these signs. Anyone who may send text to the platform (a context value, an arm's name)
could so run something on an analyst's machine. An apostrophe in front makes such a cell text.

Numbers are numbers and stay as they are. What is guarded can be read back: :func:`unguarded` takes
exactly the apostrophe away that :func:`guarded` put there, so that logs keep their values.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

#: what starts a formula
_FORMULA_STARTS = (
    r"=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"  # full-width and small = + - @
)
_DANGEROUS = re.compile(f"'*[{_FORMULA_STARTS}]")
_GUARDED = re.compile(f"'+[{_FORMULA_STARTS}]")


def guarded(cell: Any) -> Any:
    """The cell, with an apostrophe in front of text that a spreadsheet would compute."""
    if isinstance(cell, str) and _DANGEROUS.match(cell):
        return f"'{cell}"
    return cell


def unguarded(cell: Any) -> Any:
    """The text as it was before :func:`guarded`."""
    if isinstance(cell, str) and _GUARDED.match(cell):
        return cell[1:]
    return cell


def without_guards(frame: pd.DataFrame) -> pd.DataFrame:
    """A decision log's context as it was before it was written; other columns hold no such text."""
    from pandas.api.types import is_numeric_dtype  # noqa: PLC0415 - slow to import

    for name in frame.columns:
        column = frame[name]
        if not str(name).startswith("context.") or is_numeric_dtype(column.dtype):
            continue
        if column.astype(str).str.startswith("'").any():
            frame[name] = column.map(unguarded)
    return frame


def csv_text(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table as CSV; missing values are empty cells."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([guarded(name) for name in columns])
    writer.writerows([guarded(cell) for cell in row] for row in rows)
    return text.getvalue()
