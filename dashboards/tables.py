"""Tables to take away: the numbers of a page, unrounded, as CSV or Parquet."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bandit_platform.errors import InputError
from bandit_platform.services.evaluation.csv_cells import csv_text


@dataclass(frozen=True, kw_only=True)
class Table:
    """Named columns and rows of plain values: text, numbers, truths, nothing."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def to_csv(self) -> str:
        """The table as CSV, with a header line; no cell is a formula."""
        return csv_text(self.columns, self.rows)

    def to_parquet(self) -> bytes:
        """The table as a Parquet file.

        Raises:
            InputError: the extra is not installed.
        """
        try:
            import pyarrow as pa  # noqa: PLC0415 - an extra
            from pyarrow.parquet import write_table  # noqa: PLC0415
        except ModuleNotFoundError:
            raise InputError(
                "Parquet needs an extra on the console's machine: "
                "pip install 'bandit-platform[parquet]'. The CSV holds the same numbers"
            ) from None
        columns = {
            name: [row[place] for row in self.rows] for place, name in enumerate(self.columns)
        }
        file = io.BytesIO()
        write_table(pa.table(columns), file, compression="zstd")
        return file.getvalue()


def table_of(records: Iterable[Mapping[str, Any]]) -> Table:
    """Records as a table; nested mappings become columns such as ``value.lower``.

    Columns stand in the order in which they first appear; lists become text, joined by ``; ``.
    """
    flat = [dict(_flat(record)) for record in records]
    columns = tuple(dict.fromkeys(name for record in flat for name in record))
    rows = tuple(tuple(record.get(name) for name in columns) for record in flat)
    return Table(columns=columns, rows=rows)


def _flat(record: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in record.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, (list, tuple)):
            yield f"{prefix}{name}", "; ".join(str(each) for each in value)
        elif isinstance(value, datetime):
            yield f"{prefix}{name}", value.isoformat()
        else:
            yield f"{prefix}{name}", value
